#include "messages/host_port.hpp"

#include <algorithm>
#include <charconv>

namespace muster {

namespace {

std::optional<uint16_t> read_port(std::string_view text) {
  uint16_t port = 0;
  const auto* end = text.data() + text.size();
  auto [stop, code] = std::from_chars(text.data(), end, port);
  if (code != std::errc{} || stop != end || port == 0)
    return std::nullopt;
  return port;
}

} // namespace

tl::expected<host_port, address_fault> read_host_port(std::string_view text) {
  host_port out;
  auto host = text;
  std::string_view after; ///< the host: nothing, or a colon and the port
  if (text.starts_with('[')) {
    auto end = text.find(']');
    if (end == std::string_view::npos)
      return tl::unexpected{address_fault::form};
    host = text.substr(1, end - 1);
    after = text.substr(end + 1);
    if (!after.empty() && after.front() != ':')
      return tl::unexpected{address_fault::form};
  } else if (std::ranges::count(text, ':') == 1) {
    after = text.substr(text.find(':'));
    host = text.substr(0, text.size() - after.size());
  }
  if (!after.empty()) {
    out.port = read_port(after.substr(1));
    if (!out.port)
      return tl::unexpected{address_fault::port};
  }
  if (host.empty())
    return tl::unexpected{address_fault::host};
  out.host = host;
  return out;
}

} // namespace muster
