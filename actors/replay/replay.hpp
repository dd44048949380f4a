#pragma once

#include "actors/recorder/record.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace muster {

/// Where a replay came out otherwise than the recording tells.
struct divergence {
  record at;              ///< the record that does not fit; the last one read,
                          ///< if something is there that it does not tell
  std::string actor;      ///< whose decision it is
  std::string recorded;   ///< in words; empty: nothing
  std::string replayed;   ///< likewise
  std::string state = {}; ///< of that actor, after the replay's decision
};

struct replay_report {
  uint64_t records = 0; ///< read
  // Of those whose differences count:
  uint64_t handled = 0;  ///< messages that were handled again
  uint64_t compared = 0; ///< messages sent, remarks and timers that were equal
  uint64_t actors = 0;   ///< that ran again
  /// Runners and jobs that were played by the recording, at least for a time,
  /// so that not all of theirs was compared: roles.
  std::set<std::string> played;

  std::set<std::string> ran; ///< roles of all that ran again
  uint64_t restarts = 0; ///< from a later snapshot, after a gap or a new run
  uint64_t skipped = 0;  ///< messages to those that could not run again
  std::vector<std::string> remarks; ///< for people: what could not be replayed
  std::chrono::nanoseconds span{0}; ///< that the recording is about
  std::optional<divergence> diverged;
};

struct replay_options {
  /// Only differences of actors in this role, or below it, count; empty: all.
  std::string role;
};

/// Runs recorded runners, jobs and groups again, with their coordinators, logs,
/// instances and slots: the same actors in virtual time. What comes from others
/// is taken from the recording, in its order; what they send, remark and set as
/// timers is compared with it.
///
/// Everybody else (the manager, GitLab, connections, providers, the journal) is
/// played by the recording, and so are runners that began before it, with their
/// jobs. One at a time in a process: it stands in the door.
class replay {
public:
  explicit replay(replay_options options = {});
  replay(const replay&) = delete;
  replay& operator=(const replay&) = delete;
  ~replay();

  /// The next record. Returns false once it has come out otherwise: what comes
  /// after is of no use.
  bool take(const record& x);

  /// There is no more, after this `last` one: what the replay has sent, set and
  /// remarked, and was not recorded, is a difference now, unless it could have
  /// been under way.
  void end_at(const record& last);

  const replay_report& report() const;

private:
  class world;

  std::unique_ptr<world> world_;
};

} // namespace muster
