#pragma once

#include "config/tokens.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace muster {

/// Where a runner's token comes from, and goes to when it is changed.
struct token_origin {
  std::string config_path;
  std::string state_dir;
  std::string url;
  secret token;           ///< as it stands in config.toml, environment expanded
  bool is_literal = true; ///< the file has it, not the environment
  std::optional<unix_time> obtained_at;
  std::optional<unix_time> expires_at; ///< unset: never
};

/// A runner's token, which may be replaced while jobs run. One that config.toml
/// does not have yet is kept in a file of the state folder, and found there at
/// the next start. May be used from any thread; what writes files takes its
/// time.
class runner_token {
public:
  explicit runner_token(token_origin from);

  secret token() const;
  std::optional<unix_time> obtained_at() const;
  std::optional<unix_time> expires_at() const;
  bool is_literal() const;

  /// Whether config.toml has it.
  bool is_saved() const;

  /// GitLab gave another one: it is used from now on. `save` is due.
  void replace(fresh_token fresh);

  /// What config.toml has, as far as it is known.
  secret written() const;

  /// config.toml was read again. A token that is neither in use nor was written
  /// there by muster is used from now on; one that GitLab has replaced since is
  /// not, and `save` is due. Returns whether another token is used than before.
  bool reread(const token_origin& found);

  /// Writes it into config.toml. Returns why that failed, and where the token
  /// is kept instead; empty if it did not.
  std::string save();

private:
  token_origin from_;
  const kept_tokens kept_;
  mutable std::mutex mutex_;
  fresh_token now_;
  secret written_;            ///< in config.toml
  std::set<secret> replaced_; ///< GitLab knows them no more
  std::mutex saving_;
};

} // namespace muster
