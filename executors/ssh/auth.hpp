#pragma once

#include "executors/ssh/handle.hpp"
#include "executors/ssh/keys.hpp"

#include <string>

namespace muster::ssh {

/// Logs a user in: with the key under each of its signature algorithms, or
/// without a key with the password, as password or keyboard-interactive login,
/// whichever the server accepts.
class authenticator {
public:
  enum class outcome {
    waiting, ///< for the server: step again when it has said something
    done,
    refused, ///< see `methods`
    broken,  ///< the session is
  };

  /// `key` may be null: then the password of `on` counts.
  authenticator(handle& on, std::string user, shared_key key);

  outcome step();

  /// Whether the server has refused the key: what breaks after that does not
  /// matter.
  bool key_refused() const {
    return key_ && stage_ == stage::methods;
  }

  /// What was shown to the server: `an ed25519 key`, `a password`.
  std::string credential() const;

  /// What the server accepts, comma-separated, as far as it was asked.
  const std::string& methods() const {
    return methods_;
  }

private:
  enum class stage { start, key, methods, password, interactive };

  outcome step_key();
  outcome step_methods();
  outcome step_password();
  outcome step_interactive();

  handle& on_;
  std::string user_;
  shared_key key_;
  size_t algorithm_ = 0;
  std::string blob_;
  stage stage_ = stage::start;
  std::string methods_;
};

} // namespace muster::ssh
