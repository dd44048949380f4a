#include "actors/coordinator/coordinator.hpp"

#include <algorithm>
#include <optional>

namespace muster {

namespace {

using self_t = self_ptr<coordinator_actor, coordinator_state>;
using question = coordinator_state::question;

constexpr size_t workers_max = 64;
/// Workers are cheap to have, but each is a thread and a connection: more than
/// these are started only when questions pile up.
constexpr size_t workers_at_ease = 4;
/// GitLab may hold each of them for minutes: the other workers are left for
/// what jobs wait for.
constexpr size_t polls_max = workers_max - workers_at_ease;
/// Each job has two questions out at most, so this is never met in practice.
constexpr size_t queue_max = 16'384;

struct driver {
  self_t self;
  std::shared_ptr<const coordinator_setup> setup;

  coordinator_state& st() const {
    return self->state;
  }

  size_t waiting() const {
    return st().results.size() + st().others.size() + st().polls.size();
  }

  void put(std::deque<question>& queue, question what) const {
    if (waiting() >= queue_max) {
      fail(what, "too many requests to GitLab are waiting");
      return;
    }
    queue.push_back(std::move(what));
    tell_depth(); // also when a worker takes it at once
    serve();
  }

  void tell_depth() const {
    st().depth->holds(waiting());
  }

  std::optional<question> next() const {
    auto& s = st();
    for (auto* queue : {&s.results, &s.others, &s.polls})
      if (!queue->empty() && (queue != &s.polls || may_poll())) {
        auto out = std::move(queue->front());
        queue->pop_front();
        tell_depth();
        return out;
      }
    return {};
  }

  coordinator_state::worker* idle_worker() const {
    for (auto& row : st().workers)
      if (!row.second.busy)
        return &row.second;
    return nullptr;
  }

  /// Workers that a long poll may hold.
  size_t polling() const {
    return static_cast<size_t>(std::count_if(
      st().workers.begin(), st().workers.end(), [](const auto& row) {
        return row.second.busy
               && std::holds_alternative<request_job>(row.second.asked);
      }));
  }

  bool may_poll() const {
    return !st().polls.empty() && polling() < polls_max;
  }

  bool has_next() const {
    return !st().results.empty() || !st().others.empty() || may_poll();
  }

  coordinator_state::worker* make_worker() const {
    auto& s = st();
    auto there = s.workers.size() - polling();
    auto needed
      = there < workers_at_ease || waiting() > 2 * there || may_poll();
    if (!needed || s.workers.size() >= workers_max)
      return nullptr;
    auto number = ++s.workers_made;
    auto made = setup->make_worker(
      self, caf::actor_cast<coordinator_actor>(self), number);
    if (!made.actor)
      return nullptr;
    self->monitor(made.actor);
    auto& row = s.workers[number];
    row.actor = std::move(made.actor);
    row.stop = std::move(made.stop);
    return &row;
  }

  void serve() const {
    while (has_next()) {
      auto* worker = idle_worker();
      if (worker == nullptr)
        worker = make_worker();
      if (worker == nullptr) {
        if (st().workers.empty())
          fail_all("GitLab cannot be asked: see the log");
        return;
      }
      auto what = next();
      worker->busy = true;
      worker->asked = *what;
      std::visit([&](const auto& x) { self->send(worker->actor, x); }, *what);
    }
  }

  void fail_all(const std::string& text) const {
    while (auto what = next())
      fail(*what, text);
  }

  void fail(const question& what, const std::string& text) const {
    answer_info info;
    info.text = text;
    if (const auto* update = std::get_if<update_job>(&what))
      self->send(as<update_asker_actor>(update->asker),
                 update_result{update->key, update->state, info});
    else if (const auto* poll = std::get_if<request_job>(&what))
      self->send(as<offer_asker_actor>(poll->asker),
                 job_offer{poll->key, info, {}, false});
    else if (const auto* patch = std::get_if<patch_trace>(&what))
      fail_patch(*patch, info);
    else if (const auto* token = std::get_if<tend_token>(&what))
      fail_token(*token, info);
  }

  /// Nothing is known: the asker asks again.
  void fail_token(const tend_token& x, const answer_info& info) const {
    token_state out;
    out.what = x.what;
    out.info = info;
    self->send(as<token_asker_actor>(x.asker), std::move(out));
  }

  void fail_patch(const patch_trace& x, const answer_info& info) const {
    patch_result out;
    out.key = x.key;
    out.offset = x.offset;
    out.sent_bytes = x.length_max; // it cannot be known that nothing was sent
    out.rendered_only = x.length_max == 0;
    out.info = info;
    self->send(as<patch_asker_actor>(x.asker), std::move(out));
  }

  void worker_down(const caf::down_msg& x) const {
    auto& rows = st().workers;
    for (auto row = rows.begin(); row != rows.end(); ++row)
      if (row->second.actor.address() == x.source) {
        auto lost = std::move(row->second);
        rows.erase(row);
        if (lost.busy)
          fail(lost.asked, "the HTTP worker failed: " + text_of(x.reason));
        serve();
        return;
      }
  }

  void stop(const stop_requests& x) const {
    st().no_polls = true;
    for (const auto& what : std::exchange(st().polls, {}))
      fail(what, "the manager is shutting down");
    tell_depth();
    for (auto& row : st().workers) {
      auto polls = row.second.busy
                   && std::holds_alternative<request_job>(row.second.asked);
      if (polls || !x.polls_only)
        row.second.stop();
      if (polls) // its client is stopped for good: others take over
        retire(row.second);
    }
    std::erase_if(st().workers,
                  [](const auto& row) { return !row.second.actor; });
  }

  /// The worker answers what it was asked, and ends.
  void retire(coordinator_state::worker& x) const {
    self->demonitor(x.actor.address());
    self->send_exit(x.actor, caf::exit_reason::user_shutdown);
    x.actor = nullptr;
  }
};

coordinator_actor::behavior_type behave(self_t self, coordinator_setup given) {
  plays(self, given.role);
  driver d{self, std::make_shared<const coordinator_setup>(std::move(given))};
  self->state.depth = d.setup->metrics->queue(told_queue::gitlab_requests);
  self->monitor(d.setup->parent);
  self->set_down_handler([d](const caf::down_msg& x) {
    if (x.source == d.setup->parent)
      d.self->quit(x.reason);
    else
      d.worker_down(x);
  });
  return {
    [d](const request_job& x) {
      if (d.st().no_polls)
        d.fail(x, "the manager is shutting down");
      else
        d.put(d.st().polls, x);
    },
    [d](const update_job& x) {
      d.put(x.state == "running" ? d.st().others : d.st().results, x);
    },
    [d](const patch_trace& x) { d.put(d.st().others, x); },
    [d](const tend_token& x) { d.put(d.st().others, x); },
    [d](const stop_requests& x) { d.stop(x); },
    [d](const worker_free& x) {
      auto row = d.st().workers.find(x.worker);
      if (row == d.st().workers.end())
        return;
      row->second.busy = false;
      d.serve();
    },
  };
}

} // namespace

coordinator_actor spawn_coordinator(const spawner& at,
                                    coordinator_setup setup) {
  return at.spawn(behave, std::move(setup));
}

} // namespace muster
