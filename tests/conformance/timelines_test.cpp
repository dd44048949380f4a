// Time-lines of the reference: what the provider does goes in, what it is asked
// and which slots jobs get comes out. Where muster departs from GitLab Runner
// on purpose, the test says so and why.

#include "tests/scenario/group_bed.hpp"

using namespace muster;
using namespace muster::test;

namespace {

using lines = std::vector<std::string>;

/// Changes asked of the provider, without cleaning and slots.
lines calls_of(const group_bed& bed) {
  lines out;
  for (const auto& x : bed.changes())
    if (x.starts_with("Increase") || x.starts_with("Decrease"))
      out.push_back(x);
  return out;
}

/// When something was asked [s].
double time_of(const group_bed& bed, const std::string& what) {
  for (const auto& x : bed.told)
    if (x.substr(x.find(' ') + 1) == what)
      return std::stod(x);
  FAIL("never: " << what);
  return 0;
}

} // namespace

// Reference, section 7.
TEST_CASE("time-line: jobs fill the oldest instance, lowest slot first") {
  group_bed bed;
  bed.scaler().capacity_per_instance = 3;
  bed.policy().idle_count = 6;
  bed.start();
  bed.run_for(3s);
  for (const auto* key : {"k0", "k1", "k2", "k3", "k4"})
    REQUIRE(bed.job(key));
  CHECK_EQ(bed.place_of("k0"), "i-1/0");
  CHECK_EQ(bed.place_of("k1"), "i-1/1");
  CHECK_EQ(bed.place_of("k2"), "i-1/2");
  CHECK_EQ(bed.place_of("k3"), "i-2/0");
  CHECK_EQ(bed.place_of("k4"), "i-2/1");
  bed.end("k1");
  bed.end("k3");
  for (const auto* key : {"k5", "k6", "k7"})
    REQUIRE(bed.job(key));
  CHECK_EQ(bed.place_of("k5"), "i-1/1");
  CHECK_EQ(bed.place_of("k6"), "i-2/0");
  CHECK_EQ(bed.place_of("k7"), "i-2/2");
}

// Reference, section 7.
TEST_CASE("time-line: preemptive mode promises what is idle, and no more") {
  group_bed bed;
  bed.scaler().capacity_per_instance = 2;
  bed.scaler().max_instances = 4;
  bed.policy().idle_count = 3;
  auto preemptive = true;
  SUBCASE("preemptive") {
  }
  SUBCASE("not") {
    preemptive = false;
  }
  bed.policy().preemptive_mode = preemptive;
  bed.start();
  CHECK_EQ(calls_of(bed), lines{"Increase 2"});
  auto reserve_one = [&](const char* key) {
    bed.world.send(bed.it, reserve{acquisition_key{key}});
    return !bed.runner.last<reserved>().why;
  };
  CHECK_EQ(reserve_one("early"), !preemptive); // although 8 may come
  if (!preemptive)
    bed.world.send(bed.it, unreserve{acquisition_key{"early"}});
  bed.run_for(3s);
  for (const auto* key : {"a", "b", "c", "d"})
    CHECK(reserve_one(key));
  CHECK_EQ(reserve_one("e"), !preemptive);
  for (const auto* key : {"f", "g", "h"})
    CHECK_EQ(reserve_one(key), !preemptive);
  CHECK_FALSE(reserve_one("i")); // beyond 4 instances
}

// Reference, section 18.
TEST_CASE("time-line: idle instances go after their idle time since discovery, "
          "a busy one after its job") {
  group_bed bed;
  bed.scaler().max_instances = 10;
  bed.policy().idle_count = 3;
  bed.policy().idle_time = 4s;
  bed.policy().preemptive_mode = false;
  bed.boot = 0ms;
  bed.start();
  bed.run_for(500ms);
  REQUIRE_EQ(bed.alive(), 3);
  auto found = time_of(bed, "Increase 3"); // listed at once after that
  bed.policy().idle_count = 0;
  bed.reload();
  REQUIRE(bed.job("a"));
  bed.run_for(2s);
  CHECK_EQ(calls_of(bed), lines{"Increase 3"}); // surplus, but young
  bed.run_for(1s);
  bed.end("a");
  auto ended = bed.now_ms() / 1000.0;
  bed.run_for(2s);
  CHECK_EQ(calls_of(bed).back(), "Decrease i-2 i-3"); // in one call
  auto gone = time_of(bed, "Decrease i-2 i-3");
  CHECK_GE(gone, found + 4);
  CHECK_LE(gone, found + 5);
  bed.run_for(4s);
  CHECK_EQ(calls_of(bed).back(), "Decrease i-1");
  CHECK_GE(time_of(bed, "Decrease i-1"), ended + 3.9);
  CHECK_LE(time_of(bed, "Decrease i-1"), ended + 5);
}

// Reference, section 18.
TEST_CASE("time-line: the release of the last use removes the instance at "
          "once") {
  group_bed bed;
  bed.scaler().capacity_per_instance = 2;
  bed.scaler().max_instances = 2;
  bed.scaler().max_use_count = 3;
  bed.policy().idle_time = 1h;
  bed.start();
  for (const auto* key : {"a", "b", "c"}) {
    REQUIRE(bed.job(key));
    bed.run_for(3s);
    REQUIRE_EQ(bed.machine_of(key), "i-1");
    CHECK_EQ(bed.alive(), 1);
    bed.end(key);
  }
  bed.run_for(1s);
  CHECK_EQ(calls_of(bed), lines{"Increase 1", "Decrease i-1"});
}

// Reference, section 11. Departure: GitLab Runner asks again at each cycle, of
// about 2 s, without end; here the pause grows to `update_interval` while the
// cloud goes on accepting fewer.
TEST_CASE("time-line: what was not accepted is asked for again") {
  group_bed bed;
  bed.policy().idle_count = 3;
  bed.accepts = [](int) { return 1; };
  bed.start();
  bed.run_for(30s);
  CHECK_EQ(calls_of(bed), lines{"Increase 3", "Increase 2", "Increase 1"});
}

TEST_CASE("time-line: requests that fail are asked for again, ever more "
          "slowly") {
  group_bed bed;
  bed.policy().idle_count = 1;
  bed.increase_fails = error_of(provider_errc::call_failed, "quota");
  bed.start();
  bed.run_for(10min);
  auto tries = calls_of(bed).size();
  CHECK_GE(tries, 10); // at least one a minute
  CHECK_LE(tries, 20); // GitLab Runner: 300
  bed.increase_fails = {};
  bed.run_for(62s);
  CHECK_EQ(bed.alive(), 1);
}

// Reference, section 3. As in GitLab Runner a group that cannot be listed is
// not grown; what was asked for before is found when it can be again.
TEST_CASE("time-line: what was asked for before listings fail is not lost") {
  group_bed bed;
  bed.start();
  bed.run_for(1s);
  bed.list_fails = error_of(provider_errc::call_failed, "rate limit");
  REQUIRE(bed.job("a"));
  CHECK_EQ(calls_of(bed), lines{"Increase 1"});
  bed.run_for(60s);
  CHECK_EQ(calls_of(bed), lines{"Increase 1"}); // what is asked for is there
  bed.list_fails = {};
  bed.run_for(10s);
  CHECK_EQ(bed.place_of("a"), "i-1/0");
}

// Reference, sections 2 and 11.
TEST_CASE("time-line: an instance that six listings leave out is gone") {
  group_bed bed;
  bed.scaler().update_interval = 10s;
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  bed.machines.at("i-1").hidden = true;
  auto before = bed.listings();
  for (auto i = 0; i < 700 && bed.why_lost("a").empty(); ++i)
    bed.run_for(100ms);
  CHECK_EQ(bed.listings() - before, 6);
  CHECK_NE(bed.why_lost("a").find("instance externally removed"),
           std::string::npos);
}

// Reference, section 9.
TEST_CASE("time-line: who is there before is removed unless it is known, who "
          "comes unasked is taken in") {
  group_bed bed;
  bed.policy().idle_count = 1;
  bed.add_machine("old");
  bed.start();
  bed.run_for(5s);
  CHECK_EQ(bed.machines.count("old"), 0);
  REQUIRE_EQ(bed.alive(), 1);
  bed.add_machine("stranger");
  bed.run_for(3min);
  // Taken in; of the two the older one is surplus.
  CHECK_EQ(bed.machines.count("stranger"), 1);
  CHECK_EQ(bed.alive(), 1);
}

// Reference, section 11. Departure: GitLab Runner asks for a refused deletion
// at each cycle, of about 2 s, without end; here the pause grows to
// `update_interval`.
TEST_CASE("time-line: a deletion is asked for again until it has an effect") {
  group_bed bed;
  bed.add_machine("old");
  SUBCASE("accepted, without effect: after deletion_retry_interval") {
    bed.machines.at("old").never_goes = true;
    bed.start();
    bed.run_for(62s);
    CHECK_EQ(calls_of(bed), lines{"Decrease old", "Decrease old"});
  }
  SUBCASE("refused: soon, then ever more slowly") {
    bed.decrease_fails = error_of(provider_errc::call_failed, "no");
    bed.start();
    bed.run_for(7s); // at 0, 2 and 6 s
    CHECK_EQ(calls_of(bed),
             lines{"Decrease old", "Decrease old", "Decrease old"});
  }
}

// Reference, section 6. Departure: in GitLab Runner an instance that is marked
// already uses up the surplus, so that the second removal waits for the first.
TEST_CASE("time-line: a slow deletion does not hold up the next") {
  group_bed bed;
  bed.policy().idle_count = 4;
  bed.policy().idle_time = 0ms;
  bed.start();
  bed.run_for(3s);
  for (auto& one : bed.machines)
    one.second.never_goes = true;
  for (auto idle : {3, 2}) {
    bed.policy().idle_count = idle;
    bed.reload();
    bed.run_for(100ms);
  }
  CHECK_EQ(calls_of(bed), lines{"Increase 4", "Decrease i-1", "Decrease i-2"});
}

// Reference, section 6. Departure: in GitLab Runner no instance is removed
// while none is too many, not even one that does not work.
TEST_CASE("time-line: an instance that does not work is replaced though none "
          "is too many") {
  group_bed bed;
  bed.policy().idle_count = 2;
  bed.policy().idle_time = 1h;
  bed.start();
  bed.run_for(3s);
  REQUIRE_EQ(bed.alive(), 2);
  bed.cut_off("i-1", 3, true);
  bed.run_for(5s);
  CHECK_EQ(bed.deleted, lines{"i-1"});
  CHECK_EQ(bed.alive(), 2);
}

// Reference, section 11. Departure: GitLab Runner does not start a plugin again
// that has ended, and the group serves nobody any more.
TEST_CASE("time-line: a plugin that ends is started again") {
  group_bed bed;
  bed.start();
  bed.run_for(3s);
  bed.provider_dies();
  bed.run_for(1min);
  CHECK_EQ(bed.providers(), 2);
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  CHECK_EQ(bed.place_of("a"), "i-1/0");
}

// Reference, section 2. Departure: GitLab Runner counts what was accepted and
// never came as capacity for ever.
TEST_CASE("time-line: a request that never appears is made again after ten "
          "minutes") {
  group_bed bed;
  bed.policy().idle_count = 1;
  bed.delivers = false;
  bed.start();
  bed.run_for(599s);
  CHECK_EQ(calls_of(bed), lines{"Increase 1"});
  bed.run_for(3s);
  CHECK_EQ(calls_of(bed), lines{"Increase 1", "Increase 1"});
}

// Reference, section 12.
TEST_CASE("time-line: limit 1 and burst 60 make 60 at once, then one a "
          "second") {
  group_bed bed;
  bed.scaler().max_instances = 0;
  bed.scaler().scale_limit = 1;
  bed.scaler().scale_burst = 60;
  bed.policy().idle_count = 100;
  bed.start();
  bed.run_for(100ms);
  CHECK_EQ(calls_of(bed), lines{"Increase 60"});
  bed.run_for(10s);
  CHECK_EQ(bed.alive(), 70);
  bed.run_for(40s);
  CHECK_EQ(bed.alive(), 100);
}
