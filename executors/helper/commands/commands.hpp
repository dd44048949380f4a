#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace muster::helper {

/// A command that GitLab Runner's helper has too.
struct command {
  std::string_view name;
  std::string_view summary; ///< for the list of commands
  std::string_view usage;   ///< a screen

  /// Returns the exit status.
  int (*run)(const std::vector<std::string>& arguments);
};

const std::vector<command>& commands();

/// Returns the version for User-Agent and provenance; set once at the start.
const std::string& build_text();
void set_build_text(std::string text);

int artifacts_uploader(const std::vector<std::string>& arguments);
int artifacts_downloader(const std::vector<std::string>& arguments);
int cache_archiver(const std::vector<std::string>& arguments);
int cache_extractor(const std::vector<std::string>& arguments);
int cache_init(const std::vector<std::string>& arguments);
int health_check(const std::vector<std::string>& arguments);
int read_logs(const std::vector<std::string>& arguments);
int proxy_exec(const std::vector<std::string>& arguments);

} // namespace muster::helper
