#include "actors/group/waiting.hpp"

#include "actors/group/words.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace muster {

namespace {

using namespace std::chrono_literals;

constexpr size_t problem_max = 500;
constexpr auto change_pause_max = 60s;
constexpr auto same_pause_max = 1h;

/// Commands and servers say what they like.
std::string one_line(std::string text) {
  text.resize(std::min(text.size(), problem_max));
  std::ranges::replace_if(
    text, [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

/// `1st`, `2nd`, `3rd`, `11th`.
std::string ordinal(size_t n) {
  const auto* end = "th";
  if (n / 10 % 10 != 1)
    end = n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
  return std::to_string(n) + end;
}

std::string step_text(const coming_instance& x) {
  switch (x.at) {
    case coming_instance::step::asked:
      return "an instance asked for";
    case coming_instance::step::booting:
      return x.id + " booting";
    case coming_instance::step::preparing:
      return x.id + " being prepared";
  }
  return x.id;
}

/// With the times that pass, or without.
std::string coming_text(const waiting_facts& x, bool times) {
  if (!x.next)
    return counted(x.starting, "instance is being started",
                   "instances are being started");
  auto out = step_text(*x.next);
  if (times) {
    auto since
      = spoken(std::chrono::round<std::chrono::seconds>(x.next->since));
    out += x.next->at == coming_instance::step::asked ? " " + since + " ago"
                                                      : " for " + since;
    if (x.usual)
      out += fmt::format(
        ", usually {}",
        spoken(std::chrono::round<std::chrono::seconds>(*x.usual)));
  }
  if (x.starting > 1)
    out += fmt::format(" (and {} more)", x.starting - 1);
  return out;
}

std::string cause_text(const waiting_facts& x, bool times) {
  if (x.no_provider)
    return "the group's provider is being started again";
  if (x.starting > 0)
    return coming_text(x, times);
  if (x.may_not_grow)
    return "instances did not become ready, the next one is started after a "
           "pause";
  if (x.instances_max > 0 && x.instances >= x.instances_max)
    return x.instances == 1
             ? std::string{"the only instance is in use, and there may be no "
                           "more"}
             : fmt::format("all {} instances are in use, and there may be no "
                           "more",
                           x.instances);
  if (auto ready = x.instances - x.starting; ready > 0)
    return counted(ready, "instance is in use", "instances are in use");
  return "there is no instance";
}

std::string text(const waiting_facts& x, bool times) {
  std::string out = "waiting for a slot: ";
  if (x.ahead)
    out += ordinal(*x.ahead + 1) + " in line; ";
  out += cause_text(x, times);
  if (x.slots_taken > 0 && x.starting == 0)
    out += fmt::format(
      "; {}", counted(x.slots_taken, "slot is taken", "slots are taken"));
  if (!x.problem.empty())
    out += "; " + one_line(x.problem);
  return out;
}

} // namespace

std::string waiting_text(const waiting_facts& x) {
  return text(x, true);
}

std::string waiting_substance(const waiting_facts& x) {
  return text(x, false);
}

bool waiting_notice::is_due(const std::string& substance, group_time now) {
  if (now < next_change_)
    return false;
  auto is_new = substance != told_;
  if (!is_new && now < next_same_) {
    next_change_ = std::min(next_same_, now + waiting_notice::first_after);
    return false;
  }
  if (is_new) {
    told_ = substance;
    same_pause_ = 30s;
  } else {
    same_pause_
      = std::min<std::chrono::seconds>(same_pause_ * 2, same_pause_max);
  }
  next_same_ = now + same_pause_;
  next_change_ = now + change_pause_;
  change_pause_
    = std::min<std::chrono::seconds>(change_pause_ * 2, change_pause_max);
  return true;
}

} // namespace muster
