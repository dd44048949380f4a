#include "actors/group/account.hpp"

#include <algorithm>

namespace muster {

namespace {

using namespace std::chrono_literals;

/// The same reason for not growing is told again after this.
constexpr auto repeat_after = 1min;

int64_t ms_until(group_time at, group_time now) {
  if (at == never || at <= now)
    return 0;
  return std::chrono::duration_cast<std::chrono::milliseconds>(at - now)
    .count();
}

void add_option(decision_note& x, decision_rule rule, int count,
                int64_t for_ms = 0) {
  if (count > 0)
    x.not_taken.push_back({rule, count, for_ms});
}

/// What of the growth was not asked for.
void note_growth(decision_note& x, const group_decision& what,
                 const growth_outcome& growth, group_time now) {
  auto taken = static_cast<int>(what.uncordon.size());
  // Beside the limit of the formula: those being deleted take up room, too.
  auto by_limit = what.scaling.unrestricted - taken - what.increase;
  add_option(x, decision_rule::max_instances, by_limit);
  if (growth.held_by != decision_rule::satisfied)
    add_option(x, growth.held_by, what.increase - growth.asked,
               ms_until(growth.until, now));
}

void note_shrinking(decision_note& x, const group_decision& what,
                    group_time now) {
  const auto& scaling = what.scaling;
  add_option(x, decision_rule::reserved, scaling.change - scaling.unrestricted);
  auto by_idle_time = std::ranges::count_if(what.cordon, [](const auto& y) {
    return y.reason == retire_reason::max_idle_time;
  });
  add_option(x, decision_rule::idle_time,
             -scaling.change - static_cast<int>(by_idle_time),
             ms_until(what.next_look, now));
}

bool holds_growth_back(decision_rule x) {
  return x == decision_rule::max_instances || x == decision_rule::scale_throttle
         || x == decision_rule::failure_pause
         || x == decision_rule::provider_refused
         || x == decision_rule::provider_lost
         || x == decision_rule::listing_failed;
}

} // namespace

decision_rule rule_of(scaling_rule x) {
  switch (x) {
    case scaling_rule::satisfied:
      return decision_rule::satisfied;
    case scaling_rule::pending:
      return decision_rule::pending;
    case scaling_rule::idle_count:
      return decision_rule::idle_count;
    case scaling_rule::scale_factor:
      return decision_rule::scale_factor;
    case scaling_rule::max_instances:
      return decision_rule::max_instances;
    case scaling_rule::surplus:
      return decision_rule::surplus;
    case scaling_rule::reserved:
      return decision_rule::reserved;
  }
  return decision_rule::satisfied;
}

decision_rule rule_of(retire_reason x) {
  switch (x) {
    case retire_reason::max_use_count:
      return decision_rule::max_use_count;
    case retire_reason::unhealthy:
      return decision_rule::unhealthy;
    case retire_reason::max_idle_time:
      return decision_rule::max_idle_time;
    case retire_reason::reconfigured:
      return decision_rule::reconfigured;
  }
  return decision_rule::unhealthy;
}

decision_note account_of(const group_decision& what, const fleet& instances,
                         const decision_input& in, const policy& in_force,
                         const growth_outcome& growth) {
  const auto& scaling = what.scaling;
  decision_note out;
  out.rule = rule_of(scaling.rule);
  out.required = scaling.change;
  out.unrestricted = scaling.unrestricted;
  out.wanted = scaling.wanted;
  out.instances = scaling.now.instances;
  out.requests = in.requests;
  out.idle = instances.counts().idle;
  out.acquired = scaling.now.acquired;
  out.unavailable = scaling.now.unavailable;
  out.pending = scaling.now.pending;
  out.reserved = scaling.now.reserved;
  out.max_instances = in.policy.max_instances;
  out.capacity_per_instance = in.policy.capacity_per_instance;
  out.policy = in_force.index;
  out.idle_count = in_force.idle_count;
  out.scale_factor = in_force.scale_factor;
  out.scale_factor_limit = in_force.scale_factor_limit;
  out.idle_time_ms = in_force.idle_time.count();
  out.removing = instances.counts().present - instances.counts().instances;
  out.unconfirmed = in.unconfirmed;
  out.asked = growth.asked;
  out.taken_back = what.uncordon;
  for (const auto& x : what.cordon)
    out.cordoned.push_back({x.instance, rule_of(x.reason)});
  if (scaling.unrestricted > 0)
    note_growth(out, what, growth, in.now);
  else if (scaling.unrestricted < 0)
    note_shrinking(out, what, in.now);
  return out;
}

bool decision_memory::is_news(const decision_note& x) {
  std::vector<decision_rule> rules{x.rule};
  for (const auto& y : x.not_taken)
    rules.push_back(y.rule);
  auto is_same = rules == last_;
  last_ = std::move(rules);
  return x.acts() || !is_same;
}

bool decision_memory::is_line(const decision_note& x, group_time now) {
  auto is_new = x.acts();
  for (const auto& y : x.not_taken)
    if (holds_growth_back(y.rule))
      is_new |= may_repeat(y.rule, now);
  return is_new;
}

bool decision_memory::may_repeat(decision_rule x, group_time now) {
  auto [at, is_first] = told_.try_emplace(x, now);
  if (!is_first && now < at->second + repeat_after)
    return false;
  at->second = now;
  return true;
}

} // namespace muster
