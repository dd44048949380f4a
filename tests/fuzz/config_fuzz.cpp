// libFuzzer: whatever stands in config.toml, reading it ends with a
// configuration or diagnostics, never with a crash, and every diagnostic can be
// shown.

#include "config/load.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster;
  load_options options;
  options.mode = check_mode::strict;
  options.variable
    = [](const std::string& name) { return std::optional{"<" + name + ">"}; };
  options.timezone_exists
    = [](const std::string& name) { return name.size() % 2 == 0; };
  options.state_dir = "/var/lib/muster";
  auto loaded
    = parse_config(std::string{reinterpret_cast<const char*>(data), size},
                   "config.toml", options);
  bool worse_than_notice = false;
  for (const auto& what : loaded.diagnostics) {
    auto shown = format_diagnostic(what, loaded.source);
    worse_than_notice = worse_than_notice || what.level != severity::notice;
    if (what.message.empty() || what.message.find('\n') != std::string::npos
        || shown.size() > 8192)
      std::abort();
  }
  if (loaded.passed == worse_than_notice)
    std::abort();
  for (const auto& runner : loaded.value.runners)
    if (runner.token.empty() || !runner.autoscaler
        || runner.autoscaler->capacity_per_instance < 1
        || runner.autoscaler->max_instances < 0 || loaded.value.concurrent < 1)
      std::abort();
  return 0;
}
