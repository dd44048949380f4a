#include "actors/replay/roles.hpp"
#include "actors/replay/world.hpp"

#include <algorithm>
#include <fmt/format.h>

// What was sent, set and remarked in the replay, and is not in the recording.

namespace muster {

namespace {

using namespace std::chrono_literals;

/// What was sent again must be recorded by then, while its receiver lives.
constexpr auto patience = 60s;

/// A message may have been under way for so long when a recording ends, or its
/// receiver does; more if others were.
constexpr auto way_max = 1s;

} // namespace

bool replay::world::is_under_way(time_point since) const {
  auto now = replay_begins + at_;
  return now - since
         < std::max<std::chrono::nanoseconds>(way_max, 2 * longest_way_);
}

void replay::world::look_for_unrecorded() {
  // One who began here before the recording says so is looked at then.
  std::erase_if(to_edges_, [this](const pair& between) {
    auto line = lines_.find(between);
    if (line == lines_.end() || line->second.waiting.empty())
      return true;
    const auto* from = players_.by_actor(between.second);
    if (from != nullptr && from->who.number == 0)
      return false;
    differ_about(between, line->second.waiting.front());
    return true;
  });
  std::erase_if(remarking_, [this](caf::actor_id who) {
    const auto* x = players_.by_actor(who);
    if (x == nullptr || x->notes.empty())
      return true;
    if (x->who.number == 0)
      return false;
    differ(*x, "", "remark: " + x->notes.front().text());
    return true;
  });
}

void replay::world::look_for_overdue() {
  auto now = clock().current_time;
  if (now < next_look_ || report.diverged)
    return;
  next_look_ = now + patience / 4;
  for (auto* all : {&lines_, &late_})
    for (auto& [between, line] : *all) {
      if (line.waiting.empty() || line.waiting.front().at + patience > now)
        continue;
      const auto* to = players_.by_actor(between.first);
      if (to != nullptr && !to->is_over && to->who.number != 0) {
        differ_about(between, line.waiting.front());
        return;
      }
      line.waiting.clear(); // it went to somebody who was not there any more
      orders_of_sending_.erase(between.first);
    }
  auto due = alarms_.upper_bound(now - patience);
  for (auto x = alarms_.begin(); x != due; ++x)
    if (const auto* who = players_.by_actor(x->second); who && !who->is_over)
      for (const auto& timer : who->timers)
        if (timer.due == x->first)
          differ_about_timer(*who, timer);
  alarms_.erase(alarms_.begin(), due);
  for (const auto& x : unborn_) {
    const auto* parent = players_.by_role(parent_of(x.role));
    if (x.at + patience <= now && parent != nullptr && !parent->has_ended)
      differ(*parent, "", "it starts " + x.role);
  }
}

void replay::world::look_for_unhandled_by(const actor_again& who) {
  if (is_edge(who.who.role))
    return; // that was looked at when it was sent
  auto id = who.handle.id();
  for (auto* all : {&lines_, &late_})
    for (auto x = all->lower_bound({id, 0});
         x != all->end() && x->first.first == id; ++x)
      if (!x->second.waiting.empty()
          && !is_under_way(x->second.waiting.front().at))
        differ_about(x->first, x->second.waiting.front());
  for (const auto& timer : who.timers)
    if (!is_under_way(timer.due))
      differ_about_timer(who, timer);
}

void replay::world::count_played() {
  auto count = [this](const player& who) {
    auto what = part_of(who.role);
    const auto* now = players_.by_number(who.number);
    if ((what == part::runner || what == part::job) && concerns(who.role)
        && who.number != 0 && (now == nullptr || !now->runs))
      report.played.insert(who.role);
  };
  players_.for_each([&](const actor_again& x) { count(x.who); });
  for (const auto& birth : births_)
    count(birth.second.to);
}

void replay::world::end_at(const record& last) {
  count_played();
  if (report.diverged || report.records == 0)
    return;
  last_ = &last;
  // Else the recording may end within what was handled last.
  if (is_run_over_)
    look_for_unrecorded();
  players_.for_each([this](const actor_again& x) {
    if (!x.is_over && x.who.number != 0)
      look_for_unhandled_by(x);
  });
  for (const auto& x : unborn_) {
    const auto* parent = players_.by_role(parent_of(x.role));
    if (!is_under_way(x.at) && parent != nullptr && !parent->has_ended)
      differ(*parent, "", "it starts " + x.role);
  }
}

void replay::world::differ_about(const pair& between, const sent_again& what) {
  const auto* to = players_.by_actor(between.first);
  if (const auto* from = players_.by_actor(between.second))
    differ(*from, "",
           fmt::format("to {}, at record {}: {}",
                       to == nullptr ? "-" : to_string(to->who), what.record,
                       what.what.text()));
}

void replay::world::differ_about_timer(const actor_again& who,
                                       const actor_again::timer& what) {
  if (!who.runs || who.who.number == 0)
    return;
  differ(
    who, "",
    fmt::format("it has set a timer for {:.3f} s after the run began: {}",
                std::chrono::duration<double>(what.due - replay_begins).count(),
                what.what.text()));
}

void replay::world::forget_lines_to(caf::actor_id who) {
  for (auto* all : {&lines_, &late_})
    all->erase(all->lower_bound({who, 0}), all->lower_bound({who + 1, 0}));
  orders_of_sending_.erase(who);
}

} // namespace muster
