#pragma once

#include "tests/e2e/manager/world.hpp"
#include "tests/support/sshd.hpp"

#include <string>
#include <vector>

namespace muster::test {

/// What a test says of its pool. Lines are taken as they are.
struct pool_config {
  std::vector<std::string> hosts = {};      ///< entries of `hosts`, in TOML
  std::vector<std::string> plugin = {};     ///< lines of plugin_config
  std::vector<std::string> connector = {};  ///< of connector_config
  std::vector<std::string> autoscaler = {}; ///< of [runners.autoscaler]
  std::vector<std::string> runner = {};     ///< of [[runners]]
  std::vector<std::string> muster = {};     ///< of [runners.muster]
  int capacity = 1;
  int idle_count = 0;
  std::string idle_time = "10m";
};

/// A test GitLab and a manager with `plugin = "static"`, which is not started
/// yet. What jobs build is in a folder of the test's own.
class hosts_world {
public:
  explicit hosts_world(const pool_config& what);

  void configure(const pool_config& what) const;

  void start() {
    in.start_manager();
  }

  const manager_process& manager() const {
    return *in.manager;
  }

  /// While no manager runs: its journal is as if GitLab had been told how all
  /// jobs ended.
  void forget_jobs() const;

  /// The keys of jobs of which the journal knows that something may be on a
  /// host, by host and key.
  std::vector<std::string> leftovers() const;

  /// Runs `muster ARGUMENTS` with this configuration.
  command_result muster(std::vector<std::string> arguments) const;

  world in;
};

/// An entry of `hosts` for an sshd, with its key.
std::string entry_of(const sshd& host, const std::string& name,
                     const std::string& more = "");

/// Whether `part` is in `text`.
bool has(const std::string& text, const std::string& part);

/// The password and passphrase of these tests.
constexpr auto secret_word = "open-sesame-4711";

/// No secret of the test is in what the manager said.
void check_silence(const hosts_world& x);

} // namespace muster::test
