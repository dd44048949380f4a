#include "tests/e2e/hosts/hosts_world.hpp"
#include "tests/support/tcp_proxy.hpp"

#include <atomic>
#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

/// Takes connections and counts them; closes each at once, or says nothing.
class odd_server {
public:
  explicit odd_server(bool closes) : closes_(closes) {
    sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    auto* address = reinterpret_cast<sockaddr*>(&where);
    REQUIRE_EQ(::bind(fd_, address, size), 0);
    REQUIRE_EQ(::listen(fd_, 64), 0);
    REQUIRE_EQ(::getsockname(fd_, address, &size), 0);
    port = ntohs(where.sin_port);
    thread_ = std::thread{[this] { run(); }};
  }

  ~odd_server() {
    stopping_ = true;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }

  odd_server(const odd_server&) = delete;
  odd_server& operator=(const odd_server&) = delete;

  uint16_t port = 0;
  std::atomic<int> taken{0};

private:
  void run() {
    std::vector<int> held;
    while (!stopping_) {
      int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0)
        continue;
      ++taken;
      if (closes_)
        ::close(client);
      else
        held.push_back(client);
    }
    for (int x : held)
      ::close(x);
  }

  bool closes_;
  int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

std::string entry_at(uint16_t port, const sshd& like, const char* name) {
  return fmt::format("{{name = \"{}\", address = \"127.0.0.1\", port = {}, "
                     "username = \"{}\", key_path = \"{}\"}}",
                     name, port, like.user(), like.key_file().string());
}

/// A pool with one bad host, whose preparation may take so long.
pool_config bad_pool(std::string entry) {
  pool_config what;
  what.hosts = {std::move(entry)};
  what.connector = {"timeout = \"6s\""};
  what.autoscaler = {"instance_acquire_timeout = \"25s\""};
  return what;
}

/// A job that waits for such a host fails by the system; it and the manager say
/// `words`.
void check_words(hosts_world& x, const std::string& words) {
  x.start();
  auto id = x.in.enqueue_script("echo never");
  CHECK_EQ(x.in.ended(id).failure_reason, "runner_system_failure");
  CAPTURE(x.in.log(id));
  CAPTURE(x.manager().log());
  CHECK(has(x.in.log(id), words));
  CHECK(has(x.in.log(id), "unable to acquire instance within the configured "
                          "timeout of 25s"));
  CHECK(has(x.manager().log(), words));
}

/// What of the machine's processors a process has used [s].
double cpu_seconds(pid_t pid) {
  std::istringstream in{file_text(fmt::format("/proc/{}/stat", pid))};
  std::string word;
  double ticks = 0;
  for (int i = 1; in >> word && i <= 15; ++i)
    if (i >= 14)
      ticks += std::stod(word);
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

} // namespace

TEST_CASE("a host on which nothing listens is told, and not burnt CPU on") {
  sshd like;
  auto port = free_port();
  hosts_world x{bad_pool(entry_at(port, like, "dead"))};
  check_words(x,
              "tcp: connection refused by 127.0.0.1:" + std::to_string(port));
  CHECK_LT(cpu_seconds(x.manager().pid()), 3.0);
}

TEST_CASE("a host that accepts and closes is told, and dialed with pauses") {
  sshd like;
  odd_server server{true};
  hosts_world x{bad_pool(entry_at(server.port, like, "closing"))};
  check_words(x, "before its banner");
  // 25 s: two preparations of 6 s with a pause between, tries 0.2 s to 10 s
  // apart.
  CHECK_LE(server.taken, 25);
  CHECK_GE(server.taken, 3);
}

TEST_CASE("a host that accepts and stays silent is told") {
  sshd like;
  odd_server server{false};
  hosts_world x{bad_pool(entry_at(server.port, like, "silent"))};
  check_words(x, "ssh banner: nothing from");
}

TEST_CASE("a host whose sshd drops the connection after the login is told") {
  sshd host{{.config = {"ForceCommand kill -9 $PPID; sleep 9"}}};
  hosts_world x{bad_pool(entry_of(host, "dropping"))};
  check_words(x, "connection to 127.0.0.1:" + std::to_string(host.port())
                   + " lost");
}

TEST_CASE("a host with an unknown user or key is told") {
  sshd host;
  sshd other;
  hosts_world x{bad_pool(entry_at(host.port(), other, "stranger"))};
  check_words(x, "with an ed25519 key was refused");
}

TEST_CASE("a host that cannot be reached does not keep the others from work") {
  sshd good;
  pool_config what;
  what.hosts = {entry_at(free_port(), good, "dead"), entry_of(good, "good")};
  what.connector = {"timeout = \"3s\""};
  what.idle_count = 2;
  hosts_world x{what};
  x.start();
  for (int i = 0; i < 5; ++i) {
    auto id = x.in.enqueue_script("echo fine");
    CHECK_EQ(x.in.ended(id).state, job_state::success);
    CHECK(has(x.in.log(id), "Dialing instance good"));
  }
  CHECK(
    x.manager().says("instance marked for removal", {{"instance", "dead"}}));
}

TEST_CASE("a slow host is waited for") {
  sshd host{
    {.config = {"ForceCommand sleep 1; eval \"$SSH_ORIGINAL_COMMAND\""}}};
  pool_config what;
  what.hosts = {entry_of(host, "slow")};
  what.connector = {"timeout = \"90s\""};
  hosts_world x{what};
  x.start();
  CHECK(x.in.serves_a_job());
}

TEST_CASE(
  "a ready command is tried until it succeeds, and its words are told") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "booting")};
  hosts_world x{what};
  auto file = x.in.place.path() / "ready";
  what.autoscaler
    = {fmt::format("instance_ready_command = \"test -e {} || {{ echo not there "
                   "yet >&2; exit 3; }}\"",
                   file.string())};
  SUBCASE("in time") {
    x.configure(what);
    x.start();
    auto id = x.in.enqueue_script("echo fine");
    auto words = "ready command: exit code 3: not there yet";
    CHECK(eventually([&] { return has(x.manager().log(), words); }));
    CHECK(x.in.shows(id, words));
    std::ofstream{file} << "now";
    CHECK_EQ(x.in.ended(id).state, job_state::success);
  }
  SUBCASE("never") {
    what.connector = {"timeout = \"5s\""};
    what.autoscaler.push_back("instance_acquire_timeout = \"20s\"");
    x.configure(what);
    x.start();
    auto id = x.in.enqueue_script("echo never");
    CHECK_EQ(x.in.ended(id).failure_reason, "runner_system_failure");
    CHECK(has(x.manager().log(), "instance ready up preparation failed"));
    CHECK(has(x.in.log(id), "not there yet"));
  }
}

TEST_CASE("a host that dies is found in each phase, and used again when it is "
          "back") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "one")};
  what.connector = {"keepalive = \"15s\"", "timeout = \"2m\""};
  hosts_world x{what};
  auto file = x.in.place.path() / "ready";
  SUBCASE("while it is prepared") {
    what.autoscaler = {fmt::format(
      "instance_ready_command = \"touch {0}.begun; test -e {0} || sleep 60\"",
      file.string())};
    x.configure(what);
    x.start();
    auto id = x.in.enqueue_script("echo fine");
    CHECK(eventually(
      [&] { return std::filesystem::exists(file.string() + ".begun"); }));
    host.stop();
    std::ofstream{file} << "now";
    CHECK(x.manager().says("connection to the instance failed"));
    host.start();
    CHECK_EQ(x.in.ended(id).state, job_state::success);
  }
  SUBCASE("under a job") {
    x.configure(what);
    x.start();
    auto id = x.in.enqueue_script("echo begun; sleep 300");
    REQUIRE(x.in.shows(id, "\nbegun"));
    host.stop();
    auto job = x.in.ended(id);
    CHECK_EQ(job.failure_reason, "runner_system_failure");
    CHECK(has(x.in.log(id), "instance one"));
    host.start();
    CHECK(x.in.serves_a_job());
  }
  SUBCASE("between two jobs") {
    x.configure(what);
    x.start();
    CHECK(x.in.serves_a_job());
    host.stop();
    auto id = x.in.enqueue_script("echo fine");
    CHECK(
      x.manager().says("instance marked for removal", {{"instance", "one"}}));
    host.start();
    x.in.ended(id); // it may have been given the slot before that was known
    CHECK(x.in.serves_a_job());
  }
}
