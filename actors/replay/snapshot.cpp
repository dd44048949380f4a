#include "actors/replay/snapshot.hpp"

#include <map>

namespace muster {

namespace {

/// Of all below; another number: another build's. The one before can be read.
constexpr uint8_t snapshot_form = 4;
constexpr uint8_t former_form = 3;

/// In the former form nobody knew how often a machine that is gone was used.
struct former_gone {
  group_time until;
  bool was_clean = false;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, former_gone& x) {
    return f(x.until, x.was_clean);
  }
};

template <class Inspector>
void show_lost(Inspector& f, group_state& x, uint8_t form) {
  if (form != former_form) {
    f(x.lost);
    return;
  }
  std::map<instance_id, former_gone> lost;
  f(lost);
  x.lost.clear();
  for (const auto& [id, gone] : lost)
    x.lost[id] = {gone.until, gone.was_clean, 0};
}

/// It had one clock.
template <class Inspector>
void show_budget(Inspector& f, listing_budget& x, uint8_t form) {
  group_time next;
  if (form == former_form)
    f(next);
  else
    f(x);
}

template <class Inspector>
void show_refused(Inspector& f, group_state& x, uint8_t form) {
  int shutdown_retries = 0;
  if (form == former_form)
    f(shutdown_retries);
  else
    f(x.refused_deletions);
}

template <class Inspector>
void show(Inspector& f, scaling& x) {
  f(x.max_instances, x.capacity_per_instance, x.idle_count, x.scale_factor,
    x.scale_factor_limit, x.target);
}

/// All but the configuration and who plays whom.
template <class Inspector>
void show(Inspector& f, group_state& x, uint8_t form) {
  show(f, x.limits);
  f(x.replaces, x.replaced_at, x.provider_max, x.instances, x.promises, x.cloud,
    x.id, x.initialized, x.known);
  show_lost(f, x, form);
  f(x.failed, x.keeps_instances, x.leftovers, x.growth, x.problem, x.refusal,
    x.notices, x.next_notice);
  show_refused(f, x, form);
  f(x.acquirers, x.claims, x.last_told, x.told, x.refused_by, x.boots, x.coming,
    x.deciding, x.decided_at, x.starved, x.ready, x.draining, x.drain_by,
    x.timer, x.timer_due, x.listings, x.listing_out, x.listing_failed,
    x.listing_failures, x.listed_at, x.list_ticks, x.list_due);
  show_budget(f, x.listing_calls, form);
  f(x.changed_at, x.provider_failures, x.provider_since, x.increase_failures,
    x.decrease_failures, x.increase_not_before, x.increases_out,
    x.decreases_out);
}

template <class Inspector>
void show(Inspector& f, instance_snapshot& x) {
  auto& o = x.options;
  f(x.group, x.id, o.capacity, o.ready_command, o.boot_timeout,
    o.prepare_timeout, o.command_timeout, o.failure_threshold, o.heartbeat,
    o.clean_timeout, o.engine_host, o.image.path, o.image.name,
    o.image_timeout);
}

template <class Inspector>
void show(Inspector& f, instance_state& x, uint8_t form) {
  auto& l = x.life;
  f(l.phase, l.step, l.slots, l.promised, l.use_count, l.failures, l.reason,
    l.asked_heartbeat, l.heartbeat_asked, l.timer, l.prepare_by, l.last_problem,
    l.told_problem, l.told_at, l.failed, l.dead_looks, l.renewing, l.leftovers,
    l.checking);
  if (form != former_form)
    f(l.is_cut_off, l.refusals);
  f(x.version, x.info, x.slot_versions, x.holders, x.running_since);
}

template <class Inspector>
void show(Inspector& f, slot_state& x) {
  f(x.life.phase, x.life.key, x.index, x.version, x.holder);
}

template <class State, class Handle>
State* state_of(const caf::local_actor& self) {
  auto& x = const_cast<caf::local_actor&>(self); // which is only read
  auto* actor = dynamic_cast<stateful<State, traced<Handle>>*>(&x);
  return actor == nullptr ? nullptr : &actor->state;
}

} // namespace

void put_snapshot(std::string& to, const caf::local_actor& self,
                  writing_context& context) {
  state_writer f{to, context};
  auto begin = [&] {
    to.push_back(static_cast<char>(snapshot_form));
    // A state is recorded with the time of the message that comes next.
    f.put(the_handler.self != nullptr ? the_handler.now : self.clock().now());
  };
  if (auto* group = state_of<group_state, group_actor>(self)) {
    if (group->provider_exchange != group_state::exchange::none)
      return;
    begin();
    f.put(static_cast<bool>(group->provider));
    show(f, *group, snapshot_form);
  } else if (auto* one = state_of<instance_state, instance_actor>(self)) {
    begin();
    instance_snapshot about{one->setup->group, one->setup->id,
                            one->setup->options};
    show(f, about);
    show(f, *one, snapshot_form);
  } else if (auto* part = state_of<slot_state, slot_actor>(self)) {
    begin();
    show(f, *part);
  }
}

snapshot_reader::snapshot_reader(std::string_view bytes, time_point now,
                                 const state_reader::finder& find)
  : from_({}, {}, find) {
  if (!bytes.empty())
    form_ = static_cast<uint8_t>(bytes.front());
  if (form_ != snapshot_form && form_ != former_form)
    return;
  bytes.remove_prefix(1);
  int64_t then = 0;
  if (!take_zigzag(bytes, then))
    return;
  is_there_ = true;
  from_ = {bytes, now - time_point{time_point::duration{then}}, find};
}

bool snapshot_reader::get(group_state& into, bool& has_provider) {
  from_.get(has_provider);
  show(from_, into, form_);
  into.instances.restored();
  return from_.is_fine();
}

bool snapshot_reader::get(instance_snapshot& into) {
  show(from_, into);
  return from_.is_fine_so_far();
}

bool snapshot_reader::get(instance_state& into) {
  show(from_, into, form_);
  return from_.is_fine();
}

bool snapshot_reader::get(slot_state& into) {
  show(from_, into);
  return from_.is_fine();
}

} // namespace muster
