#include "tests/e2e/ssh/peers.hpp"
#include "tests/support/sshd.hpp"

#include <doctest/doctest.h>
#include <random>
#include <sys/socket.h>

using namespace muster;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

std::string pattern(size_t bytes, uint32_t seed) {
  std::mt19937 generator{seed};
  std::string result;
  result.reserve(bytes + 4);
  while (result.size() < bytes) {
    auto word = static_cast<uint32_t>(generator());
    result.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  result.resize(bytes);
  return result;
}

/// An sshd, a connection to it and an echo server behind it.
struct world {
  sshd server;
  unix_server peer{server.home() / "echo", echo};
  ssh_transport ssh{patient()};
  std::shared_ptr<connection_log> log = dial_and_wait(ssh, 1, server.target());
  std::string path = (server.home() / "echo").string();
};

} // namespace

TEST_CASE("20 MiB each way arrive in order at a reader with changing credit") {
  world w;
  REQUIRE_FALSE(w.log->ended());
  auto sink = std::make_shared<stream_log>(0);
  w.ssh.open_stream(1, 1, w.path, sink);
  REQUIRE(sink->wait_opened());
  auto sent = pattern(20u << 20, 1);
  for (size_t i = 0; i < sent.size(); i += 100'000)
    w.ssh.send(1, sent.substr(i, 100'000));
  std::mt19937 generator{2};
  size_t given = 0;
  while (given < sent.size()) {
    CHECK_LE(sink->received(), given);
    auto credit
      = std::min<size_t>(generator() % (1u << 20) + 1, sent.size() - given);
    given += credit;
    sink->give(credit);
    w.ssh.resume(1);
    REQUIRE(sink->wait_received(given));
  }
  CHECK(sink->text() == sent);
  w.ssh.close_stream(1);
  CHECK_EQ(sink->wait_closed().code, connection_errc::closed);
  CHECK_FALSE(w.log->ended());
}

TEST_CASE("without credit no more than the window is taken from the peer") {
  sshd server;
  std::atomic<size_t> taken{0};
  unix_server peer{server.home() / "flood", [&](int fd) {
                     std::string block(16 * 1024, 'x');
                     while (send_all(fd, block))
                       taken += block.size();
                   }};
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto sink = std::make_shared<stream_log>(1000);
  ssh.open_stream(1, 1, (server.home() / "flood").string(), sink);
  REQUIRE(sink->wait_received(1000));
  // Commands still pass, and enough of them for the flood to have gone on.
  for (int i = 0; i < 20; ++i)
    CHECK(works(ssh, 1));
  CHECK_EQ(sink->received(), 1000u);
  // Our window, sshd's own buffers, and those of two sockets.
  CHECK_LT(ssh.counters().bytes_in, 2u << 20);
  sink->give(5'000'000);
  ssh.resume(1);
  CHECK(sink->wait_received(5'001'000));
}

TEST_CASE("20 streams at once keep their bytes apart") {
  world w;
  REQUIRE_FALSE(w.log->ended());
  constexpr size_t count = 20;
  constexpr size_t size = 300'000;
  std::vector<std::shared_ptr<stream_log>> sinks;
  for (stream_id i = 0; i < count; ++i) {
    sinks.push_back(std::make_shared<stream_log>());
    w.ssh.open_stream(1, i, w.path, sinks.back());
    w.ssh.send(i, pattern(size, static_cast<uint32_t>(i)));
  }
  for (uint32_t i = 0; i < count; ++i) {
    REQUIRE(sinks[i]->wait_received(size));
    CHECK(sinks[i]->text() == pattern(size, i));
  }
  CHECK_EQ(w.ssh.counters().streams, count);
  CHECK_EQ(w.ssh.counters().connections, 1u);
}

TEST_CASE("a flooding stream starves neither its session nor another") {
  sshd server;
  unix_server flood{server.home() / "flood", [](int fd) {
                      std::string block(64 * 1024, 'x');
                      while (send_all(fd, block))
                        ;
                    }};
  unix_server peer{server.home() / "echo", echo};
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  REQUIRE_FALSE(dial_and_wait(ssh, 2, server.target())->ended());

  struct swallowing : stream_sink {
    void opened() override {
    }
    size_t wanted() override {
      return SIZE_MAX;
    }
    void data(std::string_view bytes) override {
      received += bytes.size();
    }
    void closed(const connection_failure&) override {
    }
    std::atomic<size_t> received{0};
  };
  auto flooded = std::make_shared<swallowing>();
  ssh.open_stream(1, 1, (server.home() / "flood").string(), flooded);
  for (connection_id connection : {1, 2}) {
    auto sink = std::make_shared<stream_log>();
    auto id = 10 + connection;
    ssh.open_stream(connection, id, (server.home() / "echo").string(), sink);
    REQUIRE(sink->wait_opened());
    auto before = flooded->received.load();
    auto began = std::chrono::steady_clock::now();
    for (size_t i = 1; i <= 20; ++i) {
      ssh.send(id, "x");
      REQUIRE(sink->wait_received(i));
    }
    while (flooded->received == before
           && std::chrono::steady_clock::now() < began + patience)
      std::this_thread::yield();
    CHECK_GT(flooded->received.load(), before);
  }
}

TEST_CASE("a peer that ends its stream closes it in order, bytes first") {
  sshd server;
  unix_server peer{server.home() / "hello",
                   [](int fd) { send_all(fd, std::string(200'000, 'h')); }};
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto sink = std::make_shared<stream_log>(10);
  ssh.open_stream(1, 1, (server.home() / "hello").string(), sink);
  REQUIRE(sink->wait_received(10));
  sink->give(SIZE_MAX - 10);
  ssh.resume(1);
  CHECK_EQ(sink->wait_closed().code, connection_errc::closed);
  CHECK_EQ(sink->received(), 200'000u);
}

TEST_CASE("what was sent before close_stream still arrives") {
  sshd server;
  waiting wait;
  size_t arrived = 0;
  bool ended = false;
  unix_server peer{server.home() / "drain", [&](int fd) {
                     char buffer[8192];
                     ssize_t got = 0;
                     while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0)
                       arrived += static_cast<size_t>(got);
                     wait.change([&] { ended = true; });
                   }};
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto sink = std::make_shared<stream_log>();
  ssh.open_stream(1, 1, (server.home() / "drain").string(), sink);
  REQUIRE(sink->wait_opened());
  ssh.send(1, std::string(3'000'000, 'x'));
  ssh.close_stream(1);
  CHECK_EQ(sink->wait_closed().code, connection_errc::closed);
  REQUIRE(wait.until([&] { return ended; }));
  CHECK_EQ(arrived, 3'000'000u);
}

TEST_CASE("a stream to a missing socket is channel_refused") {
  sshd server;
  ssh_transport ssh{patient()};
  auto log = dial_and_wait(ssh, 1, server.target());
  auto sink = std::make_shared<stream_log>();
  ssh.open_stream(1, 1, "/nowhere/at/all", sink);
  auto why = sink->wait_closed();
  CHECK_EQ(why.code, connection_errc::channel_refused);
  CHECK_MESSAGE(why.text.find("/nowhere/at/all") != std::string::npos,
                why.text);
  CHECK_FALSE(log->ended());
}

TEST_CASE("forbidden forwarding is channel_refused and names the option") {
  sshd server{{.config = {"AllowStreamLocalForwarding no"}}};
  unix_server peer{server.home() / "echo", echo};
  ssh_transport ssh{patient()};
  REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  auto sink = std::make_shared<stream_log>();
  ssh.open_stream(1, 1, (server.home() / "echo").string(), sink);
  auto why = sink->wait_closed();
  CHECK_EQ(why.code, connection_errc::channel_refused);
  CHECK_MESSAGE(
    why.text.find("AllowStreamLocalForwarding") != std::string::npos, why.text);
}

TEST_CASE("streams closed before they were opened leave the session usable") {
  world w;
  REQUIRE_FALSE(w.log->ended());
  std::vector<std::shared_ptr<stream_log>> sinks;
  for (stream_id i = 0; i < 30; ++i) {
    sinks.push_back(std::make_shared<stream_log>());
    w.ssh.open_stream(1, i, w.path, sinks.back());
    w.ssh.close_stream(i);
  }
  for (auto& x : sinks)
    CHECK_EQ(x->wait_closed().code, connection_errc::closed);
  auto sink = std::make_shared<stream_log>();
  w.ssh.open_stream(1, 100, w.path, sink);
  w.ssh.send(100, "hello");
  CHECK(sink->wait_received(5));
}

TEST_CASE("the server's re-keying loses nothing") {
  sshd server{{.config = {"RekeyLimit 1M"}}};
  unix_server peer{server.home() / "echo", echo};
  ssh_transport ssh{patient()};
  auto log = dial_and_wait(ssh, 1, server.target());
  std::vector<std::shared_ptr<stream_log>> sinks;
  for (stream_id i = 0; i < 4; ++i) {
    sinks.push_back(std::make_shared<stream_log>());
    ssh.open_stream(1, i, (server.home() / "echo").string(), sinks.back());
    ssh.send(i, pattern(5u << 20, static_cast<uint32_t>(i)));
  }
  for (uint32_t i = 0; i < 4; ++i) {
    CHECK(sinks[i]->wait_received(5u << 20));
    CHECK(sinks[i]->text() == pattern(5u << 20, i));
  }
  CHECK_FALSE(log->ended());
}
