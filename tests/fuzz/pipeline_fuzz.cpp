// libFuzzer: whatever stands in a .gitlab-ci.yml, reading it ends with jobs or
// with messages, never with a crash, and every message can be shown.

#include "tools/coordinator/job_spec.hpp"
#include "tools/coordinator/pipeline_file.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::gitlab;
  pipeline_context context;
  context.predefined = {{"CI_COMMIT_BRANCH", "main"},
                        {"CI_COMMIT_REF_NAME", "main"},
                        {"CI_PIPELINE_SOURCE", "push"}};
  context.given = {{"GIVEN", "$CI_COMMIT_BRANCH"}};
  auto read = parse_pipeline(
    std::string{reinterpret_cast<const char*>(data), size}, context);
  for (const auto& what : read.notes.diagnostics())
    if (what.message.empty() || read.notes.shown(what).size() > 8192)
      std::abort();
  if (!read.notes.passed())
    return 0;
  const auto& jobs = read.file.jobs;
  for (const auto& job : jobs) {
    for (const auto* list : {&job.needs, &job.dependencies})
      for (auto index : *list)
        if (index >= jobs.size())
          std::abort();
    if (job.refusals.empty() && !job_from_json(job.spec, {}))
      std::abort(); // what passes can be queued
  }
  return 0;
}
