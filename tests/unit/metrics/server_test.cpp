#include "actors/metrics/server.hpp"

#include <arpa/inet.h>
#include <array>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 60s;

/// A client that says what the test wants, when it wants.
class client {
public:
  explicit client(const listen_address& to) {
    auto is_v6 = to.host.find(':') != std::string::npos;
    fd_ = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 six{};
    sockaddr_in four{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(to.port);
    four.sin_family = AF_INET;
    four.sin_port = htons(to.port);
    int done = -1;
    if (is_v6 && inet_pton(AF_INET6, to.host.c_str(), &six.sin6_addr) == 1)
      done = connect(fd_, reinterpret_cast<sockaddr*>(&six), sizeof six);
    if (!is_v6 && inet_pton(AF_INET, to.host.c_str(), &four.sin_addr) == 1)
      done = connect(fd_, reinterpret_cast<sockaddr*>(&four), sizeof four);
    REQUIRE_EQ(done, 0);
  }

  ~client() {
    close(fd_);
  }

  client(const client&) = delete;
  client& operator=(const client&) = delete;

  bool says(const std::string& what) {
    return send(fd_, what.data(), what.size(), MSG_NOSIGNAL)
           == static_cast<ssize_t>(what.size());
  }

  /// Something comes, or the connection's end, within so long.
  bool is_heard_of(std::chrono::milliseconds within) {
    pollfd what{fd_, POLLIN, 0};
    return poll(&what, 1, static_cast<int>(within.count())) > 0;
  }

  /// All that comes until the server ends the connection; nothing if it does
  /// not.
  std::optional<std::string> hears() {
    auto until = std::chrono::steady_clock::now() + patience;
    std::string out;
    std::array<char, 4096> part{};
    while (std::chrono::steady_clock::now() < until) {
      pollfd what{fd_, POLLIN, 0};
      if (poll(&what, 1, 100) <= 0)
        continue;
      auto got = recv(fd_, part.data(), part.size(), 0);
      if (got <= 0)
        return out;
      out.append(part.data(), static_cast<size_t>(got));
    }
    return std::nullopt;
  }

private:
  int fd_ = -1;
};

struct fixture {
  std::shared_ptr<metrics_table> table
    = std::make_shared<metrics_table>(program_facts{"1.0", "abc", "main", 4});
  std::unique_ptr<metrics_server> server;

  explicit fixture(const metrics_server_options& options = {},
                   const std::string& host = "127.0.0.1") {
    auto started = metrics_server::start({host, 0}, table, options);
    REQUIRE(started);
    server = std::move(*started);
  }

  std::string ask(const std::string& method, const std::string& path) const {
    client one{server->address()};
    one.says(method + " " + path + " HTTP/1.1\r\nHost: test\r\n\r\n");
    return one.hears().value_or("nothing");
  }
};

std::string status_of(const std::string& answer) {
  return answer.substr(0, std::min(answer.find('\r'), answer.size()));
}

std::string body_of(const std::string& answer) {
  auto at = answer.find("\r\n\r\n");
  return at == std::string::npos ? "" : answer.substr(at + 4);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the metrics are text of Prometheus, for GET and HEAD alone") {
  fixture f;
  auto answer = f.ask("GET", "/metrics");
  CHECK_EQ(status_of(answer), "HTTP/1.1 200 OK");
  CHECK(contains(answer, "Content-Type: text/plain; version=0.0.4"));
  CHECK(contains(body_of(answer), "\ngitlab_runner_concurrent 4\n"));
  auto head = f.ask("HEAD", "/metrics");
  CHECK_EQ(status_of(head), "HTTP/1.1 200 OK");
  CHECK_EQ(body_of(head), "");
  for (const auto* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    CAPTURE(method);
    auto refused = f.ask(method, "/metrics");
    CHECK(contains(status_of(refused), "405"));
    CHECK(contains(refused, "Allow: GET, HEAD"));
  }
}

TEST_CASE("the other paths answer as GitLab Runner's, any method") {
  fixture f;
  CHECK_EQ(body_of(f.ask("GET", "/debug/process/state")), "starting\n");
  auto ready = f.ask("GET", "/health/ready");
  CHECK(contains(status_of(ready), "503"));
  CHECK_EQ(body_of(ready), "boot-verify pending");
  f.table->is(process_state::running);
  ready = f.ask("POST", "/health/ready");
  CHECK(contains(status_of(ready), "200"));
  CHECK_EQ(body_of(ready), "ready");
  CHECK_EQ(body_of(f.ask("PUT", "/debug/process/state")), "running\n");
  f.table->is(process_state::forceful_shutdown);
  CHECK_EQ(body_of(f.ask("GET", "/debug/process/state")),
           "forceful-shutdown\n");
  job_facts facts;
  facts.job = 5;
  facts.url = "http://gitlab.test/a/b";
  auto job = f.table->runner({})->job(facts);
  auto list = f.ask("GET", "/debug/jobs/list");
  CHECK(contains(list, "X-List-Version: 2"));
  CHECK(contains(list, "Content-Type: text/plain"));
  CHECK(contains(body_of(list), "url=http://gitlab.test/a/b/-/jobs/5 state="));
  for (const auto* path : {"/", "/metrics/", "/debug/pprof/", "/nothing"})
    CHECK(contains(status_of(f.ask("GET", path)), "404"));
}

TEST_CASE("a body that nobody wants does not cost the answer") {
  fixture f;
  client one{f.server->address()};
  one.says(
    "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  one.says(std::string(100'000, 'x'));
  CHECK(contains(status_of(one.hears().value_or("")), "405"));
}

TEST_CASE("bytes that are no request end the connection, and nothing else") {
  fixture f;
  const std::string noise{"\x16\x03\x01\0\0\xff\xfe\r\n\r\n", 11};
  for (const auto& bytes : {noise, std::string(100'000, 'A'),
                            std::string{"\r\n\r\n"}, std::string{"GET\r\n\r\n"},
                            std::string{"GET /metrics HTTP/9.9\r\n\r\n"},
                            "GET /metrics HTTP/1.1\r\nX: "
                              + std::string(100'000, 'y') + "\r\n\r\n"}) {
    client one{f.server->address()};
    one.says(bytes);
    CHECK(one.hears().has_value());
  }
  CHECK(contains(f.ask("GET", "/metrics"), " 200 "));
}

TEST_CASE("who is silent or drips is cut off at the deadline") {
  metrics_server_options options;
  options.request_max = 300ms;
  fixture f{options};
  client silent{f.server->address()};
  client dripping{f.server->address()};
  // Faster than any silence that is borne, and never whole.
  std::thread drips{[&dripping] {
    auto until = std::chrono::steady_clock::now() + patience;
    while (dripping.says("G") && !dripping.is_heard_of(20ms)
           && std::chrono::steady_clock::now() < until)
      ;
  }};
  CHECK(silent.hears().has_value());
  CHECK(dripping.hears().has_value());
  drips.join();
}

TEST_CASE("a request without end is cut off, long before its deadline") {
  metrics_server_options options;
  options.request_max = options.time_max = 10min;
  fixture f{options};
  for (const auto& part : {std::string{"a:b\r\n"}, std::string(4096, 'A')}) {
    client endless{f.server->address()};
    endless.says("GET /metrics HTTP/1.1\r\n");
    auto until = std::chrono::steady_clock::now() + patience;
    auto takes_more = [&] { return std::chrono::steady_clock::now() < until; };
    while (takes_more() && endless.says(part))
      ;
    CHECK(takes_more());
  }
  CHECK(contains(f.ask("GET", "/metrics"), " 200 "));
}

TEST_CASE("parts of the answer are not given, let alone many times over") {
  fixture f;
  auto whole = body_of(f.ask("GET", "/metrics"));
  client one{f.server->address()};
  std::string ranges = "bytes=0-";
  for (int i = 0; i < 1'000; ++i)
    ranges += ",0-";
  one.says("GET /metrics HTTP/1.1\r\nHost: x\r\nRange: " + ranges + "\r\n\r\n");
  auto answer = one.hears().value_or("");
  CHECK_EQ(status_of(answer), "HTTP/1.1 200 OK");
  CHECK_LT(body_of(answer).size(), 2 * whole.size());
}

TEST_CASE("connections are bounded, and the oldest makes room") {
  metrics_server_options options;
  options.connections_max = 3;
  options.request_max = options.time_max = 10min; // only room is made
  fixture f{options};
  std::vector<std::unique_ptr<client>> hanging;
  for (int i = 0; i < 12; ++i) {
    hanging.push_back(std::make_unique<client>(f.server->address()));
    hanging.back()->says("GET /metrics HTTP/1.1\r\n");
  }
  CHECK(contains(f.ask("GET", "/metrics"), " 200 "));
  for (int i = 0; i < 9; ++i)
    CHECK_EQ(hanging[static_cast<size_t>(i)]->hears(), std::string{});
}

TEST_CASE("a server ends with a client that hangs") {
  metrics_server_options options;
  options.request_max = options.time_max = 10min;
  fixture f{options};
  client hanging{f.server->address()};
  hanging.says("GET /metrics");
  CHECK(contains(f.ask("GET", "/metrics"), " 200 "));
  f.server.reset();
  CHECK(hanging.hears().has_value());
}

TEST_CASE("addresses of IPv6 and all of the machine are listened on") {
  fixture six{{}, "::1"};
  CHECK(contains(six.ask("GET", "/metrics"), " 200 "));
  fixture all{{}, ""};
  for (const auto* host : {"127.0.0.1", "::1"}) {
    client one{{host, all.server->address().port}};
    one.says("GET /metrics HTTP/1.0\r\n\r\n");
    CHECK(contains(one.hears().value_or(""), " 200 "));
  }
}

TEST_CASE("an address that is taken, or not ours, is refused in words") {
  fixture f;
  auto again = metrics_server::start(f.server->address(), f.table);
  REQUIRE(!again);
  CHECK(contains(again.error().text, f.server->address().text()));
  CHECK(contains(again.error().text, "in use"));
  // Nor is another address taken instead.
  fixture six{{}, "::"};
  CHECK_FALSE(metrics_server::start({"", six.server->address().port}, f.table));
  auto foreign = metrics_server::start({"192.0.2.1", 0}, f.table);
  REQUIRE(!foreign);
  CHECK(contains(foreign.error().text, "192.0.2.1"));
}
