#include "actors/replay/recorded_config.hpp"

#include "config/load.hpp"

#include <algorithm>

namespace muster {

namespace {

load_options of_nobody() {
  load_options out;
  out.mode = check_mode::run;
  out.variable = [](const std::string&) { return std::nullopt; };
  out.state_dir = "/";
  return out;
}

/// Whose role a runner had before: the one whose name it has in the file.
std::string former_role(const runner_config& x, const recorded_runners& before,
                        const recorded_runners& now) {
  auto found = std::find_if(before.begin(), before.end(), [&](const auto& row) {
    return row.second->name == x.name && now.count(row.first) == 0;
  });
  return found == before.end() ? "" : found->first;
}

} // namespace

recorded_runners runners_of(const config_in_force& what,
                            const recorded_runners& before) {
  auto loaded = parse_config(what.text, what.path, of_nobody());
  recorded_runners out;
  const auto& runners = loaded.value.runners;
  for (size_t i = 0; i < runners.size() && i < what.runners.size(); ++i) {
    auto runner = std::make_shared<const runner_config>(runners[i]);
    auto role = what.runners[i];
    if (!before.empty() && before.count(role) == 0)
      if (auto former = former_role(*runner, before, out); !former.empty())
        role = former;
    out.emplace(std::move(role), std::move(runner));
  }
  for (const auto& row : before) // goes on until its last job is over
    out.insert(row);
  return out;
}

} // namespace muster
