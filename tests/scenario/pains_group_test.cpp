// What users of GitLab Runner suffer from and must not happen here, by the
// numbers of the list in docs/scaling.md: what concerns how many instances
// there are. Number 2 is in tests/unit/group/settling_test.cpp.

#include "tests/scenario/group_bed.hpp"

using namespace muster;
using namespace muster::test;

TEST_CASE("pain 3: no healthy instance is deleted while another one is made") {
  group_bed bed;
  bed.policy().idle_count = 1;
  bed.policy().idle_time = 0ms; // surplus goes at once
  bed.policy().preemptive_mode = false;
  bed.start();
  bed.run_for(3s);
  bed.boot = 60s;
  REQUIRE(bed.job("a")); // i-2 is to take its place as the idle one
  bed.run_for(3s);
  REQUIRE_EQ(bed.place_of("a"), "i-1/0");
  bed.end("a");
  bed.run_for(5min);
  CHECK_EQ(bed.deleted, std::vector<std::string>{"i-2"});
  CHECK_EQ(bed.machines.count("i-1"), 1);
  CHECK_EQ(bed.alive(), 1);
}

TEST_CASE("pain 4: 300 waiting jobs get their instances from a cloud that") {
  group_bed bed;
  bed.scaler().max_instances = 300;
  bed.scaler().scale_burst = 300;
  bed.policy().idle_time = 10min;
  bed.start();
  auto within = 5min;
  std::chrono::milliseconds more{0};
  SUBCASE("delivers at once") {
  }
  SUBCASE("accepts fewer than it is asked for") {
    bed.accepts = [](int asked) { return std::min(asked, 40); };
  }
  SUBCASE("refuses for a while") {
    bed.increase_fails = error_of(provider_errc::call_failed, "quota exceeded");
    more = 5min;
  }
  SUBCASE("delivers after 8 minutes") {
    bed.appears = 8min;
    within = 10min;
  }
  SUBCASE("never delivers, and delivers what is asked for again") {
    bed.delivers = false;
    more = 5min;
    within = 12min;
  }
  SUBCASE("cannot be listed for a while") {
    bed.list_fails = error_of(provider_errc::call_failed, "rate limit");
    more = 5min;
  }
  SUBCASE("does not answer until its plugin is started again") {
    bed.answers = false;
    more = 2min;
  }
  auto taken = 0;
  for (auto i = 0; i < 300; ++i)
    taken += bed.job(fmt::format("k{}", i), 2h);
  bed.run_for(more);
  bed.increase_fails = bed.list_fails = {};
  bed.delivers = true;
  if (!bed.answers) {
    bed.answers = true;
    bed.provider_dies();
  }
  while (taken < 300) // those that were not promised anything then
    if (bed.job(fmt::format("m{}", taken), 2h))
      ++taken;
    else
      bed.run_for(1s);
  bed.run_for(within);
  CHECK_EQ(bed.running(), 300);
}

TEST_CASE(
  "pain 4: a job on its way to an instance that is gone gets another one") {
  group_bed x;
  x.scaler().capacity_per_instance = 2;
  x.start();
  REQUIRE(x.job("a"));
  x.run_for(5s);
  REQUIRE_EQ(x.place_of("a"), "i-1/0");
  x.job_when_gone("b", "i-1");
  CHECK_FALSE(x.has("a"));
  x.run_for(30s);
  CHECK_EQ(x.place_of("b"), "i-2/0");
}

TEST_CASE("pain 6: instances that fail do not fill the capacity") {
  group_bed bed;
  bed.scaler().max_instances = 3;
  bed.dials_work = false;
  bed.start();
  REQUIRE(bed.job("a", 2h));
  SUBCASE("they never become ready") {
    bed.run_for(10min);
    CHECK_GT(bed.deleted.size(), 2);
    CHECK_NE(bed.waits_for("a").find("connection refused"), std::string::npos);
    bed.dials_work = true;
    bed.run_for(6min); // the longest pause
    CHECK_NE(bed.place_of("a"), "");
  }
  SUBCASE("one cannot be cleaned after its job") {
    bed.dials_work = true;
    bed.run_for(30s);
    REQUIRE_NE(bed.place_of("a"), "");
    auto first = bed.machine_of("a");
    bed.cleans = false;
    bed.end("a");
    bed.cleans = true;
    REQUIRE(bed.job("b"));
    bed.run_for(30s);
    CHECK_NE(bed.machine_of("b"), "");
    CHECK_NE(bed.machine_of("b"), first);
    CHECK_EQ(bed.machines.count(first), 0);
  }
}

TEST_CASE("pain 6: while instances fail no more jobs are taken than one would "
          "serve, unless so configured") {
  group_bed bed;
  bed.scaler().max_instances = 10;
  bed.scaler().capacity_per_instance = 2;
  bed.dials_work = false;
  auto throttles = true;
  SUBCASE("reservation_throttling, the default") {
  }
  SUBCASE("none") {
    throttles = bed.scaler().reservation_throttling = false;
  }
  bed.start();
  REQUIRE(bed.job("first", 2h));
  bed.run_for(30s);
  REQUIRE_FALSE(bed.deleted.empty());
  CHECK_EQ(bed.jobs("k", 30), throttles ? 1 : 19);
  // The one that waits keeps the group trying.
  bed.dials_work = true;
  bed.run_for(6min);
  CHECK_NE(bed.place_of("first"), "");
  if (throttles) {
    CHECK_GT(bed.runner.count<capacity_changed>(), 0);
    CHECK_EQ(bed.jobs("later", 10), 10);
  }
}

TEST_CASE("pain 7: what is being removed serves nobody, also when its actor "
          "fails") {
  group_bed x;
  x.start();
  REQUIRE(x.job("a"));
  x.run_for(5s);
  REQUIRE_EQ(x.place_of("a"), "i-1/0");
  x.machines.at("i-1").never_goes = true; // for a while
  x.end("a");
  x.run_for(2min);
  REQUIRE_EQ(x.changes().back(), "Decrease i-1");
  REQUIRE(x.job("b"));
  x.instance_fails("i-1");
  x.run_for(30s);
  CHECK_EQ(x.place_of("b"), "i-2/0");
  x.machines.at("i-1").never_goes = false;
  x.run_for(10min);
  CHECK_EQ(x.machines.count("i-1"), 0);
}

TEST_CASE("pain 8: there are never more than max_instances, nor more jobs than "
          "they carry") {
  for (auto capacity : {1, 2}) {
    CAPTURE(capacity);
    group_bed bed; // which looks at each one made
    bed.scaler().capacity_per_instance = capacity;
    bed.appears = 3min; // listings are late
    bed.start();
    auto taken = 0;
    for (auto round = 0; round < 40; ++round) {
      taken += bed.jobs(fmt::format("k{}-", round), 5);
      bed.run_for(20s);
      CHECK_LE(bed.running(), 5 * capacity);
    }
    CHECK_EQ(taken, 5 * capacity);
    CHECK_EQ(bed.alive(), 5);
  }
}

TEST_CASE("pain 8: instances that cannot be deleted leave no room for others") {
  group_bed bed;
  bed.scaler().max_instances = 2;
  bed.start();
  REQUIRE_EQ(bed.jobs("k", 2), 2);
  bed.run_for(3s);
  for (auto& one : bed.machines)
    one.second.never_goes = true;
  bed.end("k0");
  bed.end("k1");
  bed.run_for(5min);
  CHECK_EQ(bed.jobs("m", 2), 2);
  bed.run_for(5min);
  CHECK_EQ(bed.alive(), 2);
  CHECK_EQ(bed.running(), 0);
  for (auto& one : bed.machines)
    one.second.never_goes = false;
  bed.run_for(3min);
  CHECK_EQ(bed.running(), 2);
}

TEST_CASE("pain 11: calls to the provider in an hour are bounded, whatever "
          "happens") {
  group_bed bed;
  auto no = error_of(provider_errc::call_failed, "rate limit exceeded");
  auto most = 0;
  SUBCASE("nothing happens") {
    most = 61 + 1;
  }
  SUBCASE("listings fail") {
    bed.list_fails = no;
    REQUIRE_NE(bed.policy().idle_time, 0ms);
    most = 2400;
  }
  SUBCASE("requests fail") {
    bed.increase_fails = no;
    bed.policy().idle_count = 3;
    most = 2400;
  }
  SUBCASE("nothing is ever delivered") {
    bed.delivers = false;
    bed.policy().idle_count = 3;
    most = 2400;
  }
  SUBCASE("no instance becomes ready") {
    bed.dials_work = false;
    bed.policy().idle_count = 3;
    most = 2400;
  }
  SUBCASE("no deletion works") {
    bed.decrease_fails = no;
    for (auto i = 0; i < 3; ++i)
      bed.add_machine(fmt::format("x-{}", i));
    most = 2400;
  }
  SUBCASE("a deletion is accepted and nothing goes") {
    for (auto i = 0; i < 3; ++i) {
      bed.add_machine(fmt::format("x-{}", i));
      bed.machines.rbegin()->second.never_goes = true;
    }
    most = 2400;
  }
  auto comes_and_goes = false;
  SUBCASE("no instance can be connected to") {
    bed.info_fails = no;
    bed.policy().idle_count = 3;
    most = 2400;
  }
  SUBCASE("instances come and go all the time") {
    comes_and_goes = true;
    bed.scaler().max_use_count = 1;
    bed.policy().idle_time = 0s;
    most = 1801 + 600 + 3 * 720; // a request, a removal and connect info each
  }
  bed.start();
  for (auto i = 0; i < 720 && comes_and_goes; ++i) {
    REQUIRE(bed.job(std::to_string(i)));
    bed.run_for(3s);
    bed.end(std::to_string(i));
    bed.run_for(2s);
  }
  if (!comes_and_goes)
    bed.run_for(1h);
  CAPTURE(bed.calls);
  CHECK_LE(bed.calls, most);
  CHECK_GT(bed.calls, 30);
}

TEST_CASE("pain 12: a wall clock that is set changes no idle time, and its "
          "policy within a minute") {
  group_bed bed;
  bed.policy().idle_time = 20min;
  auto night = bed.policy();
  night.periods = {"* 0-5 * * *"};
  night.timezone = "UTC";
  night.idle_count = 3;
  bed.scaler().policies.push_back(night);
  bed.wall_start_us = int64_t{1'785'153'600} * 1'000'000; // 12:00 UTC
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  bed.end("a");
  SUBCASE("back by a day") {
    bed.clock_step_us = -int64_t{86'400} * 1'000'000;
  }
  SUBCASE("ahead by a day") {
    bed.clock_step_us = int64_t{86'400} * 1'000'000;
  }
  SUBCASE("into the night, and back again") {
    bed.clock_step_us = int64_t{13 * 3600} * 1'000'000;
    bed.run_for(62s);
    CHECK_EQ(bed.alive(), 3);
    bed.clock_step_us = 0;
    bed.run_for(1s);
    for (const auto& x : std::vector<std::string>{"i-2", "i-3"})
      REQUIRE_EQ(bed.machines.count(x), 1);
  }
  bed.run_for(18min);
  CHECK_EQ(bed.machines.count("i-1"), 1);
  bed.run_for(3min);
  CHECK_EQ(bed.machines.count("i-1"), 0);
}

TEST_CASE("pain 12: hours that daylight saving skips or repeats are those of "
          "the zone's clocks") {
  group_bed bed;
  auto by_hand = bed.policy();
  by_hand.periods = {"* 1 * * *"};
  by_hand.timezone = "America/New_York";
  by_hand.idle_count = 1;
  by_hand.idle_time = 0ms;
  bed.policy().idle_time = 0ms;
  bed.scaler().policies.push_back(by_hand);
  auto minutes = 0;
  auto count = [&](int64_t from) {
    bed.wall_start_us = from * 1'000'000;
    bed.start();
    for (auto minute = 0; minute < 6 * 60; ++minute) {
      bed.run_for(1min);
      minutes += bed.alive() > 0;
    }
  };
  SUBCASE("skipped in spring, at two: nothing of it") {
    bed.scaler().policies.back().periods = {"* 2 * * *"};
    count(1'772'942'400); // 2026-03-08 04:00 UTC
    CHECK_EQ(minutes, 0);
  }
  SUBCASE("repeated in autumn: both") {
    count(1'793'505'600); // 2026-11-01 04:00 UTC
    CHECK_GE(minutes, 119);
    CHECK_LE(minutes, 121);
  }
  SUBCASE("any other day: one") {
    count(1'790'000'000 - 1'790'000'000 % 86'400 + 4 * 3600);
    CHECK_GE(minutes, 59);
    CHECK_LE(minutes, 61);
  }
}

TEST_CASE("while nothing can be listed nothing is asked for: it would not be "
          "seen, and be asked for again and again") {
  group_bed bed;
  bed.scaler().max_instances = 2;
  bed.start();
  bed.list_fails = error_of(provider_errc::call_failed, "no permission");
  REQUIRE(bed.job("a", 2h));
  bed.run_for(40min);
  CHECK_EQ(bed.increased_by, 1); // the last listing was fine then
  CHECK_LE(bed.calls, 60);
  bed.list_fails = {};
  bed.run_for(2min);
  CHECK_NE(bed.place_of("a"), "");
  CHECK_EQ(bed.increased_by, 1);
}

TEST_CASE("a provider that dies is listed before more is asked for") {
  group_bed bed;
  bed.scaler().max_instances = 2;
  bed.start();
  bed.appears = 30s;
  REQUIRE(bed.job("a", 2h));
  bed.run_for(1s);
  REQUIRE_EQ(bed.increased_by, 1);
  bed.answers = false;
  bed.run_for(11min); // longer than a request is waited for
  bed.answers = true;
  bed.provider_dies();
  bed.run_for(2min);
  CHECK_NE(bed.place_of("a"), "");
  CHECK_EQ(bed.increased_by, 1);
}

TEST_CASE("a machine may have the id of one that was removed") {
  group_bed bed;
  bed.scaler().max_instances = 1;
  bed.scaler().capacity_per_instance = 1;
  bed.same_id = "vm-100";
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(30s);
  REQUIRE_EQ(bed.place_of("a"), "vm-100/0");
  SUBCASE("a while later") {
    bed.end("a");
    bed.run_for(5min);
    REQUIRE_EQ(bed.deleted.size(), 1);
    REQUIRE(bed.job("b"));
  }
  SUBCASE("at once") {
    bed.scaler().max_use_count = 1;
    bed.reload();
    bed.end("a");
    auto is_taken = false;
    for (auto i = 0; i < 10 && !(is_taken = bed.job("b")); ++i)
      bed.run_for(1s);
    REQUIRE(is_taken);
  }
  bed.run_for(1min);
  CHECK_EQ(bed.place_of("b"), "vm-100/0");
  CHECK_EQ(bed.deleted.size(), 1);
}

TEST_CASE("a machine may have the id of one that failed") {
  group_bed bed;
  bed.scaler().max_instances = 1;
  bed.same_id = "vm-100";
  SUBCASE("it vanished under its job") {
    bed.start();
    REQUIRE(bed.job("a"));
    bed.run_for(30s);
    REQUIRE_EQ(bed.place_of("a"), "vm-100/0");
    bed.machines.at("vm-100").answers = false;
    bed.cut_off("vm-100");
    bed.vanish("vm-100");
    bed.run_for(15s);
    CHECK_NE(bed.why_lost("a"), "");
    auto is_taken = false;
    for (auto i = 0; i < 60 && !(is_taken = bed.job("b")); ++i)
      bed.run_for(1s);
    REQUIRE(is_taken);
    bed.run_for(10s);
    CHECK_EQ(bed.place_of("b"), "vm-100/0");
    CHECK(bed.deleted.empty());
  }
  SUBCASE("it did not get ready") {
    bed.dials_work = false;
    bed.start();
    REQUIRE(bed.job("a"));
    bed.run_for(3s);
    bed.dials_work = true;
    bed.run_for(2min);
    CHECK_EQ(bed.place_of("a"), "vm-100/0");
    CHECK_LE(bed.deleted.size(), 3);
  }
}

TEST_CASE("a connection that fails quickly has its time, on an idle machine, "
          "too") {
  group_bed bed;
  bed.policy().idle_time = 1h;
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(30s);
  auto first = bed.machine_of("a");
  bed.end("a");
  for (auto i = 1; i < 8; ++i)
    bed.cut_off(first, i);
  bed.run_for(8s);
  CHECK(bed.deleted.empty());
  bed.cut_off(first, 8, true);
  bed.run_for(1s);
  CHECK_EQ(bed.deleted, std::vector<std::string>{first});
}

TEST_CASE("a job is lost to a cloud that goes on refusing only after ten "
          "seconds") {
  group_bed bed;
  bed.start();
  REQUIRE(bed.job("a", 2h));
  bed.run_for(30s);
  auto first = bed.machine_of("a");
  bed.machines.at(first).answers = false;
  bed.cut_off(first);
  bed.run_for(9s);
  CHECK_EQ(bed.why_lost("a"), "");
  bed.run_for(2s);
  CHECK_NE(bed.why_lost("a"), "");
}

TEST_CASE("a plugin gets other settings although an instance is lost while it "
          "is being listed") {
  group_bed bed;
  bed.policy().idle_time = 1h;
  bed.start();
  REQUIRE(bed.job("a", 2h));
  bed.run_for(30s);
  auto first = bed.machine_of("a");
  REQUIRE_NE(first, "");
  bed.end("a");
  bed.run_for(31s);
  bed.answers = false; // what is listed now comes too late
  bed.run_for(61s);
  bed.scaler().plugin_config_json = R"({"zone": "b"})";
  bed.reload();
  REQUIRE_EQ(bed.providers(), 1);
  bed.instance_fails(first);
  bed.run_for(1s);
  bed.answers = true;
  bed.run_for(30s);
  REQUIRE_EQ(bed.providers(), 2);
  auto before = bed.listings();
  bed.run_for(5min);
  CHECK_GT(bed.listings(), before);
}

TEST_CASE(
  "a job on the second slot goes on when its instance has only one from "
  "now on") {
  group_bed bed;
  bed.scaler().capacity_per_instance = 2;
  bed.scaler().max_instances = 1;
  bed.start();
  REQUIRE(bed.job("a", 2h));
  REQUIRE(bed.job("b", 2h));
  bed.run_for(30s);
  const std::string one = bed.place_of("b") == "i-1/1" ? "b" : "a";
  const std::string other = one == "a" ? "b" : "a";
  bed.end(other);
  bed.run_for(5s);
  REQUIRE_EQ(bed.place_of(one), "i-1/1");
  bed.scaler().capacity_per_instance = 1;
  SUBCASE("after a reload, and the failure of the instance's actor") {
    bed.reload();
    bed.instance_fails("i-1");
  }
  SUBCASE("after a restart") {
    bed.restart();
  }
  bed.run_for(5min);
  CHECK_EQ(bed.why_lost(one), "");
  REQUIRE(bed.has(one));
  CHECK_EQ(bed.place_of(one), "i-1/1");
  CHECK(bed.deleted.empty());
  CHECK_FALSE(bed.job("c"));
  bed.end(one);
  bed.run_for(1min);
  CHECK_EQ(bed.deleted, std::vector<std::string>{"i-1"});
}

TEST_CASE("what was found dead has its place until a listing says that it is "
          "gone") {
  group_bed bed;
  bed.scaler().max_instances = 1;
  bed.policy().idle_count = 1; // another one is wanted at once
  bed.start();
  bed.run_for(30s);
  REQUIRE(bed.job("a"));
  auto first = bed.machine_of("a");
  REQUIRE_NE(first, "");
  bed.machines.at(first).answers = false;
  bed.cut_off(first);
  bed.run_for(30s); // the bed looks how many there are
  CHECK_NE(bed.why_lost("a"), "");
  bed.run_for(2min);
  CHECK_EQ(bed.alive(), 1);
  CHECK_EQ(bed.deleted, std::vector<std::string>{first});
}

TEST_CASE("a job is not lost to a short fault of the network and the cloud") {
  group_bed bed;
  bed.start();
  REQUIRE(bed.job("a", 2h));
  bed.run_for(30s);
  auto first = bed.machine_of("a");
  REQUIRE_NE(first, "");
  bed.machines.at(first).answers = false; // "rate limit exceeded"
  bed.cut_off(first);
  bed.run_for(3s);
  bed.machines.at(first).answers = true;
  bed.machines.at(first).can_connect = true;
  bed.run_for(1min);
  CHECK_EQ(bed.machine_of("a"), first);
  CHECK_EQ(bed.why_lost("a"), "");
  CHECK(bed.deleted.empty());
}
