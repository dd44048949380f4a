#include "executors/local/engine_bridge.hpp"
#include "tests/support/scripted_transport.hpp"
#include "tests/unit/local_streams/peer.hpp"

#include <condition_variable>
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <thread>

using namespace muster;
using namespace muster::test;

namespace {

/// Tells of each stream that is opened, in the order of opening.
class telling_transport : public scripted_transport {
public:
  void open_stream(connection_id connection, stream_id id,
                   const std::string& path,
                   std::shared_ptr<stream_sink> sink) override {
    scripted_transport::open_stream(connection, id, path, std::move(sink));
    forwarded.tell(id);
  }

  void open_command(connection_id connection, stream_id id,
                    command_request what,
                    std::shared_ptr<stream_sink> sink) override {
    scripted_transport::open_command(connection, id, std::move(what),
                                     std::move(sink));
    commanded.tell(id);
  }

  void send(stream_id id, std::string bytes) override {
    std::lock_guard guard{mutex};
    text += bytes;
    grown.notify_all();
    if (text.size() >= awaited)
      enough.tell(text);
    scripted_transport::send(id, std::move(bytes));
  }

  /// Waits until more than that was sent; returns how much, the same after
  /// 20 s.
  size_t sent_beyond(size_t size) {
    std::unique_lock guard{mutex};
    grown.wait_for(guard, std::chrono::seconds{20},
                   [&] { return text.size() > size; });
    return text.size();
  }

  void end_input(stream_id id) override {
    scripted_transport::end_input(id);
    input_end.tell(true);
  }

  void close_stream(stream_id id) override {
    scripted_transport::close_stream(id);
    stream_end.tell(true);
  }

  void resume(stream_id) override {
    resumed.tell(true);
  }

  told<stream_id> forwarded;
  told<stream_id> commanded;
  told<std::string> enough;
  told<bool> input_end;
  told<bool> stream_end;
  told<bool> resumed;
  size_t awaited = 1;

private:
  std::mutex mutex;
  std::condition_variable grown;
  std::string text;
};

struct fixture {
  scratch folder;
  std::shared_ptr<telling_transport> wire
    = std::make_shared<telling_transport>();
  std::shared_ptr<local::socket_loop> loop
    = std::make_shared<local::socket_loop>();
  std::unique_ptr<local::engine_bridge> bridge;
  stream_id used = 0;

  explicit fixture(const std::string& engine = "") {
    auto made
      = local::engine_bridge::make({loop, wire, folder.path + "/engine.sock",
                                    engine, [this] { return ++used; }});
    REQUIRE(made);
    bridge = std::move(*made);
    bridge->use(5);
  }

  /// A scripted transport keeps its sinks, which have it.
  ~fixture() {
    bridge.reset();
    for (int i = 0; i < 2; ++i) { // what is posted by then posts, too
      told<bool> over;
      loop->post([&over] { over.tell(true); });
      over.wait();
    }
    wire->streams.clear();
  }

  peer_socket dial() {
    return peer_socket{bridge->socket_path()};
  }

  stream_sink& sink(stream_id id) {
    return *wire->streams.at(id).sink;
  }
};

const connection_failure ended{connection_errc::closed, "ended"};

} // namespace

TEST_CASE("a connection to the bridge is a stream to the Engine's socket") {
  fixture f;
  auto client = f.dial();
  client.write("GET /_ping");
  auto id = f.wire->forwarded.wait();
  CHECK_EQ(f.wire->streams.at(id).connection, 5);
  CHECK_EQ(f.wire->streams.at(id).path, "/var/run/docker.sock");
  f.wire->awaited = 10;
  f.sink(id).opened();
  CHECK_EQ(f.wire->enough.wait(), "GET /_ping");
  client.end_writing();
  CHECK(f.wire->input_end.wait());
  f.sink(id).data("the answer");
  f.sink(id).closed(ended);
  CHECK_EQ(client.read_all(), "the answer");
}

TEST_CASE("the socket is for its user alone, and goes with the bridge") {
  fixture f;
  struct stat facts {};
  auto path = f.bridge->socket_path();
  REQUIRE_EQ(::stat(path.c_str(), &facts), 0);
  CHECK_EQ(facts.st_mode & 0777, 0600);
  auto client = f.dial();
  f.wire->forwarded.wait();
  f.bridge.reset();
  CHECK_EQ(client.read_all(), "");
  CHECK(f.wire->stream_end.wait());
  CHECK_NE(::stat(path.c_str(), &facts), 0);
}

TEST_CASE("where sockets are not forwarded docker's own dial is taken") {
  fixture f{"unix:///run/my docker.sock"};
  auto client = f.dial();
  auto first = f.wire->forwarded.wait();
  CHECK_EQ(f.wire->streams.at(first).path, "/run/my docker.sock");
  f.sink(first).closed({connection_errc::channel_refused, "prohibited"});
  auto second = f.wire->commanded.wait();
  CHECK_EQ(f.wire->streams.at(second).command.command,
           "sh -c 'printf \"\\001muster\\001\"; exec docker -H "
           "'\\''unix:///run/my docker.sock'\\'' system dial-stdio'");
  client.write("x");
  f.sink(second).opened();
  CHECK_EQ(f.wire->enough.wait(), "x");
  SUBCASE("which answers") {
    f.sink(second).data("\001muster\001y");
    f.sink(second).closed(ended);
    CHECK_EQ(client.read_all(), "y");
  }
  SUBCASE("which answers behind what start-up files print") {
    f.sink(second).data("Welcome\n\001mus");
    f.sink(second).data("ter\001y");
    f.sink(second).data("z");
    f.sink(second).closed(ended);
    CHECK_EQ(client.read_all(), "yz");
  }
  SUBCASE("which does not come through what start-up files print") {
    for (int i = 0; i < 3; ++i)
      f.sink(second).data(std::string(32u << 10, 'x'));
    auto answer = client.read_all();
    CHECK_EQ(answer.find("HTTP/1.1 502 Bad Gateway\r\n"), 0);
    CHECK_NE(answer.find("start-up files"), std::string::npos);
    CHECK(f.wire->stream_end.wait());
    f.sink(second).data("y"); // as the end is told
    f.sink(second).closed(ended);
  }
  SUBCASE("which is not there: told as an Engine tells") {
    f.sink(second).error_data("docker: command not found");
    f.sink(second).exited(127);
    f.sink(second).closed(ended);
    auto answer = client.read_all();
    CHECK_EQ(answer.find("HTTP/1.1 502 Bad Gateway\r\n"), 0);
    CHECK_NE(answer.find("cannot be reached: docker: command not found"),
             std::string::npos);
  }
}

TEST_CASE("an Engine of another machine is dialed there") {
  fixture f{"tcp://10.0.0.1:2375"};
  auto client = f.dial();
  auto id = f.wire->commanded.wait();
  CHECK_EQ(f.wire->streams.at(id).command.command,
           "sh -c 'printf \"\\001muster\\001\"; exec docker -H "
           "tcp://10.0.0.1:2375 system dial-stdio'");
}

TEST_CASE("a client that reads slowly holds the Engine back") {
  fixture f;
  auto client = f.dial();
  client.write("x");
  auto id = f.wire->forwarded.wait();
  f.sink(id).opened();
  f.wire->enough.wait();
  size_t sent = 0;
  while (auto room = f.sink(id).wanted()) {
    auto size = std::min<size_t>(room, 32'768);
    f.sink(id).data(std::string(size, 'y'));
    sent += size;
    REQUIRE_LT(sent, 8u << 20); // a socket holds less by far
  }
  CHECK_EQ(client.read(sent).size(), sent);
  CHECK(f.wire->resumed.wait());
  CHECK_GT(f.sink(id).wanted(), 0);
}

TEST_CASE("an Engine that takes slowly holds the client back") {
  constexpr size_t all = 4u << 20;
  constexpr size_t waiting_max = 320u << 10;
  fixture f;
  auto client = f.dial();
  std::thread writer{[&client] { client.write(std::string(all, 'x')); }};
  auto id = f.wire->forwarded.wait();
  f.sink(id).opened();
  size_t taken = 0;
  while (taken < all) {
    auto sent = f.wire->sent_beyond(taken);
    CHECK_LE(sent - taken, waiting_max);
    if (sent == taken)
      break; // nothing comes any more
    f.sink(id).sent(sent - taken);
    taken = sent;
  }
  CHECK_EQ(taken, all);
  writer.join();
}
