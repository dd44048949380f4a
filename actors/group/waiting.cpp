#include "actors/group/waiting.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace muster {

namespace {

constexpr size_t problem_max = 500;

/// Commands and servers say what they like.
std::string one_line(std::string text) {
  text.resize(std::min(text.size(), problem_max));
  std::ranges::replace_if(
    text, [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string counted(size_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string counted(int count, const char* one, const char* many) {
  return counted(static_cast<size_t>(count), one, many);
}

} // namespace

std::string waiting_text(const waiting_facts& x) {
  std::string out = "Waiting for a free slot: ";
  auto ready = x.instances - x.starting;
  if (x.no_provider)
    out += "the group's provider is being started again";
  else if (x.starting > 0)
    out += counted(x.starting, "instance is being started",
                   "instances are being started");
  else if (x.may_not_grow)
    out += "instances did not become ready, the next one is started after a "
           "pause";
  else if (x.instances_max > 0 && x.instances >= x.instances_max)
    out += fmt::format("all of {} are in use, and there may be no more",
                       counted(x.instances, "instance", "instances"));
  else if (ready > 0)
    out += fmt::format("{} in use",
                       counted(ready, "instance is", "instances are"));
  else
    out += "there is no instance";
  if (x.slots_taken > 0)
    out += fmt::format(
      "; {}", counted(x.slots_taken, "slot is taken", "slots are taken"));
  if (x.ahead > 0)
    out += fmt::format("; {} before this one",
                       counted(x.ahead, "job waits", "jobs wait"));
  if (!x.problem.empty())
    out += "; " + one_line(x.problem);
  return out;
}

} // namespace muster
