#pragma once

#include "config/config.hpp"

#include <map>
#include <string>
#include <vector>

namespace muster {

/// What a container is made from besides its image.
struct container_settings {
  enum class kind { helper, build, service };

  kind what = kind::build;
  const docker_config& docker;
  std::string name = {};
  std::string hostname = {}; ///< empty: the Engine's choice
  std::string user = {};     ///< empty: the image's
  std::vector<std::string> command = {};
  std::vector<std::string> entrypoint = {};
  std::vector<std::string> environment = {}; ///< `KEY=VALUE`
  std::map<std::string, std::string> labels = {};
  std::vector<std::string> binds = {};
  std::vector<docker_device> devices = {};
  std::vector<std::string> aliases
    = {};                         ///< in a network of the configuration's
  std::string cgroup_parent = {}; ///< empty: the Engine's
  bool privileged = false;
  bool init = false; ///< FF_USE_INIT_WITH_DOCKER_EXECUTOR
};

/// Returns the JSON of the Engine's create call, but for what `container_plan`
/// leaves to the instance. Source: reference/docker-executor, section 5.
std::string container_body(const container_settings& from);

/// Whether a network of that mode is one that somebody made: the Engine has
/// host names in such alone.
bool is_named_network(const std::string& mode);

} // namespace muster
