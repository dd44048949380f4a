#include "actors/manager/manager.hpp"

#include "actors/dialer/dialer.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace muster {

namespace {

using namespace std::chrono_literals;
using self_t = self_ptr<manager_actor, manager_state>;

struct driver {
  self_t self;
  std::shared_ptr<const manager_setup> setup;

  manager_state& st() const {
    return self->state;
  }

  void start_runner(const runner_id& id) const {
    auto& s = st();
    auto& row = s.runners[id];
    const auto& parts = row.parts;
    row.held = row.stopped = false;
    row.orders = std::make_shared<newest<runner_orders>>();
    runner_setup with;
    with.id = id;
    with.config = std::make_shared<const runner_config>(in_force(parts));
    with.known_as = row.known_as;
    if (row.known_as)
      with.number = s.unconfirmed[id] = ++s.orders;
    with.check_interval = s.file.check_interval;
    with.shutdown_timeout = s.file.shutdown_timeout;
    with.clients = row.clients;
    with.leaves = row.removed;
    with.orders = row.orders;
    with.proven = row.proven;
    with.system_id = setup->system_id;
    with.manager_host = setup->manager_host;
    with.jobs_max = setup->jobs_max;
    with.idle_max = setup->idle_max;
    with.run_id = setup->run_id + std::to_string(s.starts++);
    with.make_provider = parts.make_provider;
    with.make_worker = parts.make_worker;
    with.parent = caf::actor_cast<manager_actor>(self);
    with.dialer = st().dialer;
    with.journal = st().journal;
    with.edge = setup->edge;
    with.metrics = parts.metrics;
    row.actor = spawn_runner(self, std::move(with));
    self->monitor(row.actor);
  }

  void runner_down(const runner_id& id, const caf::error& why) const {
    auto& row = st().runners[id];
    row.actor = nullptr;
    st().permits_free += std::exchange(row.permits, 0);
    std::erase(st().waiting, id);
    if (row.stopped)
      row.known_as = nullptr; // it has left nothing
    if (!row.known_as)
      confirmed(id);
    if (st().stopping) {
      row.stopped = true;
      check_stopped();
      return;
    }
    if (row.stopped) {
      ended_in_order(id);
      serve();
      return;
    }
    auto pause = std::min<time_point::duration>(
      1s * (1 << std::min(row.failures++, 6)), 60s);
    log::error("a runner failed and is started again",
               {{"runner", id.value}, {"err", text_of(why)}});
    row.start_at = self->now() + pause;
    arm(row.start_at);
    serve();
  }

  /// One that stands in the file again when it is gone starts anew.
  void ended_in_order(const runner_id& id) const {
    auto row = st().runners.find(id);
    if (!row->second.removed) {
      start_runner(id);
      return;
    }
    log::info(
      "a runner that was removed from the configuration has ended",
      {{"runner", id.value}, {"runner_name", row->second.parts.config->name}});
    st().runners.erase(row);
  }

  // -- another configuration --------------------------------------------------

  static runner_config in_force(const runner_parts& x) {
    auto out = *x.config;
    if (x.token)
      out.token = x.token->token();
    return out;
  }

  /// A runner as the file has it, as far as is known.
  static runner_config in_file(const runner_parts& x) {
    auto out = *x.config;
    if (!x.token)
      return out;
    out.token = x.token->written();
    if (x.token->is_saved()) {
      out.token_obtained_at
        = x.token->obtained_at().value_or(unix_time{}).seconds;
      out.token_expires_at
        = x.token->expires_at().value_or(unix_time{}).seconds;
    }
    return out;
  }

  void on(const config_read& x) const {
    auto& s = st();
    auto fresh = setup->reread ? setup->reread->look() : nullptr;
    if (s.stopping || !fresh)
      return;
    auto before = s.file;
    std::vector<runner_id> ids;
    for (auto gone : {false, true})
      for (const auto& [id, row] : s.runners)
        if (row.removed == gone) {
          ids.push_back(id);
          before.runners.push_back(in_file(row.parts));
        }
    auto change = compare(before, fresh->value);
    std::erase_if(change.runners, [&](const auto& one) {
      return !one.after && s.runners[ids[*one.before]].removed;
    });
    if (loses_unreadable(change, *fresh))
      return;
    carry_out(change, before, ids, *fresh, x.asked);
  }

  /// A runner with a fault in it is left out of what was read: that is no
  /// removal.
  bool loses_unreadable(const config_change& change,
                        const read_config& fresh) const {
    auto loses = std::any_of(change.runners.begin(), change.runners.end(),
                             [](const auto& one) { return !one.after; });
    if (!loses || fresh.left_out == 0)
      return false;
    log::error(fresh.value.path
               + ": a runner that is served cannot be served as it is written "
                 "now, see above: the former configuration stays in force as a "
                 "whole");
    setup->edge->metrics->config_read(false);
    return true;
  }

  void carry_out(config_change& change, const config& before,
                 const std::vector<runner_id>& ids, const read_config& fresh,
                 bool asked) const {
    auto& s = st();
    auto other_clients
      = before.connection_max_age != fresh.value.connection_max_age;
    auto concerns_all
      = other_clients || before.check_interval != fresh.value.check_interval
        || before.shutdown_timeout != fresh.value.shutdown_timeout;
    s.permits_free += fresh.value.concurrent - before.concurrent;
    s.file = kept_until_restart(before, fresh.value);
    s.file.runners.clear();
    bool any = false;
    for (auto& one : change.runners)
      if (one.after && one.before)
        any |= change_runner(one, ids[*one.before], before, fresh, concerns_all,
                             other_clients);
    any |= change.any();
    tell(change, before, fresh.value, asked, any);
    for (const auto& one : change.runners)
      if (!one.after)
        remove_runner(ids[*one.before]);
      else if (!one.before && one.refused.empty())
        add_runner(fresh.equip[*one.after](nullptr));
    if (fresh.apply)
      fresh.apply(s.file);
    setup->edge->metrics->config_read(true);
    start_held();
    serve();
  }

  /// Returns whether one came back that had been removed.
  bool change_runner(runner_change& one, const runner_id& id,
                     const config& before, const read_config& fresh,
                     bool concerns_all, bool other_clients) const {
    auto& row = st().runners[id];
    auto was = in_force(row.parts);
    auto parts = fresh.equip[*one.after](&row.parts);
    parts.id = id;
    if (parts.config->token == was.token) // the file only caught up with it
      std::erase_if(one.keys, [](const auto& x) {
        return x.key == "token" || x.key == "token_obtained_at"
               || x.key == "token_expires_at";
      });
    if (has_other_group(was, *parts.config))
      parts.make_provider = row.parts.make_provider;
    parts.config = std::make_shared<const runner_config>(
      kept_until_restart(was, *parts.config));
    auto comes_back = std::exchange(row.removed, false);
    if (other_clients || concerns_requests(was, *parts.config))
      ++row.clients;
    else
      parts.make_worker = row.parts.make_worker;
    row.parts = std::move(parts);
    if (comes_back)
      log::info(fmt::format("{}: runner \"{}\": stands there again and goes on",
                            before.path, row.parts.config->name));
    if (comes_back || concerns_all || !one.keys.empty()) {
      if (!row.known_as && !row.held)
        row.known_as = std::make_shared<const runner_config>(std::move(was));
      order(id);
    }
    return comes_back;
  }

  void order(const runner_id& id) const {
    auto& s = st();
    auto& row = s.runners[id];
    if (!row.actor) // it hears of it when it starts
      return;
    runner_orders what;
    what.config = row.parts.config;
    what.check_interval = s.file.check_interval;
    what.shutdown_timeout = s.file.shutdown_timeout;
    what.make_provider = row.parts.make_provider;
    what.make_worker = row.parts.make_worker;
    what.clients = row.clients;
    row.orders->give(std::make_shared<const runner_orders>(std::move(what)));
    s.unconfirmed[id] = ++s.orders;
    self->send(row.actor, reconfigure_runner{s.orders, row.clients});
  }

  void remove_runner(const runner_id& id) const {
    auto& row = st().runners[id];
    row.removed = true;
    if (row.actor)
      self->send(row.actor, stop_runner{stop_mode::graceful});
    else if (row.held)
      st().runners.erase(id);
  }

  /// It waits to be started. Two runners may share a token, and get names of
  /// their own. Returns its name.
  runner_id add_runner(runner_parts parts) const {
    auto id = parts.id;
    for (int i = 2; st().runners.count(id) > 0; ++i)
      id = runner_id{fmt::format("{}.{}", parts.id.value, i)};
    parts.id = id;
    auto& row = st().runners[id];
    row.parts = std::move(parts);
    row.held = true;
    return id;
  }

  /// A runner asks the journal for jobs by its token or id. Before it does, the
  /// one that had these has to have taken its jobs along.
  void start_held() const {
    if (!st().unconfirmed.empty())
      return;
    for (auto& row : st().runners)
      if (row.second.held)
        start_runner(row.first);
  }

  void confirmed(const runner_id& id) const {
    st().unconfirmed.erase(id);
    if (!st().stopping)
      start_held();
  }

  void tell(const config_change& change, const config& before,
            const config& after, bool asked, bool any) const {
    for (const auto& one : change.runners)
      if (!one.refused.empty())
        log::error(fmt::format("{}: the runner \"{}\" is not served: {}",
                               after.path, after.runners[*one.after].name,
                               one.refused));
    if (!any) {
      if (asked)
        log::info(after.path + ": read again, nothing has changed");
      return;
    }
    log::info("Configuration loaded",
              {{"max_builds", std::to_string(after.concurrent)}});
    for (const auto& line : describe(change, before, after, false))
      log::info(fmt::format("{}: reloaded: {}", after.path, line));
    for (const auto& line : describe(change, before, after, true))
      log::warning(fmt::format("{}: needs a restart of muster to come into "
                               "force: {}",
                               after.path, line));
  }

  void arm(time_point at) const {
    send_later(self, at, manager_timer{++st().timer});
  }

  // -- permits ----------------------------------------------------------------

  void serve() const {
    auto& s = st();
    while (s.permits_free > 0 && !s.waiting.empty()) {
      auto id = s.waiting.front();
      s.waiting.pop_front();
      auto& row = s.runners[id];
      if (!row.actor)
        continue;
      --s.permits_free;
      ++row.permits;
      self->send(row.actor, permit{});
    }
    s.permits_wanted->holds(s.waiting.size());
  }

  /// Why GitLab is not asked, once a minute while it is so.
  void tell_permits(const runner_id& asker) const {
    auto& s = st();
    auto now = self->now();
    auto is_told = s.permits_told != time_point{}
                   && now < s.permits_told + std::chrono::minutes{1};
    if (s.waiting.empty() || is_told)
      return;
    s.permits_told = now;
    log::info(fmt::format("as many jobs as concurrent allows are there or "
                          "being asked for ({}): GitLab is not asked for more",
                          s.file.concurrent),
              {{"runner", asker.value}, {"rule", "concurrent"}});
  }

  void on(const permit_back& x) const {
    auto row = st().runners.find(x.runner);
    if (row == st().runners.end() || row->second.permits == 0)
      return;
    --row->second.permits;
    ++st().permits_free;
    serve();
  }

  // -- the end ----------------------------------------------------------------

  void on(const shutdown_request& x) const {
    auto& s = st();
    auto forceful = x.mode != stop_mode::graceful;
    if (s.stopping && s.mode != stop_mode::graceful) {
      log::warning("told to stop again: leaving at once, jobs are not waited "
                   "for");
      self->quit(error_of(job_errc::runner_interrupted, "second signal"));
      return;
    }
    if (s.stopping && !forceful)
      return; // SIGQUIT again: keeps waiting
    s.stopping = true;
    s.mode = x.mode;
    setup->edge->metrics->is(forceful ? process_state::forceful_shutdown
                                      : process_state::graceful_shutdown);
    log::info(forceful ? "Starting forceful shutdown"
                       : "Starting graceful shutdown, waiting for builds to "
                         "finish");
    for (auto& row : s.runners)
      if (row.second.actor)
        self->send(row.second.actor, stop_runner{x.mode});
      else
        row.second.stopped = true;
    if (forceful) {
      // Once for the jobs, once for the groups (reference/job-api, section 12).
      s.stop_by = self->now() + 2 * s.file.shutdown_timeout;
      arm(s.stop_by);
    }
    check_stopped();
  }

  void check_stopped() const {
    auto& s = st();
    auto all
      = std::all_of(s.runners.begin(), s.runners.end(), [](const auto& row) {
          return row.second.stopped && !row.second.actor;
        });
    if (!s.stopping || !all)
      return;
    log::info("All workers stopped.");
    log::info("All executor providers shut down.");
    log::info("Can exit now!");
    self->quit();
  }

  void on_timer() const {
    auto& s = st();
    auto now = self->now();
    if (s.stopping && s.mode != stop_mode::graceful && now >= s.stop_by) {
      log::error("shutdown timed out: jobs that still run are left to GitLab");
      self->quit(error_of(job_errc::runner_interrupted, "shutdown timed out"));
      return;
    }
    auto next = now + 1h;
    for (auto& row : s.runners) {
      if (row.second.actor || row.second.stopped || row.second.held)
        continue;
      if (now >= row.second.start_at)
        start_runner(row.first);
      else
        next = std::min(next, row.second.start_at);
    }
    if (next < now + 1h)
      arm(next);
  }
};

manager_actor::behavior_type behave(self_t self, manager_setup given) {
  plays(self, "manager");
  auto setup = std::make_shared<const manager_setup>(std::move(given));
  driver d{self, setup};
  auto& st = self->state;
  st.file = setup->file;
  st.permits_free = st.file.concurrent;
  st.permits_wanted = setup->edge->metrics->queue(told_queue::permits);
  st.journal = setup->make_journal(self, self->address());
  st.dialer = spawn_dialer(self, self->address(), setup->dial);
  self->monitor(st.journal);
  self->monitor(st.dialer);
  self->set_down_handler([d](const caf::down_msg& x) {
    auto& s = d.st();
    if (x.source == s.journal.address() || x.source == s.dialer.address()) {
      log::error("an actor that all jobs need failed: the manager stops",
                 {{"err", text_of(x.reason)}});
      d.self->quit(x.reason);
      return;
    }
    for (const auto& row : s.runners)
      if (row.second.actor && row.second.actor.address() == x.source) {
        d.runner_down(runner_id{row.first}, x.reason);
        return;
      }
  });
  for (const auto& parts : setup->runners)
    d.start_runner(d.add_runner(parts));
  return {
    [d](const permit_request& x) {
      d.st().waiting.push_back(x.runner);
      d.serve();
      d.tell_permits(x.runner);
    },
    [d](const permit_back& x) { d.on(x); },
    [d](const permits_taken& x) {
      auto row = d.st().runners.find(x.runner);
      if (row == d.st().runners.end())
        return;
      d.st().permits_free -= x.count;
      row->second.permits += x.count;
    },
    [d](const shutdown_request& x) { d.on(x); },
    [d](const runner_stopped& x) {
      auto row = d.st().runners.find(x.runner);
      if (row != d.st().runners.end())
        row->second.stopped = true;
    },
    [d](const manager_timer& x) {
      if (x.version == d.st().timer)
        d.on_timer();
    },
    [d](const config_read& x) { d.on(x); },
    [d](const runner_reconfigured& x) {
      auto row = d.st().unconfirmed.find(x.runner);
      if (row == d.st().unconfirmed.end() || row->second != x.number)
        return;
      d.st().runners[x.runner].known_as = nullptr;
      d.confirmed(runner_id{x.runner});
    },
  };
}

} // namespace

manager_actor spawn_manager(const spawner& at, manager_setup setup) {
  return at.spawn(behave, std::move(setup));
}

} // namespace muster
