#pragma once

#include "config/load.hpp"
#include "tools/muster/plan/plan_text.hpp"

#include <doctest/doctest.h>
#include <string>

namespace muster::test {

/// A configuration of these lines. The plugin knows its group by name, and of
/// that called three that it has three instances at most.
inline config read(const std::string& text,
                   const std::string& path = "config.toml") {
  load_options options;
  options.state_dir = "/s";
  options.plugin_group = [](const std::string&, const std::string& json) {
    constexpr size_t before = 9; // {"name":"
    return json.substr(before, json.size() - before - 2);
  };
  options.plugin_instances_max
    = [](const std::string&, const std::string& json) {
        return json.find("\"three\"") != std::string::npos ? 3 : 0;
      };
  auto loaded = parse_config(text, path, options);
  for (const auto& x : loaded.diagnostics)
    REQUIRE_MESSAGE((x.level < severity::error
                     || x.message.find("one runner only") != std::string::npos),
                    headline(x));
  return loaded.value;
}

/// A runner with a group of that name.
inline std::string runner(const std::string& name,
                          const std::string& autoscaler = "",
                          const std::string& group = "",
                          const std::string& more = "") {
  return "[[runners]]\nname = \"" + name
         + "\"\nurl = \"https://gl.test\"\ntoken = \"glrt-token-of-" + name
         + "\"\nexecutor = \"instance\"\n" + more
         + "\n[runners.autoscaler]\nplugin = \"p\"\n"
           "plugin_config = {name = \""
         + (group.empty() ? name : group) + "\"}\n" + autoscaler + "\n";
}

inline std::string policy_of(const std::string& keys) {
  return "[[runners.autoscaler.policy]]\n" + keys + "\n";
}

} // namespace muster::test
