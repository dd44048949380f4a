#include "actors/recorder/words.hpp"
#include "actors/replay/roles.hpp"
#include "actors/replay/stand_in.hpp"
#include "actors/replay/world.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster {

// -- who is who ---------------------------------------------------------------

caf::actor replay::world::make_stand_in() {
  return time_.sys.spawn<stand_in, caf::lazy_init>(
    [this](const caf::local_actor& to, caf::mailbox_element_ptr what) {
      if (!lets_pass_)
        caught(to.id(), *what);
    });
}

actor_again& replay::world::add_stand_in(const player& who) {
  actor_again made;
  made.who = who;
  made.handle = make_stand_in();
  return players_.add(std::move(made));
}

caf::actor replay::world::handle_of(const std::string& role) {
  if (auto* x = players_.by_role(role))
    return x->handle;
  return add_stand_in({role, 0, 0}).handle;
}

void replay::world::born_again(const record& x) {
  auto what = part_of(x.to.role);
  auto* parent = players_.by_number(x.from.number);
  if (parent == nullptr)
    parent = players_.by_role(parent_of(x.to.role));
  auto has_parent = parent != nullptr && parent->runs;
  if (what == part::other || what == part::runner) {
    auto* known = players_.by_role(x.to.role);
    if (known != nullptr && !known->runs && known->who.number == 0)
      players_.bind(*known, x.to);
    else
      add_stand_in(x.to); // a runner: until it remarks how it begins
    return;
  }
  if (what == part::job && has_parent) { // until it remarks its plan
    births_[x.to.number] = x;
    return;
  }
  if (what == part::group && !has_parent && !make_group(x))
    return;
  auto* made = find_unbound(x.to.role);
  while (made == nullptr && run_unborn())
    made = find_unbound(x.to.role);
  if (made != nullptr) {
    players_.bind(*made, x.to);
    return;
  }
  if (!has_parent) { // it began before the recording does
    report.skipped += is_restorable(what) ? 1 : 0;
    add_stand_in(x.to);
    return;
  }
  differ(*parent, "it starts " + to_string(x.to), "");
}

actor_again* replay::world::find_unbound(const std::string& role) {
  auto* x = players_.by_role(role);
  return x != nullptr && x->runs && x->who.number == 0 ? x : nullptr;
}

bool replay::world::run_unborn() {
  auto& all = scheduler().jobs;
  auto next = std::find_if(all.begin(), all.end(), [this](const auto* x) {
    const auto* who = dynamic_cast<const caf::abstract_actor*>(x);
    return who == nullptr
           || std::ranges::none_of(unborn_, [who](const auto& one) {
                return one.handle.id() == who->id();
              });
  });
  if (next == all.end())
    return false;
  std::rotate(all.begin(), next, next + 1);
  scheduler().run_once();
  collect_timers();
  return true;
}

// -- runners and jobs ---------------------------------------------------------

void replay::world::make_runner(const record& x, const runner_begun& about) {
  auto config = config_.runners.find(runner_of(x.to.role));
  if (config == config_.runners.end()) {
    no_config(x);
    return;
  }
  runner_setup with;
  with.id = runner_id{config->first};
  with.config = config->second;
  with.check_interval = config_.check_interval;
  with.shutdown_timeout = config_.shutdown_timeout;
  with.clients = about.clients;
  with.leaves = about.leaves;
  if (about.is_renamed) {
    auto former = *config->second;
    former.token = secret{"another"};
    with.known_as = std::make_shared<const runner_config>(std::move(former));
  }
  with.number = about.number;
  auto orders = std::make_shared<newest<runner_orders>>();
  runner_orders_[x.to.role] = orders;
  with.orders = orders;
  with.run_id = about.run_id;
  with.jobs_max = about.jobs_max;
  with.idle_max = std::chrono::milliseconds{about.idle_max_ms};
  with.make_provider = provider_maker();
  with.make_worker = worker_maker();
  with.make_job = [this](const spawner& at, job_setup setup) {
    unborn made{setup.role, setup.key.value, {}, clock().current_time};
    auto out = spawn_job(at, std::move(setup));
    made.handle = caf::actor_cast<caf::actor>(out);
    unborn_.push_back(std::move(made));
    return out;
  };
  with.parent = caf::actor_cast<manager_actor>(handle_of("manager"));
  with.dialer = caf::actor_cast<dialer_actor>(handle_of("dialer"));
  with.journal = caf::actor_cast<journal_actor>(handle_of("journal"));
  with.edge = edge_;
  auto made = spawn_runner(time_.sys, std::move(with));
  begin_again(caf::actor_cast<caf::actor>(made), x.to);
}

void replay::world::begin_again(const caf::actor& who, const player& as) {
  run(who);
  if (auto* made = players_.by_actor(who.id())) {
    players_.bind(*made, as);
    made->notes.pop_front(); // that was it
  }
}

void replay::world::make_job(const record& x, const job_planned& outline) {
  auto birth = births_.extract(x.to.number).mapped();
  auto found = std::ranges::find_if(
    unborn_, [&](const auto& one) { return one.role == x.to.role; });
  if (found == unborn_.end()) {
    if (auto* parent = players_.by_role(parent_of(x.to.role)))
      differ(*parent, "it starts " + to_string(x.to), "");
    return;
  }
  auto made = std::move(*found);
  unborn_.erase(found);
  outlines_[made.key] = outline;
  unix_us_ = birth.unix_us;
  begin_again(made.handle, birth.to);
  unix_us_ = x.unix_us;
}

make_http_worker replay::world::worker_maker() {
  return [this](caf::local_actor*, const coordinator_actor& parent,
                uint64_t number) {
    auto made = make_stand_in();
    plays_edge(made, fmt::format("worker:{}", number), parent.address());
    return started_worker{caf::actor_cast<http_worker_actor>(made), [] {}};
  };
}

void replay::world::give_orders(const std::string& role, uint64_t clients) {
  auto to = runner_orders_.find(role);
  auto config = config_.runners.find(runner_of(role));
  if (to == runner_orders_.end() || config == config_.runners.end())
    return;
  runner_orders what;
  what.config = config->second;
  what.check_interval = config_.check_interval;
  what.shutdown_timeout = config_.shutdown_timeout;
  what.make_provider = provider_maker();
  what.make_worker = worker_maker();
  what.clients = clients;
  to->second->give(std::make_shared<const runner_orders>(std::move(what)));
}

void replay::world::no_config(const record& x) {
  remark(fmt::format("{} does not run again: its configuration is not in "
                     "the recording",
                     to_string(x.to)));
}

// -- groups -------------------------------------------------------------------

bool replay::world::make_group(const record& x) {
  auto runner = config_.runners.find(runner_of(x.to.role));
  if (runner == config_.runners.end() || !runner->second->autoscaler) {
    no_config(x);
    add_stand_in(x.to);
    return false;
  }
  group_setup with;
  with.role = x.to.role;
  with.runner = runner->second;
  with.make_provider = provider_maker();
  with.parent
    = caf::actor_cast<group_parent_actor>(handle_of(parent_of(x.to.role)));
  with.dialer = caf::actor_cast<dialer_actor>(handle_of("dialer"));
  with.journal = caf::actor_cast<journal_actor>(handle_of("journal"));
  with.edge = edge_;
  auto orders = std::make_shared<newest<group_orders>>();
  orders_[x.to.role] = orders;
  with.orders = orders;
  auto made = spawn_group(time_.sys, std::move(with));
  run(caf::actor_cast<caf::actor>(made));
  return true;
}

start_provider_actor replay::world::provider_maker() {
  return [this](caf::local_actor*, const provider_parent_actor& parent) {
    auto made = make_stand_in();
    plays_edge(made, "provider", parent.address());
    return caf::actor_cast<provider_actor>(made);
  };
}

void replay::world::ended_again(const record& x) {
  auto* who = players_.by_number(x.to.number);
  if (who == nullptr)
    return;
  who->is_over = true;
  is_run_over_ |= who->who.role == "manager";
  if (is_edge(who->who.role)) // it is still recorded what it is sent
    return;
  look_for_unhandled_by(*who);
  forget_lines_to(who->handle.id()); // nobody is there to handle them
  if (!who->runs)
    return;
  // Nobody knew it any more: here the replay does.
  auto is_forgotten
    = x.what.match_elements<exit_told>()
      && x.what.get_as<exit_told>(0).why == caf::exit_reason::unreachable;
  if (!who->has_ended && !is_forgotten)
    differ(*who, "it ends: " + words_of(x), "");
}

} // namespace muster
