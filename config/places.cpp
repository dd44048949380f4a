#include "config/places.hpp"

#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace muster {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

} // namespace

host_facts this_host() {
  std::error_code error;
  auto folder = std::filesystem::current_path(error).string();
  return {geteuid() == 0, variable("HOME"), variable("XDG_STATE_HOME"),
          error ? "/" : folder, [](const std::string& path) {
            return access(path.c_str(), F_OK) == 0;
          }};
}

std::string default_config_path(const host_facts& host) {
  if (!host.root && host.home.empty())
    return "./config.toml";
  auto base = host.root ? std::string{"/etc/"} : host.home + "/.";
  auto own = base + "muster/config.toml";
  return host.exists && host.exists(own) ? own
                                         : base + "gitlab-runner/config.toml";
}

std::vector<std::string> certificate_folders(const host_facts& host) {
  if (!host.root && host.home.empty())
    return {};
  auto base = host.root ? std::string{"/etc/"} : host.home + "/.";
  return {base + "muster/certs", base + "gitlab-runner/certs"};
}

std::string default_state_dir(const host_facts& host) {
  if (host.root)
    return "/var/lib/muster";
  // A relative $XDG_STATE_HOME is invalid and to be ignored, says its standard.
  if (host.xdg_state_home.starts_with('/'))
    return host.xdg_state_home + "/muster";
  if (host.home.starts_with('/'))
    return host.home + "/.local/state/muster";
  return (host.working_folder == "/" ? "" : host.working_folder) + "/.muster";
}

} // namespace muster
