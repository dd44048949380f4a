#include "messages/coordinator.hpp"
#include "messages/group.hpp"
#include "messages/journal.hpp"
#include "messages/recording.hpp"
#include "tests/e2e/manager/world.hpp"
#include "tests/support/replays.hpp"

#include <algorithm>
#include <csignal>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
namespace fs = std::filesystem;

namespace {

std::string recordings(const world& x) {
  return x.place.state() / "recordings";
}

/// A manager's run with many jobs, instances that wear out, some that die, and
/// a file that changes meanwhile.
struct busy_run {
  world x;

  static world::settings how() {
    world::settings out;
    out.manager.concurrent = 8;
    out.manager.capacity = 2;
    out.manager.instances = 4;
    // In small files.
    out.manager.file = {"[muster.recorder]", "max_size = \"2m\""};
    return out;
  }

  explicit busy_run(int jobs) : x(how()) {
    std::vector<int64_t> ids;
    for (int i = 0; i < jobs; ++i)
      ids.push_back(x.enqueue_script(fmt::format("sleep 0.{}", i % 5)));
    for (int i = 0; i < jobs; ++i) {
      if (i == jobs / 4 || i == jobs / 2)
        kill_one();
      if (i == jobs / 3)
        reload();
      x.ended(ids[static_cast<size_t>(i)]);
    }
    CHECK_EQ(x.stop_manager(), 0);
  }

  void kill_one() const {
    for (const auto& id : x.place.living()) {
      ::kill(x.place.instances().at(id).process.pid, SIGKILL);
      return;
    }
  }

  void reload() {
    auto other = x.config;
    other.concurrent = 6;
    other.instances = 3;
    x.place.write_config(other);
    x.manager->signal(SIGHUP);
    CHECK(x.manager->says("Configuration loaded"));
  }
};

/// The first record with such a message.
template <class Message>
std::vector<record>::iterator first(std::vector<record>& all) {
  auto found = std::find_if(all.begin(), all.end(), [](const auto& x) {
    return x.what.template match_elements<Message>();
  });
  REQUIRE(found != all.end());
  return found;
}

} // namespace

TEST_CASE("a run under load with faults comes out again as it was") {
  busy_run run{200};
  auto all = records_of(recordings(run.x));
  auto report = replayed(all);
  CHECK_MESSAGE(!report.diverged, told(report));
  CHECK_EQ(report.skipped, 0);
  CHECK_EQ(report.remarks, std::vector<std::string>{});
  CHECK(report.played.empty());
  CHECK_GE(report.actors, 400); // each job, and what sends its log
  CHECK_GE(report.handled, 5'000);
  CHECK_GE(report.compared, 5'000);
  CHECK_EQ(run_muster({"replay", recordings(run.x)}).status, 0);
  auto played
    = run_muster({"simulate", "-c", run.x.place.config_file().string(),
                  "--record", recordings(run.x), "--json"});
  CAPTURE(played.output);
  CHECK_EQ(played.status, 0);
  auto figures = nlohmann::json::parse(played.output, nullptr, false);
  REQUIRE(figures.is_object());
  CHECK_EQ(figures["policies"][0]["jobs"]["done"], 200);

  // Without its first half.
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator{recordings(run.x)})
    files.push_back(file.path());
  std::sort(files.begin(), files.end());
  REQUIRE_GE(files.size(), 4);
  for (size_t i = 0; i < files.size() / 2; ++i)
    fs::remove(files[i]);
  auto half = records_of(recordings(run.x));
  CHECK_GT(half.back().number, half.size() + 1'000);
  auto again = replayed(half);
  CHECK_MESSAGE(!again.diverged, told(again));
  CHECK_GE(again.handled, 100);
  CHECK_EQ(again.remarks, std::vector<std::string>{});
  CHECK_FALSE(again.played.empty()); // the runner, and the jobs that were there
}

TEST_CASE("what was decided otherwise is told with both sides and the state") {
  world x;
  for (int i = 0; i < 3; ++i)
    CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
  auto all = records_of(recordings(x));
  CHECK_FALSE(replayed(all).diverged);

  SUBCASE("commands say what is wrong with a call") {
    auto with = [&x](std::vector<std::string> words) {
      words.insert(words.begin() + 1, {"-c", x.place.config_file().string()});
      return run_muster(words);
    };
    auto told = with({"replay", "--actor", "nobody"});
    CHECK_EQ(told.status, 2);
    CHECK_NE(told.output.find("there are: "), std::string::npos);
    CHECK_EQ(with({"replay", "--until", "soon"}).status, 2);
    told = with({"replay", "--until", "2001-01-01T00:00:00Z"});
    CHECK_EQ(told.status, 2);
    CHECK_NE(told.output.find("no record before 2001"), std::string::npos);
    CHECK_EQ(run_muster({"trace", "grep", "x", "--since", "bogus"}).status, 2);
    CHECK_EQ(run_muster({"trace", "cat", "-c", "/no/such.toml"})
               .output.find("/recordings"),
             std::string::npos);
    told = with({"explain", "--group", "nobody"});
    CHECK_EQ(told.status, 1);
    CHECK_NE(told.output.find("no group in the recording is nobody; there are"),
             std::string::npos);
    told = with({"explain", "--instance", "i-none"});
    CHECK_EQ(told.status, 1);
    CHECK_EQ(told.output.find("Jobs ("), std::string::npos);
  }

  SUBCASE("another number of instances") {
    auto found = first<increase>(all);
    found->what = caf::make_message(increase{7});
    auto report = replayed(all);
    REQUIRE(report.diverged);
    CHECK_EQ(report.diverged->at.number, found->number);
    CHECK_NE(report.diverged->recorded.find("count=7"), std::string::npos);
    CHECK_NE(report.diverged->replayed.find("count=1"), std::string::npos);
    CHECK_NE(report.diverged->state.find("group_state"), std::string::npos);
  }

  SUBCASE("another result of a job") {
    auto found = first<write_job_result>(all);
    auto& what = found->what.get_mutable_as<write_job_result>(0);
    CHECK(what.success);
    what.success = false;
    auto report = replayed(all);
    REQUIRE(report.diverged);
    CHECK_EQ(report.diverged->at.number, found->number);
    CHECK_NE(report.diverged->actor.find("/job:"), std::string::npos);
    CHECK_NE(report.diverged->state.find("job_state"), std::string::npos);
  }

  SUBCASE("another stage of a job's plan") {
    auto found = first<job_planned>(all);
    auto& what = found->what.get_mutable_as<job_planned>(0);
    what.stages.pop_back();
    auto report = replayed(all);
    REQUIRE(report.diverged);
    CHECK_EQ(report.diverged->at.type, "write_job_start");
  }

  SUBCASE("a request of the runner for another job") {
    auto found = first<request_job>(all);
    found->what.get_mutable_as<request_job>(0).key.value += "9";
    auto report = replayed(all);
    REQUIRE(report.diverged);
    CHECK_EQ(report.diverged->at.number, found->number);
    CHECK_EQ(report.diverged->actor, report.diverged->at.from.role);
    CHECK_NE(report.diverged->state.find("runner_state"), std::string::npos);
  }

  SUBCASE("a message that was not sent") {
    auto found = first<occupy>(all);
    auto twice = *found;
    all.insert(found, std::move(twice));
    auto report = replayed(all);
    REQUIRE(report.diverged);
    CHECK_EQ(report.diverged->at.type, "occupy");
    CHECK_EQ(report.diverged->replayed, "");
  }

  SUBCASE("a message that only the replay sends") {
    auto found = std::find_if(all.begin(), all.end(), [](const auto& y) {
      return y.kind == record_kind::handled
             && y.what.template match_elements<occupy>();
    });
    REQUIRE(found != all.end());
    all.erase(found);
    CHECK(replayed(all).diverged);
  }

  SUBCASE("of no interest to who asks for another actor") {
    auto found = first<increase>(all);
    found->what = caf::make_message(increase{7});
    replay again{{"runner:nobody"}};
    for (const auto& y : all)
      again.take(y);
    CHECK_FALSE(again.report().diverged);
  }
}
