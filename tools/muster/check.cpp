#include "config/load.hpp"
#include "tools/muster/commands.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace muster {

int check_config(const check_options& options) {
  load_options how;
  how.mode = options.strict ? check_mode::strict : check_mode::check;
  auto loaded = load_config(options.config_path, how);
  for (const auto& x : loaded.diagnostics)
    std::fprintf(stderr, "%s\n",
                 format_diagnostic(x, loaded.source).c_str());
  if (loaded.passed) {
    std::puts("Configuration file is valid.");
    return 0;
  }
  auto count = [&](severity level) {
    return std::count_if(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                         [level](const auto& x) { return x.level == level; });
  };
  std::fprintf(stderr, "%s: %td errors, %td warnings\n",
               options.config_path.c_str(),
               count(severity::error) + count(severity::fatal),
               count(severity::warning));
  return 1;
}

} // namespace muster
