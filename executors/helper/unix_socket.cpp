#include "executors/helper/unix_socket.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

namespace muster::helper {

namespace {

constexpr int backlog = 128; ///< [connections]

result<sockaddr_un, helper_errc> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return fail(helper_errc::failed,
                "the path " + path + " is too long for a unix socket ("
                  + std::to_string(sizeof(address.sun_path) - 1)
                  + " bytes at most)");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

result<unique_fd, helper_errc> make_socket() {
  unique_fd fd{
    ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd)
    return fail(helper_errc::failed,
                std::string{"no unix socket: "} + std::strerror(errno));
  return fd;
}

} // namespace

result<unique_fd, helper_errc> listen_at(const std::string& path) {
  auto address = address_of(path);
  if (!address)
    return tl::unexpected{address.error()};
  auto fd = make_socket();
  if (!fd)
    return fd;
  if (::bind(fd->get(), reinterpret_cast<const sockaddr*>(&*address),
             sizeof(*address))
        != 0
      || ::listen(fd->get(), backlog) != 0)
    return fail(helper_errc::failed,
                "cannot listen at " + path + ": " + std::strerror(errno));
  return fd;
}

result<unique_fd, helper_errc> connect_to(const std::string& path) {
  auto address = address_of(path);
  if (!address)
    return tl::unexpected{address.error()};
  auto fd = make_socket();
  if (!fd)
    return fd;
  if (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&*address),
                sizeof(*address))
      == 0)
    return fd;
  auto code = errno == ECONNREFUSED || errno == ENOENT
                ? helper_errc::unknown_key
                : helper_errc::failed;
  return fail(code, "cannot connect to " + path + ": " + std::strerror(errno));
}

unique_fd accept_from(const unique_fd& listener) {
  return unique_fd{
    ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
}

} // namespace muster::helper
