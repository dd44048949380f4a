#include "actors/replay/world.hpp"

#include "actors/job/outline.hpp"
#include "actors/replay/silent_transport.hpp"

#include <fmt/format.h>

namespace muster {

replay::world::world(replay_options options)
  : options_(std::move(options)),
    edge_(std::make_shared<edges>()) {
  edge_->unix_us = [this] { return unix_us_; };
  edge_->wire = std::make_shared<silent_transport>();
  edge_->traces = std::make_shared<trace_shelf>();
  edge_->plan = [this](const job_payload&, const runner_config&,
                       const plan_facts& about) {
    return plan_from(outlines_[about.key]);
  };
  former_door_ = std::exchange(the_delivery, this);
}

replay::world::~world() {
  let_go();
  the_delivery = former_door_;
}

bool replay::world::take(const record& x) {
  if (report.diverged)
    return false;
  ++report.records;
  last_ = &x;
  if (x.kind != record_kind::state && !states_.empty())
    restore_all();
  if (x.kind != record_kind::gap)
    pass_time(x);
  if (x.kind == record_kind::handled)
    look_for_unrecorded();
  switch (x.kind) {
    case record_kind::born:
      born_again(x);
      break;
    case record_kind::ended:
      ended_again(x);
      break;
    case record_kind::handled:
      handle(x);
      break;
    case record_kind::sent:
      compare_sent(x);
      break;
    case record_kind::note:
      compare_note(x);
      break;
    case record_kind::gap:
      begin_anew();
      remark(fmt::format("record {}: {} missing: groups, instances and slots "
                         "begin anew at the next snapshot; runners and jobs "
                         "that were there are played by the recording from "
                         "then on",
                         x.number,
                         x.missing == 1
                           ? "1 record is"
                           : fmt::format("{} records are", x.missing)));
      break;
    case record_kind::state:
      bring_in(x);
      break;
  }
  look_for_overdue();
  return !report.diverged;
}

// -- the door -----------------------------------------------------------------

bool replay::world::hold(caf::actor_control_block* to,
                         caf::mailbox_element_ptr& what) {
  if (lets_pass_)
    return false;
  if (collects_timers_) {
    if (what->sender && what->sender->id() != to->id())
      caught(to->id(), *what);
    else if (auto* x = players_.by_actor(to->id())) {
      x->timers.push_back(
        {timer_due_, comparable{what->move_content_to_message()}});
      alarms_.emplace(timer_due_, to->id());
    }
    return true;
  }
  // The recording tells who hears of whose end, and when.
  if (!what->content().match_elements<caf::down_msg>()
      && !what->content().match_elements<caf::exit_msg>())
    caught(to->id(), *what);
  return true;
}

void replay::world::handling(const caf::local_actor& /*self*/,
                             const caf::mailbox_element& /*what*/) {
}

void replay::world::born(const caf::strong_actor_ptr& who,
                         const std::string& role, caf::actor_id parent,
                         state_text show) {
  const auto* above = players_.by_actor(parent);
  auto name = above == nullptr ? role : above->who.role + "/" + role;
  if (auto* known = players_.by_actor(who->id())) {
    known->who.role = std::move(name);
    known->show = show;
    return;
  }
  actor_again made;
  made.who.role = std::move(name);
  made.handle = caf::actor_cast<caf::actor>(who);
  made.runs = show != nullptr;
  made.show = show;
  players_.add(std::move(made));
  if (show == nullptr)
    return;
  const auto& role_again = players_.by_actor(who->id())->who.role;
  report.actors += concerns(role_again) ? 1 : 0;
  report.ran.insert(role_again);
}

void replay::world::ended(const caf::local_actor& self,
                          const caf::error& /*why*/) {
  if (auto* x = players_.by_actor(self.id()))
    x->has_ended = true;
}

void replay::world::sent(const caf::local_actor& /*to*/,
                         const caf::mailbox_element& /*what*/) {
}

void replay::world::note(const caf::local_actor& self,
                         const caf::message& what) {
  if (auto* x = players_.by_actor(self.id())) {
    x->notes.emplace_back(what);
    remarking_.push_back(self.id());
  }
}

// -- the actors' system -------------------------------------------------------

caf::scheduler::test_coordinator& replay::world::scheduler() {
  return time_.scheduler();
}

caf::detail::test_actor_clock& replay::world::clock() {
  return scheduler().clock();
}

bool replay::world::run(const caf::actor& who) {
  auto& all = scheduler();
  if (!all.prioritize(who))
    return false;
  all.run_once();
  collect_timers();
  return true;
}

void replay::world::collect_timers() {
  auto& x = clock();
  auto now = x.current_time;
  collects_timers_ = true;
  while (x.has_pending_timeout()) {
    timer_due_ = x.schedule().begin()->first;
    x.trigger_timeout();
  }
  collects_timers_ = false;
  x.current_time = now;
}

void replay::world::pass_time(const record& x) {
  if (!std::exchange(is_anew_, false) && x.at > at_)
    report.span += x.at - at_;
  at_ = x.at;
  clock().current_time = replay_begins + x.at;
  unix_us_ = x.unix_us;
}

void replay::world::let_go() {
  lets_pass_ = true;
  players_.for_each([](actor_again& x) {
    caf::anon_send_exit(x.handle, caf::exit_reason::kill);
  });
  for (const auto& x : unborn_)
    caf::anon_send_exit(x.handle, caf::exit_reason::kill);
  scheduler().run();
  while (clock().has_pending_timeout())
    clock().trigger_timeout();
  scheduler().run();
  players_.clear();
  lines_.clear();
  late_.clear();
  orders_of_sending_.clear();
  to_edges_.clear();
  remarking_.clear();
  alarms_.clear();
  is_run_over_ = false;
  orders_.clear();
  runner_orders_.clear();
  births_.clear();
  unborn_.clear();
  outlines_.clear();
  next_look_ = {};
  is_anew_ = true;
  lets_pass_ = false;
}

void replay::world::begin_anew() {
  count_played();
  let_go();
  if (!report.ran.empty())
    ++report.restarts;
}

void replay::world::remark(std::string text) {
  constexpr size_t remarks_max = 20;
  if (report.remarks.size() < remarks_max)
    report.remarks.push_back(std::move(text));
}

} // namespace muster
