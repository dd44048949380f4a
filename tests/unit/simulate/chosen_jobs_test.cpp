#include "tools/muster/simulate/chosen_jobs.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::simulate;
using namespace std::chrono_literals;

namespace {

constexpr history_time noon{1'795'521'600s};

/// Jobs of the sets none, a, and a with b.
history past() {
  history out;
  out.tag_sets = {{}, {"a"}, {"a", "b"}};
  out.jobs = {{noon - 24h, 1min, 2},
              {noon + 10min, 2min, 1},
              {noon + 90min, 3min, 0},
              {noon + 48h, 4min, 2}};
  return out;
}

} // namespace

TEST_CASE("a runner gets the jobs whose tags it has, all of them") {
  auto count
    = [](const char* tags) { return jobs_for(past(), tags).jobs.size(); };
  CHECK_EQ(count(""), 4); // of any tags
  CHECK_EQ(count("c"), 1);
  CHECK_EQ(count("b"), 1);
  CHECK_EQ(count("a"), 2);
  CHECK_EQ(count("c,b,a"), 4);
  CHECK_EQ(count(" a ,  b,"), 4);
  CHECK_EQ(jobs_for(past(), "a").other_tags, 2);
}

TEST_CASE("what is looked at begins with the first job of the runner") {
  auto all = jobs_for(past(), "");
  CHECK(all.begins == noon - 24h);
  auto some = jobs_for(past(), "a");
  CHECK(some.begins == noon);
  REQUIRE_EQ(some.jobs.size(), 2);
  CHECK_EQ(some.jobs[0].queued, 10min);
  CHECK_EQ(some.jobs[0].duration, 2min);
  CHECK_EQ(some.jobs[1].queued, 90min);
}

TEST_CASE("a history that is not for the runner leaves no job") {
  auto x = past();
  x.jobs = {{noon, 1min, 1}, {noon, 1min, 2}};
  auto out = jobs_for(x, "c");
  CHECK(out.jobs.empty());
  CHECK_EQ(out.other_tags, 2);
}
