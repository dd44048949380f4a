#include "tools/muster/plan/reload_plan.hpp"

#include "config/diagnostic.hpp"

#include <algorithm>
#include <array>

namespace muster::plan {

namespace {

std::string name_of(const runner_config& x) {
  return x.name.empty() ? short_token(x.token) : in_quotes(x.name);
}

runner_reload change_of(const runner_config& x, runner_fate fate) {
  runner_reload out;
  out.name = name_of(x);
  out.fate = fate;
  return out;
}

runner_reload kept(const runner_config& before, const runner_config& after,
                   const runner_change& change) {
  auto out = change_of(after, runner_fate::kept);
  out.keys = change.keys;
  auto in_force = kept_until_restart(before, after);
  if (!before.autoscaler || !in_force.autoscaler)
    return out;
  out.replaces_instances
    = replaces_instances(*before.autoscaler, *in_force.autoscaler);
  out.restarts_plugin
    = concerns_provider(*before.autoscaler, *in_force.autoscaler);
  return out;
}

runner_reload removed(const runner_config& x) {
  auto out = change_of(x, runner_fate::removed);
  out.deletes_instances
    = x.autoscaler && x.autoscaler->delete_instances_on_shutdown;
  return out;
}

runner_reload added(const runner_config& x, const runner_change& change) {
  auto out = change_of(x, change.refused.empty() ? runner_fate::added
                                                 : runner_fate::refused);
  out.refused = change.refused;
  return out;
}

} // namespace

std::string_view to_string(runner_fate x) {
  constexpr std::array<std::string_view, 4> words{"kept", "added", "removed",
                                                  "refused"};
  return words.at(static_cast<size_t>(x));
}

reload_plan reload_of(const config& before, const config& after,
                      size_t left_out) {
  reload_plan out{before.path, after.path, false, {}, {}};
  auto change = compare(before, after);
  auto loses = std::ranges::any_of(change.runners,
                                   [](const auto& x) { return !x.after; });
  if (loses && left_out > 0) {
    out.stays = true;
    return out;
  }
  out.keys = change.keys;
  for (const auto& x : change.runners) {
    if (x.before && !x.after)
      out.runners.push_back(removed(before.runners[*x.before]));
    else if (x.after && !x.before)
      out.runners.push_back(added(after.runners[*x.after], x));
    else if (x.before && x.after && !x.keys.empty())
      out.runners.push_back(
        kept(before.runners[*x.before], after.runners[*x.after], x));
  }
  return out;
}

} // namespace muster::plan
