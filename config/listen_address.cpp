#include "config/listen_address.hpp"

#include "messages/host_port.hpp"

#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace muster {

namespace {

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t out = 0;
  const auto* end = text.data() + text.size();
  auto [at, fault] = std::from_chars(text.data(), end, out);
  if (text.empty() || fault != std::errc{} || at != end)
    return std::nullopt;
  return out;
}

tl::unexpected<failure<config_errc>> wrong(std::string_view text,
                                           std::string_view why) {
  return fail(config_errc::not_valid,
              fmt::format("the address \"{}\" cannot be used: {}; write "
                          "\"host:port\", \":port\" or \"[IPv6 "
                          "address]:port\"",
                          text, why));
}

} // namespace

std::string listen_address::text() const {
  return fmt::format("{}:{}", bracketed(host), port);
}

result<listen_address, config_errc>
parse_listen_address(std::string_view text) {
  listen_address out;
  auto rest = text;
  if (rest.starts_with('[')) {
    auto end = rest.find(']');
    if (end == std::string_view::npos)
      return wrong(text, "the bracket is not closed");
    out.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest.front() != ':')
      return wrong(text, "a colon must follow the bracket");
  } else {
    auto colon = rest.find(':');
    if (colon != std::string_view::npos
        && rest.find(':', colon + 1) != std::string_view::npos)
      return wrong(text, "it has too many colons");
    out.host = rest.substr(0, colon);
    rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon);
  }
  if (out.host.find_first_of("[]/ \t\n") != std::string::npos)
    return wrong(text, "this is no host");
  if (rest.size() > 1) {
    auto port = parse_port(rest.substr(1));
    if (!port)
      return wrong(text, "the port must be a number up to 65535");
    out.port = *port;
  }
  return out;
}

} // namespace muster
