#include "executors/ssh/methods.hpp"

#include "executors/ssh/host_key.hpp"
#include "executors/ssh/wire.hpp"

#include <algorithm>
#include <array>
#include <libssh2.h>
#include <tuple>
#include <utility>

namespace muster::ssh {

namespace {

bool has_common(std::string_view ours, std::string_view theirs) {
  auto wrapped = "," + std::string{theirs} + ",";
  while (!ours.empty()) {
    auto name = ours.substr(0, ours.find(','));
    if (wrapped.find("," + std::string{name} + ",") != std::string::npos)
      return true;
    ours.remove_prefix(std::min(ours.size(), name.size() + 1));
  }
  return false;
}

/// Cuts off the lines up to and with `SSH-...`.
std::string_view after_banner(std::string_view received) {
  while (!received.empty()) {
    auto end = received.find('\n');
    if (end == std::string_view::npos)
      return {};
    bool banner = received.starts_with("SSH-");
    received.remove_prefix(end + 1);
    if (banner)
      return received;
  }
  return {};
}

} // namespace

bool restrict_methods(LIBSSH2_SESSION* session, std::string_view pinned_type) {
  auto host_keys = host_key_preference(pinned_type);
  const std::pair<int, const char*> lists[] = {
    {LIBSSH2_METHOD_KEX, key_exchange_methods},
    {LIBSSH2_METHOD_HOSTKEY, host_keys.c_str()},
    {LIBSSH2_METHOD_CRYPT_CS, cipher_methods},
    {LIBSSH2_METHOD_CRYPT_SC, cipher_methods},
    {LIBSSH2_METHOD_MAC_CS, mac_methods},
    {LIBSSH2_METHOD_MAC_SC, mac_methods},
    {LIBSSH2_METHOD_COMP_CS, "none"},
    {LIBSSH2_METHOD_COMP_SC, "none"},
  };
  for (auto [what, names] : lists) {
    if (libssh2_session_method_pref(session, what, names) != 0)
      return false;
  }
  return true;
}

std::optional<server_offer> parse_offer(std::string_view received) {
  constexpr uint8_t kexinit = 20;
  constexpr size_t cookie_size = 16;
  wire_reader packet{after_banner(received)};
  auto size = packet.u32();
  auto padding = packet.byte();
  if (!size || !padding || packet.byte() != kexinit
      || packet.rest().size() < cookie_size)
    return std::nullopt;
  wire_reader lists{packet.rest().substr(cookie_size)};
  std::array<std::string, 6> names;
  for (auto& name : names) {
    auto list = lists.string();
    if (!list)
      return std::nullopt;
    name = *list;
  }
  return server_offer{names[0], names[1], names[2], names[4]};
}

std::string missing_method(const server_offer& offer) {
  if (!has_common(host_key_preference(""), offer.host_keys))
    return "it has only host keys that cannot be checked without SHA-1 ("
           + printable(offer.host_keys)
           + "): give it an ed25519 or ecdsa host key (ssh-keygen -A)";
  const std::tuple<const char*, const char*, const std::string&> rows[] = {
    {"key exchange", key_exchange_methods, offer.key_exchanges},
    {"cipher", cipher_methods, offer.ciphers},
    {"mac", mac_methods, offer.macs},
  };
  for (const auto& [what, ours, theirs] : rows) {
    if (!has_common(ours, theirs))
      return std::string{"no "} + what + " in common: it offers "
             + printable(theirs) + ", wanted is one of " + ours;
  }
  return "";
}

} // namespace muster::ssh
