#include "actors/recorder/words.hpp"
#include "actors/replay/normal_text.hpp"
#include "actors/replay/revive.hpp"
#include "actors/replay/roles.hpp"
#include "actors/replay/world.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace muster {

// -- messages -----------------------------------------------------------------

void replay::world::handle(const record& x) {
  if (x.type == "config_in_force")
    return;
  auto* to = players_.by_number(x.to.number);
  auto* from = players_.by_number(x.from.number);
  if (to == nullptr) {
    ++report.skipped;
    return;
  }
  if (x.type == "reconfigure_runner" && !x.what.empty())
    give_orders(x.to.role, x.what.get_as<reconfigure_runner>(0).clients);
  caf::message what; // as it was sent again
  auto is_own = from != nullptr && from->runs && x.type != "peer_down"
                && x.type != "exit_told";
  if (is_own && x.is_timer)
    compare_timer(x, *from);
  else if (is_own && !compare(x, *from, *to, what))
    return;
  if (!to->runs)
    return;
  if (to->has_ended) {
    differ(*to, "it handles " + words_of(x), "it has ended");
    return;
  }
  deliver(x, from, *to, std::move(what));
}

void replay::world::deliver(const record& x, const actor_again* from,
                            actor_again& to, caf::message what) {
  if (what.empty())
    what = revived(x);
  if (what.empty()) {
    unreadable(x);
    ++report.skipped;
    return;
  }
  // What it remarked before has been compared by now.
  if (!to.notes.empty()) {
    differ(to, "", "remark: " + to.notes.front().text());
    return;
  }
  caf::strong_actor_ptr sender;
  if (from != nullptr)
    sender = caf::actor_cast<caf::strong_actor_ptr>(from->handle);
  lets_pass_ = true;
  caf::actor_cast<caf::abstract_actor*>(to.handle)->enqueue(
    std::move(sender), caf::make_message_id(), std::move(what), nullptr);
  lets_pass_ = false;
  run(to.handle);
  report.handled += concerns(to.who.role) ? 1 : 0;
}

caf::message replay::world::revived(const record& x) {
  auto out = x.what;
  if (out.match_elements<peer_down>())
    return down_of(out.get_as<peer_down>(0));
  if (out.match_elements<exit_told>())
    return caf::make_message(
      caf::exit_msg{caf::actor_addr{}, out.get_as<exit_told>(0).why});
  revive(out, [this](const std::string& role) { return handle_of(role); });
  return out;
}

void replay::world::unreadable(const record& x) {
  remark(fmt::format("record {}: {}", x.number, x.problem));
}

caf::message replay::world::down_of(const peer_down& x) {
  auto* who = players_.by_role(x.who.role);
  auto address = who == nullptr ? caf::actor_addr{} : who->handle.address();
  return caf::make_message(caf::down_msg{address, x.why});
}

void replay::world::caught(caf::actor_id to, caf::mailbox_element& what) {
  auto from = what.sender ? what.sender->id() : caf::invalid_actor_id;
  const auto* sender = players_.by_actor(from);
  if (sender == nullptr || !sender->runs)
    return;
  sent_again x{comparable{what.move_content_to_message()},
               collects_timers_ ? timer_due_ : clock().current_time,
               report.records};
  if (collects_timers_) {
    late_[{to, from}].waiting.push_back(std::move(x));
    return;
  }
  auto& line = lines_[{to, from}];
  const auto* receiver = players_.by_actor(to);
  if (receiver != nullptr && is_edge(receiver->who.role)) {
    to_edges_.emplace_back(to, from);
  } else if (sender->who.number != 0
             && (!sender->from_snapshot || line.is_settled)) {
    // One that has no number yet may have begun here before others.
    x.number = ++sent_;
    orders_of_sending_[to][x.number] = from;
  }
  line.waiting.push_back(std::move(x));
}

bool replay::world::compare(const record& x, actor_again& from,
                            const actor_again& to, caf::message& what) {
  const pair between{to.handle.id(), from.handle.id()};
  auto& line = lines_[between];
  auto& waiting = line.waiting;
  if (x.what.empty()) { // what was sent here stands for it
    unreadable(x);
    if (!waiting.empty())
      what = take_first(between, line).what.what();
    return true;
  }
  comparable recorded{x.what};
  if (!waiting.empty() && waiting.front().what.is(recorded)) {
    auto sent = take_first(between, line);
    line.is_settled = true;
    take_over(sent, from, what);
    return !report.diverged;
  }
  if (is_late(recorded, from, to, what))
    return true;
  if (from.from_snapshot && !line.is_settled && !is_edge(to.who.role))
    return true; // it was on its way then
  auto text = [&x](const comparable& y) {
    return fmt::format("to {}: {}", to_string(x.to), y.text());
  };
  differ(from, text(recorded),
         waiting.empty() ? "" : text(waiting.front().what));
  return false;
}

sent_again replay::world::take_first(const pair& between, line& from) {
  auto out = std::move(from.waiting.front());
  from.waiting.pop_front();
  if (out.number == 0)
    return out;
  longest_way_ = std::max<std::chrono::nanoseconds>(
    longest_way_, clock().current_time - out.at);
  auto& order = orders_of_sending_[between.first];
  order.erase(out.number);
  if (!order.empty() && order.begin()->first < out.number) {
    pair other{between.first, order.begin()->second};
    differ_about(other, lines_[other].waiting.front());
  }
  return out;
}

void replay::world::take_over(const sent_again& x, const actor_again& from,
                              caf::message& what) {
  count_equal(from);
  // Tells how much there is of the log, which a replay has not.
  if (!x.what.what().match_elements<finish>())
    what = x.what.what();
}

bool replay::world::is_late(const comparable& recorded, const actor_again& from,
                            const actor_again& to, caf::message& what) {
  auto row = late_.find({to.handle.id(), from.handle.id()});
  if (row == late_.end())
    return false;
  auto& waiting = row->second.waiting;
  auto now = clock().current_time;
  auto found = std::ranges::find_if(
    waiting, [&](const auto& x) { return x.at <= now && x.what.is(recorded); });
  if (found == waiting.end())
    return false;
  take_over(*found, from, what);
  waiting.erase(found);
  return true;
}

void replay::world::compare_timer(const record& x, actor_again& who) {
  auto now = clock().current_time;
  if (x.what.empty()) {
    std::erase_if(who.timers, [now](const auto& t) { return t.due <= now; });
    return;
  }
  comparable recorded{x.what};
  auto found = std::ranges::find_if(who.timers, [&](const auto& t) {
    return t.due <= now && t.what.is(recorded);
  });
  if (found != who.timers.end()) {
    who.timers.erase(found);
    count_equal(who);
  } else if (!who.from_snapshot) {
    differ(who, "it had set a timer for now: " + recorded.text(), "");
  }
}

void replay::world::compare_sent(const record& x) {
  auto* from = players_.by_number(x.from.number);
  if (from == nullptr || !from->runs)
    return;
  auto* to = players_.by_number(x.to.number);
  if (to == nullptr)
    return;
  caf::message ignored;
  compare(x, *from, *to, ignored);
}

void replay::world::compare_note(const record& x) {
  if (x.what.match_elements<config_in_force>()) {
    config_ = read_recorded(x.what.get_as<config_in_force>(0), config_.runners);
    for (const auto& [role, to] : orders_)
      if (auto found = config_.runners.find(runner_of(role));
          found != config_.runners.end())
        to->give(std::make_shared<const group_orders>(
          group_orders{found->second, provider_maker()}));
    return;
  }
  if (x.what.match_elements<run_begun>()) {
    if (!report.ran.empty())
      begin_anew();
    config_ = {};
    return;
  }
  if (x.what.match_elements<runner_begun>()) {
    make_runner(x, x.what.get_as<runner_begun>(0));
    return;
  }
  if (x.what.match_elements<job_planned>() && births_.count(x.to.number) > 0) {
    make_job(x, x.what.get_as<job_planned>(0));
    return;
  }
  auto* who = players_.by_number(x.to.number);
  if (who == nullptr || !who->runs)
    return;
  std::optional<comparable> replayed;
  if (!who->notes.empty()) {
    replayed = std::move(who->notes.front());
    who->notes.pop_front();
  }
  if (x.what.empty()) {
    unreadable(x);
    return;
  }
  comparable recorded{x.what};
  if (replayed && replayed->is(recorded))
    count_equal(*who);
  else
    differ(*who, "remark: " + recorded.text(),
           replayed ? "remark: " + replayed->text() : "");
}

// -- differences --------------------------------------------------------------

void replay::world::differ(const actor_again& who, std::string recorded,
                           std::string replayed) {
  if (report.diverged || !concerns(who.who.role))
    return;
  divergence x{*last_, to_string(who.who), std::move(recorded),
               std::move(replayed)};
  if (who.show != nullptr && !who.has_ended)
    x.state = who.show(dynamic_cast<caf::local_actor&>(
      *caf::actor_cast<caf::abstract_actor*>(who.handle)));
  report.diverged = std::move(x);
}

void replay::world::count_equal(const actor_again& who) {
  report.compared += concerns(who.who.role) ? 1 : 0;
}

bool replay::world::concerns(const std::string& role) const {
  const auto& wanted = options_.role;
  return wanted.empty() || role == wanted || role.starts_with(wanted + "/");
}

} // namespace muster
