// What the commands that read recordings say, tried on an incident.

#include "actors/recorder/segment.hpp"
#include "tests/support/program_output.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/stat.h>

using nlohmann::json;
using namespace muster;
using namespace muster::test;
namespace fs = std::filesystem;

namespace {

std::string in_environment(const char* name) {
  const auto* value = std::getenv(name);
  REQUIRE_NE(value, nullptr);
  return value;
}

/// Runs muster; both of its streams, unless `more` leads them elsewhere.
program_output run(const std::string& arguments,
                   const std::string& more = "2>&1") {
  return output_of("TZ=UTC LC_ALL=C timeout 60 '"
                   + in_environment("MUSTER_PROGRAM") + "' " + arguments + " "
                   + more + " </dev/null");
}

std::string incident() {
  return in_environment("MUSTER_INCIDENTS") + "/instances-killed-and-reload";
}

std::string replay(const std::string& options) {
  return "replay '" + incident() + "' " + options;
}

std::string explain(const std::string& options) {
  return "explain --recording '" + incident() + "' " + options;
}

void check(const program_output& x, int status, const std::string& part) {
  CAPTURE(x.text);
  CHECK_EQ(x.status, status);
  CHECK_NE(x.text.find(part), std::string::npos);
}

/// A copy of the incident that a test may change.
struct copy {
  fs::path folder;

  copy() {
    auto name = (fs::temp_directory_path() / "muster-replay.XXXXXX").string();
    REQUIRE_NE(mkdtemp(name.data()), nullptr);
    folder = name;
    fs::copy(incident(), folder);
  }

  copy(const copy&) = delete;
  copy& operator=(const copy&) = delete;

  ~copy() {
    fs::remove_all(folder);
  }

  /// Of the run, from 1.
  fs::path file(int number) const {
    auto end = "-" + std::string(number < 10 ? 5 : 4, '0')
               + std::to_string(number) + ".rec";
    for (const auto& x : fs::directory_iterator{folder})
      if (x.path().string().ends_with(end))
        return x.path();
    FAIL("there is no file ", number);
    return {};
  }

  /// Its id is in heads of files and in all keys.
  void become_another_run() const {
    const std::string former = "44f16598";
    constexpr size_t begin_bytes = 12;
    constexpr size_t prefix_bytes = 8;
    for (const auto& x : fs::directory_iterator{folder}) {
      std::ifstream file{x.path(), std::ios::binary};
      std::string all{std::istreambuf_iterator<char>{file}, {}};
      auto out = all.substr(0, begin_bytes);
      for (auto at = begin_bytes; at < all.size();) {
        uint32_t size = 0; // little endian, as this machine is
        std::memcpy(&size, all.data() + at, sizeof size);
        auto payload = all.substr(at + prefix_bytes, size);
        for (auto i = payload.find(former); i != std::string::npos;
             i = payload.find(former))
          payload.replace(i, former.size(), "55aa6677");
        put_frame(out, payload);
        at += prefix_bytes + size;
      }
      std::ofstream{x.path(), std::ios::binary} << out;
    }
  }

  std::string name() const {
    return "'" + folder.string() + "'";
  }
};

} // namespace

TEST_CASE("a replay that has compared nothing does not succeed") {
  check(run(replay("")), 0, "no divergence");
  for (const auto* who : {"manager", "journal", "dialer"})
    check(run(replay(std::string{"--actor "} + who)), 2,
          std::string{"nothing was compared: "} + who + " is played");
  check(run(replay("--until 3")), 2, "nothing was compared");
  check(run(replay("--until 0")), 2, "no record before 0");
}

TEST_CASE("a wrong actor is answered with those that run again") {
  auto told = run(replay("--actor nobody"));
  check(told, 2,
        "nobody in the recording is nobody; there are: runner:test-toke, "
        "runner:test-toke/coordinator, runner:test-toke/group, 5 instances "
        "like ");
  check(told, 2, "200 jobs like runner:test-toke/job:");
}

TEST_CASE("what is counted is what the asked for actor did") {
  auto counted = [](const std::string& options, const char* what) {
    auto told = run(replay(options + " --json"));
    CAPTURE(told.text);
    REQUIRE_EQ(told.status, 0);
    return json::parse(told.text)[what].get<int>();
  };
  auto all = counted("", "compared");
  auto group = counted("--actor runner:test-toke/group", "compared");
  auto job = counted("--actor runner:test-toke/job:7", "compared");
  CHECK_GT(group, job);
  CHECK_GT(all, group + job);
  CHECK_GT(job, 0);
  CHECK_EQ(counted("--actor runner:test-toke/job:7", "actors"), 2);
}

TEST_CASE("who was played by the recording is told, and how many") {
  copy x;
  SUBCASE("from the beginning") {
    for (int i = 1; i < 5; ++i)
      fs::remove(x.file(i));
    check(run("replay " + x.name()), 0,
          "note: 1 runner and 150 jobs were played by the recording");
    check(run("replay " + x.name() + " --actor runner:test-toke"), 0,
          "note: 1 runner and 150 jobs were played by the recording");
    check(run("replay " + x.name() + " --actor runner:test-toke/job:150"), 2,
          "nothing was compared: runner:test-toke/job:150 is played");
  }
  SUBCASE("from a gap on") {
    fs::remove(x.file(5));
    auto told = run("replay " + x.name());
    check(told, 0,
          "1057 records are missing: groups, instances and slots "
          "begin anew");
    check(told, 0, "note: 1 runner and 135 jobs were played by the recording");
  }
}

TEST_CASE("two recordings are compared by what was decided") {
  check(run(replay("--diff '" + incident() + "'")), 0, "14643 records are");
  check(run(replay("--diff '" + incident() + "' --actor nobody")), 2,
        "nothing was compared");
  check(run(replay("--diff '" + incident() + "' --until 0")), 2,
        "nothing was compared");
  copy x;
  SUBCASE("another run") {
    x.become_another_run();
    check(run(replay("--diff " + x.name())), 0, "14643 records are equal");
  }
  SUBCASE("one that is damaged") {
    fs::resize_file(x.file(5), 0);
    auto told = run(replay("--diff " + x.name()));
    check(told, 1, "4083 records are equal, then");
    check(told, 1, x.file(5).string() + ": it is no recording");
    auto out = json::parse(
      run(replay("--json --diff " + x.name()), "2>/dev/null").text);
    CHECK_EQ(out["equal"], 4083);
    CHECK_EQ(out["differs"], true);
    CHECK_NE(out["one"], out["other"]);
  }
  SUBCASE("one that ends before the other") {
    fs::remove(x.file(15));
    check(run(replay("--diff " + x.name())), 1, "(the end)");
  }
}

TEST_CASE("times are taken as they are printed") {
  check(run(replay("--until 2026-11-29T22:13:40.500000Z")), 0,
        "15058 records over 8.6 s");
  auto cat = run("trace cat '" + incident()
                 + "' --since 2026-11-29T22:13:40.500000Z --until "
                   "2026-11-29T22:13:40.510000Z");
  CHECK_EQ(cat.status, 0);
  CHECK_EQ(std::ranges::count(cat.text, '\n'), 39);
  CHECK_EQ(cat.text.find("22:13:40.51"), std::string::npos);
  auto story = run(explain("--since '2026-11-29 22:13:34.5' --until "
                           "2026-11-29T22:13:36Z"));
  check(story, 0, "From 2026-11-29 22:13:34.500 to 2026-11-29 22:13:35.9");
  check(run(replay("--until soon")), 2,
        "nor a time like 2026-11-28T21:30 (UTC), nor the number of a record");
}

TEST_CASE("explain says what is wrong with a call") {
  check(run(explain("--job 7 --group a")), 1, "only one of these");
  check(run(explain("--job 7 --instance a")), 1, "only one of these");
  check(run(explain("--job seven")), 1, "\"seven\" is no job's number");
  check(run(explain("--job 99999999999999999999")), 1, "is no job's number");
  check(run(explain("--since 100000000h")), 1, "too large");
  check(run(explain("--since bogus")), 1, "2026-11-28T21:30");
  check(run(explain("--job 7 --since 2026-11-30")), 1,
        "the recording ends before 2026-11-30 00:00:00.000");
  check(run(explain("--until 2026-11-28")), 1, "the recording begins after");
  check(run(explain("--since 2026-11-30 --until 2026-11-29")), 1,
        "is after --until");
  check(run(explain("--group runner:test-toke/group")), 0, "Decisions");
}

TEST_CASE("what cannot be written is told") {
  for (const auto& command :
       {replay(""), replay("--json"), replay("--diff '" + incident() + "'"),
        explain(""), explain("--json"), "trace cat '" + incident() + "'",
        "trace stat '" + incident() + "'"}) {
    CAPTURE(command);
    check(run(command, "2>&1 >/dev/full"), 2,
          "the output could not be written");
  }
}

TEST_CASE("a pipe or a device is no recording, and nobody waits for it") {
  copy x;
  auto pipe = x.folder / "pipe.rec";
  REQUIRE_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const auto& place : {pipe.string(), x.folder.string()}) {
    CAPTURE(place);
    check(run("replay '" + place + "'"), 2, "pipe.rec: it is n");
    check(run("trace cat '" + place + "'"), 2, "pipe.rec: it is n");
    check(run("explain --recording '" + place + "'"), 1, "pipe.rec: it is n");
    check(run(replay("--diff '" + place + "'")), 2, "pipe.rec: it is n");
  }
  check(run("trace stat /dev/zero"), 2, "neither a file nor a folder");
}
