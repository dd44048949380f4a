#pragma once

#include "messages/secret.hpp"

#include <caf/meta/type_name.hpp>
#include <cstdint>
#include <string>

namespace muster {

/// How to reach an instance over SSH: the operator's connector_config completed
/// by the provider (reference/fleeting-plugins, section 8).
struct connect_info {
  std::string instance;         ///< the provider's id
  std::string os;               ///< empty: unknown
  std::string arch;             ///< empty: unknown
  std::string protocol;         ///< empty means ssh
  std::string host;             ///< the address to dial: name, IPv4 or IPv6
  std::string internal_address; ///< for the log
  std::string external_address; ///< for the log
  uint16_t port = 22;
  std::string username;
  secret password;      ///< used when there is no key
  secret key;           ///< PEM or OpenSSH private key; empty: use the password
  std::string host_key; ///< pinned `TYPE BASE64`; empty: pin on first contact
  int64_t expires_at = 0;        ///< Unix seconds; 0: never
  int64_t keepalive_ms = 30'000; ///< between keep-alives [ms]
  int64_t timeout_ms = 600'000;  ///< for a dial, retries included [ms]
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, connect_info& x) {
  return f(caf::meta::type_name("connect_info"), x.instance, x.os, x.arch,
           x.protocol, x.host, x.internal_address, x.external_address, x.port,
           x.username, x.password, x.key, x.host_key, x.expires_at,
           x.keepalive_ms, x.timeout_ms);
}

} // namespace muster
