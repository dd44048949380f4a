#pragma once

#include "actors/group/group_time.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace muster {

/// An instance that is on its way to be ready.
struct coming_instance {
  enum class step : uint8_t {
    asked,     ///< no listing has shown it
    booting,   ///< the cloud makes it
    preparing, ///< it runs; muster connects and runs the ready command
  };

  std::string id; ///< empty: not known yet
  step at = step::asked;
  std::chrono::milliseconds since{0}; ///< it was asked for, else listed
};

/// What keeps a job from getting a slot, as far as its group knows.
struct waiting_facts {
  std::optional<size_t> ahead = 0; ///< before this one; in line no more: none
  int starting = 0;                ///< asked for, or not ready yet [instances]
  /// Of these, the one that will be this job's if they are ready in turn.
  std::optional<coming_instance> next = {};
  std::optional<std::chrono::milliseconds> usual = {}; ///< from asked to ready
  int instances = 0;         ///< ready or about to be [instances]
  int instances_max = 0;     ///< 0: no limit [instances]
  int slots_taken = 0;       ///< held by jobs, or being cleaned [slots]
  bool no_provider = false;  ///< it is being started again
  bool may_not_grow = false; ///< instances failed: the next one is held back
  std::string problem = {};  ///< of the last instance, or of asking for one
};

/// Returns the line for the job's log: `waiting for a slot: 3rd in line; i-3
/// booting for 14 s, usually 41 s`.
std::string waiting_text(const waiting_facts& x);

/// The same without what changes by itself: while it is the same, there is
/// nothing to tell.
std::string waiting_substance(const waiting_facts& x);

/// When one that waits is told so again. What is new is told after a pause that
/// grows from 10 s to a minute, the same after 30 s and then twice as late each
/// time: a log grows by 80 lines in an hour at most. A value.
class waiting_notice {
public:
  /// The first line is due this long after the job came into the line.
  static constexpr std::chrono::seconds first_after{10};

  explicit waiting_notice(group_time since = {})
    : next_change_(since + first_after) {
  }

  /// Whether to tell now; the caller does.
  bool is_due(const std::string& substance, group_time now);

  /// When to look again.
  group_time next() const {
    return next_change_;
  }

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f,
                                                 waiting_notice& x) {
    return f(x.told_, x.next_change_, x.next_same_, x.change_pause_,
             x.same_pause_);
  }

private:
  std::string told_;
  group_time next_change_;
  group_time next_same_ = never;
  std::chrono::seconds change_pause_{10};
  std::chrono::seconds same_pause_{30};
};

} // namespace muster
