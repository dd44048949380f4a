#include "tools/muster/commands.hpp"
#include "tools/muster/plugins.hpp"

#include <algorithm>
#include <cstdio>

namespace muster {

int check_config(const check_options& options) {
  auto how
    = with_plugins(options.strict ? check_mode::strict : check_mode::check,
                   plugin_trial::start);
  how.pipe_allowed = true;
  auto loaded = load_config(options.config_path, how);
  for (const auto& x : loaded.diagnostics)
    std::fprintf(stderr, "%s\n", format_diagnostic(x, loaded.source).c_str());
  if (loaded.passed) {
    std::puts("Configuration file is valid.");
    return 0;
  }
  auto count = [&](severity level) {
    return std::count_if(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                         [level](const auto& x) { return x.level == level; });
  };
  auto errors = count(severity::error) + count(severity::fatal);
  auto warnings = count(severity::warning);
  std::fprintf(stderr, "%s: %td error%s, %td warning%s\n",
               options.config_path.c_str(), errors, errors == 1 ? "" : "s",
               warnings, warnings == 1 ? "" : "s");
  return 1;
}

} // namespace muster
