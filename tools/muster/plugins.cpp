#include "tools/muster/plugins.hpp"

#include "providers/local/options.hpp"

namespace muster {

load_options with_plugins(check_mode mode) {
  load_options out;
  out.mode = mode;
  out.plugin_fault = [](const std::string& plugin,
                        const std::string& plugin_config) -> std::string {
    if (plugin != "local")
      return "";
    auto read = local::parse_options(plugin_config);
    return read ? "" : read.error().text;
  };
  out.plugin_instances_max = [](const std::string& plugin,
                                const std::string& plugin_config) -> int64_t {
    auto read = plugin == "local" ? local::parse_options(plugin_config)
                                  : local::options{};
    return read && read->max_size != local::no_limit ? read->max_size : 0;
  };
  return out;
}

} // namespace muster
