#include "tools/muster/plan/plan_command.hpp"

#include "tools/muster/plan/plan_text.hpp"
#include "tools/muster/plugins.hpp"
#include "tools/muster/print.hpp"

#include <algorithm>
#include <cstdio>

namespace muster {

namespace {

/// Plugins, keys and their files may be on another machine: `check` looks at
/// those.
load_options how_to_read() {
  auto out = with_plugins(check_mode::check);
  out.variable = variable_or_placeholder;
  out.plugin_obstacle = {};
  out.connector_faults = {};
  out.policy_gaps = {}; // the plan has them
  out.pipe_allowed = true;
  return out;
}

/// Tells what is wrong; notes are for `check`.
loaded_config read(const std::string& path) {
  auto out = load_config(path, how_to_read());
  for (const auto& x : out.diagnostics)
    if (x.level >= severity::warning)
      std::fprintf(stderr, "%s\n", format_diagnostic(x, out.source).c_str());
  return out;
}

bool is_fatal(const loaded_config& x) {
  return std::ranges::any_of(
    x.diagnostics, [](const auto& y) { return y.level == severity::fatal; });
}

int complain(const std::string& text) {
  std::fprintf(stderr, "muster: %s\n", text.c_str());
  return 1;
}

} // namespace

int plan_config(const plan_command_options& options) {
  auto now = read(options.config_path);
  if (is_fatal(now))
    return 1;
  auto status = now.passed && now.left_out == 0 ? 0 : 1;
  plan::plan_options with;
  with.zone = options.zone;
  with.day = options.day;
  with.now = std::chrono::floor<std::chrono::seconds>(
    std::chrono::system_clock::now());
  auto planned = plan::plan_of(now.value, with);
  if (!planned)
    return complain(planned.error().text);
  std::optional<plan::reload_plan> reload;
  if (!options.against.empty()) {
    auto before = read(options.against);
    if (is_fatal(before))
      return 1;
    reload = plan::reload_of(before.value, now.value, now.left_out);
    if (reload->stays)
      status = 1;
  }
  auto out = options.json ? plan::json_of(*planned, options.at, reload)
                          : plan::text_of(*planned, options.at);
  if (!options.json && reload)
    out += "\n" + plan::text_of(*reload);
  auto written = print(out);
  return written == 0 ? status : written;
}

} // namespace muster
