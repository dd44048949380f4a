#include "tests/unit/local_streams/peer.hpp"

#include <array>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <poll.h>
#include <sys/socket.h>

namespace muster::test {

scratch::scratch() {
  std::string pattern = "/tmp/muster-local.XXXXXX";
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path = pattern;
}

scratch::~scratch() {
  std::filesystem::remove_all(path);
}

peer_socket::peer_socket(const std::string& path) {
  auto made = helper::connect_to(path);
  REQUIRE(made);
  socket_ = std::move(*made);
}

bool peer_socket::is_ready(short events) {
  pollfd x{socket_.get(), events, 0};
  return ::poll(&x, 1, 20'000) == 1;
}

void peer_socket::write(std::string_view bytes) {
  while (!bytes.empty()) {
    REQUIRE(is_ready(POLLOUT));
    auto n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    REQUIRE(n > 0);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void peer_socket::end_writing() {
  ::shutdown(socket_.get(), SHUT_WR);
}

std::string peer_socket::read(size_t count) {
  std::string out;
  std::array<char, 65'536> piece;
  while (out.size() < count && is_ready(POLLIN)) {
    auto n = ::recv(socket_.get(), piece.data(),
                    std::min(piece.size(), count - out.size()), 0);
    if (n <= 0)
      break;
    out.append(piece.data(), static_cast<size_t>(n));
  }
  return out;
}

std::string peer_socket::read_all() {
  return read(size_t{1} << 40);
}

} // namespace muster::test
