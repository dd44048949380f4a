#pragma once

#include "executors/plan/build.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Names of what a job makes at an Engine: GitLab Runner's, so that an instance
/// which both use keeps its caches. Source: reference/docker-executor,
/// section 3.
struct container_names {
  std::string project; ///< of the project and its slot: also a host name
  std::string job;     ///< the same for this job alone
  std::string volumes; ///< what reusable volumes begin with
  std::string network; ///< of this job alone
};

container_names names_of(const job_payload& payload,
                         const runner_config& runner, const plan_facts& facts);

/// What a service's image says of it.
struct service_name {
  std::string name;    ///< without registry's port and version
  std::string version; ///< a tag, `@sha256:...` or `latest`

  /// For the log: `postgres:16`.
  std::string label() const;

  /// As part of a container's name.
  std::string in_container() const;
};

service_name service_name_of(std::string_view image);

/// Host names of a service: two made of its name, then the declared ones.
std::vector<std::string> service_aliases(const service_name& name,
                                         std::string_view declared);

/// An image's name as registries are looked up by: with the registry before
/// it, without tag and digest.
std::string registry_path(std::string_view image);

/// The key of a login, in the same form: a host, and maybe a path.
std::string registry_key(std::string_view written);

/// Whom an image is pulled as: the login for the longest part of its path, of
/// these the first. Nullptr: nobody.
const registry_login* find_login(const std::vector<registry_login>& logins,
                                 std::string_view image);

/// Replaces `$slot` and `${slot}`, all other references by nothing. An empty
/// template is the default. Source: reference/slot-cgroups.
std::string slot_cgroup(std::string_view text, int32_t slot);

} // namespace muster
