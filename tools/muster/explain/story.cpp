#include "tools/muster/explain/story.hpp"

#include <numeric>
#include <utility>

namespace muster::explain {

std::string to_string(wait_part x) {
  constexpr std::array names{
    "unknown", "pause",  "permit", "reservation", "gitlab",
    "journal", "growth", "boot",   "dial",        "ready_command",
    "queue",   "route",  "start"};
  static_assert(names.size() == wait_parts);
  return names.at(static_cast<size_t>(x));
}

std::string meaning(wait_part x) {
  switch (x) {
    case wait_part::unknown:
      return "in GitLab's queue, before the recording begins";
    case wait_part::pause:
      return "in GitLab's queue, until the runner asked for a job again";
    case wait_part::permit:
      return "as many jobs as concurrent allows were there already";
    case wait_part::reservation:
      return "no slot could be promised, so GitLab was not asked";
    case wait_part::gitlab:
      return "GitLab was being asked, and had not given the job yet";
    case wait_part::journal:
      return "the job was written down, and its log begun";
    case wait_part::growth:
      return "until an instance was asked for";
    case wait_part::boot:
      return "its instance was being made by the cloud";
    case wait_part::dial:
      return "its instance ran, muster connected to it";
    case wait_part::ready_command:
      return "its instance was being prepared (ready command, helper)";
    case wait_part::queue:
      return "all slots that were ready were taken, or others came first";
    case wait_part::route:
      return "the way to the helper on the instance";
    case wait_part::start:
      return "GitLab's acceptance, the journal, the plan to the helper";
  }
  return "";
}

void moments::add(const stamp& at, std::string text) {
  if (!all_.empty() && all_.back().text == text)
    return;
  all_.push_back({at, std::move(text)});
  if (all_.size() <= kept)
    return;
  all_.erase(all_.begin() + static_cast<ptrdiff_t>(kept / 2));
  ++left_out_;
}

int64_t job_story::waited() const {
  return std::accumulate(waited_us.begin(), waited_us.end(), int64_t{0});
}

} // namespace muster::explain
