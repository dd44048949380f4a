#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "messages/secret.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::given {

/// One machine of a given list. What is empty or unset is as `connector_config`
/// says.
struct host {
  std::string id;
  std::string internal_address; ///< may have a port of its own, `[::1]:2222`
  std::string external_address;
  uint16_t port = 0;
  std::string username;
  secret password;
  secret key; ///< the text of a private key
  std::string key_path;
  secret key_passphrase;
  std::string host_key; ///< `TYPE BASE64`; empty: pinned on first contact
  std::string os;
  std::string arch;
  std::optional<std::chrono::milliseconds> keepalive;
  std::optional<std::chrono::milliseconds> timeout;
};

/// `plugin_config` of `plugin = "static"`.
struct options {
  /// Names the group; one file of the state folder.
  std::string name = "static";
  std::vector<host> hosts; ///< ids are unique
};

/// Reads `plugin_config` as JSON: `hosts`, a list of tables or of texts
/// `[user@]address[:port]`, or `instances`, as GitLab's static plugin has it: a
/// table of tables, in which keys are known in any letter case and unknown ones
/// have no effect.
///
/// Errors: `bad_config`, in words that show no value that may be a secret.
result<options, provider_errc> parse_options(std::string_view json);

} // namespace muster::given
