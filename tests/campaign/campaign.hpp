#pragma once

#include "tests/campaign/ledger.hpp"

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace muster::test {

/// A group's hour with faults of all kinds, and what comes after them, all
/// drawn from a seed: its configuration, its jobs, what the cloud and the hosts
/// do wrong, who is killed when, and in which order actors get their turn.
class campaign {
public:
  explicit campaign(uint64_t seed);

  /// Runs it. Returns how many promises were broken.
  int run();

  /// What happened, for who has to find out why: a line each.
  const std::vector<std::string>& story() const {
    return story_;
  }

private:
  bool is(double share);
  int from(int least, int most);
  template <class T>
  T one_of(std::initializer_list<T> all);

  runner_config draw_config();
  simulated::world_options draw_world();
  promises_kept promises() const;

  void run_until(time_point end);
  void fault();
  void tell(const std::string& what);
  void tell_config();
  void stop_faults();
  void check_end();
  int wanted_least() const;
  int wanted_most() const;

  template <class Handle>
  void kill(const Handle& who, const std::string& what);
  void kill_instance();
  void kill_slot();
  void kill_job();
  void lose_machine();
  void cut_connection();
  void move_clock();
  void change_config();

  std::mt19937_64 luck_;
  std::shared_ptr<runner_config> config_;
  std::vector<int> fault_kinds_;
  int fault_in_ = 0; ///< so many turns the next one comes; 0: not in between
  std::unique_ptr<simulated::simulation> it_;
  std::shared_ptr<ledger> books_;
  std::vector<std::string> story_;
};

} // namespace muster::test
