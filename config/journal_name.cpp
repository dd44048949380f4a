#include "config/journal_name.hpp"

#include <algorithm>

namespace muster {

namespace {

std::string unmarked(const runner_config& x) {
  if (x.id > 0)
    return x.url + "|#" + std::to_string(x.id);
  return x.url + "|" + short_token(x.token);
}

} // namespace

std::string journal_name(const runner_config& x) {
  return x.mark.empty() ? unmarked(x) : unmarked(x) + "|" + x.mark;
}

void tell_apart(std::vector<runner_config>& runners) {
  std::map<std::string, int> alike;
  for (const auto& x : runners)
    ++alike[unmarked(x)];
  std::map<std::string, int> taken;
  for (auto& x : runners) {
    x.mark.clear();
    if (alike[unmarked(x)] == 1)
      continue;
    x.mark = x.name;
    auto number = ++taken[journal_name(x)];
    if (number > 1 || x.name.empty())
      x.mark += "#" + std::to_string(number);
  }
}

std::map<std::string, std::string>
journal_renames(const std::set<std::string>& written,
                const std::vector<runner_config>& runners) {
  std::set<std::string> present;
  for (const auto& x : runners)
    present.insert(journal_name(x));
  std::map<std::string, std::string> out;
  for (const auto& name : written) {
    if (present.contains(name))
      continue;
    auto of = std::ranges::find_if(runners, [&name](const auto& x) {
      auto base = unmarked(x);
      return name == base || name.starts_with(base + "|");
    });
    if (of != runners.end())
      out[name] = journal_name(*of);
  }
  return out;
}

} // namespace muster
