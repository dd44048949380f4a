#include "tools/muster/simulate/chosen_jobs.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace muster::simulate {

namespace {

/// Blanks around a tag are none of it: GitLab cuts them off, too.
std::set<std::string_view> split(std::string_view tags) {
  constexpr std::string_view blank = " \t";
  std::set<std::string_view> out;
  while (!tags.empty()) {
    auto comma = std::min(tags.find(','), tags.size());
    auto tag = tags.substr(0, comma);
    tag.remove_prefix(std::min(tag.find_first_not_of(blank), tag.size()));
    out.insert(tag.substr(0, tag.find_last_not_of(blank) + 1));
    tags.remove_prefix(std::min(comma + 1, tags.size()));
  }
  return out;
}

/// By number of the set.
std::vector<bool> taken_tags(const history& past, std::string_view tags) {
  auto has = split(tags);
  std::vector<bool> out;
  for (const auto& wanted : past.tag_sets)
    out.push_back(tags.empty()
                  || std::ranges::all_of(
                    wanted, [&has](const auto& x) { return has.contains(x); }));
  return out;
}

} // namespace

chosen_jobs jobs_for(const history& past, std::string_view tags) {
  chosen_jobs out;
  auto takes = taken_tags(past, tags);
  for (const auto& x : past.jobs) {
    if (!takes[x.tags]) {
      ++out.other_tags;
      continue;
    }
    if (out.jobs.empty())
      out.begins = std::chrono::floor<std::chrono::hours>(x.queued);
    out.jobs.push_back({x.queued - out.begins, x.duration});
  }
  return out;
}

} // namespace muster::simulate
