#include "executors/plan/limits.hpp"

#include "executors/helper/frames.hpp"
#include "executors/plan/environment.hpp"
#include "executors/shells/posix.hpp"

#include <utility>

namespace muster {

namespace {

/// @param size of all scripts [bytes]
tl::unexpected<failure<job_errc>> too_large(size_t size,
                                            const job_variables& expanded) {
  auto text = "the job's scripts have " + std::to_string(size)
              + " bytes or more, its variables in each of them; an instance "
                "takes "
              + std::to_string(frames::frame_size_max);
  const job_variable* largest = nullptr;
  for (const auto& x : expanded.all())
    if (largest == nullptr
        || x.value.reveal().size() > largest->value.reveal().size())
      largest = &x;
  if (largest != nullptr)
    text += ". The largest variable is " + largest->key + " with "
            + std::to_string(largest->value.reveal().size())
            + " bytes: an artifact or a file in the repository has room for it";
  return fail(job_errc::runner_system_failure, std::move(text));
}

} // namespace

result<void, job_errc> check_variables(const job_variables& expanded,
                                       const job_directories& dirs,
                                       size_t steps) {
  constexpr size_t harmless = 1u << 20;
  size_t given = 0;
  for (const auto& x : expanded.all())
    given += x.value.reveal().size();
  if (given < harmless)
    return {};
  posix::script exports;
  write_exports(exports, expanded, dirs, {});
  auto size = posix::whole_script(exports, false).size() * (1 + steps);
  if (size > frames::frame_size_max)
    return too_large(size, expanded);
  return {};
}

result<void, job_errc> check_size(const job_plan& plan,
                                  const job_variables& expanded) {
  constexpr size_t around = 64u << 10; ///< all but the scripts
  if (plan.stages.size() > frames::stages_max)
    return fail(job_errc::runner_system_failure,
                "the job has " + std::to_string(plan.stages.size())
                  + " scripts; an instance takes "
                  + std::to_string(frames::stages_max));
  size_t size = around;
  for (const auto& stage : plan.stages)
    size += stage.script.size() + stage.before_retry.size();
  if (plan.containers) {
    size += plan.containers->build.body.reveal().size()
            + plan.containers->helper.body.reveal().size();
    for (const auto& service : plan.containers->services)
      size += service.container.body.reveal().size();
  }
  if (size > frames::frame_size_max)
    return too_large(size, expanded);
  return {};
}

std::string too_large_text(const job_variable& x) {
  return x.key + ": its " + std::to_string(x.value.reveal().size())
         + " bytes are too many for the environment of a program (Linux gives "
         + std::to_string(exported_max)
         + " to one variable, 2 MiB to all). The job's shell knows it, the "
           "programs that are started do not. For a variable of the type file "
           "there is no such limit";
}

} // namespace muster
