#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "messages/secret.hpp"

#include <string>
#include <string_view>

namespace muster::fleeting {

// The file in which Docker's client keeps what it logs in to registries with.

/// Who somebody is to a registry. Without a name: anybody.
struct registry_user {
  std::string name;
  secret password;
  secret identity_token; ///< instead of a password; of an OAuth 2 server

  bool is_known() const {
    return !name.empty() || !identity_token.empty();
  }
};

/// What the file says of one registry.
struct registry_entry {
  registry_user user;
  std::string helper; ///< NAME of a `docker-credential-NAME` that knows more
};

/// The name under which a registry's entry stands.
std::string server_key(std::string_view registry);

/// Reads the entry of a registry; an empty text has none. Pure.
///
/// Errors: `not_valid`: the text is not the JSON that it should be.
result<registry_entry, config_errc> find_entry(std::string_view text,
                                               std::string_view registry);

/// Returns the text with a user for a registry; all else stays. Pure.
///
/// Errors: `not_valid`.
result<std::string, config_errc> with_entry(std::string_view text,
                                            std::string_view registry,
                                            const registry_user& user);

/// Reads what a credential helper answers to `get`. Pure. Errors: `not_valid`.
result<registry_user, config_errc> parse_helper_answer(std::string_view text);

/// What a credential helper is told at `store`. Pure.
std::string helper_request(std::string_view registry,
                           const registry_user& user);

} // namespace muster::fleeting
