#include "actors/runner/runner.hpp"

#include "actors/coordinator/retry.hpp"
#include "config/feature_flags.hpp"
#include "config/journal_name.hpp"
#include "messages/recording.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster {

namespace {

using namespace std::chrono_literals;
using self_t = self_ptr<runner_actor, runner_state>;

constexpr auto system_failure = "runner_system_failure";

poll_outcome outcome_of(const job_offer& x) {
  if (!x.jobs.empty())
    return poll_outcome::job;
  switch (x.info.status) {
    case 204:
      return poll_outcome::none;
    case 403:
      return poll_outcome::forbidden;
    default:
      break;
  }
  return is_retriable(x.info.status) ? poll_outcome::server_error
                                     : poll_outcome::failed;
}

/// A flag that concerns the runner as a whole: no job has a say in it.
bool runner_flag(const runner_config& cfg, std::string_view name) {
  return flag_value(
    cfg, [](std::string_view) -> std::optional<std::string> { return {}; },
    name);
}

pace_options pace_of(const runner_config& cfg,
                     std::chrono::milliseconds check_interval) {
  pace_options out;
  out.check_interval = check_interval;
  out.strict = cfg.strict_check_interval;
  out.request_concurrency = cfg.request_concurrency;
  out.adaptive = runner_flag(cfg, "FF_USE_ADAPTIVE_REQUEST_CONCURRENCY");
  out.unhealthy_limit = cfg.unhealthy_requests_limit;
  out.unhealthy_interval = cfg.unhealthy_interval;
  return out;
}

struct driver {
  self_t self;
  std::shared_ptr<const runner_setup> setup;

  runner_state& st() const {
    return self->state;
  }

  const runner_config& cfg() const {
    return *st().config;
  }

  std::string role() const {
    return "runner:" + setup->id.value;
  }

  peer me() const {
    return peer_of(role(), self);
  }

  /// The journal's name of this runner: a token may change, its id does not.
  std::string identity() const {
    return journal_name(cfg());
  }

  log::fields fields() const {
    return {{"runner", short_token(cfg().token)}, {"runner_name", cfg().name}};
  }

  log::fields fields(const std::string& err) const {
    auto out = fields();
    out.emplace_back("err", err);
    return out;
  }

  // -- children ---------------------------------------------------------------

  void start_group() const {
    group_setup with;
    with.role = role() + "/group";
    with.runner = st().config;
    with.make_provider = st().make_provider;
    st().group_orders_out = std::make_shared<newest<group_orders>>();
    with.orders = st().group_orders_out;
    with.proven = setup->proven;
    with.parent = caf::actor_cast<group_parent_actor>(self);
    with.dialer = setup->dialer;
    with.journal = setup->journal;
    with.edge = setup->edge;
    with.metrics = setup->metrics->group(
      cfg().autoscaler ? cfg().autoscaler->buckets : time_buckets{});
    st().group = spawn_group(self, std::move(with));
    self->monitor(st().group);
    for (const auto& row : st().jobs)
      self->send(row.second.actor,
                 group_changed{{role() + "/group",
                                caf::actor_cast<caf::actor>(st().group)}});
    for (const auto& x : std::exchange(st().leftovers, {}))
      self->send(st().group, x);
  }

  void start_coordinator() const {
    coordinator_setup with;
    with.role = role() + "/coordinator";
    with.make_worker = st().make_worker;
    with.parent = self->address();
    with.metrics = setup->metrics;
    st().coordinator = spawn_coordinator(self, std::move(with));
    self->monitor(st().coordinator);
  }

  void group_lost(const caf::error& why) const {
    auto& s = st();
    s.group_ready = false;
    s.group = nullptr;
    if (s.draining) {
      stopped();
      return;
    }
    auto pause = std::min<time_point::duration>(
      1s * (1 << std::min(s.group_failures++, 6)), 60s);
    if (why != s.last_problem)
      log::error("the provider group cannot work and is tried again: "
                 "initializing taskscaler",
                 fields(text_of(why)));
    s.last_problem = why;
    for (auto row = s.polls.begin(); row != s.polls.end();)
      if (row->second.at == runner_state::poll_phase::reserving) {
        give_permit();
        row = s.polls.erase(row);
      } else {
        ++row;
      }
    send_later(self, self->now() + pause, restart_tick{++s.restarts});
    leave();
  }

  void coordinator_lost(const caf::error& why) const {
    auto& s = st();
    log::error("the coordinator failed and is started again",
               fields(text_of(why)));
    auto lost = s.coordinator;
    start_coordinator();
    tend(token_task::tell);
    replace_coordinator(lost, why);
  }

  /// Who spoke with a dead coordinator speaks with the one in force.
  void replace_coordinator(const coordinator_actor& lost,
                           const caf::error& why) const {
    auto& s = st();
    for (auto& row : s.jobs) {
      if (row.second.coordinator != lost)
        continue;
      row.second.coordinator = s.coordinator;
      self->send(
        row.second.actor,
        coordinator_changed{{role() + "/coordinator",
                             caf::actor_cast<caf::actor>(s.coordinator)}});
    }
    retell_left();
    std::vector<acquisition_key> asked;
    for (auto& row : s.polls) {
      if (row.second.coordinator != lost)
        continue;
      row.second.coordinator = s.coordinator;
      if (row.second.at == runner_state::poll_phase::asking)
        asked.push_back(row.first);
    }
    for (const auto& key : asked) {
      job_offer answer;
      answer.key = key;
      answer.info.text = text_of(why);
      on(answer);
    }
  }

  /// Returns whether it was one.
  bool former_lost(const caf::down_msg& x) const {
    auto& s = st();
    for (auto row = s.former.begin(); row != s.former.end(); ++row)
      if (row->address() == x.source) {
        auto lost = *row;
        s.former.erase(row);
        replace_coordinator(lost, x.reason);
        return true;
      }
    return false;
  }

  /// Those that nobody uses any more end.
  void dismiss_former() const {
    auto& s = st();
    std::erase_if(s.former, [this, &s](const auto& x) {
      auto uses = [&x](const auto& row) { return row.second.coordinator == x; };
      if (std::any_of(s.jobs.begin(), s.jobs.end(), uses)
          || std::any_of(s.polls.begin(), s.polls.end(), uses))
        return false;
      self->demonitor(x.address());
      self->send_exit(x, caf::exit_reason::user_shutdown);
      return true;
    });
  }

  // -- another configuration --------------------------------------------------

  void on(const reconfigure_runner& x) const {
    if (auto orders = setup->orders ? setup->orders->look() : nullptr)
      obey(*orders);
    st().to_confirm = x.number;
    confirm();
  }

  /// Not before the journal has all jobs by the name in force.
  void confirm() const {
    auto& s = st();
    if (s.left_known && s.to_confirm > 0)
      self->send(setup->parent, runner_reconfigured{
                                  setup->id, std::exchange(s.to_confirm, 0)});
  }

  void obey(const runner_orders& x) const {
    auto& s = st();
    auto before = identity();
    auto token_changed = cfg().token != x.config->token;
    s.config = x.config;
    s.check_interval = x.check_interval;
    s.shutdown_timeout = x.shutdown_timeout;
    s.make_provider = x.make_provider;
    s.make_worker = x.make_worker;
    s.token.may_rotate
      = !runner_flag(cfg(), "FF_DISABLE_AUTOMATIC_TOKEN_ROTATION");
    rename_jobs(before);
    s.pace.set(pace_of(cfg(), s.check_interval), self->now());
    s.told_unhealthy = false;
    // One that was removed from the file, and stands there again, was told to
    // ask GitLab for nothing more.
    auto comes_back
      = s.stopping && !s.draining && s.mode == stop_mode::graceful;
    if (comes_back)
      s.stopping = s.leaves = false;
    if (x.clients != s.clients || comes_back) {
      s.clients = x.clients;
      s.former.push_back(s.coordinator); // its jobs and requests go on
      start_coordinator();
      dismiss_former();
      retell_left();
    }
    if (token_changed)
      s.token.obtained_at = unix_now(); // unless it is known better
    tend(token_task::tell);
    tell_group();
    setup->metrics->bounds(cfg().limit, cfg().request_concurrency);
    tell_requests();
    poll_soon();
  }

  void tell_group() const {
    auto& s = st();
    if (!s.group)
      return;
    s.group_orders_out->give(std::make_shared<const group_orders>(
      group_orders{s.config, s.make_provider}));
    self->send(s.group, reconfigure_group{++s.group_orders_number});
  }

  /// The journal has this runner's jobs by its name.
  void rename_jobs(const std::string& before) const {
    auto& s = st();
    rename_runner out{before, identity(), {}};
    if (out.from == out.to)
      return;
    for (const auto& row : s.jobs)
      out.jobs.push_back(row.first);
    for (const auto& row : s.left)
      out.jobs.push_back(row.first);
    for (const auto& row : s.polls)
      if (row.second.at == runner_state::poll_phase::writing)
        out.jobs.push_back(row.first);
    if (!out.jobs.empty())
      self->send(setup->journal, std::move(out));
  }

  // -- polling ----------------------------------------------------------------

  void poll_soon() const {
    poll_at(self->now());
  }

  void poll_at(time_point when) const {
    send_later(self, when, poll_tick{++st().tick});
  }

  int under_way() const {
    return static_cast<int>(st().polls.size()) + st().permits_asked;
  }

  /// Whether a request was made with an earlier configuration.
  bool is_former(const runner_state::poll& x) const {
    return x.coordinator && x.coordinator != st().coordinator;
  }

  /// Requests that GitLab has, or will have in a moment.
  int requests() const {
    auto asking = std::count_if(
      st().polls.begin(), st().polls.end(), [this](const auto& row) {
        return row.second.at != runner_state::poll_phase::writing
               && !is_former(row.second);
      });
    return static_cast<int>(asking) + st().permits_asked;
  }

  bool has_room() const {
    const auto& s = st();
    auto total = static_cast<int>(s.jobs.size()) + under_way();
    return requests() < s.pace.requests_max()
           && (cfg().limit <= 0 || total < cfg().limit)
           && (setup->jobs_max <= 0
               || s.jobs_taken + under_way() < setup->jobs_max);
  }

  void on(const poll_tick& x) const {
    auto& s = st();
    if (x.version != s.tick || s.stopping || !s.group_ready)
      return;
    auto now = self->now();
    if (!s.pace.is_healthy(now)) {
      setup->metrics->happened(runner_event::unhealthy);
      if (!std::exchange(s.told_unhealthy, true))
        log::error("Runner is unhealthy and will be disabled for a while: "
                   "GitLab refuses its requests (403). Is the token right?",
                   fields());
      poll_at(now + cfg().unhealthy_interval / 60 + 1s);
      return;
    }
    s.told_unhealthy = false;
    if (now < s.pace.next()) {
      poll_at(s.pace.next());
      return;
    }
    if (s.starved || !has_room()) {
      if (requests() >= s.pace.requests_max())
        setup->metrics->happened(runner_event::requests_full);
      return; // told when that changes
    }
    setup->metrics->happened(runner_event::fed);
    ++s.permits_asked;
    self->send(setup->parent, permit_request{setup->id});
  }

  void on(const permit&) const {
    auto& s = st();
    if (s.permits_asked > 0)
      --s.permits_asked;
    if (s.stopping || !s.group_ready) {
      give_permit();
      check_stopped();
      return;
    }
    auto key = new_key();
    auto& row = s.polls[key];
    row.begun = self->now();
    self->send(s.group, reserve{key});
  }

  acquisition_key new_key() const {
    return acquisition_key{
      fmt::format("{}-{}-{}", setup->id.value, setup->run_id, ++st().keys)};
  }

  void give_permit() const {
    self->send(setup->parent, permit_back{setup->id});
  }

  /// The poll came to nothing.
  void abandon(const acquisition_key& key) const {
    auto& s = st();
    s.polls.erase(key);
    dismiss_former();
    if (s.group)
      self->send(s.group, unreserve{key});
    give_permit();
    check_stopped();
  }

  void on(const reserved& x) const {
    auto& s = st();
    auto row = s.polls.find(x.key);
    if (row == s.polls.end())
      return;
    if (x.why) {
      log::debug("no capacity, GitLab is not asked", fields(text_of(x.why)));
      s.starved = true;
      setup->metrics->happened(runner_event::no_capacity);
      s.polls.erase(row);
      give_permit();
      check_stopped();
      return;
    }
    if (s.stopping) {
      abandon(x.key);
      return;
    }
    row->second.at = runner_state::poll_phase::asking;
    row->second.begun = self->now();
    row->second.coordinator = s.coordinator;
    s.pace.begun(self->now());
    self->send(s.coordinator, request_job{x.key, me()});
    tell_requests();
    if (has_room())
      poll_at(s.pace.next());
  }

  void tell_requests() const {
    auto out = std::count_if(
      st().polls.begin(), st().polls.end(), [this](const auto& row) {
        return row.second.at == runner_state::poll_phase::asking
               && !is_former(row.second);
      });
    setup->metrics->requests(static_cast<int>(out), st().pace.requests_max());
  }

  void on(const job_offer& x) const {
    auto& s = st();
    auto row = s.polls.find(x.key);
    if (row == s.polls.end())
      return;
    auto outcome = outcome_of(x);
    if (is_former(row->second) && outcome != poll_outcome::job) {
      abandon(x.key); // it says nothing of the settings in force
      poll_soon();
      return;
    }
    s.pace.answered(outcome, row->second.begun,
                    std::chrono::milliseconds{x.info.retry_after_ms},
                    self->now());
    if (outcome == poll_outcome::job) {
      ++s.jobs_taken;
      ++s.idle_ticks;
      take(x.key, x.jobs.front());
      tell_requests();
      poll_soon();
      return;
    }
    tell_refusal(outcome, x.info);
    abandon(x.key);
    tell_requests();
    poll_at(s.pace.next());
  }

  void tell_refusal(poll_outcome outcome, const answer_info& info) const {
    if (outcome == poll_outcome::none) {
      log::debug("Checking for jobs...no content", fields());
      return;
    }
    auto with = fields(info.text);
    with.emplace_back("status", std::to_string(info.status));
    if (st().stopping)
      return; // we broke it off ourselves
    if (outcome == poll_outcome::forbidden)
      log::error("Checking for jobs... forbidden", with);
    else
      log::warning("Checking for jobs... failed", with);
  }

  // -- jobs -------------------------------------------------------------------

  void take(const acquisition_key& key, const job_payload& payload) const {
    auto with = fields();
    with.emplace_back("job", std::to_string(payload.id));
    with.emplace_back("project", std::to_string(payload.project_id));
    log::info("Checking for jobs... received", with);
    auto& row = st().polls[key];
    row.at = runner_state::poll_phase::writing;
    row.payload = payload;
    row.taken_us = setup->edge->unix_us();
    self->send(setup->journal,
               write_job{key, identity(), payload, row.taken_us, me()});
  }

  void on(const job_written& x) const {
    auto& s = st();
    auto row = s.polls.find(x.key);
    if (row == s.polls.end())
      return;
    auto taken = std::move(row->second);
    s.polls.erase(row);
    if (x.why) {
      refuse_unwritten(x, taken.payload);
      return;
    }
    start_job(x.key, std::move(taken.payload), taken.taken_us,
              taken.coordinator);
    poll_soon();
  }

  /// A job that cannot be written down is given back at once, so that GitLab
  /// can retry it; no further one is asked for before the pause.
  void refuse_unwritten(const job_written& x,
                        const job_payload& payload) const {
    auto with = fields(text_of(x.why));
    with.emplace_back("job", std::to_string(payload.id));
    log::error("the job cannot be written into the journal: it is failed for "
               "GitLab to retry",
               with);
    setup->metrics->happened(runner_event::job_refused);
    tell_failed(x.key, payload.id, payload.token);
    if (st().group)
      self->send(st().group, unreserve{x.key});
    give_permit();
    st().pace.answered(poll_outcome::server_error, self->now(), 0ms,
                       self->now());
    poll_at(st().pace.next());
    check_single();
  }

  int32_t free_concurrent_id() const {
    std::set<int32_t> used;
    for (const auto& row : st().jobs)
      used.insert(row.second.concurrent_id);
    int32_t found = 0;
    while (used.count(found) > 0)
      ++found;
    return found;
  }

  void start_job(const acquisition_key& key, job_payload payload,
                 int64_t taken_us, const coordinator_actor& by,
                 std::optional<left_job> left = std::nullopt) const {
    auto& s = st();
    runner_state::running row;
    row.job = payload.id;
    row.token = payload.token;
    row.concurrent_id = free_concurrent_id();
    row.coordinator = by;
    job_setup with;
    with.role = fmt::format("{}/job:{}", role(), payload.id);
    with.key = key;
    with.payload = std::move(payload);
    with.taken_us = taken_us;
    with.left = std::move(left);
    with.runner = st().config;
    with.system_id = setup->system_id;
    with.manager_host = setup->manager_host;
    with.concurrent_id = row.concurrent_id;
    with.acquire_timeout = cfg().autoscaler->instance_acquire_timeout;
    with.parent = caf::actor_cast<job_parent_actor>(self);
    with.group = s.group ? slot_source_actor{s.group} : slot_source_actor{};
    with.dialer = setup->dialer;
    with.coordinator = by;
    with.journal = setup->journal;
    with.edge = setup->edge;
    with.metrics = setup->metrics;
    row.actor = setup->make_job(self, std::move(with));
    self->monitor(row.actor);
    if (s.stopping && s.mode != stop_mode::graceful)
      interrupt(row.actor);
    s.jobs[key] = std::move(row);
  }

  void on(const job_ended& x) const {
    auto row = st().jobs.find(x.key);
    if (row == st().jobs.end())
      return;
    self->demonitor(row->second.actor.address());
    over(row);
  }

  void
  over(std::map<acquisition_key, runner_state::running>::iterator row) const {
    setup->metrics->job_over(row->second.job);
    st().jobs.erase(row);
    dismiss_former();
    give_permit();
    st().pace.job_ended(self->now());
    poll_soon();
    check_single();
    check_stopped();
  }

  void job_lost(std::map<acquisition_key, runner_state::running>::iterator row,
                const caf::error& why) const {
    auto with = fields(text_of(why));
    with.emplace_back("job", std::to_string(row->second.job));
    log::error("a job's actor failed: reported as failed by the system", with);
    setup->metrics->job_failed(row->second.job, system_failure);
    tell_failed(row->first, row->second.job, row->second.token);
    if (st().group)
      self->send(st().group, unreserve{row->first});
    over(row);
  }

  // -- run-single -------------------------------------------------------------

  /// Whether there was enough to do, or not enough.
  void check_single() const {
    auto& s = st();
    if (!s.jobs.empty() || s.stopping)
      return;
    if (setup->jobs_max > 0 && s.jobs_taken >= setup->jobs_max) {
      log::info("that was the last job that was asked for", fields());
      self->send(setup->parent, shutdown_request{stop_mode::graceful});
    } else if (setup->idle_max > 0ms) {
      send_later(self, self->now() + setup->idle_max,
                 idle_tick{++s.idle_ticks});
    }
  }

  void on(const idle_tick& x) const {
    auto& s = st();
    if (x.version != s.idle_ticks || !s.jobs.empty() || s.stopping)
      return;
    log::info("no job came in time", fields());
    self->send(setup->parent, shutdown_request{stop_mode::graceful});
  }

  // -- the token --------------------------------------------------------------

  void tend(token_task what) const {
    self->send(st().coordinator, tend_token{what, me()});
  }

  int64_t unix_now() const {
    return setup->edge->unix_us() / 1'000'000;
  }

  void on(const token_state& x) const {
    auto& s = st();
    if (!x.token.empty())
      note_token(x);
    auto failed = !x.info.text.empty() || !x.save_failure.empty();
    s.token_failures = failed ? s.token_failures + 1 : 0;
    s.token_not_before
      = self->now() + token_pause(token_step::rotate, s.token_failures);
    tell_token(x);
    plan_next();
  }

  void note_token(const token_state& x) const {
    auto& s = st();
    s.token.is_literal = x.is_literal;
    s.token.is_saved = x.is_saved;
    s.token.expires_at = x.expires_at;
    if (x.obtained_at > 0)
      s.token.obtained_at = x.obtained_at;
    if (x.token == cfg().token)
      return;
    auto before = identity();
    auto fresh = std::make_shared<runner_config>(cfg());
    fresh->token = x.token;
    s.config = std::move(fresh);
    rename_jobs(before);
  }

  void tell_token(const token_state& x) const {
    if (!x.save_failure.empty())
      setup->metrics->happened(runner_event::config_saving_error);
    else if (x.what != token_task::tell && x.info.text.empty())
      setup->metrics->happened(runner_event::config_saved);
    if (!x.info.text.empty()) {
      log::error(
        x.what == token_task::rotate
          ? "the runner's token cannot be replaced by a new one: it is "
            "tried again. If GitLab refuses the old one from now on, "
            "reset the token there and write it into config.toml"
          : "the runner's token cannot be looked at",
        fields(x.info.text));
    } else if (!x.save_failure.empty()) {
      log::error("the runner's new token cannot be written into config.toml: "
                 "muster goes on with it and tries again. Do not lose it: see "
                 "to it before GitLab or this machine changes",
                 fields(x.save_failure));
    } else if (x.what == token_task::rotate) {
      log::info("Token rotated; config.toml has the new one", fields());
    } else if (x.what == token_task::save) {
      log::info("config.toml has the runner's new token", fields());
    }
  }

  /// Looks again after an hour at the latest: clocks of the wall jump.
  void plan_next() const {
    auto& s = st();
    auto plan = plan_token(s.token, unix_now());
    auto now = self->now();
    auto due = std::max<time_point>(now + plan.in, s.token_not_before);
    if (plan.what != token_step::none)
      send_later(self, std::min<time_point>(due, now + 1h),
                 token_tick{++s.token_ticks});
  }

  void on(const token_tick& x) const {
    auto& s = st();
    if (x.version != s.token_ticks || s.draining)
      return;
    auto plan = plan_token(s.token, unix_now());
    if (plan.in > 0s || self->now() < s.token_not_before) {
      plan_next();
      return;
    }
    switch (plan.what) {
      case token_step::rotate:
        tend(token_task::rotate);
        break;
      case token_step::save:
        tend(token_task::save);
        break;
      case token_step::warn:
        warn_of_expiry();
        break;
      case token_step::none:
        break;
    }
  }

  void warn_of_expiry() const {
    auto& s = st();
    auto with = fields();
    with.emplace_back("hours_left",
                      std::to_string((s.token.expires_at - unix_now()) / 3600));
    log::warning(
      s.token.is_literal
        ? "the runner's token will expire, and FF_DISABLE_AUTOMATIC_TOKEN_"
          "ROTATION is set: run muster reset-token, or remove the flag"
        : "the runner's token will expire. It comes from the environment, "
          "where muster cannot change it: reset it in GitLab and set the "
          "variable",
      with);
    s.token_not_before = self->now() + token_pause(token_step::warn, 0);
    plan_next();
  }

  // -- jobs of an earlier manager ---------------------------------------------

  void on(const left_jobs& x) const {
    if (x.why)
      log::error("the jobs of an earlier manager cannot be read from the "
                 "journal",
                 fields(text_of(x.why)));
    int32_t going_on = 0;
    for (const auto& row : x.jobs)
      if (st().jobs.count(row.key) == 0 && st().left.count(row.key) == 0)
        going_on += take_over(row) ? 1 : 0;
    rename_jobs(st().asked_as); // it may have changed meanwhile
    st().left_known = true;
    confirm();
    if (going_on > 0)
      self->send(setup->parent, permits_taken{setup->id, going_on});
    if (!st().group && !st().draining)
      start_group(); // which hears at once who holds its slots
  }

  /// One that was removed, and failed before it had ended: once it is seen
  /// whether there is something to be done.
  void leave() const {
    if (!st().leaves || !st().stopping)
      return;
    st().leaves = false;
    check_stopped();
  }

  /// Returns whether the job goes on.
  bool take_over(const left_job& x) const {
    auto with = fields();
    with.emplace_back("job", std::to_string(x.payload.id));
    if (!x.instance.empty())
      with.emplace_back("instance", x.instance.value);
    if (x.payload.token.empty()) {
      log::error("an earlier manager left this job, and the journal has not "
                 "even its token: GitLab cannot be told and ends it by its own "
                 "time-out",
                 with);
      if (x.at == left_phase::ended)
        clean_up(x);
      self->send(setup->journal, forget_job{x.key});
      return false;
    }
    switch (x.at) {
      case left_phase::waiting:
      case left_phase::started:
        log::info(x.at == left_phase::waiting
                    ? "an earlier manager left this job before it was sent to "
                      "an instance: it is taken over"
                    : "an earlier manager left this job on an instance: it is "
                      "attached to again",
                  with);
        start_job(x.key, x.payload, x.taken_us, st().coordinator, x);
        return true;
      case left_phase::ended:
        log::info("an earlier manager left a result that GitLab has not "
                  "confirmed: told again",
                  with);
        tell_left(x);
        clean_up(x);
        return false;
      case left_phase::lost:
        break;
    }
    log::warning("an earlier manager left this job, and what it wrote of it "
                 "cannot be used: reported as failed by the system",
                 with);
    setup->metrics->job_failed(x.payload.id, system_failure);
    tell_failed(x.key, x.payload.id, x.payload.token);
    return false;
  }

  /// Whether the slot was cleaned before the manager ended is not known.
  void clean_up(const left_job& x) const {
    if (!x.instance.empty())
      st().leftovers.push_back({x.key, x.instance, x.slot, {}});
  }

  // -- results of jobs that have no actor -------------------------------------

  void tell_failed(const acquisition_key& key, int64_t job,
                   const secret& token) const {
    left_job x;
    x.key = key;
    x.at = left_phase::ended;
    x.payload.id = job;
    x.payload.token = token;
    x.failure_reason = system_failure;
    tell_left(x);
  }

  void tell_left(const left_job& x) const {
    st().left[x.key] = x;
    update_job what;
    what.key = x.key;
    what.job = x.payload.id;
    what.token = x.payload.token;
    what.state = x.success ? "success" : "failed";
    what.failure_reason = x.failure_reason;
    what.exit_code = x.exit_code;
    what.asker = me();
    self->send(st().coordinator, std::move(what));
  }

  void retell_left() const {
    for (const auto& row : std::map{st().left})
      tell_left(row.second);
  }

  void on(const update_result& x) const {
    auto row = st().left.find(x.key);
    if (row == st().left.end())
      return;
    auto status = x.info.status;
    auto settled = status == 200 || status == 403 || status == 404
                   || x.info.job_status == "canceled"
                   || x.info.job_status == "failed";
    if (settled) {
      self->send(setup->journal, forget_job{x.key});
      st().left.erase(row);
      st().left_failures = 0;
      check_stopped();
    } else if (!std::exchange(st().left_tick_out, true)) {
      auto doubled = 10s * (1 << std::min(st().left_failures++, 6));
      auto wished = std::chrono::milliseconds{x.info.retry_after_ms};
      auto pause = std::max<time_point::duration>(
        doubled, std::min<time_point::duration>(wished, 1h));
      send_later(self, self->now() + pause, restart_tick{0});
    }
  }

  void on(const restart_tick& x) const {
    if (x.number == 0) {
      st().left_tick_out = false;
      retell_left();
    } else if (x.number == st().restarts && !st().group && !st().draining) {
      start_group();
    }
  }

  // -- the end ----------------------------------------------------------------

  void interrupt(const job_actor& who) const {
    self->send(who, cancel_job{st().mode == stop_mode::term
                                 ? cancel_reason::interrupted_by_term
                                 : cancel_reason::interrupted_by_int,
                               false});
  }

  void on(const stop_runner& x) const {
    auto& s = st();
    auto first = !std::exchange(s.stopping, true);
    s.leaves = false;
    s.mode = x.mode;
    if (first) {
      self->send(s.coordinator, stop_requests{true});
      for (const auto& former : s.former)
        self->send(former, stop_requests{true});
    }
    if (x.mode != stop_mode::graceful)
      for (const auto& row : s.jobs)
        interrupt(row.second.actor);
    check_stopped();
  }

  void check_stopped() const {
    auto& s = st();
    if (!s.stopping || s.draining || s.leaves || !s.jobs.empty()
        || !s.polls.empty())
      return;
    s.draining = true;
    if (s.group)
      self->send(s.group, drain{s.shutdown_timeout.count()});
    else
      stopped();
  }

  void stopped() const {
    self->send(setup->parent, runner_stopped{setup->id});
    self->quit();
  }
};

runner_actor::behavior_type behave(self_t self, runner_setup given) {
  auto setup = std::make_shared<const runner_setup>(std::move(given));
  driver d{self, setup};
  plays(self, d.role());
  auto asked_as
    = journal_name(setup->known_as ? *setup->known_as : *setup->config);
  note(self,
       runner_begun{setup->run_id, setup->number, setup->clients, setup->leaves,
                    asked_as != journal_name(*setup->config), setup->jobs_max,
                    setup->idle_max.count()});
  auto& state = self->state;
  state.config = setup->config;
  state.check_interval = setup->check_interval;
  state.shutdown_timeout = setup->shutdown_timeout;
  state.make_provider = setup->make_provider;
  state.make_worker = setup->make_worker;
  state.clients = setup->clients;
  state.stopping = setup->leaves;
  state.leaves = setup->leaves;
  state.to_confirm = setup->number;
  state.pace
    = muster::pace{pace_of(*setup->config, setup->check_interval), self->now()};
  state.token.may_rotate
    = !runner_flag(*setup->config, "FF_DISABLE_AUTOMATIC_TOKEN_ROTATION");
  state.token.obtained_at = d.unix_now(); // unless it is known better
  self->monitor(setup->parent);
  self->set_down_handler([d, setup](const caf::down_msg& x) {
    auto& st = d.st();
    if (x.source == setup->parent.address()) {
      d.self->quit(x.reason);
    } else if (st.group && x.source == st.group.address()) {
      d.group_lost(x.reason);
    } else if (x.source == st.coordinator.address()) {
      d.coordinator_lost(x.reason);
    } else if (d.former_lost(x)) {
      return;
    } else {
      for (auto row = st.jobs.begin(); row != st.jobs.end(); ++row)
        if (row->second.actor.address() == x.source) {
          d.job_lost(row, x.reason);
          return;
        }
    }
  });
  d.start_coordinator();
  d.tell_requests(); // one that failed may have had some out
  state.asked_as = std::move(asked_as);
  self->send(setup->journal, read_jobs{state.asked_as, d.me()});
  d.tend(token_task::tell);
  d.check_single();
  return {
    [d](const poll_tick& x) { d.on(x); },
    [d](const permit& x) { d.on(x); },
    [d](const stop_runner& x) { d.on(x); },
    [d](const restart_tick& x) { d.on(x); },
    [d](const reserved& x) { d.on(x); },
    [d](const capacity_changed&) {
      d.st().starved = false;
      d.poll_soon();
    },
    [d](const group_ready&) {
      d.st().group_ready = true;
      d.st().group_failures = 0;
      d.st().last_problem = {};
      d.st().starved = false;
      d.leave();
      d.poll_soon();
    },
    [d](const drained&) { d.stopped(); },
    [d](const job_offer& x) { d.on(x); },
    [d](const update_result& x) { d.on(x); },
    [d](const job_written& x) { d.on(x); },
    [d](const left_jobs& x) { d.on(x); },
    [d](const job_ended& x) { d.on(x); },
    [d](const token_state& x) { d.on(x); },
    [d](const token_tick& x) { d.on(x); },
    [d](const idle_tick& x) { d.on(x); },
    [d](const reconfigure_runner& x) { d.on(x); },
  };
}

} // namespace

runner_actor spawn_runner(const spawner& at, runner_setup setup) {
  return at.spawn(behave, std::move(setup));
}

} // namespace muster
