#include "providers/static/options.hpp"

#include "config/duration.hpp"
#include "messages/host_port.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <set>

namespace muster::given {

namespace {

using nlohmann::json;
using complaint = std::string; ///< empty: the value is good
using std::chrono::milliseconds;

constexpr size_t text_max = 64 * 1024;
constexpr size_t hosts_max = 10'000;
constexpr size_t id_max = 128;

complaint read_text(const json& value, std::string& to) {
  if (!value.is_string())
    return "must be a string";
  to = value.get<std::string>();
  if (to.size() > text_max)
    return "is too long";
  return to.find('\0') == std::string::npos ? "" : "must not hold a NUL byte";
}

complaint read_line(const json& value, std::string& to) {
  if (auto wrong = read_text(value, to); !wrong.empty())
    return wrong;
  auto is_control = [](unsigned char c) { return std::iscntrl(c) != 0; };
  return std::ranges::any_of(to, is_control) ? "must be one line" : "";
}

complaint read_secret(const json& value, secret& to) {
  std::string text;
  auto wrong = read_text(value, text);
  to = secret{std::move(text)};
  return wrong;
}

/// A port as a number, or as a text of digits.
complaint read_port(const json& value, uint16_t& to) {
  uint64_t port = 65'536;
  if (value.is_number_unsigned()) {
    port = value.get<uint64_t>();
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), port);
  }
  if (port == 0 || port > 65'535)
    return "must be a port, 1 to 65535";
  to = static_cast<uint16_t>(port);
  return "";
}

/// A text such as "1m", or a number of nanoseconds, as Go writes durations.
complaint read_duration(const json& value, std::optional<milliseconds>& to) {
  std::chrono::nanoseconds time{0};
  if (value.is_string()) {
    auto parsed = parse_duration(value.get<std::string>());
    if (!parsed)
      return parsed.error().text;
    time = *parsed;
  } else if (value.is_number_integer() && !value.is_number_unsigned()) {
    time = std::chrono::nanoseconds{value.get<int64_t>()};
  } else if (value.is_number_unsigned()
             && value.get<uint64_t>() <= uint64_t{INT64_MAX}) {
    time = std::chrono::nanoseconds{value.get<int64_t>()};
  } else {
    return R"(must be a duration in quotes, as "30s" or "10m")";
  }
  if (time.count() < 0)
    return "must not be negative";
  if (time.count() > 0) // zero stands for the default
    to = std::chrono::ceil<milliseconds>(time);
  return "";
}

complaint read_protocol(const json& value) {
  std::string text;
  if (auto wrong = read_line(value, text); !wrong.empty())
    return wrong;
  if (text.empty() || text == "ssh")
    return "";
  return text == "winrm" || text == "winrm+https"
           ? "\"" + text + "\" is not supported yet: hosts are reached over ssh"
           : std::string{"must be \"ssh\""};
}

complaint read_os(const json& value, std::string& to) {
  if (auto wrong = read_line(value, to); !wrong.empty())
    return wrong;
  auto text = to;
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return std::tolower(c); });
  return text == "windows" ? "\"windows\" is not supported yet: hosts need a "
                             "POSIX shell"
                           : "";
}

/// Go writes bytes as base64, so the key may come in it.
complaint read_key_text(const json& value, secret& to) {
  std::string text;
  if (auto wrong = read_text(value, text); !wrong.empty())
    return wrong;
  auto size = static_cast<int>(text.size());
  std::string decoded(text.size(), '\0');
  if (text.find("-----BEGIN") == std::string::npos) {
    auto got = EVP_DecodeBlock(
      reinterpret_cast<unsigned char*>(decoded.data()),
      reinterpret_cast<const unsigned char*>(text.data()), size);
    decoded.resize(static_cast<size_t>(std::max(got, 0)));
    if (decoded.find("-----BEGIN") != std::string::npos)
      text = std::move(decoded);
  }
  to = secret{std::move(text)};
  return "";
}

/// An address as the transport takes it; `form` is how it is to be written.
complaint check_address(std::string_view text, std::string_view form) {
  auto read = read_host_port(text);
  if (!read && read.error() == address_fault::port)
    return "must have a port from 1 to 65535 behind its colon";
  auto is_none = [](const std::string& host) {
    in6_addr v6{};
    if (host.find(':') != std::string::npos)
      return inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &v6)
             != 1;
    return host.find_first_of(" \t/\\?#,;\"'") != std::string::npos;
  };
  return !read || is_none(read->host)
           ? fmt::format("must be \"{}\", an IPv6 address with a port in "
                         "brackets: \"[::1]:22\"",
                         form)
           : "";
}

/// An address in a table, which has keys of their own for the rest. An empty
/// one is none.
complaint read_address(const json& value, std::string& to) {
  if (auto wrong = read_line(value, to); !wrong.empty())
    return wrong;
  if (to.find('@') != std::string::npos)
    return "must be without a user: write that as username";
  return to.empty() ? "" : check_address(to, "address[:port]");
}

constexpr std::array host_keys{
  "address",
  "arch",
  "external_addr",
  "host_key",
  "internal_addr",
  "keepalive",
  "key",
  "key_passphrase",
  "key_path",
  "name",
  "os",
  "password",
  "port",
  "protocol",
  "protocol_port",
  "timeout",
  "use_static_credentials",
  "username",
};

complaint read_host_key(const std::string& key, const json& value, host& to) {
  if (key == "name")
    return read_line(value, to.id);
  if (key == "address" || key == "internal_addr")
    return read_address(value, to.internal_address);
  if (key == "external_addr")
    return read_address(value, to.external_address);
  if (key == "port" || key == "protocol_port")
    return read_port(value, to.port);
  if (key == "username")
    return read_line(value, to.username);
  if (key == "password")
    return read_secret(value, to.password);
  if (key == "key")
    return read_key_text(value, to.key);
  if (key == "key_path")
    return read_line(value, to.key_path);
  if (key == "key_passphrase")
    return read_secret(value, to.key_passphrase);
  if (key == "host_key")
    return read_line(value, to.host_key);
  if (key == "os")
    return read_os(value, to.os);
  if (key == "arch")
    return read_line(value, to.arch);
  if (key == "keepalive")
    return read_duration(value, to.keepalive);
  if (key == "timeout")
    return read_duration(value, to.timeout);
  if (key == "protocol")
    return read_protocol(value);
  return ""; // use_static_credentials: they always are
}

bool is_host_key(const std::string& key) {
  return std::ranges::find(host_keys, key) != host_keys.end();
}

std::string known_host_keys() {
  return fmt::format("known keys: {}", fmt::join(host_keys, ", "));
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return std::tolower(c); });
  return text;
}

complaint check_id(const std::string& id) {
  auto is_control = [](unsigned char c) { return std::iscntrl(c) != 0; };
  return id.empty() || id.size() > id_max || std::ranges::any_of(id, is_control)
           ? fmt::format("its name must have 1 to {} characters", id_max)
           : "";
}

/// `[user@]address[:port]`; the name is what stands behind the user.
complaint read_short_host(const json& value, host& to) {
  std::string text;
  if (auto wrong = read_line(value, text); !wrong.empty())
    return wrong;
  auto at = text.rfind('@');
  if (at != std::string::npos)
    to.username = text.substr(0, at);
  to.id = text.substr(at == std::string::npos ? 0 : at + 1);
  to.internal_address = to.id;
  return check_address(to.id, "[user@]address[:port]");
}

complaint read_long_host(const json& value, host& to) {
  for (const auto& [key, what] : value.items()) {
    if (!is_host_key(key))
      return fmt::format("{} is not known; {}", key, known_host_keys());
    if (auto wrong = read_host_key(key, what, to); !wrong.empty())
      return fmt::format("{} {}", key, wrong);
  }
  if (to.id.empty())
    to.id
      = to.internal_address.empty() ? to.external_address : to.internal_address;
  return "";
}

complaint check_host(const host& x) {
  if (auto wrong = check_id(x.id); !wrong.empty())
    return wrong;
  return x.internal_address.empty() && x.external_address.empty()
           ? "has no address"
           : "";
}

complaint read_hosts(const json& value, options& to) {
  if (!value.is_array())
    return "hosts must be a list";
  for (const auto& item : value) {
    host fresh;
    complaint wrong = "must be a table, or \"[user@]address[:port]\"";
    if (item.is_string())
      wrong = read_short_host(item, fresh);
    else if (item.is_object())
      wrong = read_long_host(item, fresh);
    if (wrong.empty())
      wrong = check_host(fresh);
    if (!wrong.empty())
      return fmt::format("hosts, entry {}: {}", to.hosts.size() + 1, wrong);
    to.hosts.push_back(std::move(fresh));
  }
  return "";
}

/// As GitLab's plugin reads it.
complaint read_instances(const json& value, options& to) {
  if (!value.is_object())
    return "instances must be a table of tables";
  for (const auto& [id, item] : value.items()) {
    host fresh;
    complaint wrong = item.is_object() ? "" : "must be a table";
    for (const auto& [key, what] : item.items()) {
      auto name = lower(key);
      if (wrong.empty() && is_host_key(name) && !what.is_null())
        if (auto bad = read_host_key(name, what, fresh); !bad.empty())
          wrong = fmt::format("{} {}", key, bad);
    }
    fresh.id = id;
    if (wrong.empty())
      wrong = check_host(fresh);
    if (!wrong.empty())
      return fmt::format("instances.{}: {}", id, wrong);
    to.hosts.push_back(std::move(fresh));
  }
  return "";
}

/// The name becomes a file and part of the group's identity.
complaint read_name(const json& value, std::string& to) {
  if (auto wrong = read_text(value, to); !wrong.empty())
    return wrong;
  auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
  };
  auto good = !to.empty() && to.size() <= 64 && to[0] != '.'
              && std::ranges::all_of(to, fits);
  return good ? ""
              : "must be 1 to 64 of the characters A-Z a-z 0-9 . _ - and "
                "not begin with a dot";
}

complaint read_key(const std::string& key, const json& value, options& to) {
  if (key == "hosts")
    return read_hosts(value, to);
  if (key == "instances")
    return read_instances(value, to);
  if (key == "name") {
    auto wrong = read_name(value, to.name);
    return wrong.empty() ? "" : "name " + wrong;
  }
  return fmt::format("{} is not known; known keys: hosts, instances, name",
                     key);
}

complaint check_all(const options& x) {
  if (x.hosts.empty())
    return "it has no hosts: write hosts = [\"10.0.0.5\", ...]";
  if (x.hosts.size() > hosts_max)
    return fmt::format("it has more than {} hosts", hosts_max);
  std::set<std::string> seen;
  for (const auto& host : x.hosts)
    if (!seen.insert(host.id).second)
      return fmt::format("two hosts are called {}: give each a name of its own",
                         host.id);
  return "";
}

} // namespace

result<options, provider_errc> parse_options(std::string_view text) {
  options out;
  auto bad = [](const complaint& why) {
    return fail(provider_errc::bad_config,
                "plugin_config of the static provider: " + why);
  };
  auto tree = text.empty() ? json{} : json::parse(text, nullptr, false);
  if (tree.is_discarded())
    return bad("it is not valid JSON");
  if (!tree.is_null() && !tree.is_object())
    return bad("it must be a table");
  for (const auto& [key, value] : tree.items())
    if (auto wrong = read_key(key, value, out); !wrong.empty())
      return bad(wrong);
  if (auto wrong = check_all(out); !wrong.empty())
    return bad(wrong);
  return out;
}

} // namespace muster::given
