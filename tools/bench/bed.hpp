#pragma once

#include "providers/local/record.hpp"
#include "tools/bench/engine_log.hpp"
#include "tools/bench/manager_process.hpp"
#include "tools/coordinator/test_gitlab.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster::bench {

/// The shape that all scenarios share (reference/peer-figures).
constexpr int hosts = 4;
constexpr int slots_per_host = 5;

enum class shell_startup : uint8_t {
  none,
  bashrc, ///< the login user's bash has a start-up file that costs 120 ms
};

/// What makes the hosts.
enum class host_source : uint8_t {
  local,  ///< the manager itself
  plugin, ///< a fleeting plugin; see plugin.cpp
  shared, ///< the same, with one host in the place of all
  blind,  ///< the same, and it does not see when a host is gone
};

struct bed_options {
  std::string manager; ///< path of the program `muster`
  shell_startup shell = shell_startup::none;
  bool warm = true; ///< a pool of all hosts is kept running
  std::chrono::milliseconds long_poll{0};
  int hosts = bench::hosts;
  int slots = bench::slots_per_host; ///< of a host
  host_source from = host_source::local;
  std::chrono::milliseconds boot{100};
  int hosts_idle = -1;      ///< of a pool that is kept running; -1: all
  int max_use_count = 0;    ///< jobs of a host; 0: any number
  int concurrent = 0;       ///< jobs; 0: as many as there are slots
  bool metrics = false;     ///< the manager serves them
  bool records = true;      ///< the flight recorder is on
  int output_limit_kib = 0; ///< of a job's log; 0: as by default
  std::string more_config;  ///< keys of the runner
  bool containers = false;  ///< each host has an Engine, and jobs run in it
};

/// Set by SIGINT and SIGTERM: all waiting ends.
void stop_waiting();
bool is_interrupted();

/// Waits until `reached`, looking every `step`; false at the deadline or when
/// interrupted.
bool wait_until(std::chrono::steady_clock::time_point deadline,
                const std::function<bool()>& reached,
                std::chrono::microseconds step = std::chrono::milliseconds{2});

/// A call of the fleeting plugin.
struct provider_call {
  int64_t at_us = 0; ///< Unix time
  std::string name;  ///< `Update`
};

/// A test GitLab in this process, a manager as a child, and a folder of their
/// own. All that was started ends with this object, instances too.
class bed {
public:
  explicit bed(bed_options options);
  ~bed();
  bed(const bed&) = delete;
  bed& operator=(const bed&) = delete;

  /// Starts GitLab and the manager. Errors: `cannot_start`.
  result<void, bench_errc> start();
  /// Waits for the manager's first poll and returns how long after the
  /// manager's start it came. Errors: all but `cannot_start`.
  result<std::chrono::nanoseconds, bench_errc> wait_first_poll();
  /// Waits until all hosts are ready for jobs; returns how long after the
  /// manager's start. Errors: all but `cannot_start`.
  result<std::chrono::nanoseconds, bench_errc> wait_warm();
  /// Waits until all jobs have ended. Errors: all but `cannot_start`.
  result<void, bench_errc> wait_jobs(std::chrono::milliseconds at_most);
  /// Lets time pass. Errors: `interrupted`, `failed`.
  result<void, bench_errc> rest(std::chrono::milliseconds time);

  /// Requests for a job that GitLab has answered.
  uint64_t polls() const;
  /// Waits until GitLab has answered so many; returns when it had. Errors: all
  /// but `cannot_start`.
  result<std::chrono::steady_clock::time_point, bench_errc>
  wait_polls(uint64_t count);

  /// The host on which a job runs, as its log tells. Errors: `failed`.
  result<local::instance_record, bench_errc> host_of(int64_t job) const;
  /// Calls of the plugin so far, in order.
  std::vector<provider_call> calls() const;
  /// Its process. Errors: `failed` (there is none, or there are several).
  result<pid_t, bench_errc> plugin() const;
  /// The most that ever waited in each of the manager's queues, by name; empty
  /// if it does not tell.
  std::map<std::string, double> queue_marks() const;

  /// A series of the manager's without labels; 0 if there is none.
  double series(const std::string& name) const;
  /// Of the hosts' Engines: all calls that they have had, and where they
  /// listen.
  std::vector<engine_call> engine_calls() const;
  std::vector<std::string> engine_sockets() const;
  /// Bytes on the manager's connections to the hosts so far, both ways, as
  /// `ss` tells; nothing if it does not.
  std::optional<double> bytes_on_wire() const;
  /// Waits until no host is there. Errors: all but `cannot_start`.
  result<void, bench_errc> wait_no_host();

  /// Kills all of a host at once, or stops all of its processes for good.
  void kill_host(const local::instance_record& which) const;
  void freeze_host(const local::instance_record& which) const;
  /// `kill -9` of the manager, and a new one with the same files.
  result<void, bench_errc> kill_manager();

  /// Of these jobs any end will do: `finish` does not tell of them.
  void excuse(int64_t job);

  /// Stops the manager and GitLab; what was wrong, each in a sentence: jobs
  /// that did not succeed, violations of the job API, instances left behind.
  std::vector<std::string> finish();

  test_gitlab& gitlab() {
    return *gitlab_;
  }
  manager_process& manager() {
    return manager_;
  }

private:
  result<void, bench_errc> write_config() const;
  int hosts_ready() const;
  int hosts_wanted() const;
  /// Why a wait came to nothing.
  failure<bench_errc> reason(const std::string& what);
  std::string log_file() const; ///< of the manager in force
  std::string log_tail() const;
  int end_instances() const;
  std::vector<local::instance_record> instances() const;
  std::string plugin_program() const;
  std::string host_folder(const local::instance_record& which) const;
  std::string cgroup() const; ///< of the hosts' containers
  bool remove_folder() const;

  bed_options options_;
  std::string folder_;
  std::unique_ptr<test_gitlab> gitlab_;
  uint16_t metrics_port_ = 0; ///< 0: there are none
  manager_process manager_;
  int managers_ = 1; ///< that were started
  std::set<int64_t> excused_;
  bool finished_ = false;
};

} // namespace muster::bench
