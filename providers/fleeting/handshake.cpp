#include "providers/fleeting/handshake.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sys/un.h>
#include <vector>

namespace muster::fleeting {

namespace {

/// As much of a foreign line as a message shows.
constexpr size_t shown_max = 200;
/// Shorter ones are no certificate.
constexpr size_t certificate_min = 51;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    auto at = text.find('|');
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos)
      return parts;
    text.remove_prefix(at + 1);
  }
}

auto refuse(std::string text) {
  return fail(provider_errc::not_available, std::move(text));
}

result<endpoint, provider_errc> unix_endpoint(std::string_view path) {
  if (!path.starts_with('/') || path.size() >= sizeof(sockaddr_un::sun_path))
    return refuse(fmt::format("its socket \"{}\" is no path of a unix socket",
                              path.substr(0, shown_max)));
  return endpoint{fmt::format("unix:{}", path), std::string{path}};
}

/// Calls go in clear: they must not leave this machine.
result<endpoint, provider_errc> tcp_endpoint(std::string_view address) {
  auto colon = address.rfind(':');
  auto host = address.substr(0, colon);
  auto port = colon == std::string_view::npos ? std::string_view{}
                                              : address.substr(colon + 1);
  auto good = (host == "127.0.0.1" || host == "[::1]" || host == "localhost")
              && !port.empty() && port.size() <= 5
              && port.find_first_not_of("0123456789") == std::string_view::npos;
  if (!good)
    return refuse(fmt::format("it listens at \"{}\", which is no port of "
                              "loopback",
                              address.substr(0, shown_max)));
  return endpoint{std::string{address}, ""};
}

} // namespace

result<endpoint, provider_errc> parse_handshake(std::string_view line) {
  auto text = trimmed(line);
  auto fields = split(text);
  if (fields.size() < 4)
    return refuse(fmt::format("unrecognised remote plugin message: \"{}\": it "
                              "is not a fleeting plugin, or it was built for "
                              "another machine",
                              text.substr(0, shown_max)));
  if (fields[0] != "1")
    return refuse(fmt::format("incompatible core API version with plugin: it "
                              "speaks \"{}\", muster 1",
                              fields[0].substr(0, shown_max)));
  if (fields[1] != "0")
    return refuse(fmt::format("incompatible API version with plugin: plugin "
                              "version: {}, muster versions: [0]",
                              fields[1].substr(0, shown_max)));
  if (fields.size() < 5 || fields[4] != "grpc")
    return refuse(fmt::format(
      "unsupported plugin protocol \"{}\": muster "
      "speaks grpc only",
      fields.size() < 5 ? "netrpc" : fields[4].substr(0, shown_max)));
  if (fields.size() > 5 && fields[5].size() >= certificate_min)
    return refuse("it wants TLS, which muster did not ask for: is "
                  "PLUGIN_CLIENT_CERT set for it?");
  if (fields[2] == "unix")
    return unix_endpoint(fields[3]);
  if (fields[2] == "tcp")
    return tcp_endpoint(fields[3]);
  return refuse(fmt::format("unknown address type: \"{}\"",
                            fields[2].substr(0, shown_max)));
}

} // namespace muster::fleeting
