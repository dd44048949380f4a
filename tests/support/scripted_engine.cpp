#include "tests/support/scripted_engine.hpp"

#include "executors/docker/address.hpp"

#include <charconv>
#include <cstdlib>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace muster::test {

namespace {

using helper::unique_fd;

constexpr int accept_wait_ms = 20;

std::string head_and_body(const unique_fd& from) {
  constexpr std::string_view length = "Content-Length: ";
  std::string text;
  char piece[65'536];
  for (;;) {
    auto end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      size_t size = 0;
      if (auto at = text.find(length); at < end)
        std::from_chars(text.data() + at + length.size(),
                        text.data() + text.size(), size);
      if (text.size() >= end + 4 + size)
        return text;
    }
    auto n = ::recv(from.get(), piece, sizeof(piece), 0);
    if (n <= 0)
      return text;
    text.append(piece, static_cast<size_t>(n));
  }
}

} // namespace

scripted_engine::scripted_engine(script what) : what_(std::move(what)) {
  char folder[] = "/tmp/muster-scripted-XXXXXX";
  REQUIRE_NE(::mkdtemp(folder), nullptr);
  folder_ = folder;
  socket_ = folder_ + "/docker.sock";
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  socket_.copy(at.sun_path, sizeof(at.sun_path) - 1);
  REQUIRE_EQ(
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  REQUIRE_EQ(::listen(listener_.get(), 64), 0);
  thread_ = std::thread{[this] { serve(); }};
}

scripted_engine::~scripted_engine() {
  over_ = true;
  thread_.join();
  ::unlink(socket_.c_str());
  ::rmdir(folder_.c_str());
}

docker::engine scripted_engine::api(const std::string& version) const {
  return {docker::make_socket_dialer({socket_, "", 0}), version, true};
}

std::vector<std::string> scripted_engine::requests() const {
  std::lock_guard guard{mutex_};
  return requests_;
}

void scripted_engine::end_held(const std::string& bytes) {
  for (auto& client : std::exchange(held_, {}))
    ::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void scripted_engine::serve() {
  while (!over_) {
    pollfd ready{listener_.get(), POLLIN, 0};
    if (::poll(&ready, 1, accept_wait_ms) <= 0)
      continue;
    answer(
      unique_fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)});
  }
}

void scripted_engine::answer(unique_fd client) {
  auto request = head_and_body(client);
  auto line = request.substr(0, request.find(" HTTP/"));
  {
    std::lock_guard guard{mutex_};
    requests_.push_back(request);
  }
  auto said = what_(line);
  auto holds = said.find(hang);
  auto bytes = std::string_view{said}.substr(0, holds);
  while (!bytes.empty()) {
    auto n = ::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  if (holds != std::string::npos) {
    held_.push_back(std::move(client));
    return;
  }
  if (said.starts_with("HTTP/1.1 101")) {
    // Input may follow. Closed with it unread, the other side would see a reset
    // in place of what was sent.
    ::shutdown(client.get(), SHUT_WR);
    upgraded_.push_back(std::move(client));
  }
}

std::string answer_of(const std::string& status, const std::string& body,
                      const std::string& more_headers) {
  return "HTTP/1.1 " + status
         + "\r\nContent-Type: application/json\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\n" + more_headers + "\r\n" + body;
}

} // namespace muster::test
