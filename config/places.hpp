#pragma once

#include <functional>
#include <string>
#include <vector>

namespace muster {

/// What the default places depend on.
struct host_facts {
  bool root = false;          ///< whether the process may do anything
  std::string home;           ///< $HOME; may be empty
  std::string xdg_state_home; ///< $XDG_STATE_HOME; may be empty
  std::string working_folder; ///< absolute
  std::function<bool(const std::string& path)> exists;
};

host_facts this_host();

/// Returns muster's own config.toml if there is one, else GitLab Runner's: in
/// `/etc` for root, in the home else, in the working folder without a home.
/// Source: reference/config, section 1.
std::string default_config_path(const host_facts& host);

/// Returns the folders in which certificates are found by the name of GitLab's
/// host: muster's own, then GitLab Runner's. They do not depend on where the
/// configuration is (reference/job-api, section 1).
std::vector<std::string> certificate_folders(const host_facts& host);

/// Returns `/var/lib/muster` for root, else `$XDG_STATE_HOME/muster`, or
/// `~/.local/state/muster`, or `.muster` in the working folder. Absolute.
std::string default_state_dir(const host_facts& host);

} // namespace muster
