#include "tests/e2e/helper_commands/peers.hpp"
#include "tests/e2e/helper_commands/run.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <future>
#include <mutex>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace muster::test;

TEST_CASE("help and unknown commands") {
  auto help = run_helper({"--help"});
  CHECK_EQ(help.status, 0);
  CHECK_LE(std::count(help.out.begin(), help.out.end(), '\n'), 23);
  for (const auto* name : {"artifacts-uploader", "artifacts-downloader",
                           "cache-archiver", "cache-extractor", "cache-init",
                           "health-check", "read-logs", "proxy-exec"}) {
    CHECK(has(help.out, name));
    for (const auto* flag : {"--help", "-h"}) {
      auto own = run_helper({name, flag});
      CHECK_EQ(own.status, 0);
      CHECK(has(own.out, name));
    }
  }
  auto unknown = run_helper({"frobnicate"});
  CHECK_EQ(unknown.status, 1);
  CHECK(has(unknown.err, "frobnicate"));
}

TEST_CASE("cache-init makes folders writable for all") {
  scratch here;
  fs::create_directory("a");
  fs::create_directory("b");
  fs::permissions("a", fs::perms::owner_all);
  CHECK_EQ(run_helper({"cache-init", "a", "b"}).status, 0);
  CHECK_EQ(fs::status("a").permissions(), fs::perms::all);
  CHECK_EQ(fs::status("b").permissions(), fs::perms::all);
  auto missing = run_helper({"cache-init", "none"});
  CHECK_EQ(missing.status, 1);
  CHECK(has(missing.err, "none"));
  auto without = run_helper({"cache-init"});
  CHECK_EQ(without.status, 1);
  CHECK(has(without.err, "at least 1 path is required"));
}

TEST_CASE("health-check waits for what is to answer") {
  std::promise<void> asked;
  std::once_flag first;
  peer_script service{
    [&](int) { std::call_once(first, [&] { asked.set_value(); }); }};
  auto port = std::to_string(service.port());
  CHECK_EQ(run_helper({"health-check", "--port", port, "-p", port}).status, 0);
  CHECK_EQ(asked.get_future().wait_for(std::chrono::seconds{20}),
           std::future_status::ready);
  auto linked = run_helper({"health-check"},
                           {"DB_TCP_ADDR=127.0.0.1", "DB_TCP_PORT=" + port});
  CHECK_EQ(linked.status, 0);
  auto nothing = run_helper({"health-check"});
  CHECK_EQ(nothing.status, 1);
  CHECK(has(nothing.err, "No HOST or PORT found"));
  CHECK_EQ(run_helper({"health-check", "--port", "http"}).status, 1);
}

TEST_CASE("read-logs prints lines with their offsets, and what is added") {
  scratch here;
  auto missing
    = run_helper({"read-logs", "--path", "log", "--wait-file-timeout", "0"});
  CHECK_EQ(missing.status, 100);
  write_file("log", "one\ntwo\n");
  REQUIRE_EQ(::mkfifo("out", 0600), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  muster::helper::unique_fd reader{
    ::open("out", O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY, 0);
  std::vector<std::string> words{MUSTER_HELPER, "read-logs", "--path",
                                 "log",         "--offset",  "4"};
  std::vector<char*> pointers;
  for (auto& word : words)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t pid = -1;
  REQUIRE_EQ(::posix_spawn(&pid, MUSTER_HELPER, &actions, nullptr,
                           pointers.data(), environ),
             0);
  posix_spawn_file_actions_destroy(&actions);
  std::string text;
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  auto read_until = [&](const std::string& expected) {
    char piece[4096];
    while (text != expected && std::chrono::steady_clock::now() < until) {
      auto n = ::read(reader.get(), piece, sizeof(piece));
      if (n > 0)
        text.append(piece, static_cast<size_t>(n));
      else
        std::this_thread::yield();
    }
    CHECK_EQ(text, expected);
  };
  read_until("8 two\n");
  std::ofstream{"log", std::ios::app} << "three\n";
  read_until("8 two\n14 three\n");
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

TEST_CASE("proxy-exec masks what the command says is to be masked") {
  scratch here;
  auto end = run_helper(
    {"proxy-exec", "--temp-dir", "temp", "sh", "-c",
     "echo ::add-mask::hidden; echo a hidden word; echo hidden >&2; exit 7"});
  CHECK_EQ(end.status, 7);
  CHECK_EQ(end.out, "a [MASKED] word\n");
  CHECK_EQ(end.err, "[MASKED]\n");
  auto later = run_helper({"proxy-exec", "sh", "-c", "printf 'still hidden'"},
                          {"RUNNER_TEMP_PROJECT_DIR=temp"});
  CHECK_EQ(later.status, 0);
  CHECK_EQ(later.out, "still [MASKED]");
  struct stat facts {};
  REQUIRE_EQ(::stat("temp/masking.db", &facts), 0);
  CHECK_EQ(facts.st_mode & 0777, 0600);
}

TEST_CASE("proxy-exec passes flags, signals and its own copy on") {
  scratch here;
  auto flags = run_helper(
    {"proxy-exec", "--bootstrap", "--temp-dir", "temp", "echo", "--bootstrap"});
  CHECK_EQ(flags.out, "--bootstrap\n");
  auto copy = run_program({"temp/gitlab-runner-helper", "--version"});
  CHECK_EQ(copy.status, 0);
  auto killed = run_helper({"proxy-exec", "sh", "-c", "kill -TERM $$"});
  CHECK_EQ(killed.status, 128 + SIGTERM);
  auto unknown = run_helper({"proxy-exec", "no-such-program"});
  CHECK_EQ(unknown.status, 1);
  CHECK(has(unknown.err, "no-such-program"));
  CHECK_EQ(run_helper({"proxy-exec"}).status, 1);
  auto background = run_helper(
    {"proxy-exec", "sh", "-c", "sleep 60 & echo done; echo $! >pid"});
  CHECK_EQ(background.out, "done\n");
  ::kill(std::atoi(read_file("pid").c_str()), SIGKILL);
}
