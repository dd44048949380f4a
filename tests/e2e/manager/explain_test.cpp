#include "tests/e2e/manager/world.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using nlohmann::json;

namespace {

/// One slot for all jobs, and a permit too few for the third.
world::settings narrow() {
  world::settings how;
  how.manager.concurrent = 2;
  how.manager.capacity = 1;
  return how;
}

command_result explain(const world& x, std::vector<std::string> more) {
  std::vector<std::string> arguments{"explain", "--config",
                                     x.place.config_file().string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_muster(arguments);
}

/// The story of a job as soon as the recording has its end.
json story_of(const world& x, int64_t id) {
  json out;
  auto is_whole = eventually([&] {
    auto told = explain(x, {"--job", std::to_string(id), "--json"});
    if (told.status != 0)
      return false;
    auto all = json::parse(told.output);
    if (all["jobs"].size() != 1 || all["jobs"][0]["ended_at"].is_null())
      return false;
    out = all;
    return true;
  });
  REQUIRE(is_whole);
  return out;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the parts of each job's wait add up to what GitLab saw") {
  world x{narrow()};
  std::vector<int64_t> ids;
  for (int i = 0; i < 3; ++i)
    ids.push_back(x.enqueue_script("echo began=$(date +%s%N); sleep 1"));
  for (auto id : ids) {
    auto seen = x.ended(id);
    REQUIRE_EQ(seen.state, job_state::success);
    auto all = story_of(x, id);
    const auto& job = all["jobs"][0];
    CAPTURE(all.dump(2));
    double sum = 0;
    for (const auto& part : job["waiting"])
      sum += part["seconds"].get<double>();
    auto waited = job["waited_s"].get<double>();
    CHECK_EQ(sum, doctest::Approx(waited).epsilon(0.001));
    // It begins in GitLab's queue, and ends before the script's first line.
    auto queued
      = static_cast<double>(seen.handed_out_us - seen.queued_us) / 1e6;
    auto began = std::stod(x.printed(id, "began")) / 1e9;
    constexpr double slack = 0.05;
    CHECK_GE(waited, queued - slack);
    CHECK_LE(waited, began - static_cast<double>(seen.queued_us) / 1e6 + slack);
    CHECK_EQ(job["success"], true);
    CHECK_EQ(job["instance"], x.instance_of(id));
    REQUIRE_EQ(all["instances"].size(), 1);
    CHECK_EQ(all["instances"][0]["cause"], "requested");
    CHECK_NE(all["instances"][0]["made_because"], "");
  }
  CHECK(x.manager->says("scaling decision", {{"rule", "pending"}}));
  // GitLab Runner's own line, which people look for.
  CHECK(x.manager->says("required scaling change", {{"rule", "pending"}}));
  auto overview = explain(x, {});
  CAPTURE(overview.output);
  CHECK_EQ(overview.status, 0);
  CHECK(has(overview.output, "Jobs (3: 0 failed, 0 not over)"));
  CHECK(has(overview.output, "Instances (1)"));
  CHECK(has(overview.output, "instance asked for, since "));
  auto instance = explain(x, {"--instance", x.instance_of(ids[0])});
  CHECK(has(instance.output, "Why it was made: "));
  CHECK(has(instance.output, "It has had 3 jobs."));
  REQUIRE_EQ(x.stop_manager(), 0);
  auto whole = explain(x, {"--json"});
  CAPTURE(whole.output);
  CHECK(json::parse(whole.output)["problems"].empty());
}

TEST_CASE("what is not in a recording, or no recording, is said") {
  world x{narrow()};
  x.ended(x.enqueue_script("true"));
  auto none = explain(x, {"--job", "999999"});
  CAPTURE(none.output);
  CHECK_EQ(none.status, 1);
  CHECK(has(none.output, "There is no job 999999 in the recording."));
  auto wrong = explain(x, {"--recording", "/nowhere"});
  CHECK_EQ(wrong.status, 1);
  CHECK(has(wrong.output, "/nowhere"));
  CHECK(has(explain(x, {"--since", "soon"}).output,
            "\"soon\" is neither a time span"));
}
