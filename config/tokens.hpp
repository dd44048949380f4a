#pragma once

#include "config/edit.hpp"
#include "config/rewrite.hpp"

#include <optional>
#include <string>

namespace muster {

/// A token that GitLab gave in the place of another one. From then on GitLab
/// knows the old one no more: whoever loses this loses the runner.
struct fresh_token {
  secret token;
  unix_time obtained_at;
  std::optional<unix_time> expires_at; ///< unset: never
};

/// Writes a new token into all `[[runners]]` of config.toml that have the old
/// one at this URL. Errors: those of `rewrite_config`; `not_valid` also when
/// there is no such runner, or its token comes from the environment.
result<void, config_errc> write_token(const std::string& config_path,
                                      const std::string& url,
                                      const secret& old_token,
                                      const fresh_token& fresh,
                                      const rewrite_options& options = {});

/// Whether `write_token` could do it, before GitLab is asked: the file is there
/// and can be replaced. Leaves it as it is.
result<void, config_errc> can_write_token(const std::string& config_path,
                                          const std::string& url,
                                          const secret& old_token);

/// A folder, mode 0700, for new tokens that could not be written into
/// config.toml yet, each in a file of mode 0600. They are found by the old
/// token, of which only a digest is in the file's name. A value.
class kept_tokens {
public:
  explicit kept_tokens(const std::string& state_dir);

  /// Returns the file. Errors: `not_writable`.
  result<std::string, config_errc> keep(const std::string& url,
                                        const secret& old_token,
                                        const fresh_token& fresh) const;

  std::optional<fresh_token> find(const std::string& url,
                                  const secret& old_token) const;

  void drop(const std::string& url, const secret& old_token) const;

private:
  std::string file_of(const std::string& url, const secret& old_token) const;

  std::string folder_;
};

} // namespace muster
