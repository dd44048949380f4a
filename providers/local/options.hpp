#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster::local {

/// No limit, as fleeting plugins say it: the largest 32-bit number.
constexpr int64_t no_limit = 4'294'967'295;

/// `plugin_config` of `plugin = "local"`.
struct options {
  /// Names the group; one folder of the state folder.
  std::string name = "local";
  /// An instance is `creating` for at least this long after it was made.
  std::chrono::milliseconds boot_delay{0};
  /// An instance that does not accept connections this long after its boot
  /// delay has failed.
  std::chrono::milliseconds boot_timeout{300'000};
  int64_t max_size = no_limit; ///< [instances]
  /// A script that runs inside the instance before its sshd starts: by its
  /// `#!` line, or by sh.
  std::string user_data;
  /// Lines of sshd_config; they win over ours where sshd's use by muster does
  /// not depend on them.
  std::vector<std::string> sshd_options;
  /// Sockets of this machine that instances see, although /run and /tmp are
  /// their own; absolute paths.
  std::vector<std::string> sockets;
};

/// Reads `plugin_config` as JSON; `null` and empty text mean all defaults. An
/// unknown key is an error that names the known ones.
///
/// Errors: `bad_config`.
result<options, provider_errc> parse_options(std::string_view json);

} // namespace muster::local
