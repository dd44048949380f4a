#pragma once

#include "executors/docker/engine.hpp"
#include "executors/docker/images.hpp"
#include "executors/docker/job_state.hpp"
#include "executors/docker/outcome.hpp"
#include "messages/containers.hpp"

#include <string>
#include <vector>

namespace muster::docker {

/// What a container's create call needs beside what was asked for.
struct create_facts {
  std::string image;    ///< digest or id
  std::string platform; ///< empty: not asked for
  std::vector<std::string> links;
  std::vector<std::string> aliases; ///< in a network with names
  std::string network;              ///< of this job alone; empty: none
};

/// Returns the body of the create call. Errors: `misconfigured`: what the
/// manager said is no JSON object.
job_result<json> create_body(const container_request& what,
                             const create_facts& facts, const engine& at);

/// Makes a container; one of the same name that is in the way goes first.
/// @return its id
/// Errors: `misconfigured`, `broken`.
job_result<std::string> create_container(const engine& at,
                                         const std::string& name,
                                         const json& body,
                                         const std::string& platform);

/// Errors: `misconfigured`: it has not what it should run, or cannot be as the
/// configuration wants it; `broken`; those of the call with `not_found`.
engine_result<void> start_container(const engine& at, const std::string& id);

/// Removes a container with its anonymous volumes, if it is there at all.
/// Errors: any but `not_found`.
engine_result<void> remove_container(const engine& at, const std::string& id,
                                     bool with_volumes);

/// Returns why a container that could not be started is at fault.
failure<plan_outcome> start_failure(const failure<engine_errc>& why,
                                    const std::string& what,
                                    const std::string& image);

/// Whether containers of a network have names there.
bool has_names(const std::string& network_mode);

} // namespace muster::docker
