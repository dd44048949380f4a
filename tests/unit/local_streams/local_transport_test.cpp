#include "executors/local/local_transport.hpp"
#include "tests/support/scripted_transport.hpp"
#include "tests/unit/local_streams/peer.hpp"

#include <atomic>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

/// Keeps what comes; has credit for all, or for none until it is told.
class keeping_sink : public stream_sink {
public:
  void opened() override {
    is_open.tell(true);
  }

  size_t wanted() override {
    return credit;
  }

  void data(std::string_view bytes) override {
    std::lock_guard guard{mutex_};
    text_ += bytes;
    if (text_.size() >= awaited)
      enough.tell(text_);
  }

  void closed(const connection_failure& why) override {
    end.tell(why);
  }

  std::atomic<size_t> credit = 1 << 20;
  std::atomic<size_t> awaited = ~size_t{0};
  told<bool> is_open;
  told<std::string> enough;
  told<connection_failure> end;

private:
  std::mutex mutex_;
  std::string text_;
};

struct fixture {
  scratch folder;
  std::string path = folder.path + "/socket";
  std::shared_ptr<scripted_transport> other
    = std::make_shared<scripted_transport>();
  std::shared_ptr<local::socket_loop> loop
    = std::make_shared<local::socket_loop>();
  local::local_transport wire{other, loop};
  std::shared_ptr<keeping_sink> sink = std::make_shared<keeping_sink>();
  told<local::unique_fd> accepted;

  void listen() {
    auto socket = helper::listen_at(path);
    REQUIRE(socket);
    loop->listen(std::move(*socket), [this](local::unique_fd client) {
      accepted.tell(std::move(client));
    });
  }

  peer_socket open() {
    listen();
    wire.open_stream(local::here, 7, path, sink);
    return peer_socket{accepted.wait()};
  }
};

} // namespace

TEST_CASE("a stream of this machine goes both ways and ends in order") {
  fixture f;
  auto peer = f.open();
  CHECK(f.sink->is_open.wait());
  f.wire.send(7, "to the peer");
  CHECK_EQ(peer.read(11), "to the peer");
  f.sink->awaited = 8;
  peer.write("and back");
  CHECK_EQ(f.sink->enough.wait(), "and back");
  SUBCASE("ended by the peer") {
    peer.end_writing();
    CHECK_EQ(f.sink->end.wait().code, connection_errc::closed);
  }
  SUBCASE("closed by us, after what was sent") {
    f.wire.send(7, std::string(1 << 20, 'x'));
    f.wire.close_stream(7);
    CHECK_EQ(f.sink->end.wait().code, connection_errc::closed);
    CHECK_EQ(peer.read_all().size(), 1u << 20);
  }
  SUBCASE("we say no more, and still hear") {
    f.wire.end_input(7);
    CHECK_EQ(peer.read_all(), "");
    f.sink->awaited = 13;
    peer.write(" once more"); // behind the 8 bytes
    f.sink->awaited = 18;
    peer.end_writing();
    CHECK_EQ(f.sink->end.wait().code, connection_errc::closed);
  }
  CHECK(f.other->streams.empty());
}

TEST_CASE("without credit nothing is read") {
  fixture f;
  f.sink->credit = 0;
  auto peer = f.open();
  peer.write("waits");
  f.wire.send(7, "x");
  CHECK_EQ(peer.read(1), "x"); // the loop has seen the bytes by now
  f.sink->awaited = 5;
  f.sink->credit = 5;
  f.wire.resume(7);
  CHECK_EQ(f.sink->enough.wait(), "waits");
}

TEST_CASE("where nobody listens the stream is refused") {
  fixture f;
  f.wire.open_stream(local::here, 7, f.path, f.sink);
  auto why = f.sink->end.wait();
  CHECK_EQ(why.code, connection_errc::channel_refused);
  CHECK_NE(why.text.find(f.path), std::string::npos);
}

TEST_CASE("what is of another machine is passed on") {
  fixture f;
  f.wire.open_stream(3, 8, "/there", f.sink);
  f.wire.send(8, "x");
  f.wire.end_input(8);
  f.wire.close_stream(8);
  const auto& there = f.other->streams.at(8);
  CHECK_EQ(there.connection, 3);
  CHECK_EQ(there.sent, "x");
  CHECK(there.input_ended);
  CHECK(there.is_closed);
}
