// A manager whose wall clock jumps, by libfaketime. Monotonic clocks go on as
// they are, as they do on a machine whose time is set.

#include "tests/e2e/manager/world.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

constexpr auto library
  = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

bool can_set_clock() {
  return std::filesystem::exists(library);
}

/// Programs that are started meanwhile take the time from a file.
class set_clock {
public:
  explicit set_clock(std::filesystem::path file) : file_(std::move(file)) {
    jump("+0");
    setenv("LD_PRELOAD", library, 1);
    setenv("FAKETIME_TIMESTAMP_FILE", file_.c_str(), 1);
    setenv("FAKETIME_NO_CACHE", "1", 1);
    setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
    setenv("DONT_FAKE_MONOTONIC", "1", 1);
  }

  ~set_clock() {
    for (const auto* name :
         {"LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE", "FAKETIME_NO_CACHE",
          "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC"})
      unsetenv(name);
  }

  set_clock(const set_clock&) = delete;
  set_clock& operator=(const set_clock&) = delete;

  void jump(const std::string& from_now) const {
    auto fresh = file_;
    fresh += ".new";
    std::ofstream{fresh} << from_now << '\n';
    std::filesystem::rename(fresh, file_); // never half of it
  }

private:
  std::filesystem::path file_;
};

/// Goes on for long, but not for ever.
constexpr auto patient
  = "echo begun; for i in $(seq 1200); do test -e /tmp/go && break; "
    "sleep 0.05; done; rm /tmp/go; echo went on";

void go(world& x) {
  CHECK_EQ(x.ended(x.enqueue_script("touch /tmp/go")).state,
           job_state::success);
}

} // namespace

TEST_CASE("a wall clock that jumps ends no job, nor keeps one from ending"
          * doctest::skip(!can_set_clock())) {
  world::settings how;
  how.start = false;
  world x{how};
  set_clock clock{x.place.path() / "time"};
  x.start_manager();
  for (const auto* jump : {"+400d", "-400d", "+0"}) {
    CAPTURE(jump);
    auto id = x.enqueue_script(patient);
    REQUIRE(x.shows(id, "\nbegun"));
    auto instance = x.instance_of(id);
    clock.jump(jump);
    go(x); // on the same instance, with another log
    CHECK_EQ(x.ended(id).state, job_state::success);
    CHECK_EQ(count_of("\nwent on", x.log(id)), 1);
    auto next = x.enqueue_script("true");
    CHECK_EQ(x.ended(next).state, job_state::success);
    CHECK_EQ(x.instance_of(next), instance);
  }
  CHECK(x.manager->says("Job succeeded"));
  CHECK_FALSE(x.manager->says("connection to the instance failed",
                              nlohmann::json::object(),
                              std::chrono::milliseconds{0}));
  x.check_rules();
}

TEST_CASE("a manager goes on with its jobs after a restart in another year"
          * doctest::skip(!can_set_clock())) {
  world::settings how;
  how.start = false;
  world x{how};
  set_clock clock{x.place.path() / "time"};
  x.start_manager();
  for (const auto* jump : {"+400d", "-400d"}) {
    CAPTURE(jump);
    auto id = x.enqueue_script(patient);
    REQUIRE(x.shows(id, "\nbegun"));
    x.manager->kill();
    clock.jump(jump);
    x.start_manager();
    CHECK(x.manager->says("Attached", {{"job", id}}));
    go(x);
    CHECK_EQ(x.ended(id).state, job_state::success);
    CHECK_EQ(count_of("\nbegun", x.log(id)), 1);
    CHECK_EQ(count_of("\nwent on", x.log(id)), 1);
  }
  x.check_rules();
}
