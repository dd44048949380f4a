#pragma once

#include "messages/secret.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster {

// What the docker-autoscaler executor adds to a plan: made by the manager from
// the payload and the configuration, carried out at the instance's Engine.
// Source: reference/docker-executor.

enum class pull_policy : uint8_t { always, if_not_present, never };

/// An image that a container needs.
struct image_request {
  /// As the job or the configuration names it, variables expanded. `{arch}` in
  /// the helper's stands for the name that GitLab gives the Engine's
  /// architecture in such tags (`x86_64`, `arm64`, ...).
  std::string name;
  std::string platform; ///< `os/arch[/variant]`; empty: the Engine's own
  std::vector<pull_policy> policies; ///< tried in order; never empty
  /// Used without a pull if it is there, whatever the policy: the default
  /// helper image.
  bool kept = false;
  secret auth;             ///< value of X-Registry-Auth; empty: none
  std::string auth_source; ///< where it is from, for the log
};

/// A container to make.
struct container_request {
  std::string name;
  image_request image;
  /// JSON that the Engine's create call takes, as the configuration and the job
  /// want it. What only the instance knows is added there: Image, the links to
  /// services (HostConfig.ExtraHosts), the network of the job, and what depends
  /// on the Engine's version. Has the job's variables (Env): a secret.
  secret body;
};

struct service_request {
  container_request container;
  std::string label;                ///< for the log: `postgres:16`
  std::vector<std::string> aliases; ///< host names, in order, without repeats
};

struct volume_request {
  std::string name;
  std::string destination; ///< path in the containers, for the log
  std::string body;        ///< JSON that the Engine's create call takes
  bool temporary = false;  ///< removed with the job
};

struct network_request {
  std::string name;
  std::string body; ///< JSON that the Engine's create call takes
};

struct container_plan {
  /// The Engine's address as DOCKER_HOST has it; empty: what the login user's
  /// docker would use, else `unix:///var/run/docker.sock`.
  std::string host;
  std::string api_version; ///< empty: as the Engine offers, at most 1.55
  /// Values of labels that together only this job's containers have, to find
  /// what is left: that of job.id and, each on a line, `NAME=VALUE` of others
  /// behind the prefix. An earlier manager sends the first alone.
  std::string job_label;
  container_request helper;
  container_request build;
  std::vector<service_request> services; ///< started in order
  std::vector<volume_request> volumes;
  std::optional<network_request> network; ///< of this job alone
  int64_t services_timeout_ms = 30'000;   ///< of health checks; <0: none
  bool services_logs = false;             ///< CI_DEBUG_SERVICES
  bool keep_anonymous_volumes = false;    ///< volume_keep
  /// Folders that the user of the build container is to own: what the helper
  /// makes keeps its umask (FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR).
  std::vector<std::string> given_to_user;
};

} // namespace muster
