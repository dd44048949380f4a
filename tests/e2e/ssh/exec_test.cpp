#include "tests/e2e/ssh/peers.hpp"
#include "tests/support/sshd.hpp"

#include <doctest/doctest.h>
#include <fstream>

using namespace muster;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream{file, std::ios::binary} << text;
}

} // namespace

TEST_CASE("a command's output, errors and exit code come back") {
  sshd server;
  ssh_transport ssh{patient()};
  auto log = dial_and_wait(ssh, 1, server.target());
  REQUIRE_FALSE(log->ended());
  CHECK_EQ(log->host_key, server.host_key());
  struct row {
    const char* command;
    int exit_code;
    std::string output;
    std::string error_output;
  };
  const row rows[] = {
    {"true", 0, "", ""},
    {"false", 1, "", ""},
    {"echo out; echo err >&2; exit 42", 42, "out\n", "err\n"},
    {"exit 255", 255, "", ""},
    {"kill -TERM $$", 143, "", ""},
    {"kill -KILL $$", 137, "", ""},
    {"kill -USR1 $$", 138, "", ""},
    {"no-such-command-here 2>/dev/null", 127, "", ""},
    {"exec 1>&- 2>&-; exit 3", 3, "", ""},
    {"printf $HOME", 0, server.home().string(), ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.command);
    auto got = run(ssh, 1, {r.command, "", patience});
    REQUIRE_MESSAGE(got, got.error().text);
    CHECK_EQ(got->exit_code, r.exit_code);
    CHECK_EQ(got->output, r.output);
    CHECK_EQ(got->error_output, r.error_output);
  }
  CHECK_EQ(ssh.counters().exec_channels, std::size(rows));
}

TEST_CASE("5 MiB of input arrive whole at a command") {
  sshd server;
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  std::string input;
  for (uint32_t i = 0; input.size() < 5u << 20; ++i)
    input.append(reinterpret_cast<const char*>(&i), sizeof i);
  auto file = server.home() / "upload";
  auto got = run(
    ssh, 1,
    {"cat >" + file.string() + "; wc -c <" + file.string(), input, patience});
  REQUIRE_MESSAGE(got, got.error().text);
  CHECK_EQ(got->exit_code, 0);
  CHECK_EQ(std::stoul(got->output), input.size());
  CHECK(read_text(file) == input);
}

TEST_CASE("a file arrives whole at a command, after the input") {
  sshd server;
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto file = server.home() / "input";
  auto copy = server.home() / "upload";
  for (size_t size :
       {size_t{0}, size_t{1}, size_t{64 * 1024}, size_t{5 << 20}}) {
    CAPTURE(size);
    std::string bytes(size, 'x');
    for (size_t i = 0; i < size; i += 1000)
      bytes[i] = static_cast<char>(i / 1000);
    write_text(file, bytes);
    auto got = run(ssh, 1, {"cat >" + copy.string(), "head", patience, file});
    REQUIRE_MESSAGE(got, got.error().text);
    CHECK_EQ(got->exit_code, 0);
    CHECK(read_text(copy) == "head" + bytes);
  }
}

TEST_CASE("a file that cannot be read fails its command, not the connection") {
  sshd server;
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto got = run(ssh, 1, {"cat", "", patience, "/no/such/file"});
  REQUIRE_FALSE(got);
  CHECK_NE(got.error().text.find("cannot read /no/such/file"),
           std::string::npos);
  CHECK(works(ssh, 1));
}

TEST_CASE("a command that does not read its input still ends") {
  sshd server;
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto file = server.home() / "input";
  write_text(file, std::string(5u << 20, 'x'));
  for (const auto& what :
       {exec_request{"exit 5", std::string(5u << 20, 'x'), patience},
        exec_request{"exit 5", "", patience, file}}) {
    auto got = run(ssh, 1, what);
    REQUIRE_MESSAGE(got, got.error().text);
    CHECK_EQ(got->exit_code, 5);
    CHECK(works(ssh, 1));
  }
}

TEST_CASE("of much output the head is kept, of many errors the tail") {
  sshd server;
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto got = run(
    ssh, 1, {"seq 1 2000000; seq 1 300000 >&2; echo last >&2", "", patience});
  REQUIRE_MESSAGE(got, got.error().text);
  CHECK_EQ(got->exit_code, 0);
  CHECK_EQ(got->output.size(), 64u * 1024);
  CHECK(got->output.starts_with("1\n2\n3\n"));
  CHECK_EQ(got->error_output.size(), 32u * 1024);
  CHECK(got->error_output.ends_with("300000\nlast\n"));
}

TEST_CASE("a command beyond its deadline is timed_out, the connection stays") {
  sshd server;
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto got = run(ssh, 1, {"sleep 600", "", 300ms});
  REQUIRE_FALSE(got);
  CHECK_EQ(got.error().code, connection_errc::timed_out);
  CHECK_MESSAGE(got.error().text.find("did not end within 300ms")
                  != std::string::npos,
                got.error().text);
  CHECK(works(ssh, 1));
}

TEST_CASE("a command that is too long is refused, the connection stays") {
  sshd server;
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto got = run(ssh, 1, {": " + std::string(40'000, 'x'), "", patience});
  REQUIRE_FALSE(got);
  CHECK_EQ(got.error().code, connection_errc::channel_refused);
  CHECK(works(ssh, 1));
}

TEST_CASE("beyond MaxSessions a command goes over a further connection") {
  sshd server{{.config = {"MaxSessions 1"}}};
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto held = std::make_shared<waiting>();
  auto ended = std::make_shared<bool>(false);
  auto fifo = server.home() / "fifo";
  run_command("mkfifo " + fifo.string());
  ssh.exec(1, {"read x <" + fifo.string(), "", patience},
           [=](const auto&) { held->change([&] { *ended = true; }); });
  auto got = run(ssh, 1, {"true", "", patience});
  REQUIRE_MESSAGE(got, got.error().text);
  CHECK_EQ(got->exit_code, 0);
  held->change([&] { CHECK_FALSE(*ended); }); // the first one still runs
  run_command("echo >" + fifo.string());
  CHECK(held->until([&] { return *ended; }));
}

TEST_CASE("a command right after the end of another needs no further session") {
  // sshd frees a session after all that it has read at once: the end of one and
  // the request for the next may be among that.
  sshd server{{.config = {"MaxSessions 1"}}};
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  constexpr int count = 300;
  auto told = std::make_shared<waiting>();
  auto ended = std::make_shared<int>(0);
  auto refused = std::make_shared<std::string>();
  std::function<void()> next = [&] {
    ssh.exec(1, {"true", "", patience}, [=, &next](const auto& x) {
      if (x && *ended + 1 < count)
        next();
      told->change([&] {
        *refused = x ? "" : x.error().text;
        *ended = x ? *ended + 1 : count;
      });
    });
  };
  next();
  REQUIRE(told->until([&] { return *ended == count; }));
  CHECK_EQ(*refused, "");
  CHECK_EQ(ssh.counters().exec_channels, count);
}

TEST_CASE("commands asked for before the connection stands wait for it") {
  sshd server;
  ssh_transport ssh{patient()};
  auto log = std::make_shared<connection_log>();
  ssh.connect(1, server.target(), patience, log);
  auto got = run(ssh, 1, {"exit 7", "", patience});
  REQUIRE_MESSAGE(got, got.error().text);
  CHECK_EQ(got->exit_code, 7);
}

TEST_CASE("a command on a connection that is not there is lost") {
  ssh_transport ssh{patient()};
  auto got = run(ssh, 77, {"true", "", patience});
  REQUIRE_FALSE(got);
  CHECK_EQ(got.error().code, connection_errc::lost);
}
