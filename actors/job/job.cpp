#include "actors/job/job.hpp"

#include "actors/helper_stream.hpp"
#include "actors/job/outline.hpp"
#include "actors/job/stream_ids.hpp"
#include "actors/trace/trace.hpp"
#include "config/duration.hpp"
#include "config/feature_flags.hpp"
#include "config/version.hpp"
#include "executors/cache/digest.hpp"
#include "executors/plan/masking.hpp"
#include "executors/plan/trace_text.hpp"
#include "executors/plan/url.hpp"
#include "executors/shells/remote.hpp"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>

namespace muster {

stream_id next_stream_id() {
  static std::atomic<stream_id> last{stream_id{1} << 62};
  return ++last;
}

namespace {

using self_t = self_ptr<job_actor, job_state>;

bool in_containers(const job_setup& setup) {
  return setup.runner->docker.has_value();
}

variable_lookup lookup_in(const job_variables& variables) {
  return [&variables](std::string_view name) { return variables.find(name); };
}

/// Sixteen digits that no other job has: its key is its own.
std::string unique_of(const acquisition_key& key) {
  constexpr size_t bytes = 8;
  return hex_of(sha256(key.value).substr(0, bytes));
}

/// @param slot -1: not known yet
result<plan_result, job_errc> make_plan(const job_setup& setup, int32_t slot,
                                        int64_t began_unix) {
  plan_facts facts;
  facts.slot = slot;
  facts.system_id = setup.system_id;
  facts.unique = unique_of(setup.key);
  facts.key = setup.key.value;
  facts.short_token = short_token(setup.runner->token);
  facts.manager_host = setup.manager_host;
  facts.version = version_text;
  facts.revision = revision_text;
  facts.os = "linux";
  facts.arch = arch_text;
  facts.concurrent_id = setup.concurrent_id;
  facts.concurrent_project_id = std::max(slot, 0);
  facts.began_unix = began_unix;
  const auto& other = setup.edge->plan;
  return other ? other(setup.payload, *setup.runner, facts)
               : build_plan(setup.payload, *setup.runner, facts);
}

struct performer {
  self_t self;
  const job_setup& setup;
  const job_life::event* what;

  job_state& st() const {
    return self->state;
  }

  peer me() const {
    return peer_of(setup.role, self);
  }

  log::fields fields() const {
    return {{"job", std::to_string(setup.payload.id)},
            {"project", std::to_string(setup.payload.project_id)},
            {"runner", short_token(setup.runner->token)},
            {"runner_name", setup.runner->name}};
  }

  void write(trace_source source, const std::string& text) const {
    auto now = setup.edge->unix_us();
    st().shelved.log->append(source, now, text);
    if (!st().life.plan_sent)
      st().lines.push_back({static_cast<uint8_t>(source), now, secret{text}});
  }

  /// What GitLab may have of the log must be found again.
  void keep_lines() const {
    self->send(setup.journal, write_job_lines{setup.key, st().lines});
  }

  void body(const std::string& text) const {
    write(trace_source::manager_body, text);
  }

  int64_t unix_seconds() const {
    return setup.edge->unix_us() / 1'000'000;
  }

  void close_preparing() const {
    auto shown = std::exchange(st().preparing_shown, false);
    if (st().recorder && st().recorder->leave_preparing())
      shown = true;
    if (shown && st().recipe.sections)
      body(trace_text::section_end(unix_seconds(), "prepare_executor"));
  }

  void operator()(const job_life::tell_running& x) const {
    update_job what;
    what.key = setup.key;
    what.job = setup.payload.id;
    what.token = setup.payload.token;
    what.state = "running";
    what.asker = me();
    if (x.after.count() > 0)
      self->delayed_send(st().coordinator, x.after, std::move(what));
    else
      self->send(st().coordinator, std::move(what));
  }

  void operator()(const job_life::ask_slot& x) const {
    self->send(st().group, acquire{setup.key, setup.acquire_timeout.count(),
                                   me(), x.renewed});
  }

  void operator()(const job_life::ask_route& x) const {
    self->send(setup.dialer,
               open_stream{instance_id{x.instance}, setup.key,
                           x.timeout.count(), me(), st().plan.plan.temp_dir});
  }

  void operator()(const job_life::note_slot&) const {
    st().slot = std::get<acquired>(*what).slot_peer;
    self->monitor(st().slot.handle);
    st().told->at(executor_stage::prepare);
  }

  void operator()(const job_life::claim_slot&) const {
    st().slot = {};
    self->send(st().group, claim{setup.key, instance_id{st().life.instance},
                                 st().life.slot, me()});
  }

  void operator()(const job_life::note_place&) const {
    const auto& place = std::get<acquired>(*what);
    body(trace_text::dialing_instance(
      place.instance.value, place.internal_address, place.external_address));
    auto with = fields();
    with.emplace_back("instance", place.instance.value);
    with.emplace_back("slot", std::to_string(place.slot));
    log::info("Dialing instance", with);
    keep_lines();
    plan_for(place.slot);
  }

  /// The build directory holds the slot's number: two jobs of a project do not
  /// meet on an instance, and the next one finds the repository there.
  void plan_for(int32_t slot) const {
    if (slot == st().planned_slot)
      return;
    if (auto made = make_plan(setup, slot, st().began_unix)) {
      st().plan = std::move(*made);
      st().planned_slot = slot;
    }
  }

  void operator()(const job_life::show_connected&) const {
    const auto& route = std::get<stream_route>(*what);
    take_route(route);
    st().socket_path = route.socket_path;
    body(trace_text::instance_connected(st().life.instance));
    if (st().plan.uses_default_image)
      body(trace_text::info("Using default image"));
    if (!route.no_helper.empty())
      body(trace_text::warning(
        "muster-helper cannot run on this instance (" + route.no_helper
        + "). The job is carried out over SSH: it cannot go on if the "
          "connection breaks or muster is started again."));
    if (!in_containers(setup)) // else the helper prepares them
      close_preparing();
  }

  void operator()(const job_life::note_start&) const {
    auto& recipe = st().recipe;
    recipe.base_us = setup.edge->unix_us();
    recipe.socket_path = st().socket_path;
    recipe.stages.clear();
    std::string before;
    for (const auto& x : st().plan.policy_lines)
      before += trace_text::info(x);
    for (const auto& x : st().plan.plan.stages) {
      recipe.stages.push_back({x.name,
                               x.heading,
                               x.phase,
                               x.attempts_max,
                               x.failure_counts,
                               {},
                               x.place != stage_place::host});
      if (x.phase == stage_phase::step) // the first one alone
        recipe.stages.back().before = std::exchange(before, {});
    }
    log_images();
    make_recorder(); // which ends the section, if it is open still
    st().preparing_shown = false;
    self->send(setup.journal,
               write_job_start{setup.key, instance_id{st().life.instance},
                               st().life.slot, st().lines, recipe, me()});
  }

  void log_images() const {
    const auto& plan = st().plan;
    if (!plan.plan.containers
        || !flag_value(*setup.runner, lookup_in(plan.variables),
                       "FF_LOG_IMAGES_CONFIGURED_FOR_JOB"))
      return;
    auto with = fields();
    const auto& images = *plan.plan.containers;
    with.emplace_back("image", images.build.image.name);
    with.emplace_back("helper_image", images.helper.image.name);
    std::string services;
    for (const auto& x : images.services)
      services += (services.empty() ? "" : ",") + x.container.image.name;
    with.emplace_back("services", services);
    log::info("Images configured for job", with);
  }

  void take_route(const stream_route& x) const {
    st().connection = x.connection;
    st().bridge = x.bridge;
    st().engine = x.engine;
    st().has_other_helper
      = !st().socket_path.empty() && x.socket_path != st().socket_path;
  }

  void open_wire(uint64_t stream, uint32_t version) const {
    if (const auto* route = std::get_if<stream_route>(what))
      take_route(*route);
    auto id = next_stream_id();
    *st().wire_stream = id;
    auto ask_to_pack = [wire = setup.edge->wire, id] {
      wire->send(id, frames::encode(frames::pack{}));
    };
    open_helper_stream(
      *setup.edge->wire, st().connection, id, st().socket_path, st().bridge,
      version,
      std::make_shared<job_stream>(st().recorder, stream, ask_to_pack));
  }

  void make_recorder() const {
    const auto& recipe = st().recipe;
    st().recorder = std::make_shared<job_recorder>(
      st().shelved.log, recipe.stages, recipe.sections, recipe.base_us,
      caf::actor_cast<stream_listener_actor>(self), st().told,
      setup.edge->unix_us);
  }

  /// Carries the plan out from here.
  void begin_plan(uint64_t stream, job_plan plan) const {
    st().exec = std::make_unique<exec_plan>(
      std::move(plan),
      exec_plan::surroundings{setup.edge->wire, st().connection, stream,
                              st().recorder, st().wire_stream,
                              caf::actor_cast<script_listener_actor>(self)},
      self->now());
    st().exec->begin(self->now());
    arm_plan();
  }

  void arm_plan() const {
    if (!st().exec)
      return;
    if (auto at = st().exec->wake_at())
      send_later(self, *at, plan_timer{++st().exec_timer});
  }

  void operator()(const job_life::send_plan& x) const {
    auto plan = st().plan.plan;
    plan.timeout_ms = x.time_left.count();
    for (auto& stage : plan.stages)
      if (stage.phase == stage_phase::prepare)
        stage.timeout_ms = x.prepare_left.count();
    if (plan.containers && !st().engine.empty())
      plan.containers->host = st().engine;
    if (st().life.no_helper) {
      begin_plan(x.stream, std::move(plan));
      return;
    }
    open_wire(x.stream, frames::version_of(plan));
    setup.edge->wire->send(*st().wire_stream,
                           frames::encode(frames::run_of(std::move(plan))));
  }

  void operator()(const job_life::attach_stream& x) const {
    open_wire(x.stream, frames::version_min);
    setup.edge->wire->send(*st().wire_stream, frames::encode(frames::attach{
                                                setup.key.value, x.record}));
  }

  void operator()(const job_life::note_attached&) const {
    auto with = fields();
    with.emplace_back("instance", st().life.instance);
    log::info("Attached to the job again", with);
  }

  void operator()(const job_life::send_cancel& x) const {
    if (st().exec) {
      st().exec->cancel(x.mode, self->now());
      arm_plan();
      return;
    }
    setup.edge->wire->send(*st().wire_stream, frames::encode(frames::cancel{
                                                setup.key.value, x.mode}));
  }

  void operator()(const job_life::drop_stream&) const {
    if (st().exec) {
      st().exec.reset();
      return;
    }
    // A job may be with the helper of an earlier version of muster; the slot is
    // cleaned through the present one, which does not know that job's files.
    if (st().has_other_helper)
      setup.edge->wire->send(*st().wire_stream,
                             frames::encode(frames::clean{setup.key.value}));
    setup.edge->wire->close_stream(*st().wire_stream);
  }

  void operator()(const job_life::vacate&) const {
    setup.metrics->slot_released();
    if (!st().slot.handle) { // claimed, and not answered yet
      self->send(st().group, unreserve{setup.key});
      return;
    }
    self->demonitor(st().slot.handle.address());
    self->send(as<slot_actor>(st().slot), vacate_slot{setup.key});
  }

  void operator()(const job_life::give_back&) const {
    self->send(st().group, unreserve{setup.key});
  }

  void operator()(const job_life::show_warning& x) const {
    body(trace_text::warning(x.text));
  }

  void operator()(const job_life::arm_timer& x) const {
    send_later(self, x.at, job_timer{x.version});
  }

  std::string wire_reason() const {
    const auto& how = st().life.result;
    return how.success ? ""
                       : job_life::reason_on_wire(
                         how.reason, setup.payload.failure_reasons);
  }

  void operator()(const job_life::finish_trace&) const {
    const auto& how = st().life.result;
    // Unless all records were taken, GitLab may have more of the log than there
    // is of it here: then our last words follow on that.
    auto is_whole
      = what == nullptr || std::holds_alternative<plan_ended>(*what);
    int64_t words_from = -1;
    if (st().is_remade && !is_whole)
      words_from = st().shelved.log->render().size;
    close_preparing();
    std::string line = trace_text::job_succeeded();
    if (!how.success)
      line = how.reason == job_errc::runner_system_failure
               ? trace_text::job_failed_by_system(how.text)
               : trace_text::job_failed(how.text);
    write(trace_source::manager_final, line);
    st().shelved.log->finish(setup.edge->unix_us());
    self->send(setup.journal, write_job_result{setup.key, how.success,
                                               how.exit_code, wire_reason()});
    self->send(st().trace, finish{how.success ? "success" : "failed",
                                  wire_reason(), how.exit_code, words_from});
    log_result();
  }

  std::chrono::milliseconds time_taken() const {
    return st().used
           + std::chrono::duration_cast<std::chrono::milliseconds>(
             self->now() - st().began);
  }

  void tell_end() const {
    const auto& how = st().life.result;
    st().told->ended({how.success,
                      how.reason == job_errc::job_execution_timeout,
                      how.reason == job_errc::job_canceled,
                      to_string(how.reason), time_taken()});
  }

  void log_result() const {
    const auto& how = st().life.result;
    auto with = fields();
    auto took = time_taken();
    tell_end();
    with.emplace_back(
      "duration_s",
      fmt::format("{:.3f}", static_cast<double>(took.count()) / 1000));
    if (!st().life.instance.empty()) {
      with.emplace_back("instance", st().life.instance);
      with.emplace_back("slot", std::to_string(st().life.slot));
    }
    if (how.success) {
      log::info("Job succeeded", with);
      return;
    }
    with.emplace_back("failure_reason", to_string(how.reason));
    if (how.exit_code != 0)
      with.emplace_back("exit_code", std::to_string(how.exit_code));
    log::warning(how.reason == job_errc::runner_system_failure
                   ? "Job failed (system failure): " + how.text
                   : "Job failed: " + how.text,
                 with);
  }

  void operator()(const job_life::leave& x) const {
    tell_end(); // a job that GitLab does not want has had none
    auto with = fields();
    with.emplace_back("err", x.text);
    if (!x.confirmed)
      log::error("the job's result could not be given to GitLab; it stays in "
                 "the journal",
                 with);
    else if (!x.text.empty())
      log::info("GitLab wants no result of the job", with);
    if (x.confirmed)
      self->send(setup.journal, forget_job{setup.key});
    const auto& how = st().life.result;
    self->send(setup.parent, job_ended{setup.key, setup.payload.id, how.success,
                                       wire_reason()});
    self->quit();
  }
};

bool wants_debug_trace(const job_setup& setup, const job_variables& variables) {
  auto on = [&](const char* name) {
    return parse_bool(variables.value(name)).value_or(false);
  };
  return !setup.runner->debug_trace_disabled
         && (on("CI_DEBUG_TRACE") || on("CI_DEBUG_SERVICES"));
}

/// What is known of the log before there is a place for the job.
log_recipe recipe_of(const job_setup& setup, const plan_result& plan) {
  log_recipe out;
  const auto& payload = setup.payload;
  out.project = payload.project_id;
  out.timeout_ms = job_timeout(payload).count();
  out.prepare_timeout_ms = plan.prepare_timeout.count();
  out.get_sources_timeout_ms = plan.get_sources_timeout.count();
  out.failure_reasons = payload.failure_reasons;
  out.debug_trace = wants_debug_trace(setup, plan.variables);
  out.sections = payload.trace_sections;
  for (const auto& x : plan.mask_phrases)
    out.masked.emplace_back(x);
  out.masked.push_back(payload.token);
  out.token_prefixes = payload.token_mask_prefixes;
  auto lookup = lookup_in(plan.variables);
  out.mask_all_default_tokens
    = flag_value(*setup.runner, lookup, "FF_MASK_ALL_DEFAULT_TOKENS");
  out.timestamps = flag_value(*setup.runner, lookup, "FF_TIMESTAMPS");
  out.limit_bytes = setup.runner->output_limit_bytes;
  return out;
}

trace_settings settings_of(const log_recipe& recipe, const edges& edge) {
  trace_settings out;
  out.masked = recipe.masked;
  out.job_token_prefixes = recipe.token_prefixes;
  out.mask_all_default_tokens = recipe.mask_all_default_tokens;
  out.timestamps = recipe.timestamps;
  out.limit_bytes = recipe.limit_bytes;
  out.temp_dir = edge.temp_dir;
  out.budget = edge.traces->budget();
  return out;
}

/// Lets the log wake its sender, and the transport when there is room again.
trace_hooks hooks_of(const job_setup& setup, const job_state& st) {
  trace_hooks out;
  out.grew = [to = st.trace, open = st.log_open] {
    if (*open)
      caf::anon_send(to, trace_grew{false});
  };
  out.pressed = [to = st.trace] { caf::anon_send(to, trace_grew{true}); };
  out.room = [wire = setup.edge->wire, stream = st.wire_stream] {
    wire->resume(*stream);
  };
  return out;
}

/// What was written until GitLab accepted the job is sent now.
void open_log(self_t self) {
  auto& st = self->state;
  if (st.life.accepted && !st.life.dropped && !st.log_open->exchange(true))
    self->send(st.trace, trace_grew{false});
}

/// What stands in the log before the first stage.
void write_header(const performer& p) {
  const auto& setup = p.setup;
  trace_text::header_facts facts;
  facts.version = version_text;
  facts.revision = revision_text;
  facts.runner_name = setup.runner->name;
  facts.short_token = short_token(setup.runner->token);
  facts.system_id = setup.system_id;
  facts.changed_flags
    = changed_flags_text(*setup.runner, lookup_in(p.st().plan.variables));
  p.write(trace_source::manager_header, trace_text::header(facts));
  std::string lines;
  for (const auto& x : p.st().plan.warnings)
    lines += (lines.empty() ? "" : "\n") + x;
  if (!lines.empty())
    p.body(trace_text::warning(lines));
  p.st().preparing_shown = true;
  if (setup.payload.trace_sections)
    p.body(trace_text::section_start(p.unix_seconds(), "prepare_executor"));
  p.body(trace_text::prepare_executor_heading(setup.runner->executor));
  if (!in_containers(setup))
    p.body(trace_text::preparing_instance());
}

/// What an earlier manager wrote comes again, to the byte.
void replay_lines(const performer& p, const left_job& left) {
  auto& st = p.st();
  st.lines = left.lines;
  for (const auto& x : st.lines)
    st.shelved.log->append(static_cast<trace_source>(x.source), x.unix_us,
                           x.text.reveal());
  st.preparing_shown = left.at == left_phase::waiting;
  if (left.at != left_phase::started)
    return;
  st.socket_path = left.recipe.socket_path;
  p.make_recorder();
}

void begin_log(const performer& p) {
  const auto& left = p.setup.left;
  if (left && (left->at == left_phase::started || !left->lines.empty())) {
    replay_lines(p, *left);
    return;
  }
  write_header(p);
  p.keep_lines();
}

/// Of the job's time, before this manager had it.
std::chrono::milliseconds time_used(const job_setup& setup) {
  if (!setup.left)
    return {};
  auto used = std::max<int64_t>(setup.edge->unix_us() - setup.taken_us, 0);
  return std::chrono::milliseconds{used / 1000};
}

void set_options(job_life::options& out, const job_setup& setup,
                 const log_recipe& recipe) {
  out.job_timeout = job_timeout(setup.payload);
  out.job_timeout_text = format_duration(out.job_timeout);
  out.acquire_timeout = setup.acquire_timeout;
  out.acquire_timeout_text = format_duration(setup.acquire_timeout);
  out.prepare_timeout = std::chrono::milliseconds{recipe.prepare_timeout_ms};
  out.prepare_timeout_text = format_duration(out.prepare_timeout);
  out.in_containers = in_containers(setup);
  out.get_sources_timeout_text
    = format_duration(std::chrono::milliseconds{recipe.get_sources_timeout_ms});
}

job_facts metrics_facts(const job_setup& setup,
                        const job_variables& variables) {
  const auto& payload = setup.payload;
  auto given = [](auto x) { return x < 0 ? std::nullopt : std::optional{x}; };
  job_facts out;
  out.job = payload.id;
  if (auto url = parse_git_url(payload.git.repo_url.reveal()))
    out.url = url->base() + url->path; // without user and password
  if (out.url.ends_with(".git"))
    out.url.resize(out.url.size() - 4);
  out.executor = setup.runner->executor;
  out.is_new = !setup.left;
  out.age = time_used(setup);
  out.tells_stages = flag_value(*setup.runner, lookup_in(variables),
                                "FF_EXPORT_HIGH_CARDINALITY_METRICS");
  out.queued_s = given(payload.queue.waited_s);
  out.queue_size = given(payload.queue.size);
  out.queue_depth = given(payload.queue.depth);
  out.project_jobs_running = payload.queue.project_jobs_running;
  return out;
}

trace_actor start_trace(self_t self, const job_setup& setup) {
  trace_setup with;
  with.role = setup.role + "/trace";
  with.key = setup.key;
  with.job = setup.payload.id;
  with.token = setup.payload.token;
  with.debug_trace = self->state.recipe.debug_trace;
  with.log_fields = performer{self, setup, nullptr}.fields();
  with.settings.touch_by_interval
    = flag_value(*setup.runner, lookup_in(self->state.plan.variables),
                 "FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL");
  with.settings.final_tries = setup.runner->final_update_retry_limit;
  with.settings.probes = self->state.is_remade;
  with.settings.final_span
    = trace_flow::final_span(setup.runner->final_update_retry_limit);
  with.parent = caf::actor_cast<trace_parent_actor>(self);
  with.coordinator = setup.coordinator;
  return spawn_trace(self, std::move(with));
}

job_actor::behavior_type behave(self_t self, job_setup given) {
  plays(self, given.role);
  auto setup = std::make_shared<const job_setup>(std::move(given));
  auto& st = self->state;
  st.began = self->now();
  st.group = setup->group;
  st.coordinator = setup->coordinator;
  auto began_us = setup->left ? setup->taken_us : setup->edge->unix_us();
  st.began_unix = began_us / 1'000'000;
  auto is_started = setup->left && setup->left->at == left_phase::started;
  result<plan_result, job_errc> made;
  // Only the names of cgroups must have the slot itself.
  st.planned_slot = setup->runner->use_slot_cgroups ? -1 : 0;
  if (!is_started)
    made = make_plan(*setup, st.planned_slot, st.began_unix);
  if (is_recorded())
    note(self, outline_of(made, *setup->runner));
  if (made)
    st.plan = std::move(*made);
  else
    st.plan.mask_phrases = mask_phrases(setup->payload.variables);
  st.recipe = is_started ? setup->left->recipe : recipe_of(*setup, st.plan);
  st.used = time_used(*setup);
  st.told = setup->metrics->job(metrics_facts(*setup, st.plan.variables));
  if (made || is_started)
    st.told->stage_begun("prepare_executor", {});
  st.is_remade = setup->left.has_value();
  set_options(st.options, *setup, st.recipe);
  st.trace = start_trace(self, *setup);
  self->monitor(setup->parent);
  self->monitor(st.trace);
  st.shelved.shelf = setup->edge->traces;
  st.shelved.key = setup->key;
  st.shelved.log = std::make_shared<trace_buffer>(
    settings_of(st.recipe, *setup->edge), hooks_of(*setup, st));
  setup->edge->traces->put(setup->key, st.shelved.log);
  auto act = [self, setup](const job_life::event& what) {
    auto& life = self->state.life;
    for (const auto& step :
         job_life::step(life, self->state.options, what, self->now()))
      std::visit(performer{self, *setup, &what}, step);
    open_log(self);
  };
  self->set_down_handler([self, setup, act](const caf::down_msg& x) {
    if (x.source == setup->parent.address())
      self->quit(x.reason);
    else if (x.source == self->state.trace.address())
      act(job_life::trace_gone{text_of(x.reason)});
    else if (self->state.slot.handle
             && x.source == self->state.slot.handle.address()) {
      if (is(x.reason, instance_errc::removed_externally)
          || is(x.reason, instance_errc::retired))
        act(job_life::slot_gone{text_of(x.reason)});
      else
        act(job_life::slot_orphaned{});
    }
  });
  auto tell_plan = [self, setup](const auto& x) {
    if (!self->state.exec)
      return;
    self->state.exec->take(x, self->now());
    performer{self, *setup, nullptr}.arm_plan();
  };
  begin_log(performer{self, *setup, nullptr});
  if (is_started)
    act(job_life::resumed{setup->left->instance.value, setup->left->slot,
                          st.used, setup->left->recipe.socket_path.empty()});
  else if (made)
    act(job_life::started{st.used});
  else
    act(job_life::plan_failed{{false, made.error().code,
                               setup->payload.refusal.empty() ? 0 : 3,
                               made.error().text}});
  return {
    [act](const plan_accepted& x) { act(x); },
    [act](const plan_ended& x) { act(x); },
    [act](const stream_lost& x) { act(x); },
    [act](const cancel_job& x) { act(x); },
    [self, act](const group_changed& x) {
      self->state.group = as<slot_source_actor>(x.group);
      act(job_life::group_replaced{});
    },
    [self, act](const coordinator_changed& x) {
      self->state.coordinator = as<coordinator_actor>(x.coordinator);
      self->send(self->state.trace, x);
      act(update_result{}); // if the acceptance was asked for, it failed
    },
    [act](const job_timer& x) { act(x); },
    [act](const acquired& x) { act(x); },
    [self, setup](const acquire_waits& x) {
      if (self->state.life.at != job_life::phase::acquiring)
        return;
      performer p{self, *setup, nullptr};
      p.body(x.text + "\n");
      p.keep_lines();
      auto with = p.fields();
      with.emplace_back("waits_for", x.text);
      log::info("Waiting for an instance", with);
    },
    [act](const stream_route& x) { act(x); },
    [self, setup, act](const update_result& x) {
      tell_failed_call("Submitting job to coordinator", x.info,
                       performer{self, *setup, nullptr}.fields());
      act(x);
    },
    [act](const trace_flushed& x) { act(x); },
    [act](const job_ordered& x) { act(x); },
    [act](const job_start_written& x) { act(x); },
    [tell_plan](const script_ended& x) { tell_plan(x); },
    [tell_plan](const processes_swept& x) { tell_plan(x); },
    [self, setup](const plan_timer& x) {
      auto& st = self->state;
      if (!st.exec || x.version != st.exec_timer)
        return;
      st.exec->tick(self->now());
      performer{self, *setup, nullptr}.arm_plan();
    },
  };
}

} // namespace

job_actor spawn_job(const spawner& at, job_setup setup) {
  return at.spawn(behave, std::move(setup));
}

} // namespace muster
