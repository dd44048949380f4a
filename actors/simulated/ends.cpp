#include "actors/simulated/ends.hpp"

namespace muster::simulated {

namespace {

using dialer_self = self_ptr<dialer_actor, dialer_state>;
using journal_self = self_ptr<journal_actor, journal_state>;

struct dialing {
  dialer_self self;
  world_ptr all;

  template <class Message>
  void answer(const peer& to, milliseconds wait, Message x) const {
    self->delayed_send(as<dial_asker_actor>(to), wait, std::move(x));
  }

  bool reaches(const instance_id& id) const {
    return all->machines.is_alive(id.value, self->now());
  }

  void on(const dial& x) const {
    dialed out{x.instance, "host key of " + x.instance.value, {}};
    if (!reaches(x.instance) || all->happens(all->options.faults.undialed))
      out = {x.instance, "",
             error_of(connection_errc::unreachable, "connection refused")};
    else
      all->dialed[x.instance] = x.asker;
    answer(x.asker, all->options.takes.dial, std::move(out));
  }

  void on(const run_command& x) const {
    command_ended out{x.instance, 0, "", {}};
    if (!reaches(x.instance))
      out.why = error_of(connection_errc::lost, "the connection broke");
    else if (all->happens(all->options.faults.unready))
      out.exit_code = 1;
    answer(x.asker, all->options.takes.command, std::move(out));
  }

  void on(const end_leftovers& x) const {
    leftovers_ended out{x.instance, x.key, true, ""};
    if (!reaches(x.instance) || all->happens(all->options.faults.unclean))
      out = {x.instance, x.key, false, "a process does not end"};
    all->sees->slot_cleaned(x.key, out.clean);
    answer(x.asker, all->options.takes.clean, std::move(out));
  }
};

struct writing {
  journal_self self;
  world_ptr all;

  void on(const write_instance& x) const {
    auto& row = all->instances[x.instance];
    row.use_count = x.use_count;
    if (!x.host_key.empty())
      row.host_key = x.host_key;
  }

  void on(const read_host_key& x) const {
    host_key_found out{x.instance, "", {}};
    if (auto row = all->instances.find(x.instance); row != all->instances.end())
      out.host_key = row->second.host_key;
    self->send(as<host_key_asker_actor>(x.asker), std::move(out));
  }

  void on(const read_instances& x) const {
    known_instances out{x.group, {}, {}};
    for (const auto& [id, noted] : all->instances) {
      known_instance one{id, noted.use_count, 0, noted.host_key, {}};
      one.leftovers = {noted.leftovers.begin(), noted.leftovers.end()};
      for (const auto& [key, held] : all->holds)
        if (held.instance == id)
          one.jobs.push_back(key);
      out.instances.push_back(std::move(one));
    }
    self->send(as<instances_asker_actor>(x.asker), std::move(out));
  }
};

dialer_actor::behavior_type behave_as_dialer(dialer_self self,
                                             const world_ptr& all) {
  dialing d{self, all};
  return {
    [d](const dial& x) { d.on(x); },
    [d](const hang_up& x) { d.all->dialed.erase(x.instance); },
    [d](const run_command& x) { d.on(x); },
    [](const open_stream&) {}, // jobs here have no output
    [d](const end_leftovers& x) { d.on(x); },
    [](const renew_info&) {}, // what is known of the way does not expire
  };
}

} // namespace

dialer_actor spawn_dialer(const spawner& at, world_ptr all) {
  return at.spawn(behave_as_dialer, std::move(all));
}

namespace {

journal_actor::behavior_type behave_as_journal(journal_self self,
                                               const world_ptr& all) {
  writing w{self, all};
  // Jobs are written down by themselves, in the world: see `noted_hold`.
  return {
    [](const write_job&) {},
    [](const write_job_lines&) {},
    [](const write_job_start&) {},
    [](const write_job_result&) {},
    [](const rename_runner&) {},
    [](const forget_job&) {},
    [w](const write_instance& x) { w.on(x); },
    [w](const forget_instance& x) { w.all->instances.erase(x.instance); },
    [w](const read_instances& x) { w.on(x); },
    [](const read_jobs&) {},
    [w](const read_host_key& x) { w.on(x); },
    [w](const write_leftover& x) {
      w.all->instances[x.instance].leftovers.insert(x.key);
    },
    [w](const forget_leftover& x) {
      if (auto row = w.all->instances.find(x.instance);
          row != w.all->instances.end())
        row->second.leftovers.erase(x.key);
    },
  };
}

} // namespace

journal_actor spawn_journal(const spawner& at, world_ptr all) {
  return at.spawn(behave_as_journal, std::move(all));
}

} // namespace muster::simulated
