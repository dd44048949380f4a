#include "actors/job/outline.hpp"

#include "config/duration.hpp"
#include "config/feature_flags.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>

namespace muster {

namespace {

/// What a job's actor reads from its variables.
constexpr std::array<std::string_view, 2> settings{"CI_DEBUG_TRACE",
                                                   "CI_DEBUG_SERVICES"};
constexpr std::array<std::string_view, 3> flags{
  "FF_MASK_ALL_DEFAULT_TOKENS", "FF_TIMESTAMPS",
  "FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL"};

planned_stage outline_of(const stage_plan& x) {
  return {x.name,
          x.heading,
          x.condition,
          x.phase,
          x.place,
          x.attempts_max,
          !x.before_retry.empty(),
          x.timeout_ms,
          x.failure_counts,
          x.retry_pause_ms,
          x.retry_pause_max_ms};
}

stage_plan stage_from(const planned_stage& x) {
  stage_plan out;
  out.name = x.name;
  out.heading = x.heading;
  out.condition = x.condition;
  out.phase = x.phase;
  out.place = x.place;
  out.attempts_max = x.attempts_max;
  out.before_retry.resize(x.prepares_retry ? 1 : 0, ':');
  out.timeout_ms = x.timeout_ms;
  out.failure_counts = x.failure_counts;
  out.retry_pause_ms = x.retry_pause_ms;
  out.retry_pause_max_ms = x.retry_pause_max_ms;
  return out;
}

} // namespace

job_planned outline_of(const result<plan_result, job_errc>& plan,
                       const runner_config& runner) {
  job_planned out;
  if (!plan) {
    out.why = error_of(plan.error().code, plan.error().text);
    return out;
  }
  for (const auto& x : plan->plan.stages)
    out.stages.push_back(outline_of(x));
  out.steps_timeout_ms = plan->plan.steps_timeout_ms;
  out.prepare_timeout_ms = plan->prepare_timeout.count();
  out.get_sources_timeout_ms = plan->get_sources_timeout.count();
  out.warned = !plan->warnings.empty();
  out.uses_default_image = plan->uses_default_image;
  const auto& variables = plan->variables;
  for (auto name : settings)
    if (parse_bool(variables.value(name)).value_or(false))
      out.flags.emplace_back(name);
  auto lookup
    = [&variables](std::string_view name) { return variables.find(name); };
  for (auto name : flags)
    if (flag_value(runner, lookup, name))
      out.flags.emplace_back(name);
  return out;
}

result<plan_result, job_errc> plan_from(const job_planned& outline) {
  if (outline.why)
    return fail(static_cast<job_errc>(outline.why.code()),
                text_of(outline.why));
  plan_result out;
  for (const auto& x : outline.stages)
    out.plan.stages.push_back(stage_from(x));
  out.plan.steps_timeout_ms = outline.steps_timeout_ms;
  out.prepare_timeout = std::chrono::milliseconds{outline.prepare_timeout_ms};
  out.get_sources_timeout
    = std::chrono::milliseconds{outline.get_sources_timeout_ms};
  if (outline.warned)
    out.warnings.emplace_back(1, '-');
  out.uses_default_image = outline.uses_default_image;
  auto set = [&](std::string_view name) {
    auto is_on = std::ranges::count(outline.flags, name) > 0;
    out.variables.add(std::string{name}, fmt::format("{}", is_on));
  };
  std::ranges::for_each(settings, set);
  std::ranges::for_each(flags, set);
  return out;
}

} // namespace muster
