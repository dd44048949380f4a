#include "providers/fleeting/connect.hpp"

#include "messages/host_port.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <string_view>

namespace muster::fleeting {

namespace {

using namespace std::chrono;

constexpr int64_t port_max = 65'535;
constexpr uint16_t ssh_port = 22;
/// Longer times than anybody means; they would overflow a clock.
constexpr milliseconds time_max = hours{24 * 30};

std::string first_of(const std::string& a, const std::string& b) {
  return a.empty() ? b : a;
}

int64_t time_of(nanoseconds told, milliseconds operators) {
  auto value = told.count() > 0 ? ceil<milliseconds>(told) : operators;
  return std::min(value, time_max).count();
}

/// Nothing for text that is no address.
std::optional<host_port> address_of(std::string_view text) {
  auto read = read_host_port(text);
  auto is_odd = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
  if (!read || std::ranges::any_of(read->host, is_odd))
    return std::nullopt;
  return std::move(*read);
}

} // namespace

connector settings_of(const connector_config& from, const secret& key) {
  connector to;
  to.os = from.os;
  to.arch = from.arch;
  to.protocol = from.protocol;
  to.username = from.username;
  to.password = from.password.reveal();
  to.key = key.reveal();
  to.use_static_credentials = from.use_static_credentials;
  to.keepalive = from.keepalive;
  to.timeout = from.timeout;
  to.protocol_port = from.protocol_port;
  return to;
}

result<connect_info, provider_errc>
connect_info_from(const std::string& instance, const connect_answer& told,
                  const connector_config& operators, const secret& key) {
  auto failed = [&instance](const std::string& why) {
    return fail(provider_errc::call_failed,
                fmt::format("the plugin's connect info of instance {}: {}",
                            instance, why));
  };
  connect_info out;
  out.instance = instance;
  out.os = first_of(told.how.os, operators.os);
  out.arch = first_of(told.how.arch, operators.arch);
  out.protocol = first_of(told.how.protocol, operators.protocol);
  if (!out.protocol.empty() && out.protocol != "ssh")
    return failed(fmt::format("protocol {} is not supported: muster speaks ssh",
                              out.protocol));
  out.internal_address = told.internal_address;
  out.external_address = told.external_address;
  auto external = operators.use_external_addr && !told.external_address.empty();
  const auto& text = external ? told.external_address : told.internal_address;
  if (text.empty())
    return failed(told.external_address.empty()
                    ? "it has no address"
                    : "it has no internal address: write use_external_addr = "
                      "true in connector_config to dial the external one");
  auto at = address_of(text);
  if (!at)
    return failed(fmt::format("its address \"{}\" is none", text));
  out.host = at->host;
  int64_t port = told.how.protocol_port != 0 ? told.how.protocol_port
                                             : operators.protocol_port;
  if (port < 0 || port > port_max)
    return failed(fmt::format("its port {} is none", port));
  out.port
    = at->port.value_or(port == 0 ? ssh_port : static_cast<uint16_t>(port));
  out.username = first_of(told.how.username, operators.username);
  if (out.username.empty())
    return failed("it names no user: write username = \"...\" in "
                  "connector_config");
  out.password
    = secret{first_of(told.how.password, operators.password.reveal())};
  out.key = secret{first_of(told.how.key, key.reveal())};
  out.expires_at = std::max<int64_t>(told.expires_at, 0);
  out.keepalive_ms = time_of(told.how.keepalive, operators.keepalive);
  out.timeout_ms = time_of(told.how.timeout, operators.timeout);
  return out;
}

} // namespace muster::fleeting
