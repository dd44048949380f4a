#include "actors/group/words.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster {

namespace {

std::string joined(const std::string& before, const std::string& more) {
  if (before.empty() || more.empty())
    return before + more;
  return before + "; " + more;
}

std::string instances(int64_t count) {
  return counted(count, "instance", "instances");
}

std::string slots(int64_t count) {
  return counted(count, "slot", "slots");
}

std::string there_are(const decision_note& x) {
  auto out
    = x.instances == 0
        ? std::string{"there is no instance"}
        : fmt::format("there {} {} of {}", x.instances == 1 ? "is" : "are",
                      instances(x.instances), slots(x.capacity_per_instance));
  if (x.instances > 0 && x.capacity_per_instance > 1 && x.instances > 1)
    out += " each";
  if (x.requests > 0)
    out += fmt::format(" ({} of them only asked for so far)", x.requests);
  if (x.acquired > 0)
    out += fmt::format(", {} in use", slots(x.acquired));
  if (x.unavailable > 0)
    out += fmt::format(", {} used up", slots(x.unavailable));
  return out;
}

std::string demand_text(const decision_note& x) {
  auto wait
    = counted(x.pending, "job waits for a slot", "jobs wait for a slot");
  switch (x.rule) {
    case decision_rule::pending:
      return wait;
    case decision_rule::idle_count:
      return fmt::format("idle_count asks for {} kept free",
                         slots(x.idle_count));
    case decision_rule::scale_factor:
      return fmt::format("scale_factor {} asks for free slots beside {} in use",
                         x.scale_factor, x.acquired);
    case decision_rule::max_instances:
      return fmt::format("{} are wanted ({} in use, {}, idle_count {})",
                         slots(x.wanted), x.acquired, wait, x.idle_count);
    case decision_rule::surplus:
    case decision_rule::reserved:
      return fmt::format("no more than {} {} wanted", slots(x.wanted),
                         x.wanted == 1 ? "is" : "are");
    default:
      return "what is wanted is there";
  }
}

std::string after_text(int64_t for_ms) {
  return for_ms > 0 ? fmt::format(" for another {}",
                                  spoken(std::chrono::milliseconds{for_ms}))
                    : "";
}

/// What is there beside the instances that a decision counts.
std::string also_there(const decision_note& x) {
  std::string out;
  if (x.removing > 0)
    out += fmt::format(", and {} that {} being removed {} until gone",
                       x.removing, x.removing == 1 ? "is" : "are",
                       x.removing == 1 ? "counts" : "count");
  if (x.unconfirmed > 0)
    out += fmt::format(", and {} given up may still appear",
                       counted(x.unconfirmed, "request", "requests"));
  return out;
}

std::string option_text(const option_note& x, const decision_note& in) {
  auto more = fmt::format("{} more", x.count);
  switch (x.rule) {
    case decision_rule::max_instances:
      return fmt::format("{} would be asked for, but max_instances is {}{}",
                         more, in.max_instances, also_there(in));
    case decision_rule::scale_throttle:
      return fmt::format("{} wait for scale_throttle{}", more,
                         after_text(x.for_ms));
    case decision_rule::failure_pause:
      return fmt::format("{} are held back{}, since instances did not become "
                         "ready",
                         more, after_text(x.for_ms));
    case decision_rule::provider_refused:
      return fmt::format("{} are not asked for{}, since the provider gave "
                         "fewer than asked a moment ago",
                         more, after_text(x.for_ms));
    case decision_rule::provider_lost:
      return fmt::format("{} cannot be asked for: the provider is being "
                         "started",
                         more);
    case decision_rule::listing_failed:
      return fmt::format("{} are not asked for: the provider cannot list what "
                         "there is, so that they would not be seen",
                         more);
    case decision_rule::reserved:
      return fmt::format("{} fewer would do, but {} may still become jobs",
                         x.count,
                         counted(in.reserved, "reservation", "reservations"));
    case decision_rule::idle_time:
      return fmt::format(
        "{} too many {} kept, since idle_time is {}{}", x.count,
        x.count == 1 ? "is" : "are",
        spoken(std::chrono::milliseconds{in.idle_time_ms}),
        x.for_ms > 0 ? fmt::format(" (the next runs out in {})",
                                   spoken(std::chrono::milliseconds{x.for_ms}))
                     : "");
    default:
      return fmt::format("{} by the rule {}", more, to_string(x.rule));
  }
}

} // namespace

std::string counted(int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string spoken(std::chrono::milliseconds x) {
  using namespace std::chrono;
  auto ms = std::max<int64_t>(x.count(), 0);
  if (ms < 9'950 && ms % 1000 != 0)
    return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
  auto s = (ms + 500) / 1000;
  if (s < 60)
    return fmt::format("{} s", s);
  if (s < 3600)
    return s % 60 == 0 ? fmt::format("{} min", s / 60)
                       : fmt::format("{} min {} s", s / 60, s % 60);
  auto min = (s + 30) / 60;
  return min % 60 == 0 ? fmt::format("{} h", min / 60)
                       : fmt::format("{} h {} min", min / 60, min % 60);
}

std::string action_text(const decision_note& x) {
  std::string out;
  if (x.asked > 0)
    out = fmt::format("{} asked for", instances(x.asked));
  if (!x.taken_back.empty()) {
    std::string ids;
    for (const auto& id : x.taken_back)
      ids += (ids.empty() ? "" : ", ") + id.value;
    out = joined(out, ids + (x.taken_back.size() == 1 ? " stays" : " stay")
                        + " after all");
  }
  for (const auto& y : x.cordoned)
    out = joined(out, fmt::format("{} is to be removed: {}", y.instance.value,
                                  removal_text(y.rule)));
  return out.empty() ? "nothing" : out;
}

std::string reason_text(const decision_note& x) {
  return joined(demand_text(x), there_are(x));
}

std::string options_text(const decision_note& x) {
  std::string out;
  for (const auto& y : x.not_taken)
    out = joined(out, option_text(y, x));
  return out;
}

std::string policy_text(const decision_note& x) {
  if (x.policy < 0)
    return "the built-in policy";
  return fmt::format("policy {} ({})", x.policy + 1,
                     x.periods.empty() ? "always" : x.periods);
}

std::string reason_text(const refusal_note& x) {
  switch (x.rule) {
    case decision_rule::not_ready:
      return "the group has not listed its instances yet";
    case decision_rule::preemptive:
      return fmt::format("no slot is free at this moment (preemptive mode), {} "
                         "in use, {} promised to others",
                         slots(x.acquired), x.reserved);
    default:
      return fmt::format(
        "{} free, {} in use, {} promised to others, and no more than {} of {} "
        "may be there",
        slots(x.idle), x.acquired, x.reserved, instances(x.max_instances),
        slots(x.capacity_per_instance));
  }
}

std::string removal_text(decision_rule x) {
  switch (x) {
    case decision_rule::max_idle_time:
      return "it is more than is wanted, and has been idle for idle_time";
    case decision_rule::max_use_count:
      return "it has had as many jobs as max_use_count allows";
    case decision_rule::unhealthy:
      return "it does not work";
    case decision_rule::reconfigured:
      return "it was made by settings that have changed";
    case decision_rule::unknown_instance:
      return "it was there when muster started, and the journal does not know "
             "it: nobody knows what is on it";
    case decision_rule::job_left:
      return "something of a job may be on it that nobody looks after";
    case decision_rule::lost_before:
      return "it did not answer a moment ago";
    case decision_rule::removed_outside:
      return "it was removed from the cloud by somebody else";
    case decision_rule::shutdown:
      return "muster stops, with delete_instances_on_shutdown";
    default:
      return to_string(x);
  }
}

} // namespace muster
