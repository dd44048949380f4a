#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster::local {

/// The user that this process runs as: instances are logged into as no other.
struct account {
  std::string name;
  std::string home;
  std::string shell;
};

/// What instances need of the machine that they run on.
struct machine {
  account user;
  std::string sshd;           ///< absolute path
  std::string resolver;       ///< `resolver_folder()`
  bool isolated = false;      ///< instances get namespaces of their own
  std::string isolation_text; ///< one line for the log
};

/// Errors: `not_available` (no sshd, no account).
result<machine, provider_errc> survey_machine();

/// Nothing if the user has no entry in the account files.
std::optional<account> own_account();

/// Returns the absolute path of sshd, which is often not on a user's PATH;
/// empty if there is none.
std::string find_sshd();

/// The machine's architecture in GitLab's words: `amd64`, `arm64`, ...
std::string architecture();

/// The folder below /run that /etc/resolv.conf points into (systemd-resolved
/// and others); empty if it points elsewhere.
std::string resolver_folder();

/// Returns an account file (passwd, shadow) with one field of one user
/// replaced; fields count from 0. Pure.
std::string with_field(std::string_view file, std::string_view user,
                       size_t field, std::string_view value);

/// Returns a field of a user in an account file; nothing if it is not there.
std::optional<std::string> field_of(std::string_view file,
                                    std::string_view user, size_t field);

} // namespace muster::local
