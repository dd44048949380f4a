#include "tools/muster/explain/teller.hpp"

#include "messages/errors.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster::explain {

namespace {

constexpr std::string_view group_part = "/group";
constexpr std::string_view instance_part = "/group/instance:";
constexpr std::string_view slot_part = "/slot:";

constexpr size_t decisions_max = 5'000;

bool is_normal_end(const caf::error& why) {
  return !why || why == caf::exit_reason::user_shutdown
         || is(why, instance_errc::retired)
         || is(why, instance_errc::removed_externally);
}

} // namespace

place place::of(std::string_view role) {
  place out;
  if (role == "manager") {
    out.what = kind::manager;
    return out;
  }
  if (!role.starts_with("runner:"))
    return out;
  auto end = role.find('/');
  out.runner = role.substr(0, end);
  auto rest = end == std::string_view::npos ? "" : role.substr(end);
  if (rest.empty()) {
    out.what = kind::runner;
  } else if (rest == group_part) {
    out.what = kind::group;
  } else if (rest.starts_with(instance_part)) {
    // An id may have anything in it.
    out.instance = rest.substr(instance_part.size());
    auto slot = out.instance.rfind(slot_part);
    if (slot == std::string_view::npos)
      out.what = kind::instance;
    else
      out.instance = out.instance.substr(0, slot);
  } else if (rest == "/group/provider") {
    out.what = kind::provider;
  } else if (rest == "/coordinator") {
    out.what = kind::coordinator;
  } else if (rest.starts_with("/job:")
             && rest.find('/', 1) == std::string_view::npos) {
    out.what = kind::job;
  }
  return out;
}

teller::teller(filter what) : filter_(std::move(what)) {
}

stamp teller::stamp_of(const record& x) {
  auto at_us
    = std::chrono::duration_cast<std::chrono::microseconds>(x.at).count();
  if (!base_us_)
    base_us_ = x.unix_us - at_us;
  return {*base_us_ + at_us, x.unix_us};
}

void teller::take(const record& x) {
  if (x.unix_us > filter_.until_unix_us)
    return;
  if (get<run_begun>(x.what) != nullptr)
    base_us_.reset();
  auto at = stamp_of(x);
  ++report_.records;
  if (!report_.first)
    report_.first = at;
  report_.last = at;
  switch (x.kind) {
    case record_kind::note:
      take_note(x, at);
      break;
    case record_kind::sent:
      take_sent(x, at);
      break;
    case record_kind::handled:
      take_handled(x, at);
      break;
    case record_kind::ended:
      take_ended(x, at);
      break;
    case record_kind::gap:
      report_.missing += x.missing;
      problem(at, "",
              x.missing > 0
                ? fmt::format("{} records are missing here", x.missing)
                : "records are missing here");
      break;
    case record_kind::born:
    case record_kind::state:
      break;
  }
}

bool teller::wants_group(std::string_view runner) const {
  if (!filter_.group || runner.empty())
    return true;
  auto known = report_.groups.find(std::string{runner});
  return is_group(*filter_.group, runner,
                  known != report_.groups.end() ? known->second : "");
}

bool is_group(std::string_view wanted, std::string_view runner,
              std::string_view id) {
  if (wanted.starts_with(runner) && wanted.substr(runner.size()) == group_part)
    return true;
  return runner == wanted || runner.substr(runner.find(':') + 1) == wanted
         || id == wanted;
}

bool teller::is_recent(const stamp& x) const {
  return x.unix_us >= filter_.since_unix_us;
}

void teller::problem(const stamp& at, std::string_view runner,
                     std::string text) {
  if (is_recent(at) && wants_group(runner))
    report_.problems.add(at, std::move(text));
}

void teller::begin_run(const stamp& at, const run_begun& x) {
  report_.runs.push_back(x.version);
  for (auto& row : jobs_)
    if (!row.second.ended)
      row.second.told.add(at, "muster was started anew while it had the job");
  for (auto& row : runners_)
    row.second = {};
}

void teller::take_note(const record& x, const stamp& at) {
  auto by = place::of(x.to.role);
  if (const auto* run = get<run_begun>(x.what))
    begin_run(at, *run);
  else if (const auto* decision = get<decision_note>(x.what))
    take_decision(at, by, *decision);
  else if (const auto* refusal = get<refusal_note>(x.what))
    take_refusal(at, by, *refusal);
  else if (const auto* what = get<instance_note>(x.what))
    take_instance(at, by, *what);
  else if (const auto* request = get<request_note>(x.what))
    problem(at, by.runner,
            fmt::format("{} asked for had not appeared after {} s: given up, "
                        "and asked for again if still wanted",
                        request->given_up == 1
                          ? "an instance"
                          : fmt::format("{} instances", request->given_up),
                        request->after_ms / 1000));
}

void teller::take_sent(const record& x, const stamp& at) {
  if (const auto* removal = get<decrease>(x.what))
    take_removal(at, place::of(x.to.role), *removal);
}

void teller::take_handled(const record& x, const stamp& at) {
  auto to = place::of(x.to.role);
  if (take_hunt(x, to, at))
    return;
  if (to.what == place::kind::job || to.what == place::kind::group)
    if (take_job(x, to, at))
      return;
  if (to.what == place::kind::group) {
    if (const auto* status = get<instance_status>(x.what))
      take_status(at, to, *status);
    else
      take_answer(x, to, at);
  } else if (to.what == place::kind::instance) {
    take_preparation(x, to, at);
  }
}

void teller::take_ended(const record& x, const stamp& at) {
  const auto* told = get<exit_told>(x.what);
  // Nobody knew it any more: so edges end when muster stops.
  if (told == nullptr || is_normal_end(told->why)
      || told->why == caf::exit_reason::unreachable)
    return;
  auto who = place::of(x.to.role);
  auto is_part = who.what == place::kind::other && !who.runner.empty();
  if (who.what == place::kind::instance || is_part)
    return; // told by its group; or by who needs it
  problem(at, who.runner,
          fmt::format("{} failed: {}", x.to.role, text_of(told->why)));
}

void teller::keep(const decision_line& x) {
  report_.decisions.push_back(x);
  if (report_.decisions.size() <= decisions_max)
    return;
  report_.decisions.pop_front();
  ++report_.left_out;
}

report teller::finish() {
  auto wanted_job = [this](const job_story& x) {
    if (filter_.job)
      return x.job == *filter_.job;
    if (filter_.instance && x.instance != *filter_.instance)
      return false;
    return wants_group(x.runner) && (!x.ended || is_recent(*x.ended));
  };
  std::set<std::string> shown;
  for (auto& row : jobs_)
    if (wanted_job(row.second)) {
      shown.insert(row.second.instance);
      report_.jobs.push_back(std::move(row.second));
    }
  auto wanted_instance = [&](const instance_story& x) {
    if (filter_.instance)
      return x.id == *filter_.instance;
    if (filter_.job)
      return shown.count(x.id) > 0;
    auto runner = place::of(x.group).runner;
    return wants_group(runner) && (!x.gone || is_recent(*x.gone));
  };
  for (auto& row : instances_)
    if (wanted_instance(row.second))
      report_.instances.push_back(std::move(row.second));
  auto begin_of = [](const auto& first, const auto& second) {
    return first ? first->us : second ? second->us : 0;
  };
  std::ranges::stable_sort(report_.jobs, {}, [&](const auto& x) {
    return begin_of(x.offered, x.acquire);
  });
  std::ranges::stable_sort(report_.instances, {}, [&](const auto& x) {
    return begin_of(x.asked, x.listed);
  });
  return std::move(report_);
}

} // namespace muster::explain
