#pragma once

#include "tests/support/manager_process.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace muster::test {

/// A `muster try` that runs.
class try_process {
public:
  try_process(const std::filesystem::path& folder,
              const std::vector<std::string>& arguments,
              std::filesystem::path output);
  ~try_process();
  try_process(const try_process&) = delete;
  try_process& operator=(const try_process&) = delete;

  void signal(int number) const;
  /// Its exit status, or minus the signal that ended it; nothing if it still
  /// runs at the deadline.
  std::optional<int> wait_exit();
  /// What it has shown so far, on both streams.
  std::string shown() const;
  /// Waits until it has shown a text.
  bool shows(const std::string& part) const;

private:
  pid_t pid_ = -1;
  std::filesystem::path output_;
};

/// A repository with one commit, and a state folder of its own.
class try_world {
public:
  /// `pipeline` is its `.gitlab-ci.yml`; `state` names the state folder,
  /// which goes with this object.
  explicit try_world(const std::string& pipeline,
                     const std::string& state = "state");
  ~try_world();
  try_world(const try_world&) = delete;
  try_world& operator=(const try_world&) = delete;

  const std::filesystem::path& repository() const {
    return repository_;
  }
  std::filesystem::path state_dir() const {
    return state_;
  }
  void write(const std::string& file, const std::string& text) const;
  /// Runs git in the repository. Throws unless it succeeds.
  void git(const std::string& arguments) const;

  std::unique_ptr<try_process> start(std::vector<std::string> arguments = {},
                                     const std::string& folder = ".");
  /// Runs it to its end.
  command_result run(const std::vector<std::string>& arguments = {},
                     const std::string& folder = ".");

  /// What is left of tries in the state folder, caches aside.
  std::vector<std::string> leftovers() const;

private:
  std::filesystem::path path_;
  std::filesystem::path repository_;
  std::filesystem::path state_;
  int count_ = 0;
};

} // namespace muster::test
