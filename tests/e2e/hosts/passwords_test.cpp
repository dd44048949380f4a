#include "tests/e2e/hosts/hosts_world.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

/// An sshd needs a file of passwords of its own for them.
bool is_root() {
  return geteuid() == 0;
}

} // namespace

TEST_CASE("a host that takes only passwords runs jobs"
          * doctest::skip(!is_root())) {
  sshd_options options;
  options.password = secret_word;
  options.config = {"PasswordAuthentication yes", "PermitRootLogin yes",
                    "PubkeyAuthentication no"};
  SUBCASE("as passwords") {
    options.config.push_back("KbdInteractiveAuthentication no");
  }
  SUBCASE("keyboard-interactive alone") {
    options.config = {"PasswordAuthentication no", "PermitRootLogin yes",
                      "PubkeyAuthentication no", "UsePAM yes",
                      "KbdInteractiveAuthentication yes"};
    options.pam = "auth required pam_unix.so\naccount required pam_permit.so\n"
                  "session required pam_permit.so\n";
  }
  sshd host{options};
  pool_config what;
  what.hosts = {fmt::format("\"127.0.0.1:{}\"", host.port())};
  what.connector = {"username = \"" + host.user() + "\"",
                    std::string{"password = \""} + secret_word + '"',
                    "use_static_credentials = true", "timeout = \"1m\""};
  hosts_world x{what};
  x.start();
  CAPTURE(host.log());
  CHECK(x.in.serves_a_job());
  check_silence(x);
}

TEST_CASE("a wrong password is told in words, without it"
          * doctest::skip(!is_root())) {
  sshd host{{.config = {"PasswordAuthentication yes", "PermitRootLogin yes"},
             .password = "another-one"}};
  pool_config what;
  what.hosts = {fmt::format("\"127.0.0.1:{}\"", host.port())};
  what.connector
    = {"username = \"" + host.user() + "\"",
       std::string{"password = \""} + secret_word + '"', "timeout = \"8s\""};
  what.autoscaler = {"instance_acquire_timeout = \"20s\""};
  hosts_world x{what};
  x.start();
  auto id = x.in.enqueue_script("echo never");
  CHECK_EQ(x.in.ended(id).failure_reason, "runner_system_failure");
  auto words = "with a password was refused";
  CHECK(has(x.in.log(id), words));
  CHECK(has(x.manager().log(), words));
  CHECK_FALSE(has(x.in.log(id), secret_word));
  check_silence(x);
}
