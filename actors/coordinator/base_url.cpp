#include "actors/coordinator/base_url.hpp"

#include "messages/host_port.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <netinet/in.h>
#include <vector>

namespace muster {

namespace {

std::string lower(std::string_view x) {
  std::string text{x};
  for (auto& c : text)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string_view trimmed(std::string_view x) {
  constexpr auto spaces = " \t\r\n";
  auto first = x.find_first_not_of(spaces);
  if (first == x.npos)
    return {};
  return x.substr(first, x.find_last_not_of(spaces) - first + 1);
}

int hex_digit(char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  auto at = digits.find(lower({&c, 1}));
  return at == digits.npos ? -1 : static_cast<int>(at);
}

/// Undoes percent encoding; a `%` that begins no pair stays.
std::string unescaped(std::string_view x) {
  std::string text;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == '%' && i + 2 < x.size() && hex_digit(x[i + 1]) >= 0
        && hex_digit(x[i + 2]) >= 0) {
      text += static_cast<char>(hex_digit(x[i + 1]) * 16 + hex_digit(x[i + 2]));
      i += 2;
    } else {
      text += x[i];
    }
  }
  return text;
}

/// Reads 1 to 65535; 0 if it is no port.
int port_of(std::string_view x) {
  if (x.empty() || x.size() > 5)
    return 0;
  auto port = 0;
  for (auto c : x) {
    if (c < '0' || c > '9')
      return 0;
    port = port * 10 + (c - '0');
  }
  return port <= 65535 ? port : 0;
}

/// Cuts `host`, `host:port` or `[v6]:port`. Returns false if it is none.
bool split_host(std::string_view authority, url_parts& to) {
  std::string_view port;
  if (authority.starts_with('[')) {
    auto end = authority.find(']');
    if (end == authority.npos)
      return false;
    to.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!port.empty() && port.front() != ':')
      return false;
  } else {
    auto colon = authority.find(':');
    to.host = authority.substr(0, colon);
    if (colon != authority.npos)
      port = authority.substr(colon);
  }
  to.port = to.tls ? 443 : 80;
  if (port.size() > 1)
    to.port = port_of(port.substr(1));
  auto is_odd = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  return !to.host.empty() && to.port != 0
         && std::none_of(to.host.begin(), to.host.end(), is_odd);
}

/// An address in the form of IPv6, IPv4 mapped into it; nothing for a name.
std::optional<std::array<uint8_t, 16>> address_of(const std::string& host) {
  std::array<uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1)
    return bytes;
  bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (::inet_pton(AF_INET, host.c_str(), bytes.data() + 12) == 1)
    return bytes;
  return {};
}

bool is_loopback(const std::string& host) {
  if (lower(host) == "localhost")
    return true;
  auto address = address_of(host);
  if (!address)
    return false;
  constexpr std::array<uint8_t, 16> v6_loopback{0, 0, 0, 0, 0, 0, 0, 0,
                                                0, 0, 0, 0, 0, 0, 0, 1};
  auto is_v4 = (*address)[10] == 0xff && (*address)[11] == 0xff;
  return *address == v6_loopback || (is_v4 && (*address)[12] == 127);
}

bool is_in_network(const std::string& host, std::string_view network) {
  auto slash = network.find('/');
  auto address = address_of(host);
  std::string base{network.substr(0, slash)};
  auto first = address_of(base);
  if (!address || !first)
    return false;
  auto is_v4 = base.find(':') == base.npos;
  auto size = network.substr(slash + 1);
  auto bits = size == "0" ? 0 : port_of(size);
  if ((bits == 0 && size != "0") || bits > (is_v4 ? 32 : 128))
    return false;
  bits += is_v4 ? 96 : 0;
  for (auto bit = 0; bit < bits; ++bit) {
    auto index = static_cast<size_t>(bit / 8);
    auto differs = ((*address)[index] ^ (*first)[index]) & (0x80 >> (bit % 8));
    if (differs != 0)
      return false;
  }
  return true;
}

/// Whether one entry of NO_PROXY means this target.
bool excludes(std::string_view entry, const url_parts& target) {
  if (entry == "*")
    return true;
  if (entry.find('/') != entry.npos)
    return is_in_network(target.host, entry);
  auto name = lower(entry);
  auto is_bare_v6
    = std::count(name.begin(), name.end(), ':') > 1 && name.front() != '[';
  if (!is_bare_v6) {
    url_parts parts;
    if (!split_host(name, parts))
      return false;
    auto has_port = name.rfind(':') != name.npos && name.back() != ']';
    if (has_port && parts.port != target.port)
      return false;
    name = parts.host;
  }
  auto host = lower(target.host);
  if (auto address = address_of(name))
    return address_of(host) == address;
  if (name.starts_with("*."))
    name.erase(0, 1);
  if (name.starts_with('.'))
    return host.ends_with(name);
  return host == name || host.ends_with("." + name);
}

std::string variable(const char* lower_name, const char* upper_name) {
  for (const auto* name : {upper_name, lower_name})
    if (const auto* value = std::getenv(name); value != nullptr && *value != 0)
      return value;
  return {};
}

} // namespace

result<url_parts, coordinator_errc> parse_url(std::string_view url) {
  auto rejected = [](const std::string& why) {
    return fail(coordinator_errc::rejected, why);
  };
  url = trimmed(url);
  url_parts parts;
  auto scheme_end = url.find("://");
  if (scheme_end == url.npos)
    return rejected("the URL has no scheme: write https://... or http://...");
  auto scheme = lower(url.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https")
    return rejected("the URL's scheme is " + scheme
                    + ": only http and https can be used");
  parts.tls = scheme == "https";
  auto rest = url.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find('#'));
  auto path = rest.find_first_of("/?");
  if (path != rest.npos) {
    parts.path = rest[path] == '/' ? "" : "/";
    parts.path += rest.substr(path);
  }
  auto authority = rest.substr(0, path);
  if (auto end = authority.rfind('@'); end != authority.npos) {
    auto user = authority.substr(0, end);
    auto colon = user.find(':');
    parts.user = unescaped(user.substr(0, colon));
    if (colon != user.npos)
      parts.password = unescaped(user.substr(colon + 1));
    authority.remove_prefix(end + 1);
  }
  if (!split_host(authority, parts))
    return rejected("the URL has no usable host and port: "
                    + std::string{authority});
  return parts;
}

result<url_parts, coordinator_errc> api_url(std::string_view runner_url) {
  auto parts = parse_url(runner_url);
  if (!parts)
    return parts;
  auto& path = parts->path;
  path = path.substr(0, path.find('?'));
  auto strip = [&path] {
    while (path.ends_with('/'))
      path.pop_back();
  };
  strip();
  if (path.ends_with("/ci"))
    path.resize(path.size() - 3);
  strip();
  path += "/api/v4/";
  return parts;
}

std::string host_header(const url_parts& x) {
  auto text = bracketed(x.host);
  if (x.port != (x.tls ? 443 : 80))
    text += ":" + std::to_string(x.port);
  return text;
}

std::string origin_text(const url_parts& x) {
  return (x.tls ? "https://" : "http://") + host_header(x);
}

proxy_environment read_proxy_environment() {
  return {variable("http_proxy", "HTTP_PROXY"),
          variable("https_proxy", "HTTPS_PROXY"),
          variable("no_proxy", "NO_PROXY")};
}

result<std::optional<url_parts>, coordinator_errc>
proxy_for(const url_parts& target, const proxy_environment& env) {
  const auto& value = target.tls ? env.https : env.http;
  if (trimmed(value).empty() || is_loopback(target.host))
    return std::nullopt;
  std::string_view list = env.exclude;
  while (!list.empty()) {
    auto comma = list.find(',');
    auto entry = trimmed(list.substr(0, comma));
    if (!entry.empty() && excludes(entry, target))
      return std::nullopt;
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
  }
  auto has_scheme = value.find("://") != value.npos;
  auto proxy = parse_url(has_scheme ? value : "http://" + value);
  if (!proxy || proxy->tls)
    return fail(coordinator_errc::rejected,
                std::string{target.tls ? "HTTPS_PROXY" : "HTTP_PROXY"}
                  + " cannot be used: it must be http://host:port");
  return std::optional{*proxy};
}

} // namespace muster
