#include "actors/manager/manager.hpp"

#include "actors/dialer/dialer.hpp"

#include <algorithm>

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
    auto& row = st().runners[id];
    const auto& parts = setup->runners[row.index];
    runner_setup with;
    with.id = id;
    with.config = parts.config;
    with.check_interval = setup->check_interval;
    with.shutdown_timeout = setup->shutdown_timeout;
    with.system_id = setup->system_id;
    with.manager_host = setup->manager_host;
    with.jobs_max = setup->jobs_max;
    with.idle_max = setup->idle_max;
    with.run_id = setup->run_id + std::to_string(row.failures);
    with.make_provider = parts.make_provider;
    with.make_worker = parts.make_worker;
    with.parent = caf::actor_cast<manager_actor>(self);
    with.dialer = st().dialer;
    with.journal = st().journal;
    with.edge = setup->edge;
    with.metrics = parts.metrics;
    row.actor = self->spawn(runner, std::move(with));
    self->monitor(row.actor);
  }

  void runner_down(const runner_id& id, const caf::error& why) const {
    auto& row = st().runners[id];
    row.actor = nullptr;
    st().permits_free += std::exchange(row.permits, 0);
    std::erase(st().waiting, id);
    if (row.stopped || st().stopping) {
      row.stopped = true;
      check_stopped();
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
    setup->edge->metrics->queue(told_queue::permits, s.waiting.size());
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
      s.stop_by = self->now() + 2 * setup->shutdown_timeout;
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
      if (row.second.actor || row.second.stopped)
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

} // namespace

manager_actor::behavior_type manager(self_t self, manager_setup given) {
  auto setup = std::make_shared<const manager_setup>(std::move(given));
  driver d{self, setup};
  auto& st = self->state;
  st.permits_free = setup->concurrent;
  st.journal = setup->make_journal(self, self->address());
  st.dialer = self->spawn(dialer, self->address(), setup->dial);
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
  for (size_t i = 0; i < setup->runners.size(); ++i) {
    st.runners[setup->runners[i].id].index = i;
    d.start_runner(setup->runners[i].id);
  }
  return {
    [d](const permit_request& x) {
      d.st().waiting.push_back(x.runner);
      d.serve();
    },
    [d](const permit_back& x) { d.on(x); },
    [d](const permits_taken& x) {
      d.st().permits_free -= x.count;
      d.st().runners[x.runner].permits += x.count;
    },
    [d](const shutdown_request& x) { d.on(x); },
    [d](const runner_stopped& x) { d.st().runners[x.runner].stopped = true; },
    [d](const manager_timer& x) {
      if (x.version == d.st().timer)
        d.on_timer();
    },
  };
}

} // namespace muster
