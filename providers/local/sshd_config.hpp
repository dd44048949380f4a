#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace muster::local {

/// Where an instance's sshd finds things, as seen from inside the instance.
struct sshd_place {
  std::string folder; ///< keys, pid file
  std::string user;   ///< the only one who may log in
  uint16_t port = 0;
  /// Not empty where the login directory cannot be replaced: HOME is set to
  /// this and commands begin there.
  std::string home;
  std::string
    mark; ///< `NAME=VALUE` that all its processes get, with `home` only
};

/// Returns the sshd_config of an instance. sshd takes the first value of a
/// keyword: what muster depends on stands first, `extra` next, and then what
/// `extra` may change.
std::string sshd_config_text(const sshd_place& place,
                             const std::vector<std::string>& extra);

} // namespace muster::local
