#include "actors/replay/recorded_config.hpp"

#include "config/difference.hpp"
#include "config/load.hpp"

#include <string_view>
#include <utility>
#include <vector>

namespace muster {

namespace {

load_options of_nobody() {
  load_options out;
  out.mode = check_mode::run;
  out.variable = [](const std::string&) { return std::nullopt; };
  out.state_dir = "/";
  return out;
}

/// A secret's number: `<secret#17>` in a configuration, `#17` in a message.
std::string as_in_messages(const std::string& token) {
  constexpr std::string_view begin = "<secret";
  return token.starts_with(begin) && token.ends_with('>')
           ? token.substr(begin.size(), token.size() - begin.size() - 1)
           : token;
}

} // namespace

recorded_config read_recorded(const config_in_force& what,
                              const recorded_runners& before) {
  auto now = parse_config(what.text, what.path, of_nobody()).value;
  for (auto& x : now.runners)
    x.token = secret{as_in_messages(x.token.reveal())};
  config former;
  std::vector<std::string> names;
  for (const auto& [name, x] : before) {
    names.push_back(name);
    former.runners.push_back(*x);
  }
  recorded_config out;
  out.check_interval = now.check_interval;
  out.shutdown_timeout = now.shutdown_timeout;
  for (const auto& x : compare(former, now).runners) {
    if (!x.after || *x.after >= what.runners.size())
      continue;
    auto runner = now.runners[*x.after];
    if (x.before)
      runner = kept_until_restart(former.runners[*x.before], std::move(runner));
    out.runners.emplace(x.before ? names[*x.before] : what.runners[*x.after],
                        std::make_shared<const runner_config>(runner));
  }
  for (const auto& row : before) // goes on until its last job is over
    out.runners.insert(row);
  return out;
}

} // namespace muster
