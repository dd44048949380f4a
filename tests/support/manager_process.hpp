#pragma once

#include "providers/local/record.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace muster::test {

/// How long a test waits for what should come soon: a loaded machine is slow.
constexpr std::chrono::seconds patience{60};

/// What a test says in config.toml. Lines are taken as they are.
struct manager_config {
  std::string url;
  std::string token;
  std::string executor = "instance";
  int concurrent = 8;
  int capacity = 4; ///< jobs at a time on an instance
  int instances = 1;
  bool delete_on_shutdown = true;
  std::vector<std::string> file = {};          ///< lines at the top
  std::vector<std::string> runner = {};        ///< of [[runners]]
  std::vector<std::string> plugin_config = {}; ///< of the local provider
};

/// A private folder with a configuration and a state; its instances are those
/// of one group of the local provider. Whatever is left of them is ended with
/// this object.
class manager_folder {
public:
  manager_folder();
  ~manager_folder();
  manager_folder(const manager_folder&) = delete;
  manager_folder& operator=(const manager_folder&) = delete;

  const std::filesystem::path& path() const {
    return path_;
  }
  std::filesystem::path config_file() const;
  std::filesystem::path state() const;
  /// The folder of an instance: `sshd.log`, `home/`, ...
  std::filesystem::path instance(const std::string& id) const;

  void write_config(const manager_config& what) const;

  /// The instances of which there is a record, dead or alive, by their ids.
  std::map<std::string, local::instance_record> instances() const;
  /// Those whose first process is alive.
  std::vector<std::string> living() const;

private:
  std::filesystem::path path_;
};

/// A `muster run`. Ends with this object, by force if it must.
class manager_process {
public:
  /// Starts it; its log goes to a file of its own in the folder. `arguments`
  /// stand before the command.
  explicit manager_process(const manager_folder& place,
                           const std::vector<std::string>& arguments
                           = {"--log-format", "json"});
  ~manager_process();
  manager_process(const manager_process&) = delete;
  manager_process& operator=(const manager_process&) = delete;

  pid_t pid() const {
    return pid_;
  }
  void signal(int number) const;
  /// Kills it with SIGKILL and reaps it.
  void kill();
  /// Its exit status, or minus the signal that ended it; nothing if it still
  /// runs then.
  std::optional<int> wait_exit(std::chrono::milliseconds timeout = patience);

  /// The whole log so far.
  std::string log() const;
  /// The lines of a log in JSON. Throws if there is one that is none.
  std::vector<nlohmann::json> lines() const;
  /// Waits for a line with `part` in its message and these fields in it.
  bool says(const std::string& part,
            const nlohmann::json& fields = nlohmann::json::object(),
            std::chrono::milliseconds timeout = patience) const;

private:
  pid_t pid_ = -1;
  std::filesystem::path log_;
};

struct command_result {
  int status = -1;    ///< exit status, or minus the signal
  std::string output; ///< stdout and stderr
};

/// Runs muster to its end; it is killed at the deadline.
command_result run_muster(const std::vector<std::string>& arguments,
                          std::chrono::milliseconds timeout = patience);

/// Runs a shell command. Throws std::runtime_error unless it succeeds.
std::string run_shell(const std::string& command);

/// Polls until `what` holds; false at the deadline.
template <class Condition>
bool eventually(Condition what, std::chrono::milliseconds timeout = patience);

/// A process that can be seen from here, in whatever namespace it is.
struct seen_process {
  pid_t pid = 0;
  pid_t parent = 0;
  std::vector<std::string> arguments;
};

/// Processes with `part` in one of their arguments. With `first`, only those of
/// the PID namespace of that process.
std::vector<seen_process> processes_with(const std::string& part,
                                         pid_t first = 0);

std::string file_text(const std::filesystem::path& file);

/// How often `part` is in `text`.
size_t count_of(const std::string& part, const std::string& text);

void pause_between_looks();

template <class Condition>
bool eventually(Condition what, std::chrono::milliseconds timeout) {
  auto until = std::chrono::steady_clock::now() + timeout;
  while (!what()) {
    if (std::chrono::steady_clock::now() >= until)
      return false;
    pause_between_looks();
  }
  return true;
}

} // namespace muster::test
