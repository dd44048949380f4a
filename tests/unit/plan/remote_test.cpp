#include "executors/shells/remote.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <doctest/doctest.h>
#include <random>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

using namespace muster;

namespace {

struct ended {
  int status = -1;
  std::string out;
};

/// Runs a command as a login shell would; its stderr is merged.
ended run(const std::string& command, const std::string& input = "") {
  auto name = std::string{"/tmp/muster-remote-XXXXXX"};
  auto file = mkstemp(name.data());
  REQUIRE_GE(file, 0);
  REQUIRE_EQ(write(file, input.data(), input.size()),
             static_cast<ssize_t>(input.size()));
  close(file);
  ended x;
  auto* pipe = popen(("exec < " + name + " 2>&1; " + command).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> piece;
  while (auto size = fread(piece.data(), 1, piece.size(), pipe))
    x.out.append(piece.data(), size);
  auto status = pclose(pipe);
  x.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  unlink(name.c_str());
  return x;
}

/// Bytes as they come in pieces of random sizes.
std::string filtered(remote::exit_filter& it, const std::string& bytes,
                     std::mt19937& chance) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    auto size = std::min<size_t>(1 + chance() % 7, bytes.size() - at);
    out += it.feed(std::string_view{bytes}.substr(at, size));
    at += size;
  }
  return out + it.close();
}

} // namespace

TEST_CASE(
  "a script runs with its marks, and its exit code comes behind what it "
  "printed") {
  for (const auto* shell : {"", "sh", "bash"}) {
    auto command = remote::script_command({"it's a key", shell, "failed", "T"});
    auto x = run(command, "echo \"$MUSTER_JOB_KEY|$MUSTER_JOB_MARK|"
                          "$CI_JOB_STATUS\"\nprintf 'no end' >&2; exit 7\n");
    CHECK_EQ(x.status, 7);
    std::mt19937 chance{1};
    remote::exit_filter filter{"T"};
    CHECK_EQ(filtered(filter, x.out, chance),
             "it's a key|it's a key.|failed\nno end");
    CHECK_EQ(filter.exit_code(), 7);
  }
}

TEST_CASE("the exit filter takes its mark out and nothing else, in pieces of "
          "any size") {
  struct row {
    const char* in;
    const char* out;
    std::optional<int32_t> code;
  };
  const row rows[] = {
    {"plain", "plain", std::nullopt},
    {"\x01T:0\x01", "", 0},
    {"before\x01T:143\x01 behind", "before behind", 143},
    {"\x01T:", "\x01T:", std::nullopt},
    {"\x01\x01T:1\x01\x01T:2\x01", "\x01\x01T:2\x01", 1},
    {"\x01other:1\x01", "\x01other:1\x01", std::nullopt},
    {"\x01T:123456789012345 and more", "\x01T:123456789012345 and more",
     std::nullopt},
  };
  std::mt19937 chance{2};
  for (const auto& r : rows)
    for (int i = 0; i < 20; ++i) {
      CAPTURE(r.in);
      remote::exit_filter filter{"T"};
      CHECK_EQ(filtered(filter, r.in, chance), r.out);
      CHECK(filter.exit_code() == r.code);
    }
}

TEST_CASE("a sweep kills what a job has left, also what left its session, and "
          "nobody else's") {
  auto key = "sweep-" + std::to_string(getpid()) + "-1";
  auto other = key + "2"; // begins alike
  auto begin = [](const std::string& of) {
    auto x = run(remote::script_command({of, "sh", "", "T"}),
                 "trap '' TERM; setsid sleep 300 >/dev/null 2>&1 & "
                 "echo $!; (trap '' TERM; exec sleep 300) >/dev/null 2>&1 &");
    return std::atoi(x.out.c_str());
  };
  auto is_alive = [](pid_t pid) { // nobody may reap it here
    auto stat = run("cat /proc/" + std::to_string(pid) + "/stat").out;
    auto state = stat.find(") ");
    return state != std::string::npos && stat[state + 2] != 'Z';
  };
  auto mine = begin(key);
  auto others = begin(other);
  REQUIRE(is_alive(mine));
  REQUIRE(is_alive(others));
  auto folder = std::string{"/tmp/muster-remote-dir-XXXXXX"};
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  auto answer = remote::read_sweep(
    "motd\n" + run(remote::sweep_command(key, folder)).out);
  CHECK(answer.clean);
  CHECK_FALSE(is_alive(mine));
  CHECK(is_alive(others));
  CHECK_NE(access(folder.c_str(), F_OK), 0);
  run(remote::terminate_command(other));
  CHECK(remote::read_sweep(run(remote::sweep_command(other, "")).out).clean);
  CHECK_FALSE(is_alive(others));
}

TEST_CASE("what a sweep prints is proof only if it says so") {
  CHECK(remote::read_sweep("clean\n").clean);
  CHECK(remote::read_sweep("motd\nclean").clean);
  for (const auto* text :
       {"", "unclean", "unknown", "left 1 2", "files", "sh: grep: not found"}) {
    auto answer = remote::read_sweep(text);
    CHECK_FALSE(answer.clean);
    CHECK_FALSE(answer.text.empty());
  }
  CHECK_EQ(remote::read_sweep("left 1 2").text,
           "processes cannot be killed: 1 2");
}

TEST_CASE("a stream's command marks where its own output begins") {
  auto x = run(remote::streamed_command("printf \"%s\" 'a b'"));
  CHECK_EQ(x.status, 0);
  CHECK_EQ(x.out, std::string{remote::stream_mark} + "a b");
}

TEST_CASE("no command has a `!` that a csh takes for an earlier command") {
  for (const auto& command :
       {remote::script_command({"k", "", "failed", "T"}),
        remote::script_command({"k", "bash", "", "T"}),
        remote::terminate_command("k"), remote::sweep_command("k", "tmp/k"),
        remote::bridge_command("/h/muster-helper", "/h/run/socket")}) {
    CAPTURE(command);
    for (auto at = command.find('!'); at != std::string::npos;
         at = command.find('!', at + 1))
      CHECK_NE(std::string{" \t(=~\"'"}.find(command[at + 1]),
               std::string::npos);
  }
}
