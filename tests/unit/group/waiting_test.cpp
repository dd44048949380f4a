#include "actors/group/waiting.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;

namespace {

using step = coming_instance::step;

} // namespace

TEST_CASE("what a job waits for is told in one line") {
  struct row {
    const char* what;
    waiting_facts facts;
    const char* text;
  };
  const row rows[] = {
    {"nothing there", {}, "1st in line; there is no instance"},
    {"asked for",
     {.starting = 1,
      .next = coming_instance{"", step::asked, 5'300ms},
      .instances = 1},
     "1st in line; an instance asked for 5 s ago"},
    {"booting, with experience",
     {.ahead = 2,
      .starting = 1,
      .next = coming_instance{"i-3", step::booting, 14s},
      .usual = 41'200ms,
      .instances = 1},
     "3rd in line; i-3 booting for 14 s, usually 41 s"},
    {"one of several, it runs already",
     {.ahead = 1,
      .starting = 3,
      .next = coming_instance{"i-4", step::preparing, 65s},
      .usual = 3min,
      .instances = 3},
     "2nd in line; i-4 being prepared for 1 min 5 s, usually 3 min (and 2 "
     "more)"},
    {"all in use",
     {.ahead = 10, .instances = 2, .instances_max = 2, .slots_taken = 4},
     "11th in line; all 2 instances are in use, and there may be no more; 4 "
     "slots are taken"},
    {"the only one in use",
     {.ahead = 20, .instances = 1, .instances_max = 1, .slots_taken = 1},
     "21st in line; the only instance is in use, and there may be no more; 1 "
     "slot is taken"},
    {"in use, may grow",
     {.instances = 1, .instances_max = 2, .slots_taken = 1},
     "1st in line; 1 instance is in use; 1 slot is taken"},
    {"starting, with a problem",
     {.ahead = 111, .starting = 2, .instances = 3, .problem = "tcp: refused"},
     "112th in line; 2 instances are being started; tcp: refused"},
    {"held back",
     {.may_not_grow = true, .problem = "no luck"},
     "1st in line; instances did not become ready, the next one is started "
     "after a pause; no luck"},
    {"in line no more", {.ahead = std::nullopt}, "there is no instance"},
    {"no provider",
     {.starting = 1, .no_provider = true},
     "1st in line; the group's provider is being started again"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(waiting_text(r.facts),
             std::string{"waiting for a slot: "} + r.text);
  }
}

TEST_CASE("a problem is shown only as far as it fits") {
  CHECK_LT(waiting_text({.problem = std::string(10'000, 'x')}).size(), 600);
  CHECK(waiting_text({.problem = "two\nlines\n"}).ends_with("; two lines"));
}

TEST_CASE("time that passes is nothing new, another step is") {
  waiting_facts x{.starting = 1,
                  .next = coming_instance{"i-1", step::booting, 14s},
                  .usual = 41s};
  auto y = x;
  y.next->since = 24s;
  CHECK_NE(waiting_text(x), waiting_text(y));
  CHECK_EQ(waiting_substance(x), waiting_substance(y));
  y.next->at = step::preparing;
  CHECK_NE(waiting_substance(x), waiting_substance(y));
}

TEST_CASE("the same is told after 30 s, then twice as late each time") {
  group_time start{};
  waiting_notice it{start};
  std::vector<int> told;
  for (int s = 0; s < 1000; ++s)
    if (it.is_due("the same", start + std::chrono::seconds{s}))
      told.push_back(s);
  CHECK_EQ(told, std::vector<int>{10, 40, 100, 220, 460, 940});
}

TEST_CASE("a log of an hour's wait has a bound, however much changes") {
  group_time start{};
  waiting_notice it{start};
  int told = 0, first = -1;
  for (int s = 0; s < 3600; ++s)
    if (it.is_due(std::to_string(s), start + std::chrono::seconds{s})) {
      ++told;
      first = first < 0 ? s : first;
    }
  CHECK_EQ(first, 10);
  CHECK_GT(told, 50);
  CHECK_LE(told, 80);
}

TEST_CASE("what changes is told at the next look") {
  group_time start{};
  waiting_notice it{start};
  CHECK(it.is_due("booting", start + 10s));
  CHECK_FALSE(it.is_due("preparing", start + 15s)); // too soon after the first
  CHECK(it.is_due("preparing", start + 20s));
  CHECK_GE(it.next(), start + 30s);
}
