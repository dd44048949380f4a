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
