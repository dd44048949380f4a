#pragma once

#include "config/edit.hpp"
#include "messages/secret.hpp"
#include "tools/muster/commands.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace muster {

// Commands on the runners of a configuration. Each returns the exit status.
// Tokens are shown short. (reference/cli, section 2)

/// A value for a `[[runners]]` that is to be written.
struct new_entry_value {
  key_names keys; ///< from the runner on
  new_value value;
};

/// Which runners a command is about: those with the name, or with the token
/// and, if it is given, the URL.
struct runner_choice {
  std::string config_path;
  std::string name;
  std::string url;
  secret token;

  bool is_empty() const {
    return name.empty() && url.empty() && token.empty();
  }
};

int list_runners(const std::string& config_path);

/// Asks GitLab whether the tokens are valid. With `remove` those that are not
/// are removed from the file.
int verify_runners(const runner_choice& which, bool remove);

struct unregister_options {
  runner_choice which;
  bool all = false;
  std::string tls_ca_file;
  std::string tls_cert_file;
  std::string tls_key_file;
};

/// Tells GitLab that runners are gone, and removes them from the file if it
/// agrees.
int unregister_runners(const unregister_options& options);

struct reset_options {
  runner_choice which;
  int64_t id = 0; ///< of the runner, beside the URL
  bool all = false;
  secret personal_token; ///< empty: the runner's own token is used
};

/// Gives runners other tokens, in GitLab and in the file.
int reset_tokens(const reset_options& options);

struct register_options {
  std::string config_path;
  std::string template_path;
  bool non_interactive = false;
  bool leave_runner = false;
  std::string url;
  secret token;              ///< --token
  secret registration_token; ///< --registration-token
  std::string name;
  std::string executor;
  // Of a registration only; texts as they were given, empty if they were not.
  std::string tag_list;
  std::string run_untagged;
  std::string locked;
  std::string access_level;
  std::string maximum_timeout;
  std::string paused;
  std::string maintenance_note;
  /// What else stands in `[[runners]]`.
  std::function<result<std::vector<new_entry_value>, config_errc>(
    const std::string& executor)>
    more;
};

/// Adds a runner to the file: one made in GitLab, or, with a registration
/// token, a new one. What is missing is asked for on stdin.
int register_runner(const register_options& options);

struct single_options {
  std::string config_path;
  std::string runner; ///< its name in the file; empty: it is made of the flags
  std::string name;
  std::string url;
  secret token;
  std::string executor;
  int builds_max = 0;   ///< ends after so many jobs; 0: never
  int wait_timeout = 0; ///< or after so long without one; 0: never [s]
  /// What else stands in `[[runners]]`.
  std::function<result<std::vector<new_entry_value>, config_errc>(
    const std::string& executor)>
    more;
};

/// Serves one runner, a job at a time.
int run_single(const global_options& global, const single_options& options);

} // namespace muster
