#include "tools/muster/simulate/recorded_history.hpp"

#include "messages/coordinator.hpp"
#include "messages/group.hpp"
#include "messages/runner.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace muster;
using namespace muster::simulate;
using namespace std::chrono_literals;

namespace {

constexpr int64_t begin_us = 1'790'000'000'000'000;

struct recording {
  recorded_history it{"mine"};

  template <class Message>
  void handled(std::chrono::milliseconds at, const std::string& role,
               const Message& what, record_kind kind = record_kind::handled) {
    record x;
    x.kind = kind;
    x.unix_us = begin_us + at / 1us;
    x.to.role = role;
    x.what = caf::make_message(what);
    it.take(x);
  }

  void offered(std::chrono::milliseconds at, const char* key, double waited_s,
               const std::string& role = "runner:a") {
    job_offer offer;
    offer.key = acquisition_key{key};
    offer.jobs.emplace_back();
    offer.jobs.back().queue.waited_s = waited_s;
    handled(at, role, offer);
  }

  void gets_slot(std::chrono::milliseconds at, const char* key) {
    acquired x;
    x.key = acquisition_key{key};
    handled(at, "runner:a/job:1", x);
  }

  void ends(std::chrono::milliseconds at, const char* key) {
    job_ended x;
    x.key = acquisition_key{key};
    handled(at, "runner:a", x);
  }
};

history_time at(std::chrono::milliseconds x) {
  return history_time{std::chrono::milliseconds{begin_us / 1000} + x};
}

} // namespace

TEST_CASE(
  "a recorded job was queued when GitLab had it, and took as long as it "
  "had its slot") {
  recording x;
  x.offered(60s, "late", 0);
  x.offered(61s, "early", 45);
  x.gets_slot(70s, "late");
  x.gets_slot(80s, "early");
  x.gets_slot(95s, "early"); // again, after its group was made anew
  x.ends(100s, "early");
  x.ends(130s, "late");
  auto out = x.it.finish();
  REQUIRE_EQ(out.jobs.size(), 2);
  CHECK_EQ(out.jobs[0], past_job{at(16s), 20s});
  CHECK_EQ(out.jobs[1], past_job{at(60s), 60s});
  CHECK_EQ(out.not_run, 0);
}

TEST_CASE("a job without its beginning or its end is left out and counted") {
  recording x;
  x.gets_slot(1s, "begun before the recording");
  x.ends(2s, "begun before the recording");
  x.offered(3s, "never had a slot", 0);
  x.offered(4s, "runs still", 0);
  x.gets_slot(5s, "runs still");
  auto out = x.it.finish();
  CHECK(out.jobs.empty());
  CHECK_EQ(out.not_run, 2);
}

TEST_CASE("jobs of other runners are none of this one's") {
  recording x;
  config_in_force config;
  config.runners = {"a", "b"};
  for (const auto* name : {"other", "mine"})
    config.text += fmt::format(
      "[[runners]]\n  name = \"{0}\"\n  url = \"https://gitlab.example\"\n  "
      "token = \"{0}\"\n  executor = \"instance\"\n  [runners.autoscaler]\n  "
      "  plugin = \"local\"\n    max_instances = 2\n",
      name);
  x.handled(0s, "", config, record_kind::note);
  x.offered(1s, "k", 0, "runner:a");
  x.offered(1s, "m", 0, "runner:b");
  for (const auto* key : {"k", "m"}) {
    x.gets_slot(2s, key);
    x.ends(4s, key);
  }
  CHECK_EQ(x.it.finish().jobs.size(), 1);
  CHECK_EQ(x.it.runners(), std::set<std::string>{"mine", "other"});
}
