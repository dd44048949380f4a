#include "executors/helper/container_work.hpp"

#include "executors/helper/frames.hpp"

#include <utility>

namespace muster::helper {

result<container_work, helper_errc> container_work::make(const job_plan& plan) {
  auto text = make_file_in_memory(frames::encode(frames::run_of(plan)));
  if (!text)
    return tl::unexpected{text.error()};
  auto report = make_file_in_memory("");
  if (!report)
    return tl::unexpected{report.error()};
  container_work made;
  made.plan_ = std::move(*text);
  made.report_ = std::move(*report);
  return made;
}

result<running_script, helper_errc>
container_work::start_stage(uint32_t stage, bool before_retry,
                            const std::string& job_status,
                            const surroundings& with) const {
  stage_report{report_.get()}.begin_stage();
  return start({container_stage_command, std::to_string(stage),
                before_retry ? "before-retry" : "script", job_status},
               with);
}

result<running_script, helper_errc>
container_work::start_logs(const surroundings& with) const {
  return start({container_logs_command}, with);
}

result<running_script, helper_errc>
container_work::start_clean(const surroundings& with, bool died) const {
  stage_report{report_.get()}.begin_stage();
  std::vector<std::string> words{container_clean_command};
  if (died)
    words.emplace_back("died");
  return start(std::move(words), with);
}

result<running_script, helper_errc>
container_work::start(std::vector<std::string> arguments,
                      const surroundings& with) const {
  arguments.insert(arguments.begin(), "muster-helper");
  return start_program({"/proc/self/exe",
                        std::move(arguments),
                        with.home,
                        with.environment,
                        -1,
                        {plan_.get(), report_.get()}});
}

} // namespace muster::helper
