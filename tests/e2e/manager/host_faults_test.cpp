#include "tests/e2e/manager/world.hpp"
#include "tests/support/sanitized.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A disk of its own for the home of an instance.
std::string small_home(int mebibytes) {
  return fmt::format("user_data = 'mount -t tmpfs -o size={}m,mode=700 tmpfs "
                     "\"$HOME\"'",
                     mebibytes);
}

/// Of a disk that has room for the helper and some megabytes of a job.
constexpr int room_mebibytes = is_sanitized ? 96 : 24;

/// A server that takes connections and never says a word.
class silent_server {
public:
  silent_server() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    auto* address = reinterpret_cast<sockaddr*>(&where);
    REQUIRE_EQ(::bind(fd_, address, size), 0);
    REQUIRE_EQ(::listen(fd_, 16), 0);
    REQUIRE_EQ(::getsockname(fd_, address, &size), 0);
    port = ntohs(where.sin_port);
  }

  ~silent_server() {
    ::close(fd_);
  }

  silent_server(const silent_server&) = delete;
  silent_server& operator=(const silent_server&) = delete;

  uint16_t port = 0;

private:
  int fd_;
};

/// What is mounted at `path`, until the end.
struct small_disk {
  std::string path;

  ~small_disk() {
    run_shell("umount -l " + path + " || true; rmdir -p " + path + " || true");
  }
};

void signal_instance(const world& x, const std::string& id, int number) {
  auto first = x.place.instances().at(id).process.pid;
  for (const auto& y : processes_with("", first))
    ::kill(y.pid, number);
}

} // namespace

TEST_CASE("a full disk during the clone fails the job in words, and the next "
          "one runs"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config = {small_home(4)};
  world x{how};
  auto id = x.enqueue({{"script", "true"},
                       {"payload",
                        {{"hooks",
                          {{{"name", "pre_get_sources_script"},
                            {"script",
                             {"dd if=/dev/zero of=$HOME/filler bs=1M count=9 "
                              "2>/dev/null || true"}}}}}}}});
  auto job = x.ended(id);
  CAPTURE(x.log(id));
  CHECK_EQ(job.state, job_state::failed);
  CHECK(has(x.log(id), "No space left on device"));
  auto next = x.enqueue_script("rm -f $HOME/filler; echo fine");
  CHECK_EQ(x.ended(next).state, job_state::success);
  x.check_rules();
}

namespace {

/// Fills the instance's disk but for some MiB; nothing of earlier jobs is
/// there.
int64_t fill_disk(world& x, int mebibytes_left) {
  auto id
    = x.enqueue_script(fmt::format("cd; rm -rf builds; dd if=/dev/zero "
                                   "of=$HOME/filler bs=1M 2>/dev/null || true; "
                                   "truncate -s -{}M $HOME/filler",
                                   mebibytes_left));
  CHECK_EQ(x.ended(id).state, job_state::success);
  return id;
}

const nlohmann::json no_git{{"GIT_STRATEGY", "empty"}};

} // namespace

TEST_CASE("artifacts that do not fit on the disk fail their job in words, and "
          "leave no file that looks whole"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config = {small_home(room_mebibytes)};
  world x{how};
  auto made = x.enqueue({{"script", "head -c 6000000 /dev/urandom >big"},
                         {"artifacts", {{"paths", {"big"}}, {"name", "all"}}},
                         {"variables", no_git}});
  CHECK_EQ(x.ended(made).state, job_state::success);
  fill_disk(x, 2);
  auto id = x.enqueue(
    {{"script", "true"}, {"dependencies", {made}}, {"variables", no_git}});
  auto job = x.ended(id);
  CAPTURE(x.log(id));
  CHECK_EQ(job.failure_reason, "script_failure");
  CHECK_EQ(job.exit_code, 1);
  CHECK(has(x.log(id), "No space left on device"));
  CHECK(has(x.log(id), "the file system is full"));
  auto look = x.enqueue_script("find builds cache -size +4k 2>/dev/null || "
                               "true; rm $HOME/filler; echo looked");
  CHECK_EQ(x.ended(look).state, job_state::success);
  CAPTURE(x.log(look));
  CHECK_FALSE(has(x.log(look), "\nbuilds/"));
  auto again = x.enqueue({{"script", "wc -c <big"},
                          {"dependencies", {made}},
                          {"variables", no_git}});
  CHECK_EQ(x.ended(again).state, job_state::success);
  CHECK(has(x.log(again), "\n6000000"));
  x.check_rules();
}

TEST_CASE("a cache that does not fit on the disk costs the cache only"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config = {small_home(room_mebibytes)};
  world x{how};
  fill_disk(x, 3);
  auto job = nlohmann::json{
    {"script",
     {"echo \"GOT=$(ls lib 2>/dev/null | wc -l)\"", "mkdir -p lib",
      "head -c 2000000 /dev/urandom >lib/new"}},
    {"cache", {{"key", "k"}, {"paths", {"lib"}}}},
    {"variables", no_git}};
  auto id = x.enqueue(job);
  CHECK_EQ(x.ended(id).state, job_state::success);
  CAPTURE(x.log(id));
  CHECK(has(x.log(id), "No space left on device"));
  CHECK(has(x.log(id), "Failed to create cache"));
  // What there is of it is not taken for a cache.
  auto next = x.enqueue(job);
  CHECK_EQ(x.ended(next).state, job_state::success);
  CHECK(has(x.log(next), "Failed to extract cache"));
  CHECK_EQ(x.printed(next, "GOT"), "0");
  x.check_rules();
}

TEST_CASE("a disk that is full while a job prints loses none of it"
          * doctest::skip(geteuid() != 0)) {
  world::settings how;
  how.manager.plugin_config = {small_home(4)};
  how.manager.runner = {"output_limit = 20000"};
  world x{how};
  auto id = x.enqueue(
    {{"script",
      "dd if=/dev/zero of=$HOME/filler bs=1M count=9 2>/dev/null || true; "
      "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); echo \"line $i of many, "
      "more than the memory of the helper keeps\"; done; "
      "rm $HOME/filler"},
     {"variables", {{"GIT_STRATEGY", "none"}}}});
  auto job = x.ended(id);
  CHECK_EQ(job.state, job_state::success);
  auto log = x.log(id);
  CHECK_EQ(count_of("of many, more than", log), 20'001); // and the command
  CHECK_FALSE(has(log, "bytes of output are missing"));
  x.check_rules();
}

TEST_CASE(
  "a full disk under the journal refuses new jobs in words, and nothing "
  "is lost"
  * doctest::skip(geteuid() != 0)) {
  small_disk disk; // goes after all that uses it
  world::settings how;
  how.start = false;
  world x{how};
  auto state = disk.path = x.place.state().string();
  run_shell(fmt::format("mkdir -m 700 {0} && mount -t tmpfs -o "
                        "size=24m,mode=700 tmpfs {0}",
                        state));
  x.start_manager();
  CHECK(x.serves_a_job());
  run_shell(fmt::format("dd if=/dev/zero of={}/filler bs=64k 2>/dev/null || "
                        "true",
                        state));
  // SQLite has some room of its own in its log; then it is full.
  auto refused = false;
  for (int i = 0; i < 300 && !refused; ++i) {
    auto id = x.enqueue_script("echo tried");
    auto job = x.ended(id);
    refused = job.failure_reason == "runner_system_failure";
    CHECK((refused || job.state == job_state::success));
  }
  CHECK(refused);
  CHECK(has(x.manager->log(), "free space on its disk"));
  run_shell(fmt::format("rm {}/filler", state));
  CHECK(eventually([&] { return x.serves_a_job(); }));
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("a git server that hangs does not outlast the job's time, nor a "
          "cancel") {
  world x;
  silent_server git;
  auto url = fmt::format("http://127.0.0.1:{}/group/project.git", git.port);
  auto job = [&](int timeout) {
    return x.enqueue({{"script", "echo never"},
                      {"timeout", timeout},
                      {"payload", {{"git_info", {{"repo_url", url}}}}}});
  };
  SUBCASE("the job's time") {
    auto id = job(4);
    CHECK_EQ(x.ended(id).failure_reason, "job_execution_timeout");
    CHECK_FALSE(has(x.log(id), "never"));
  }
  SUBCASE("a cancel") {
    auto id = job(3600);
    REQUIRE(x.shows(id, "Fetching changes"));
    REQUIRE(x.gitlab.cancel(id, true));
    CHECK_EQ(x.ended(id).state, job_state::canceled);
  }
  CHECK(eventually(
    [&] { return processes_with(std::to_string(git.port)).empty(); }));
  CHECK(x.serves_a_job());
}

TEST_CASE("a frozen host is found, and its jobs end by name"
          * doctest::skip(geteuid() != 0)) {
  world x;
  auto id = x.enqueue_script("echo begun; sleep 61.0791");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  auto since = std::chrono::steady_clock::now();
  signal_instance(x, instance, SIGSTOP);
  auto job = x.ended(id);
  auto took = std::chrono::steady_clock::now() - since;
  MESSAGE("decided after ",
          std::chrono::duration_cast<std::chrono::seconds>(took).count(), " s");
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK(has(x.log(id), instance));
  auto next = x.enqueue_script("true");
  CHECK_EQ(x.ended(next).state, job_state::success);
  CHECK_NE(x.instance_of(next), instance);
}

TEST_CASE("a host that thaws in time has lost nothing"
          * doctest::skip(geteuid() != 0)) {
  world x;
  auto id = x.enqueue_script("echo begun; for i in $(seq 50); do echo \"$i\"; "
                             "sleep 0.1; done; echo went on");
  REQUIRE(x.shows(id, "\nbegun"));
  auto instance = x.instance_of(id);
  signal_instance(x, instance, SIGSTOP);
  std::this_thread::sleep_for(5s);
  signal_instance(x, instance, SIGCONT);
  CHECK_EQ(x.ended(id).state, job_state::success);
  CHECK(has(x.log(id), "went on"));
  CHECK_EQ(x.instance_of(id), instance);
  x.check_rules();
}
