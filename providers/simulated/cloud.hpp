#pragma once

#include "providers/simulated/boot_time.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace muster::simulated {

using cloud_time = std::chrono::steady_clock::time_point;

constexpr cloud_time far = cloud_time::max();

/// What a cloud does wrong, each as a share of the occasions for it, from 0 to
/// 1. All zero: it does what it is told.
struct cloud_faults {
  double refused = 0;     ///< an increase or decrease is not done
  double fewer = 0;       ///< an increase accepts fewer than were asked for
  double undelivered = 0; ///< an accepted machine never comes
  double overdue = 0;     ///< it comes up to a quarter of an hour too late
  double stuck = 0;       ///< it never runs
  double left_out = 0;    ///< a listing does not have a machine
  double repeated = 0;    ///< a listing has it twice, in two states
  double goes_back = 0;   ///< a listing has a running one as being made
  double unexpected
    = 0;              ///< a listing shows a machine nobody asked for; 5 in all
  double failing = 0; ///< a listing fails

  bool operator==(const cloud_faults&) const = default;
};

struct cloud_options {
  boot_time boot;
  std::chrono::milliseconds removal{5'000}; ///< from the call until it is gone
  int64_t max_size = 4'294'967'295;         ///< machines; this is: no limit
  cloud_faults faults;
};

enum class machine_state : uint8_t { creating, running, deleting };

struct listed_machine {
  std::string id;
  machine_state state = machine_state::creating;
};

/// From when on a machine was paid for, when it ran, and until when it was
/// there; `far`: not yet.
struct machine_life {
  cloud_time made;
  cloud_time runs = far;
  cloud_time gone = far;

  bool operator==(const machine_life&) const = default;
};

/// A cloud in virtual time: it has no clock but the `now` of its calls, which
/// must not go back, and no chance but its seed.
class cloud {
public:
  cloud(const cloud_options& options, uint64_t seed);

  /// Returns how many were accepted, 0 to `count`.
  int increase(int count, cloud_time now);

  /// Returns those that are being removed now; who is not known is among them.
  std::vector<std::string> decrease(const std::vector<std::string>& ids,
                                    cloud_time now);

  /// Returns false if the listing fails.
  bool list(cloud_time now, std::vector<listed_machine>& into);

  /// Whether it runs, and nobody has ended it.
  bool is_alive(const std::string& id, cloud_time now) const;

  /// It is gone at once, without a word.
  void lose(const std::string& id, cloud_time now);

  /// Machines that are there in whatever state, those that no listing shows yet
  /// among them.
  std::vector<std::string> present(cloud_time now) const;

  /// Of all machines that there ever were, in the order in which they were
  /// asked for.
  std::vector<machine_life> lives() const;

  void set_faults(const cloud_faults& faults) {
    options_.faults = faults;
  }

private:
  struct machine {
    machine_life life;
    cloud_time listed_from; ///< before it no listing has it
  };

  bool happens(double share);
  machine& make(cloud_time now);
  void sweep(cloud_time now);
  void list_one(const std::string& id, const machine& x, cloud_time now,
                std::vector<listed_machine>& into);

  cloud_options options_;
  chance chance_;
  uint64_t made_ = 0;
  int unexpected_ = 0;                      ///< made so far
  std::map<std::string, machine> machines_; ///< not gone yet
  std::map<uint64_t, machine_life> ended_;  ///< by their number
};

} // namespace muster::simulated
