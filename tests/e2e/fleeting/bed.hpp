#pragma once

#include "providers/fleeting/fleeting_group.hpp"
#include "tests/support/sshd.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::test {

/// Polls until `what` holds; false after a long while.
bool soon(const std::function<bool()>& what);

/// Whether a process is there that has not ended.
bool is_running(pid_t pid);

/// A make-believe cloud for the test plugin, whose instances are all one host,
/// in a folder of its own.
class plugin_bed {
public:
  plugin_bed();
  ~plugin_bed();
  plugin_bed(const plugin_bed&) = delete;
  plugin_bed& operator=(const plugin_bed&) = delete;

  /// The test plugin, and a script of this text to take its place.
  static std::string plugin();
  std::string script(const std::string& text) const;

  const std::filesystem::path& path() const {
    return path_;
  }
  std::filesystem::path state() const {
    return path_ / "state";
  }

  /// What `plugin_config` has besides `cloud`; whom an instance is dialed at.
  nlohmann::json settings = nlohmann::json::object();
  nlohmann::json config() const;

  /// For a group of the test plugin, with patience for tests.
  fleeting::group_options options() const;

  /// From now on, calls go wrong: {"Update": "hang"}.
  void faults(const nlohmann::json& what) const;

  /// The calls so far, by name; `with` is what the last one of a name had.
  std::vector<std::string> calls() const;
  nlohmann::json with(const std::string& call) const;

  /// Folders with sockets of plugins.
  size_t sockets() const;

private:
  std::filesystem::path path_;
};

} // namespace muster::test
