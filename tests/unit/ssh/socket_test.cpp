#include "executors/ssh/socket.hpp"

#include <array>
#include <cerrno>
#include <doctest/doctest.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

using namespace muster::ssh;

namespace {

/// A socket below a session, and the peer's end.
struct pair {
  pair() {
    std::array<int, 2> ends = {};
    REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()),
               0);
    ours.adopt(ends[0], {});
    peer = ends[1];
  }

  ~pair() {
    close_peer();
  }

  void close_peer() {
    if (peer >= 0)
      close(peer);
    peer = -1;
  }

  ssize_t receive(size_t size) {
    std::string buffer(size, '\0');
    return ours.receive(buffer.data(), size, 0);
  }

  tally counts;
  buffered_socket ours{counts};
  int peer = -1;
};

} // namespace

TEST_CASE("a visit receives no more than it may") {
  pair p;
  REQUIRE_EQ(write(p.peer, "0123456789", 10), 10);
  p.ours.begin_visit(6, {});
  CHECK_EQ(p.receive(4), 4);
  CHECK_EQ(p.receive(4), 2);
  CHECK_EQ(p.receive(4), -EAGAIN);
  p.ours.begin_visit(6, {});
  CHECK_EQ(p.receive(10), 4);
  CHECK_EQ(p.counts.read().bytes_in, 10u);
}

TEST_CASE("the end of the input is told aside, after what came before it") {
  pair p;
  REQUIRE_EQ(write(p.peer, "last", 4), 4);
  p.close_peer();
  p.ours.begin_visit(100, {});
  CHECK_EQ(p.receive(10), 4);
  CHECK(p.ours.end().empty());
  CHECK_EQ(p.receive(10), -EAGAIN);
  CHECK_EQ(p.ours.end(), "closed the connection");
}

TEST_CASE("output is taken whole and waits for the peer to read") {
  pair p;
  std::string block(64 * 1024, 'x');
  size_t sent = 0;
  while (!p.ours.congested()) {
    CHECK_EQ(p.ours.send(block.data(), block.size()),
             static_cast<ssize_t>(block.size()));
    sent += block.size();
    p.ours.flush();
  }
  CHECK(p.ours.has_output());
  CHECK_FALSE(p.ours.choked());
  std::string buffer(sent, '\0');
  size_t arrived = 0;
  while (arrived < sent) {
    auto got = read(p.peer, buffer.data(), buffer.size());
    if (got > 0)
      arrived += static_cast<size_t>(got);
    p.ours.flush();
  }
  CHECK_EQ(arrived, sent);
  CHECK_FALSE(p.ours.has_output());
  CHECK_EQ(p.counts.read().bytes_out, sent);
}

TEST_CASE("who does not read our output is not read from beyond a bound") {
  pair p;
  REQUIRE_EQ(write(p.peer, "x", 1), 1);
  std::string block(2 * 1024 * 1024, 'x');
  p.ours.send(block.data(), block.size());
  p.ours.flush();
  p.ours.begin_visit(100, {});
  CHECK(p.ours.choked());
  CHECK_EQ(p.receive(10), -EAGAIN);
}

TEST_CASE("a peer that has gone makes output vanish and shows at the input") {
  pair p;
  p.close_peer();
  p.ours.send("x", 1);
  p.ours.flush();
  CHECK_FALSE(p.ours.has_output());
  p.ours.begin_visit(100, {});
  CHECK_EQ(p.receive(10), -EAGAIN);
  CHECK_FALSE(p.ours.end().empty());
}

TEST_CASE("input, and its end, can be seen without taking it") {
  pair p;
  CHECK_FALSE(p.ours.has_input());
  REQUIRE_EQ(write(p.peer, "x", 1), 1);
  CHECK(p.ours.has_input());
  CHECK(p.ours.has_input());
  p.ours.begin_visit(100, {});
  CHECK_EQ(p.receive(10), 1);
  CHECK_FALSE(p.ours.has_input());
  p.close_peer();
  CHECK(p.ours.has_input());
}

TEST_CASE("a muted socket fails every receive and swallows what is sent") {
  pair p;
  REQUIRE_EQ(write(p.peer, "x", 1), 1);
  p.ours.mute();
  p.ours.begin_visit(100, {});
  CHECK_EQ(p.receive(10), -ECONNRESET);
  CHECK_EQ(p.ours.send("x", 1), 1);
  CHECK_FALSE(p.ours.has_output());
}
