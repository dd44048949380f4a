#include "actors/group/waiting.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("what a job waits for is told in one line") {
  struct row {
    const char* what;
    waiting_facts facts;
    const char* text;
  };
  const row rows[] = {
    {"nothing there", {}, "there is no instance"},
    {"starting",
     {.starting = 1, .instances = 1},
     "1 instance is being started"},
    {"all in use",
     {.ahead = 1, .instances = 2, .instances_max = 2, .slots_taken = 4},
     "all of 2 instances are in use, and there may be no more; 4 slots are "
     "taken; 1 job waits before this one"},
    {"in use, may grow",
     {.instances = 1, .instances_max = 2, .slots_taken = 1},
     "1 instance is in use; 1 slot is taken"},
    {"starting, with a problem",
     {.ahead = 2, .starting = 2, .instances = 3, .problem = "tcp: refused"},
     "2 instances are being started; 2 jobs wait before this one; tcp: "
     "refused"},
    {"held back",
     {.may_not_grow = true, .problem = "no luck"},
     "instances did not become ready, the next one is started after a pause; "
     "no luck"},
    {"no provider",
     {.starting = 1, .no_provider = true},
     "the group's provider is being started again"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(waiting_text(r.facts),
             std::string{"Waiting for a free slot: "} + r.text);
  }
}

TEST_CASE("a problem is shown only as far as it fits") {
  CHECK_LT(waiting_text({.problem = std::string(10'000, 'x')}).size(), 600);
  CHECK(waiting_text({.problem = "two\nlines\n"}).ends_with("; two lines"));
}
