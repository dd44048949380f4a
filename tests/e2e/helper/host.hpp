#pragma once

#include "executors/helper/frames.hpp"
#include "executors/helper/unique_fd.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace muster::test {

using std::chrono::milliseconds;

/// For all that must happen at once: long, since the machine may be loaded.
constexpr milliseconds patience{30'000};

/// What a command printed and how it ended.
struct command_result {
  int exit_code = -1;
  std::string out;
  std::string err;
};

/// Runs a program to its end or, after `patience`, kills it.
command_result run_command(const std::vector<std::string>& arguments,
                           const std::string& input = "",
                           const std::vector<std::string>& environment = {});

/// Polls until the condition holds; false after `patience`.
bool eventually(const std::function<bool()>& holds);

/// Returns the processes that have this as parent, or hold
/// `MUSTER_JOB_KEY=key`.
std::vector<pid_t> children_of(pid_t parent);
std::vector<pid_t> processes_of(const std::string& key);

bool is_alive(pid_t pid);

/// What a process has used of processors so far.
milliseconds processor_time_of(pid_t pid);

std::string read_file(const std::string& path);

/// A client of the helper.
class wire {
public:
  explicit wire(const std::string& socket, bool says_hello = true);

  void send(const frames::frame& x);
  void send_bytes(std::string_view bytes);

  /// Returns the next frame; nothing at the stream's end or after `within`.
  std::optional<frames::frame> next(milliseconds within = patience);

  /// Returns the next frame if it is of this kind, else fails the test.
  template <class T>
  T expect();

  void close() {
    fd_.reset();
  }

  int fd() const {
    return fd_.get();
  }

  size_t received_bytes() const {
    return received_bytes_;
  }

private:
  helper::unique_fd fd_;
  size_t received_bytes_ = 0;
  frames::decoder decoder_;
};

/// The records of a job as a client got them.
struct job_log {
  std::vector<frames::frame> records;
  std::string out;
  std::string err;
  std::optional<frames::job_ended> end;

  std::vector<frames::stage_ended> stages() const;
};

uint64_t record_of(const frames::frame& x);

/// Collects records until `job_ended`, the stream's end, or `done`.
job_log collect(wire& from,
                const std::function<bool(const job_log&)>& done = {});

/// A machine with a helper: a home, a state folder, a daemon.
class host {
public:
  explicit host(std::vector<std::string> options = {},
                std::vector<std::string> environment = {});
  host(const host&) = delete;
  host& operator=(const host&) = delete;
  ~host();

  /// Starts the daemon (again).
  command_result serve();

  pid_t daemon() const;

  /// Returns the processes of the jobs under the daemon there is.
  std::vector<pid_t> supervisors() const;

  wire connect() const {
    return wire{socket()};
  }

  /// Runs a plan on a connection of its own, accepted.
  wire run(const job_plan& plan);

  frames::cleaned clean(const std::string& key);

  std::string socket() const {
    return state() + "/socket";
  }

  std::string state() const {
    return folder_ + "/state";
  }

  std::string home() const {
    return folder_ + "/home";
  }

private:
  std::string folder_;
  std::vector<std::string> options_;
  std::vector<std::string> environment_;
  std::vector<std::string> keys_;
};

stage_plan step(std::string script);
stage_plan stage_of(stage_phase phase, std::string script,
                    stage_condition condition);
job_plan plan_of(std::string key, std::vector<stage_plan> stages);

} // namespace muster::test

#include <doctest/doctest.h>

namespace muster::test {

template <class T>
T wire::expect() {
  auto x = next();
  REQUIRE(x.has_value());
  CAPTURE(x->index());
  REQUIRE(std::holds_alternative<T>(*x));
  return std::get<T>(*x);
}

} // namespace muster::test
