#include "tests/e2e/manager/world.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

/// What an instance was asked for since it booted.
struct tally {
  size_t sessions = 0; ///< exec channels and shells
  size_t streams = 0;  ///< forwarded to the helper's socket
  size_t shells = 0;   ///< of the user, with their start-up files
};

tally tally_of(const std::filesystem::path& instance) {
  auto log = file_text(instance / "sshd.log");
  return {count_of("Starting session:", log),
          count_of("server_request_direct_streamlocal:", log),
          count_of("\n", file_text(instance / "home/shells"))};
}

} // namespace

TEST_CASE("a host with dash alone runs jobs" * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config
    = {"user_data = 'for x in /bin/bash /usr/bin/bash; do "
       "mount --bind /dev/null \"$x\"; done'"};
  world x{how};
  auto id = x.enqueue({{"script",
                        {"echo \"SHELL_IS=$(readlink /proc/$$/exe)\"",
                         "cat words.txt", "(exit 4) || echo went on"}},
                       {"after_script", "echo \"END=$CI_JOB_STATUS\""}});
  CHECK_EQ(x.ended(id).state, job_state::success);
  CAPTURE(x.log(id));
  CHECK_NE(x.printed(id, "SHELL_IS").find("dash"), std::string::npos);
  CHECK_EQ(x.printed(id, "END"), "success");
  CHECK_NE(x.log(id).find("\nsecond"), std::string::npos);
  auto failing = x.enqueue_script("exit 5");
  CHECK_EQ(x.ended(failing).exit_code, 5);
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("a tiny job on a warm instance takes one stream and no shell"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config
    = {"user_data = 'for x in .bashrc .profile .bash_profile; do "
       "echo \"echo begun >> $HOME/shells\" > \"$HOME/$x\"; done'",
       "sshd_options = [\"LogLevel DEBUG1\"]"};
  world x{how};
  auto first = x.enqueue_script("true");
  CHECK_EQ(x.ended(first).state, job_state::success);
  auto folder = x.place.instance(x.instance_of(first));
  auto before = tally_of(folder);
  CHECK_GE(before.sessions, 1);
  CHECK_GE(before.streams, 2); // one is the manager's own
  CHECK_GE(before.shells, 1);
  constexpr int jobs = 5;
  for (int i = 0; i < jobs; ++i)
    CHECK(x.serves_a_job());
  auto after = tally_of(folder);
  CHECK_EQ(after.sessions, before.sessions);
  CHECK_EQ(after.streams, before.streams + jobs);
  CHECK_EQ(after.shells, before.shells);
  x.check_rules();
}

namespace {

/// Refuses to run programs wherever the helper could be put.
constexpr auto no_programs
  = "user_data = 'for d in \"$HOME\" /tmp /var/tmp /dev/shm /run/user; do "
    "mkdir -p \"$d\"; mount -t tmpfs -o noexec,mode=1777 tmpfs \"$d\"; done'";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a host that runs no helper runs jobs all the same"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config = {no_programs};
  world x{how};
  auto id = x.enqueue(
    {{"script",
      {"echo \"FIRST=$(cat words.txt)\"", "echo to stderr >&2",
       "sleep 61.0781 >/dev/null 2>&1 & echo \"TOKEN is secret-value-1\"",
       "nohup setsid sleep 61.0782 & exit 6"}},
     {"after_script", "echo \"END=$CI_JOB_STATUS\""},
     {"masked", {{"TOKEN", "secret-value-1"}}}});
  auto job = x.ended(id);
  auto log = x.log(id);
  CAPTURE(log);
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.failure_reason, "script_failure");
  CHECK_EQ(job.exit_code, 6);
  CHECK_EQ(x.printed(id, "FIRST"), "second");
  CHECK_EQ(x.printed(id, "END"), "failed");
  CHECK(has(log, "TOKEN is [MASKED]"));
  CHECK(has(log, "to stderr"));
  CHECK_EQ(count_of("muster-helper cannot run on this instance", log), 1);
  CHECK_FALSE(has(log, "muster-exit"));
  CHECK(eventually([] { return processes_with("61.078").empty(); }));
  CHECK(x.serves_a_job());
  CHECK_EQ(x.place.instances().size(), 1); // proven clean, so it is kept
  x.check_rules();
}

TEST_CASE("a job without helper is cancelled and timed out with all its "
          "processes"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config = {no_programs};
  world x{how};
  auto stubborn = [](const char* seconds) {
    return std::string{"trap '' TERM; (trap '' TERM; setsid sleep "} + seconds
           + ") & echo begun; while :; do sleep " + seconds + "; done";
  };
  SUBCASE("cancelled gracefully: after_script runs") {
    auto id = x.enqueue({{"script", stubborn("61.0783")},
                         {"after_script", "echo \"END=$CI_JOB_STATUS\""},
                         {"variables", {{"GIT_STRATEGY", "none"}}}});
    REQUIRE(x.shows(id, "\nbegun"));
    REQUIRE(x.gitlab.cancel(id, true));
    CHECK(x.shows(id, "END=canceled"));
    CHECK(eventually([] { return processes_with("61.0783").empty(); }));
  }
  SUBCASE("out of time") {
    auto id = x.enqueue({{"script", stubborn("61.0784")},
                         {"timeout", 3},
                         {"variables", {{"GIT_STRATEGY", "none"}}}});
    CHECK_EQ(x.ended(id).failure_reason, "job_execution_timeout");
    CHECK(eventually([] { return processes_with("61.0784").empty(); }));
  }
  CHECK(x.serves_a_job());
}

TEST_CASE("a job without helper does not outlive its manager, and its instance "
          "is cleaned"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config = {no_programs};
  world x{how};
  auto id = x.enqueue_script("echo begun; setsid nohup sleep 61.0785");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  x.manager->kill();
  x.start_manager();
  CHECK_EQ(x.ended(id).failure_reason, "runner_system_failure");
  CHECK(has(x.log(id), "nobody could go on with the job"));
  CHECK(eventually([] { return processes_with("61.0785").empty(); }));
  CHECK(x.serves_a_job());
  x.check_rules();
}

TEST_CASE("a home that runs no programs has its helper elsewhere"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config
    = {"user_data = 'mount -t tmpfs -o noexec tmpfs \"$HOME\"'"};
  world x{how};
  auto id = x.enqueue_script("echo fine");
  CHECK_EQ(x.ended(id).state, job_state::success);
  CHECK_FALSE(has(x.log(id), "muster-helper cannot run"));
  CHECK_EQ(x.stop_manager(), 0);
}

TEST_CASE(
  "a host whose sshd forwards no sockets, and allows few sessions, runs "
  "jobs side by side") {
  world::settings how;
  std::string options = "\"AllowStreamLocalForwarding no\"";
  SUBCASE("ten sessions, sshd's own default") {
  }
  SUBCASE("one session") {
    options += ", \"MaxSessions 1\"";
  }
  how.manager.plugin_config = {"sshd_options = [" + options + "]"};
  world x{how};
  std::vector<int64_t> ids;
  for (int i = 0; i < 4; ++i)
    ids.push_back(x.enqueue_script(
      "echo begun; while ! test -e /tmp/all-begun; do sleep 0.1; done; "
      "echo went on"));
  for (auto id : ids)
    REQUIRE(x.shows(id, "\nbegun")); // all four at once
  x.manager->kill();                 // and they can be attached to
  x.start_manager();
  for (auto id : ids)
    CHECK(x.manager->says("Attached to the job again", {{"job", id}}));
  auto living = x.place.living();
  REQUIRE_EQ(living.size(), 1);
  run_shell("touch "
            + (x.place.instance(living.front()) / "tmp/all-begun").string());
  for (auto id : ids) {
    CHECK_EQ(x.ended(id).state, job_state::success);
    CHECK_FALSE(has(x.log(id), "muster-helper cannot run"));
  }
  x.check_rules();
}
