#include "messages/errors.hpp"
#include "tests/unit/explain/recording.hpp"

#include <cstdlib>
#include <ctime>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace muster;
using namespace muster::explain;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Jobs and instances as one sees them on a quiet day.
void quiet_day(hand_recording& x) {
  x.after(1s);
  x.asks("k");
  x.offers("k", 42, 1);
  x.acquires("k");
  x.grows();
  x.after(2s);
  x.appears("i-1", 2s);
  x.handled(x.instance_role("i-1"), provider_state{cloud_state::running});
  x.after(1s);
  x.handled(x.instance_role("i-1"), dialed{instance_id{"i-1"}, "key", {}});
  x.becomes_ready("i-1");
  x.gets_slot("k", 42, "i-1");
  x.begins("k", 42);
  x.after(5s);
  x.handled(x.job_role(42), plan_ended{});
  x.ends("k", 42);
}

struct time_zone {
  explicit time_zone(const char* name) {
    setenv("TZ", name, 1);
    tzset();
  }
  time_zone(const time_zone&) = delete;
  time_zone& operator=(const time_zone&) = delete;
  ~time_zone() {
    unsetenv("TZ");
    tzset();
  }
};

} // namespace

TEST_CASE("times are local and say so") {
  time_zone berlin{"CET-1CEST,M3.5.0,M10.5.0/3"};
  constexpr int64_t winter = 1'795'900'800'000'000; // 2026-11-28T21:20:00Z
  CHECK_EQ(local_time(winter + 7'000), "2026-11-28 22:20:00.007");
  CHECK_EQ(local_zone(winter), "CET, UTC+01:00");
  CHECK_EQ(utc_time(winter), "2026-11-28T21:20:00.000Z");
  constexpr int64_t summer = 1'780'000'000'000'000;
  CHECK_EQ(local_zone(summer), "CEST, UTC+02:00");
}

TEST_CASE("a job's story has its parts, its end and what happened") {
  filter about{.job = 42};
  hand_recording x{about};
  quiet_day(x);
  auto text = text_of(x.finish(), about);
  CHECK(has(text, "Job 42 of runner:r\n"));
  CHECK(has(text, "It waited 4.2 s for its first script"));
  CHECK(has(text, "         2 s  48 %  boot          its instance was being "
                  "made by the cloud\n"));
  CHECK(has(text, "i-1 was made, since 1 job waits for a slot"));
  CHECK(has(text, "It ran for 5 s in slot 0 of i-1, and succeeded at "));
  CHECK(has(text, "Instance i-1 of runner:r/group\n"));
  CHECK(has(text, "UTC"));
}

TEST_CASE("an overview has decisions, instances, jobs and problems") {
  hand_recording x;
  quiet_day(x);
  x.lost(3);
  auto text = text_of(x.finish(), {});
  CHECK(has(text, "\nDecisions\n"));
  CHECK(has(text, "runner:r/group: 1 instance asked for, since 1 job waits"));
  CHECK(has(text, "By rule: pending 1."));
  CHECK(has(text, "\nInstances (1)\n"));
  CHECK(has(text, "ready 3 s after it was asked for; 0 jobs\n"));
  CHECK(has(text, "\nJobs (1: 0 failed, 0 not over)\n"));
  CHECK(has(text, "1 job was begun, and waited 4.2 s on average:"));
  CHECK(has(text, "job 42: 4.2 s, of these 2 s boot (i-1)\n"));
  CHECK(has(text, "\nProblems\n"));
  CHECK(has(text, "3 records are missing"));
}

TEST_CASE("what is not in the recording is said") {
  CHECK_EQ(text_of({}, {}), "The recording is empty.\n");
  for (const auto& about : {filter{.job = 1}, filter{.instance = "i-7"}}) {
    hand_recording x{about};
    CHECK(has(text_of(x.finish(), about),
              about.job ? "There is no job 1 in the recording."
                        : "There is no instance i-7 in the recording."));
  }
  hand_recording x;
  CHECK(has(text_of(x.finish(), {}), "Nothing was decided, made or run"));
}

TEST_CASE("groups are told apart by the cloud's id, the runner and the role") {
  for (const auto* name : {"cloud-group", "r", "runner:r"}) {
    filter about;
    about.group = name;
    hand_recording x{about};
    quiet_day(x);
    CHECK_EQ(x.finish().jobs.size(), 1);
  }
  filter about;
  about.group = "another";
  hand_recording x{about};
  quiet_day(x);
  auto all = x.finish();
  CHECK(all.jobs.empty());
  CHECK(all.instances.empty());
  CHECK(all.decisions.empty());
}

TEST_CASE("what was over before the time asked for is left out") {
  filter about;
  about.since_unix_us = hand_recording::begin_unix_us + 3'600'000'000;
  hand_recording x{about};
  quiet_day(x);
  x.after(2h);
  x.asks("later");
  x.offers("later", 43, 0);
  auto all = x.finish();
  REQUIRE_EQ(all.jobs.size(), 1);
  CHECK_EQ(all.jobs[0].job, 43);
  CHECK(all.decisions.empty());
  CHECK_EQ(all.instances.size(), 1); // it is still there
}

TEST_CASE("the JSON has the same, in seconds and UTC") {
  hand_recording x;
  quiet_day(x);
  auto all = nlohmann::json::parse(json_of(x.finish()));
  REQUIRE_EQ(all["jobs"].size(), 1);
  const auto& job = all["jobs"][0];
  CHECK_EQ(job["job"], 42);
  CHECK_EQ(job["waited_s"].get<double>(), doctest::Approx(4.2));
  double sum = 0;
  for (const auto& part : job["waiting"])
    sum += part["seconds"].get<double>();
  CHECK_EQ(sum, doctest::Approx(4.2));
  CHECK_EQ(job["success"], true);
  CHECK_EQ(all["instances"][0]["cause"], "requested");
  CHECK_EQ(all["rules"]["pending"], 1);
  CHECK_EQ(all["decisions"][0]["rule"], "pending");
  CHECK(all["from"].get<std::string>().ends_with("Z"));
}

TEST_CASE("nothing that others have said controls the terminal it is told on") {
  hand_recording x{{.instance = "i-1"}};
  quiet_day(x);
  connection_health lost;
  lost.why
    = error_of(connection_errc::lost, "\x1b[31mbye\x1b]0;title\x07\nJob 42");
  x.handled(x.instance_role("i-1"), lost);
  auto text = text_of(x.finish(), {.instance = "i-1"});
  CAPTURE(text);
  CHECK(has(text, "the connection broke: ?[31mbye?]0;title??Job 42"));
  CHECK_EQ(text.find('\x1b'), std::string::npos);
  CHECK_EQ(text.find('\x07'), std::string::npos);
}

TEST_CASE("a story ends where it is to end") {
  constexpr auto begin = hand_recording::begin_unix_us;
  hand_recording x{{.job = 42, .until_unix_us = begin + 6'000'000}};
  quiet_day(x);
  auto story = x.finish();
  REQUIRE_EQ(story.jobs.size(), 1);
  CHECK(story.jobs[0].began);
  CHECK_FALSE(story.jobs[0].ended);
  REQUIRE(story.last);
  CHECK_LE(story.last->unix_us, begin + 6'000'000);
}

TEST_CASE("a group is known by its runner, its cloud's id and its role") {
  for (const auto* name : {"runner:a", "a", "cloud-group", "runner:a/group"}) {
    CAPTURE(name);
    CHECK(is_group(name, "runner:a", "cloud-group"));
  }
  for (const auto* name : {"runner:b/group", "runner:a/group/", "group", ""}) {
    CAPTURE(name);
    CHECK_FALSE(is_group(name, "runner:a", "cloud-group"));
  }
}
