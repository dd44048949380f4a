#include "actors/group/words.hpp"
#include "messages/errors.hpp"
#include "tools/muster/explain/teller.hpp"

#include <algorithm>
#include <fmt/format.h>

// The part of a story that is about a group's decisions and its instances.

namespace muster::explain {

namespace {

constexpr size_t increases_max = 256;
/// A request and the decision that made it have the same time.
constexpr int64_t same_moment_us = 5'000;

std::string named(instance_cause x) {
  switch (x) {
    case instance_cause::requested:
      return "muster had asked for it";
    case instance_cause::preexisted:
      return "it was there when muster started";
    case instance_cause::unexpected:
      return "nobody here had asked for it";
  }
  return "";
}

} // namespace

instance_story& teller::instance(std::string_view runner, std::string_view id) {
  auto [row, is_new] = instances_.try_emplace(
    instance_key{std::string{runner}, std::string{id}});
  if (is_new) {
    row->second.id = id;
    row->second.group = std::string{runner} + "/group";
    forget_old_instances();
    row = instances_.find(instance_key{std::string{runner}, std::string{id}});
  }
  return row->second;
}

/// Of those that are gone the oldest go.
void teller::forget_old_instances() {
  if (instances_.size() <= kept)
    return;
  std::vector<std::pair<int64_t, instance_key>> ends;
  for (const auto& row : instances_)
    ends.emplace_back(row.second.gone ? row.second.gone->us : INT64_MAX,
                      row.first);
  auto some = ends.begin() + static_cast<ptrdiff_t>(kept / 10);
  std::nth_element(ends.begin(), some, ends.end());
  for (auto x = ends.begin(); x != some; ++x)
    if (x->first != INT64_MAX) {
      instances_.erase(x->second);
      ++report_.left_out;
    }
}

/// Whole stories are told of what was asked for alone.
void teller::tell(instance_story& whose, const stamp& at, std::string text) {
  if (filter_.instance && whose.id == *filter_.instance)
    whose.told.add(at, std::move(text));
}

void teller::take_decision(const stamp& at, const place& by,
                           const decision_note& x) {
  auto& runner = runners_[std::string{by.runner}];
  auto why = reason_text(x);
  auto not_done = options_text(x);
  runner.held_back = x.unrestricted > 0 ? not_done : "";
  if (x.asked > 0) {
    runner.increases.push_back({at.us, why});
    if (runner.increases.size() > increases_max)
      runner.increases.pop_front();
  }
  for (const auto& y : x.cordoned) {
    auto& one = instance(by.runner, y.instance.value);
    if (!one.retired)
      one.retired = at;
    one.retired_because = removal_text(y.rule);
    tell(one, at,
         fmt::format("to be removed: {} ({})", removal_text(y.rule), why));
  }
  for (const auto& id : x.taken_back) {
    auto& one = instance(by.runner, id.value);
    one.retired.reset();
    one.retired_because.clear();
    tell(one, at, "it stays after all: " + why);
  }
  if (!not_done.empty() && x.unrestricted < 0 && filter_.instance) {
    auto found = instances_.find({std::string{by.runner}, *filter_.instance});
    if (found != instances_.end() && !found->second.retired
        && !found->second.gone)
      tell(found->second, at, "kept: " + not_done);
  }
  if (!wants_group(by.runner) || !is_recent(at))
    return;
  ++report_.rules[x.rule];
  for (const auto& y : x.cordoned)
    ++report_.rules[y.rule];
  if (!x.taken_back.empty())
    ++report_.rules[decision_rule::taken_back];
  for (const auto& y : x.not_taken)
    if (y.rule != x.rule)
      ++report_.rules[y.rule];
  if (x.acts() || x.unrestricted > 0)
    keep({at, std::string{by.runner} + "/group", x.rule, action_text(x), why,
          not_done, policy_text(x)});
}

void teller::take_refusal(const stamp& at, const place& by,
                          const refusal_note& x) {
  auto why = reason_text(x);
  runners_[std::string{by.runner}].refusal = why;
  if (!wants_group(by.runner) || !is_recent(at))
    return;
  ++report_.rules[x.rule];
  keep({at, std::string{by.runner} + "/group", x.rule,
        "no slot promised, GitLab is not asked for a job", why, "", ""});
}

void teller::take_found(const stamp& at, const place& by,
                        const instance_note& x) {
  auto& one = instance(by.runner, x.instance.value);
  if (one.is_known && !one.gone && x.cause == instance_cause::preexisted) {
    tell(one, at, "muster was started anew, and found it");
    return;
  }
  one = {};
  one.id = x.instance.value;
  one.group = std::string{by.runner} + "/group";
  one.is_known = true;
  one.cause = x.cause;
  one.listed = at;
  auto asked = x.cause == instance_cause::requested && x.since_ms >= 0;
  if (asked) {
    auto back = x.since_ms * 1000;
    one.asked = stamp{at.us - back, at.unix_us - back};
    for (const auto& y : runners_[std::string{by.runner}].increases)
      if (y.us <= one.asked->us + same_moment_us)
        one.made_because = y.why;
    tell(one, *one.asked,
         one.made_because.empty()
           ? "an instance was asked for"
           : "an instance was asked for: " + one.made_because);
  }
  tell(one, at, fmt::format("the cloud lists it: {}", named(x.cause)));
}

void teller::take_instance(const stamp& at, const place& by,
                           const instance_note& x) {
  auto recent = wants_group(by.runner) && is_recent(at);
  if (recent && x.rule != decision_rule::satisfied)
    ++report_.rules[x.rule];
  if (x.what == instance_event::found || x.what == instance_event::refused)
    take_found(at, by, x);
  auto& one = instance(by.runner, x.instance.value);
  one.jobs = std::max(one.jobs, x.use_count);
  auto why
    = x.rule == decision_rule::satisfied ? x.reason : removal_text(x.rule);
  switch (x.what) {
    case instance_event::found:
      break;
    case instance_event::refused:
      one.retired = at;
      one.retired_because = why;
      tell(one, at, "it is not used but removed: " + why);
      problem(at, by.runner, fmt::format("{} is removed: {}", one.id, why));
      break;
    case instance_event::ready:
      one.ready = at;
      tell(one, at, "ready: jobs may be given to it");
      break;
    case instance_event::retired:
      if (!one.retired) {
        one.retired = at;
        one.retired_because = x.reason.empty() ? why : x.reason;
        tell(one, at, "it gets no more jobs: " + one.retired_because);
      }
      if (x.rule == decision_rule::unhealthy)
        problem(at, by.runner,
                fmt::format("{} does not work: {}", one.id, x.reason));
      break;
    case instance_event::lost:
      if (one.gone) // what its end was is told already
        break;
      one.gone = at;
      one.retired_because = x.reason;
      tell(one, at, "lost: " + x.reason);
      problem(at, by.runner, fmt::format("{} was lost: {}", one.id, x.reason));
      break;
    case instance_event::gone:
      one.gone = at;
      if (one.retired_because.empty())
        one.retired_because = why;
      tell(one, at,
           x.rule == decision_rule::removed_outside
             ? "gone: " + x.reason
             : "gone: the cloud does not list it any more");
      if (x.rule == decision_rule::removed_outside)
        problem(at, by.runner, fmt::format("{}: {}", one.id, x.reason));
      break;
  }
}

void teller::take_status(const stamp& at, const place& by,
                         const instance_status& x) {
  auto& one = instance(by.runner, x.instance.value);
  if (x.use_count > one.jobs)
    tell(one, at, fmt::format("it was given its job number {}", x.use_count));
  one.jobs = std::max(one.jobs, x.use_count);
  if (!x.problem.empty())
    tell(one, at, "a try failed: " + x.problem);
}

bool teller::take_preparation(const record& x, const place& to,
                              const stamp& at) {
  auto found
    = instances_.find({std::string{to.runner}, std::string{to.instance}});
  if (found == instances_.end())
    return false;
  auto& one = found->second;
  if (const auto* state = get<provider_state>(x.what)) {
    if (state->state == cloud_state::running && !one.running) {
      one.running = at;
      tell(one, at, "it runs: muster connects");
    } else if (state->state != cloud_state::running) {
      tell(one, at, "the cloud says: " + to_string(state->state));
    }
  } else if (const auto* dial = get<dialed>(x.what)) {
    if (dial->why)
      tell(one, at, "no connection: " + text_of(dial->why));
    else if (!one.dialed)
      tell(one, at, "connected: it is prepared");
    if (!dial->why && !one.dialed)
      one.dialed = at;
  } else if (const auto* command = get<command_ended>(x.what)) {
    if (command->why)
      tell(one, at, "a command on it failed: " + text_of(command->why));
    else if (command->exit_code != 0)
      tell(one, at,
           fmt::format("a command on it ended with exit code {}: {}",
                       command->exit_code, command->error_output));
  } else if (const auto* health = get<connection_health>(x.what)) {
    tell(one, at,
         health->up ? "the connection is up again"
                    : "the connection broke: " + text_of(health->why));
  } else if (const auto* beat = get<heartbeat_answered>(x.what)) {
    if (beat->why)
      tell(one, at, "no sign of life: " + text_of(beat->why));
  } else {
    return false;
  }
  return true;
}

bool teller::take_answer(const record& x, const place& to, const stamp& at) {
  if (const auto* more = get<increased>(x.what)) {
    if (more->why || more->accepted < more->asked)
      problem(at, to.runner,
              fmt::format("the provider gave {} of {} instances{}",
                          more->accepted, more->asked,
                          more->why ? ": " + text_of(more->why) : ""));
  } else if (const auto* fewer = get<decreased>(x.what)) {
    if (fewer->why)
      problem(at, to.runner,
              "the provider did not remove what it should: "
                + text_of(fewer->why));
  } else if (const auto* list = get<listing>(x.what)) {
    if (list->why)
      problem(at, to.runner,
              "the provider could not list its instances: "
                + text_of(list->why));
  } else if (const auto* ready = get<provider_ready>(x.what)) {
    if (ready->why)
      problem(at, to.runner,
              "the provider could not be started: " + text_of(ready->why));
  } else {
    return false;
  }
  return true;
}

void teller::take_removal(const stamp& at, const place& by, const decrease& x) {
  for (const auto& id : x.instances) {
    auto& one = instance(by.runner, id.value);
    if (!one.deletion)
      one.deletion = at;
    tell(one, at, "the cloud is asked to remove it");
  }
}

} // namespace muster::explain
