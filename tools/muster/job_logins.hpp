#pragma once

#include "config/config.hpp"
#include "messages/payload.hpp"

#include <functional>

namespace muster {

/// Returns what adds the registries' logins to a job of this runner, or nothing
/// for a runner without containers. It reads files and runs the credential
/// programs that they name, for up to 30 seconds: for edges only.
std::function<void(job_payload&)> login_adder(const runner_config& runner);

} // namespace muster
