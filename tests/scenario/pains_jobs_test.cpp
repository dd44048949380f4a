// What users of GitLab Runner suffer from and must not happen here, by the
// numbers of the list in docs/scaling.md: what concerns jobs that run.

#include "tests/scenario/group_bed.hpp"

#include <random>

using namespace muster;
using namespace muster::test;

namespace {

/// Things that happen around a group, in any order.
class turmoil {
public:
  turmoil(group_bed& bed, unsigned seed) : bed_(bed), random_(seed) {
  }

  void step() {
    switch (pick(16)) {
      case 0:
      case 1:
      case 2:
        begin();
        break;
      case 3:
      case 4:
        end_one();
        break;
      case 5:
        change();
        bed_.reload();
        break;
      case 6:
        bed_.cfg.token = secret{fmt::format("glrt-{}", pick(1000))};
        bed_.reload();
        break;
      case 7:
        bed_.restart(pick(3) > 0);
        forget_dead();
        break;
      case 8:
        bed_.list_fails = fault(pick(2) == 0);
        break;
      case 9:
        bed_.increase_fails = fault(pick(2) == 0);
        break;
      case 10:
        bed_.decrease_fails = fault(pick(2) == 0);
        break;
      case 11:
        bed_.add_machine(fmt::format("x-{}", ++strangers_));
        break;
      case 12:
        for (auto& one : bed_.machines)
          one.second.hidden = pick(4) == 0;
        break;
      case 13:
        bed_.provider_dies();
        break;
      case 14:
        bed_.clock_step_us = (pick(3) - 1) * int64_t{86'400'000'000};
        break;
      default:
        bed_.run_for(std::chrono::seconds{pick(60)});
    }
    bed_.run_for(std::chrono::milliseconds{100 * pick(30)});
    forget_dead();
  }

  /// Nothing goes wrong any more, and no job comes.
  void ends() {
    bed_.list_fails = bed_.increase_fails = bed_.decrease_fails = {};
    for (auto& one : bed_.machines)
      one.second.hidden = false;
    bed_.run_for(2min);
    while (!keys_.empty())
      end_one();
    bed_.run_for(20min);
  }

private:
  int pick(int n) {
    return std::uniform_int_distribution<int>{0, n - 1}(random_);
  }

  static caf::error fault(bool is) {
    return is ? error_of(provider_errc::call_failed, "no") : caf::error{};
  }

  void begin() {
    auto key = fmt::format("k{}", ++jobs_);
    if (bed_.job(key))
      keys_.push_back(key);
  }

  void end_one() {
    forget_dead();
    if (keys_.empty())
      return;
    auto at = keys_.begin() + pick(static_cast<int>(keys_.size()));
    auto key = *at;
    keys_.erase(at);
    bed_.end(key);
  }

  void change() {
    auto& x = bed_.scaler();
    x.policies[0].idle_count = pick(4);
    x.policies[0].idle_time = std::chrono::seconds{pick(3) * 10};
    x.max_instances = 3 + pick(4);
    x.max_use_count = pick(2) * 3;
    if (pick(4) == 0)
      x.capacity_per_instance = 1 + pick(3);
    if (pick(4) == 0)
      x.plugin_config_json = fmt::format("{{\"image\":{}}}", pick(3));
  }

  void forget_dead() {
    std::erase_if(keys_, [this](const auto& x) { return !bed_.has(x); });
  }

  group_bed& bed_;
  std::mt19937 random_;
  std::vector<std::string> keys_;
  int jobs_ = 0;
  int strangers_ = 0;
};

} // namespace

TEST_CASE("pain 1: a busy instance is never deleted, whatever happens around "
          "it") {
  for (auto seed = 1U; seed <= 40; ++seed) {
    CAPTURE(seed);
    group_bed bed; // which looks at each deletion
    // Strangers, and those that listings leave out, are not known when another
    // one is asked for: pain 8 looks at the limit.
    bed.forgets_requests = true;
    bed.start();
    turmoil all{bed, seed};
    for (auto i = 0; i < 60; ++i)
      all.step();
    all.ends();
    // When it is over what is surplus goes, and what is wanted is there.
    auto each = bed.scaler().capacity_per_instance;
    auto wanted = std::min(bed.scaler().max_instances,
                           (bed.policy().idle_count + each - 1) / each);
    CHECK_GE(bed.alive(), wanted);
    if (bed.scaler().max_use_count == 0) // else some slots never serve
      CHECK_EQ(bed.alive(), wanted);
  }
}

TEST_CASE("pain 5: a change of policies removes no instance in use and stops "
          "no intake") {
  group_bed bed;
  // Sunday 23:55 UTC; nothing is in force from 1 to 2 o'clock.
  bed.wall_start_us = int64_t{1'785'110'100} * 1'000'000;
  bed.policy() = {};
  bed.policy().periods = {"* * * * sat-sun"};
  bed.policy().timezone = "UTC";
  bed.policy().idle_count = 0;
  auto weekday = bed.policy();
  weekday.periods = {"* 0,2-23 * * mon-fri"};
  weekday.idle_count = 2;
  weekday.idle_time = 60s;
  bed.scaler().policies.push_back(weekday);
  bed.scaler().max_instances = 20;
  bed.start();
  REQUIRE(bed.job("weekend"));
  bed.run_for(3s);
  auto place = bed.place_of("weekend");
  REQUIRE_NE(place, "");
  auto accepted = 0;
  for (auto minute = 0; minute < 150; ++minute) {
    bed.run_for(1min);
    auto key = fmt::format("k{}", minute);
    accepted += bed.job(key);
    bed.run_for(5s);
    if (bed.has(key))
      bed.end(key);
  }
  bed.run_for(2min);
  CHECK_EQ(accepted, 150);
  CHECK_EQ(bed.place_of("weekend"), place);
  CHECK_EQ(bed.alive(), 3); // its own, and two idle again after the gap
}

TEST_CASE("pain 7: an instance that is being deleted is promised to nobody") {
  group_bed bed;
  bed.policy().idle_count = 1;
  bed.policy().preemptive_mode = true;
  bed.start();
  bed.run_for(3s);
  REQUIRE(bed.job("a"));
  bed.end("a");
  for (auto& one : bed.machines)
    one.second.never_goes = true;
  bed.policy().idle_count = 0;
  bed.policy().preemptive_mode = false;
  bed.reload();
  bed.run_for(90s);
  for (const auto* id : {"i-1", "i-2"})
    REQUIRE(std::ranges::any_of(bed.changes(), [id](const auto& x) {
      return x.starts_with("Decrease") && x.find(id) != std::string::npos;
    }));
  CHECK_EQ(bed.alive(), 2); // still listed as running
  SUBCASE("preemptive: GitLab is not asked") {
    bed.policy().idle_count = 1;
    bed.policy().preemptive_mode = true;
    bed.boot = 1h;
    bed.reload();
    CHECK_FALSE(bed.job("b"));
  }
  SUBCASE("else a job waits for another one") {
    REQUIRE(bed.job("b"));
    bed.run_for(3s);
    CHECK_EQ(bed.place_of("b"), "i-3/0");
  }
}

TEST_CASE("pain 9: a dead heartbeat is enough to know that an instance is "
          "gone") {
  group_bed bed;
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  REQUIRE_EQ(bed.place_of("a"), "i-1/0");
  auto& machine = bed.machines.at("i-1");
  SUBCASE("the cloud says so, three times: the job is told within seconds") {
    machine.answers = false;
    machine.hidden = true; // listings would take six of a minute
    bed.cut_off("i-1");
    bed.run_for(11s);
    CHECK_NE(bed.why_lost("a").find("it is not there"), std::string::npos);
    REQUIRE(bed.job("b"));
    bed.run_for(5s);
    CHECK_EQ(bed.place_of("b"), "i-2/0");
  }
  SUBCASE("it says so once: the job goes on") {
    machine.answers = false;
    bed.cut_off("i-1");
    machine.answers = true;
    bed.run_for(10min);
    CHECK_EQ(bed.why_lost("a"), "");
    CHECK_EQ(bed.alive(), 1);
  }
  SUBCASE("the cloud knows nothing, and no dial works: it is given up") {
    bed.cut_off("i-1", 3, true);
    REQUIRE(bed.job("b"));
    bed.run_for(5s);
    CHECK_EQ(bed.place_of("b"), "i-2/0");
    CHECK_EQ(bed.why_lost("a"), ""); // its helper may go on
  }
}

TEST_CASE("pain 10: after a removal notice no job comes, and the one that runs "
          "is told why") {
  group_bed bed;
  bed.scaler().capacity_per_instance = 2;
  bed.start();
  REQUIRE(bed.job("a"));
  bed.run_for(3s);
  REQUIRE_EQ(bed.place_of("a"), "i-1/0");
  bed.machines.at("i-1").as = cloud_state::deleting;
  bed.run_for(70s);                // one listing
  CHECK_EQ(bed.why_lost("a"), ""); // it may come to its end
  REQUIRE(bed.job("b"));
  bed.run_for(5s);
  CHECK_EQ(bed.place_of("b"), "i-2/0"); // although i-1 has a free slot
  SUBCASE("it ends in time") {
    bed.end("a");
    CHECK_EQ(bed.why_lost("a"), "");
  }
  SUBCASE("it does not") {
    bed.vanish("i-1");
    bed.run_for(20s);
    CHECK_NE(bed.why_lost("a").find("the cloud is removing the instance"),
             std::string::npos);
  }
  for (const auto& x : bed.told)
    CHECK_EQ(x.find("Decrease i-1"), std::string::npos); // nothing to be asked
}
