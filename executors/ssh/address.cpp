#include "executors/ssh/address.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <optional>

namespace muster::ssh {

namespace {

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  auto end = text.data() + text.size();
  auto [stop, code] = std::from_chars(text.data(), end, port);
  if (code != std::errc{} || stop != end || port == 0)
    return std::nullopt;
  return port;
}

struct lookup {
  int code = 0;
  std::vector<endpoint> found;
};

lookup look_up(const address& x, int flags) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  lookup result;
  result.code = getaddrinfo(x.host.c_str(), std::to_string(x.port).c_str(),
                            &hints, &list);
  if (result.code != 0)
    return result;
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner{list, freeaddrinfo};
  for (auto* i = list; i != nullptr; i = i->ai_next) {
    endpoint e;
    e.size = std::min<socklen_t>(i->ai_addrlen, sizeof e.storage);
    std::memcpy(&e.storage, i->ai_addr, e.size);
    result.found.push_back(e);
  }
  return result;
}

} // namespace

result<address, connection_errc> parse_address(std::string_view host,
                                               uint16_t port) {
  auto text = std::string{host};
  std::string_view port_text;
  if (!host.empty() && host.front() == '[') {
    auto end = host.find(']');
    auto after = end == std::string_view::npos ? "?" : host.substr(end + 1);
    if (!after.empty() && after.front() != ':')
      return fail(connection_errc::unreachable,
                  "address: \"" + text
                    + "\" is not an address: expected "
                      "\"[IPv6 address]:port\"");
    port_text = after;
    host = host.substr(1, end - 1);
  } else if (std::count(host.begin(), host.end(), ':') == 1) {
    port_text = host.substr(host.find(':'));
    host = host.substr(0, host.find(':'));
  }
  if (!port_text.empty()) {
    auto own = parse_port(port_text.substr(1));
    if (!own)
      return fail(connection_errc::unreachable,
                  "address: \"" + text
                    + "\" has no valid port: expected a number from 1 to 65535 "
                      "after the colon");
    port = *own;
  }
  if (host.empty())
    return fail(connection_errc::unreachable,
                "address: the instance has no address: the provider must give "
                "an internal or external one");
  if (port == 0)
    return fail(connection_errc::unreachable, "address: the port of \"" + text
                                                + "\" is 0: set protocol_port");
  return address{std::string{host}, port};
}

std::string to_text(const address& x) {
  bool v6 = x.host.find(':') != std::string::npos;
  return (v6 ? "[" + x.host + "]" : x.host) + ":" + std::to_string(x.port);
}

std::vector<endpoint> numeric_endpoints(const address& x) {
  return look_up(x, AI_NUMERICHOST | AI_NUMERICSERV).found;
}

result<std::vector<endpoint>, connection_errc>
resolve_blocking(const address& x) {
  auto looked = look_up(x, AI_NUMERICSERV | AI_ADDRCONFIG);
  if (looked.code == EAI_NONAME
      || looked.code == EAI_ADDRFAMILY) // loopback only
    looked = look_up(x, AI_NUMERICSERV);
  if (looked.code == 0 && !looked.found.empty())
    return std::move(looked.found);
  auto why = looked.code == EAI_SYSTEM ? std::strerror(errno)
                                       : gai_strerror(looked.code);
  return fail(connection_errc::unreachable,
              "name: \"" + x.host + "\" cannot be resolved: " + why
                + ": check the name and the name servers of this machine");
}

} // namespace muster::ssh
