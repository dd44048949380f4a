#pragma once

#include "tools/muster/admin/commands.hpp"

#include <CLI/CLI.hpp>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// A flag for each simple key of a `[[runners]]`, and for those of its tables
/// `docker`, `cache` and `custom_build_dir`, with GitLab Runner's names and
/// variables of the environment.
class runner_flags {
public:
  using lookup = std::function<std::optional<std::string>(const std::string&)>;

  runner_flags();

  /// Without `name`, `url`, `token`, `id` and `executor`, which commands treat
  /// each for itself. They are left out of the help.
  void add_to(CLI::App& command);

  /// What flags, or else the environment, give; of the environment's variables
  /// DOCKER_... concern the docker executors only. Errors: `not_valid` with the
  /// flag's name.
  result<std::vector<new_entry_value>, config_errc>
  values(const std::string& executor, const lookup& variable) const;

private:
  struct flag {
    std::string key_path;           ///< in config.toml: `runners.docker.image`
    std::vector<std::string> names; ///< without dashes
    std::string variable;
    std::vector<std::string> given;
  };

  result<void, config_errc> convert(const flag& from,
                                    const std::vector<std::string>& texts,
                                    std::vector<new_entry_value>& into) const;

  std::deque<flag> flags_; ///< the parser keeps pointers to them
};

} // namespace muster
