#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace muster::bench {

/// The image of all containers, the helper's as well: bash, perl and busybox.
constexpr const char* engine_image = "muster-bench:latest";

/// Whether hosts of this machine can have an Engine of their own; else why not.
std::optional<std::string> engine_obstacle();

/// A script that makes a host have a Docker Engine, in a network of its own,
/// with `engine_image`. `cgroup` is where its containers are, `helper` the
/// program muster-helper.
std::string engine_script(const std::string& cgroup, const std::string& helper);

/// The files of a host's Engine, from outside; `folder` is the host's.
std::string engine_socket(const std::string& folder);
std::string engine_log(const std::string& folder);

/// Removes what is left of a control group, once nothing runs in it.
void remove_cgroup(const std::string& name);

/// What the Engine alone takes for a container, without muster.
struct container_times {
  std::chrono::nanoseconds create{0};
  std::chrono::nanoseconds start{0};
};

/// Makes, starts and removes a container. Nothing if the Engine would not.
std::optional<container_times> time_container(const std::string& socket);

} // namespace muster::bench
