// What a group knows after a restart.

#include "tests/scenario/group_bed.hpp"

using namespace muster;
using namespace muster::test;

TEST_CASE("an idle clock goes on where it was at a restart") {
  group_bed bed;
  bed.policy().idle_time = 10min;
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  bed.end("a");
  bed.run_for(6min);
  bed.restart();
  bed.run_for(3min);
  CHECK_EQ(bed.alive(), 1);
  bed.run_for(2min);
  CHECK_EQ(bed.alive(), 0); // not ten minutes after the restart
}

TEST_CASE("a clock that was set back meanwhile makes no instance older than it "
          "is") {
  group_bed bed;
  bed.policy().idle_time = 10min;
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  bed.end("a");
  bed.clock_step_us = -int64_t{3600} * 1'000'000;
  bed.restart();
  bed.run_for(9min);
  CHECK_EQ(bed.alive(), 1);
  bed.run_for(2min);
  CHECK_EQ(bed.alive(), 0);
}

TEST_CASE("an instance that was still coming up at a restart is known") {
  group_bed bed;
  bed.policy().idle_count = 1;
  bed.boot = 2min;
  bed.start();
  bed.run_for(10s);
  bed.restart();
  bed.run_for(3min);
  CHECK_EQ(bed.changes(), std::vector<std::string>{"Increase 1"});
  CHECK(bed.job("a"));
}

TEST_CASE("an instance that was to go is not taken for a good one after a "
          "restart") {
  group_bed bed;
  bed.scaler().capacity_per_instance = 2;
  bed.policy().idle_time = 1h;
  bed.start();
  REQUIRE(bed.job("a"));
  REQUIRE(bed.job("b"));
  bed.run_for(3s);
  REQUIRE_EQ(bed.place_of("b"), "i-1/1");
  SUBCASE("a slot could not be proven clean") {
    bed.cleans = false;
    bed.end("a");
    REQUIRE_NE(bed.written("i-1"), nullptr);
    CHECK_EQ(bed.written("i-1")->leftovers.size(), 2);
    bed.cleans = true;
  }
  SUBCASE("it was made with another plugin_config") {
    bed.end("a");
    bed.scaler().plugin_config_json = R"({"image":2})";
    bed.reload();
    bed.run_for(1s);
  }
  SUBCASE("the cloud had said that it goes") {
    bed.end("a");
    bed.machines.at("i-1").as = cloud_state::deleting;
    bed.run_for(70s);
    bed.machines.at("i-1").as = cloud_state::running;
  }
  REQUIRE_NE(bed.written("i-1")->leaves, "");
  bed.restart();
  bed.run_for(3s);
  REQUIRE(bed.job("c"));
  bed.run_for(3s);
  CHECK_EQ(bed.machine_of("c"), "i-2");
  CHECK_EQ(bed.place_of("b"), "i-1/1"); // it goes on there
  bed.end("b");
  bed.run_for(70s);
  CHECK_EQ(bed.machines.count("i-1"), 0);
}

TEST_CASE("what a dead manager's jobs held is released only when it is proven "
          "clean") {
  group_bed bed;
  bed.policy().idle_count = 1;
  bed.policy().preemptive_mode = false;
  bed.start();
  bed.run_for(3s);
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  REQUIRE_EQ(bed.place_of("a"), "i-1/0");
  SUBCASE("the default: the instance is replaced") {
    bed.restart(false);
    bed.run_for(5s);
    CHECK_EQ(bed.machines.count("i-1"), 0);
  }
  SUBCASE("keep_instance_with_acquisitions, and it is clean") {
    bed.scaler().keep_instance_with_acquisitions = true;
    bed.restart(false);
    bed.run_for(5s);
    CHECK_EQ(bed.machines.count("i-1"), 1);
    auto cleaned = std::ranges::count_if(bed.told, [](const auto& x) {
      return x.find("Clean i-1 a") != std::string::npos;
    });
    CHECK_EQ(cleaned, 1);
    CHECK(bed.written("i-1")->leftovers.empty());
    REQUIRE(bed.job("b"));
    bed.run_for(1s);
    CHECK_EQ(bed.place_of("b"), "i-1/0");
    CHECK_EQ(bed.written("i-1")->use_count, 2);
  }
  SUBCASE("keep_instance_with_acquisitions, and it cannot be proven clean") {
    bed.scaler().keep_instance_with_acquisitions = true;
    bed.cleans = false;
    bed.restart(false);
    REQUIRE(bed.job("b"));
    bed.run_for(5s);
    CHECK_EQ(bed.machine_of("b"), "i-2");
    bed.run_for(11min); // until it should be ready
    CHECK_EQ(bed.machines.count("i-1"), 0);
  }
}

TEST_CASE("an instance whose actor fails keeps its use count") {
  group_bed bed;
  bed.scaler().max_use_count = 2;
  bed.policy().idle_time = 1h;
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  bed.end("a");
  bed.instance_fails("i-1");
  bed.run_for(70s);
  REQUIRE(bed.job("b"));
  bed.run_for(3s);
  REQUIRE_EQ(bed.place_of("b"), "i-1/0");
  bed.end("b");
  bed.run_for(5s);
  CHECK_EQ(bed.machines.count("i-1"), 0);
}

TEST_CASE("jobs that go on over failures of the group are counted once") {
  group_bed bed;
  bed.scaler().max_use_count = 3;
  bed.scaler().capacity_per_instance = 2;
  bed.policy().idle_time = 1h;
  bed.start();
  REQUIRE_EQ(bed.jobs("k", 2), 2);
  bed.run_for(3s);
  REQUIRE_EQ(bed.place_of("k1"), "i-1/1");
  CHECK_EQ(bed.written("i-1")->use_count, 2);
  for (auto i = 0; i < 3; ++i) {
    bed.restart();
    bed.run_for(5s);
    REQUIRE_EQ(bed.place_of("k1"), "i-1/1");
    CHECK_EQ(bed.written("i-1")->use_count, 2);
  }
  bed.end("k0");
  bed.end("k1");
  REQUIRE(bed.job("third"));
  bed.run_for(1s);
  CHECK_EQ(bed.place_of("third"), "i-1/0");
  CHECK_EQ(bed.written("i-1")->use_count, 3);
  REQUIRE(bed.job("fourth"));
  bed.run_for(5s);
  CHECK_EQ(bed.place_of("fourth"), "i-2/0");
}

TEST_CASE("a machine that listings left out and then have again gets no job") {
  group_bed bed;
  bed.policy().idle_time = 1h;
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  REQUIRE_EQ(bed.place_of("a"), "i-1/0");
  bed.machines.at("i-1").hidden = true;
  bed.run_for(10min);
  REQUIRE_FALSE(bed.has("a"));
  CHECK_NE(bed.why_lost("a").find("missing from 6 listings"),
           std::string::npos);
  bed.machines.at("i-1").hidden = false; // what the job left is there still
  REQUIRE(bed.job("b"));
  bed.run_for(2min);
  CHECK_EQ(bed.place_of("b"), "i-2/0");
  CHECK_EQ(bed.machines.count("i-1"), 0);
}

TEST_CASE("addresses are told to the job, as configured") {
  group_bed bed;
  bed.info.internal_address = "10.0.0.7";
  bed.info.external_address = "198.51.100.7";
  SUBCASE("none") {
  }
  SUBCASE("the internal one") {
    bed.scaler().log_internal_ip = true;
  }
  SUBCASE("the external one") {
    bed.scaler().log_external_ip = true;
  }
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  auto got = bed.answer_to("a");
  CHECK_EQ(got.internal_address,
           bed.scaler().log_internal_ip ? "10.0.0.7" : "");
  CHECK_EQ(got.external_address,
           bed.scaler().log_external_ip ? "198.51.100.7" : "");
}
