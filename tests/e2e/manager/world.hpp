#pragma once

#include "tests/support/manager_process.hpp"
#include "tools/coordinator/test_gitlab.hpp"

#include <csignal>
#include <memory>
#include <string>
#include <vector>

namespace muster::test {

/// A test GitLab with a repository, a folder, and a manager that serves the one
/// from the other. A repository `demo/hello` has two commits; `words.txt` has
/// the line `second` in the last one.
class world {
public:
  struct settings {
    manager_config manager = {};
    std::chrono::milliseconds accept_within{120'000}; ///< of the test GitLab
    bool start = true;                                ///< the manager
  };

  explicit world(settings how);
  world() : world(settings{}) {
  }

  /// Kills the manager, and checks that its recording comes out again as it
  /// was.
  ~world();

  world(const world&) = delete;
  world& operator=(const world&) = delete;

  void start_manager();
  /// Ends a manager that runs; returns its exit status.
  std::optional<int> stop_manager(int signal = SIGTERM);

  /// Queues a job given as JSON (`gitlab::job_from_json`).
  int64_t enqueue(nlohmann::json job);
  /// One that clones nothing.
  int64_t enqueue_script(const std::string& script);
  /// Waits until the job has ended at GitLab.
  gitlab::job_view ended(int64_t id);
  /// The job's log so far, without the time and stream before each line.
  std::string log(int64_t id) const;
  /// Waits until its log has `part`; false at the deadline.
  bool shows(int64_t id, const std::string& part) const;
  /// The value that a job printed as `NAME=value`.
  std::string printed(int64_t id, const std::string& name) const;
  /// The instance that a job was given, as its log tells.
  std::string instance_of(int64_t id) const;
  /// Runs a tiny job; tells whether it succeeded.
  bool serves_a_job();

  /// Checks that the manager kept the rules of GitLab's API.
  void check_rules();

  manager_folder place;
  test_gitlab gitlab;
  manager_config config;
  std::unique_ptr<manager_process> manager;
};

} // namespace muster::test
