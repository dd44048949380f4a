#pragma once

#include "executors/plan/build.hpp"
#include "tests/unit/plan/shell_run.hpp"

#include <string>
#include <vector>

namespace muster::test {

/// A login directory and a repository on this machine, gone with the object.
class workplace {
public:
  workplace();
  ~workplace();
  workplace(const workplace&) = delete;
  workplace& operator=(const workplace&) = delete;

  /// Runs a shell script in the place's root; the test fails if it fails.
  /// Returns what it printed.
  std::string prepare(const std::string& script) const;

  /// The newest commit of the repository's branch `main`.
  std::string head() const;

  bool exists(const std::string& path_from_home) const;
  std::string read(const std::string& path_from_home) const;

  const std::string& root() const {
    return root_;
  }

  std::string home() const {
    return root_ + "/home";
  }

  /// The bare repository.
  std::string repository() const {
    return root_ + "/origin.git";
  }

private:
  std::string root_;
};

/// What a stage did.
struct stage_run {
  std::string name;
  shell_result result;
};

struct plan_run {
  std::vector<stage_run> stages;
  std::string status = "success"; ///< as after_script is told it

  const shell_result& of(const std::string& name) const;
  bool ran(const std::string& name) const;
};

using environment = std::map<std::string, std::string>;

/// Carries out a plan as a helper does, without its time-outs: each stage in a
/// shell of its own that starts in the login directory, with `more` in its
/// environment.
plan_run carry_out(const job_plan& plan, const std::string& shell,
                   const workplace& at, const environment& more = {});

/// A job that fetches the place's branch `main` and runs these commands.
job_payload job_at(const workplace& place, std::vector<std::string> commands);

void set(job_payload& payload, std::string key, std::string value,
         bool file = false);

/// Makes the plan; the test fails if there is none.
plan_result plan_of(const job_payload& payload,
                    const runner_config& config = {});

} // namespace muster::test
