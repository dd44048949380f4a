#include "executors/ssh/address.hpp"

#include "messages/host_port.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <utility>

namespace muster::ssh {

namespace {

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
  auto read = read_host_port(host);
  if (!read)
    switch (read.error()) {
      case address_fault::form:
        return fail(connection_errc::unreachable,
                    "address: \"" + text
                      + "\" is not an address: expected "
                        "\"[IPv6 address]:port\"");
      case address_fault::port:
        return fail(connection_errc::unreachable,
                    "address: \"" + text
                      + "\" has no valid port: expected a number from 1 to "
                        "65535 after the colon");
      case address_fault::host:
        return fail(connection_errc::unreachable,
                    "address: the instance has no address: the provider must "
                    "give an internal or external one");
    }
  port = read->port.value_or(port);
  if (port == 0)
    return fail(connection_errc::unreachable, "address: the port of \"" + text
                                                + "\" is 0: set protocol_port");
  return address{std::move(read->host), port};
}

std::string to_text(const address& x) {
  return bracketed(x.host) + ":" + std::to_string(x.port);
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
