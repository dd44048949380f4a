#pragma once

#include "tests/e2e/helper/host.hpp"
#include "tests/support/engine_host.hpp"
#include "tests/support/engine_way.hpp"

#include <string>
#include <vector>

namespace muster::test {

/// The image that jobs of these tests run in, the helper's as well.
constexpr const char* test_image = "muster-test:latest";

/// The shared Engine, with `test_image`.
engine_host& engine_with_image();

/// The key of a job of this name: the helper looks for it in all processes of
/// the machine, where the same tests may run a second time.
std::string job_key(const std::string& name);

stage_plan engine_stage();
stage_plan helper_stage(std::string script,
                        stage_phase phase = stage_phase::sources);
stage_plan build_stage(std::string script);
stage_plan after_stage(std::string script);
stage_plan cleanup_stage(std::string script);

/// A plan for the Engine: a helper and a build container, a volume for
/// `/builds`, and these stages behind the one that prepares.
job_plan docker_plan(const engine_host& at, const std::string& key,
                     std::vector<stage_plan> stages);

/// A further image of a plan, made from `test_image`.
image_request image_of(const std::string& name = test_image);

service_request service_of(const std::string& key, const std::string& name,
                           const std::string& image, const std::string& script);

/// Runs a plan to its end on a machine of its own and cleans it.
struct finished_job {
  job_log log;
  frames::cleaned cleaned;
};

finished_job run_to_end(const job_plan& plan);

/// Fails the test, and shows the log, unless the job ended so.
void check_end(const job_log& log, plan_outcome expected);

bool has(const std::string& text, const std::string& part);

} // namespace muster::test
