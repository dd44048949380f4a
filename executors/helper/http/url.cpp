#include "executors/helper/http/url.hpp"

#include "messages/host_port.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>

namespace muster::helper {

namespace {

constexpr uint16_t http_port = 80;
constexpr uint16_t https_port = 443;

std::string lower(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return result;
}

std::optional<uint16_t> port_of(std::string_view text) {
  uint16_t value = 0;
  auto [stop, error]
    = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size() || value == 0)
    return std::nullopt;
  return value;
}

/// Splits `host`, `host:port` or `[v6]:port`; false if it is none of these.
bool take_host(std::string_view text, url& to) {
  std::string_view port;
  if (text.starts_with('[')) {
    auto close = text.find(']');
    if (close == std::string_view::npos)
      return false;
    to.host = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    if (!text.empty() && text[0] != ':')
      return false;
    port = text.empty() ? text : text.substr(1);
  } else {
    auto colon = text.find(':');
    to.host = lower(text.substr(0, colon));
    if (colon != std::string_view::npos)
      port = text.substr(colon + 1);
  }
  if (!port.empty()) {
    auto number = port_of(port);
    if (!number)
      return false;
    to.port = *number;
  }
  return !to.host.empty();
}

/// The 16 bytes of an address, IPv4 mapped; nothing for a name.
std::optional<std::array<unsigned char, 16>> address_of(const std::string& of) {
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET6, of.c_str(), bytes.data()) == 1)
    return bytes;
  bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (::inet_pton(AF_INET, of.c_str(), bytes.data() + 12) == 1)
    return bytes;
  return std::nullopt;
}

bool is_own(const std::string& host) {
  auto bytes = address_of(host);
  if (!bytes)
    return host == "localhost";
  auto mapped = (*bytes)[10] == 0xff && (*bytes)[11] == 0xff;
  std::array<unsigned char, 16> loopback{};
  loopback[15] = 1;
  return *bytes == loopback || (mapped && (*bytes)[12] == 127);
}

bool is_in_block(const std::array<unsigned char, 16>& address,
                 const std::string& block, std::string_view bits_text) {
  auto base = address_of(block);
  unsigned bits = 0;
  auto [stop, error] = std::from_chars(
    bits_text.data(), bits_text.data() + bits_text.size(), bits);
  if (!base || error != std::errc{}
      || stop != bits_text.data() + bits_text.size())
    return false;
  if (block.find(':') == std::string::npos)
    bits += 96;
  if (bits > 128)
    return false;
  for (unsigned i = 0; i < bits; ++i) {
    auto mask = static_cast<unsigned char>(0x80u >> (i % 8));
    if (((address[i / 8] ^ (*base)[i / 8]) & mask) != 0)
      return false;
  }
  return true;
}

bool entry_means(std::string entry, const url& to) {
  if (entry == "*")
    return true;
  auto address = address_of(to.host);
  if (auto slash = entry.find('/'); slash != std::string::npos)
    return address
           && is_in_block(*address, entry.substr(0, slash),
                          std::string_view{entry}.substr(slash + 1));
  if (auto whole = address_of(entry); whole)
    return address && *address == *whole;
  url split;
  split.port = 0;
  if (!take_host(entry, split) || (split.port != 0 && split.port != to.port))
    return false;
  if (auto whole = address_of(split.host); whole)
    return address && *address == *whole;
  auto name = split.host.starts_with("*.") ? split.host.substr(1) : split.host;
  if (name.starts_with('.'))
    return to.host.ends_with(name);
  return to.host == name || to.host.ends_with("." + name);
}

} // namespace

std::optional<url> parse_url(std::string_view text) {
  for (unsigned char c : text)
    if (c <= ' ' || c == 127)
      return std::nullopt;
  text = text.substr(0, text.find('#'));
  url result;
  auto scheme_end = text.find("://");
  auto scheme = lower(text.substr(0, scheme_end));
  if (scheme_end == std::string_view::npos
      || (scheme != "http" && scheme != "https"))
    return std::nullopt;
  result.tls = scheme == "https";
  result.port = result.tls ? https_port : http_port;
  text.remove_prefix(scheme_end + 3);
  auto begin = std::min(text.find_first_of("/?"), text.size());
  auto host = text.substr(0, begin);
  if (begin < text.size())
    result.target = text.substr(begin);
  if (result.target.starts_with('?'))
    result.target.insert(0, "/");
  if (auto at = host.rfind('@'); at != std::string_view::npos) {
    auto credentials = host.substr(0, at);
    auto colon = credentials.find(':');
    result.user = percent_decoded(credentials.substr(0, colon));
    if (colon != std::string_view::npos)
      result.password = percent_decoded(credentials.substr(colon + 1));
    host.remove_prefix(at + 1);
  }
  if (!take_host(host, result))
    return std::nullopt;
  return result;
}

std::optional<url> resolved(const url& base, std::string_view location) {
  if (location.find("://") < location.find_first_of("/?"))
    return parse_url(location);
  std::string root = base.tls ? "https:" : "http:";
  if (location.starts_with("//"))
    return parse_url(root + std::string{location});
  root += "//" + authority(base);
  if (location.starts_with('/'))
    return parse_url(root + std::string{location});
  auto path = base.target.substr(0, base.target.find('?'));
  path.resize(path.rfind('/') + 1);
  return parse_url(root + path + std::string{location});
}

std::string authority(const url& of) {
  auto host = bracketed(of.host);
  if (of.port == (of.tls ? https_port : http_port))
    return host;
  return host + ":" + std::to_string(of.port);
}

std::string shown(const url& of) {
  return (of.tls ? "https://" : "http://") + authority(of)
         + of.target.substr(0, of.target.find('?'));
}

bool same_origin(const url& a, const url& b) {
  return a.tls == b.tls && a.host == b.host && a.port == b.port;
}

std::optional<std::string> proxy_for(const url& to,
                                     const variable_lookup& variable) {
  auto either = [&variable](const std::string& name) {
    auto value = variable(name);
    return value.empty() ? variable(lower(name)) : value;
  };
  auto proxy = either(to.tls ? "HTTPS_PROXY" : "HTTP_PROXY");
  if (!to.tls && !variable("REQUEST_METHOD").empty())
    proxy = variable("http_proxy");
  if (proxy.empty() || is_own(to.host) || is_excluded(to, either("NO_PROXY")))
    return std::nullopt;
  return proxy.find("://") == std::string::npos ? "http://" + proxy : proxy;
}

bool is_excluded(const url& to, std::string_view no_proxy) {
  auto text = lower(no_proxy);
  for (size_t begin = 0; begin < text.size();) {
    auto end = std::min(text.find(',', begin), text.size());
    auto entry = text.substr(begin, end - begin);
    begin = end + 1;
    std::erase_if(entry, [](unsigned char c) { return std::isspace(c) != 0; });
    if (!entry.empty() && entry_means(entry, to))
      return true;
  }
  return false;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size()
        && std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16)
               .ptr
             == text.data() + i + 3) {
      result += static_cast<char>(value);
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string base64_of(std::string_view bytes) {
  constexpr std::string_view digits
    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8
              | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k])
                                      : 0u);
    for (size_t k = 0; k < 4; ++k)
      result
        += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return result;
}

} // namespace muster::helper
