#pragma once

#include "actors/group/group_time.hpp"
#include "messages/error_codes.hpp"
#include "messages/id.hpp"
#include "messages/result.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace muster {

/// What a group has for reservations, and what it may become.
struct slot_room {
  int idle = 0;                  ///< free on ready instances that stay [slots]
  int acquired = 0;              ///< held by jobs [slots]
  int unavailable = 0;           ///< free, but never to be given out [slots]
  int max_instances = 0;         ///< 0: no limit [instances]
  int capacity_per_instance = 1; ///< [slots per instance]
  /// So much may be promised of what is not there yet [slots].
  int growth_max = INT32_MAX;
};

/// Capacity that is not promised yet; never negative.
struct free_capacity {
  int64_t available = 0; ///< at once [slots]
  int64_t potential = 0; ///< after growing; `unbounded` without a limit [slots]

  static constexpr int64_t unbounded = INT64_MAX;
};

/// Returns what is left beside `reserved` promises.
///
/// Unlike the peer's, slots of instances that are being removed are not idle
/// (the fleet leaves them out), and a negative potential is 0, not the end of
/// the process. With `growth_max` no more is promised beyond what is idle.
///
/// Source: reference/autoscaling, section 4.
free_capacity capacity_left(const slot_room& room, int reserved);

/// What a group has promised to one key.
struct reservation {
  using ticket = uint64_t; ///< order of arrival; 0: does not wait

  ticket place = 0;
  group_time since = {};
  group_time deadline = never;
  bool served = false; ///< has left the line for a slot

  auto operator<=>(const reservation&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, reservation& x) {
    return f(x.place, x.since, x.deadline, x.served);
  }
};

/// The promises of a group: who may ask GitLab for a job, and who waits for a
/// slot, first come first served. A value: no clock, no sending.
///
/// A key is reserved, then waits (still reserved), then is being served, which
/// ends in `confirm`, or in `refused` and the head of the line again.
class reservations {
public:
  /// Promises capacity to `key`. A key that is reserved already is granted
  /// again. With `preemptive` only slots that are idle at this moment count;
  /// it has no effect unless `idle_count` > 0.
  ///
  /// Errors: `no_capacity`, with GitLab's text.
  /// Source: reference/autoscaling, section 7.
  result<void, capacity_errc> reserve(const acquisition_key& key,
                                      const slot_room& room, int idle_count,
                                      bool preemptive);

  /// Gives back whatever `key` has here; unknown keys are fine. Returns whether
  /// it was being served: the slot that it is about to get must be vacated.
  bool unreserve(const acquisition_key& key);

  /// Puts a reserved key at the end of the line. A key that waits keeps its
  /// place and gets the new deadline.
  ///
  /// Errors: `reservation_not_found`, with GitLab's text.
  result<void, capacity_errc> wait(const acquisition_key& key, group_time now,
                                   group_time deadline);

  /// Who is served next, if somebody waits.
  std::optional<acquisition_key> head() const;

  /// A slot was sought out for a waiting key: it leaves the line, and its
  /// reservation ends.
  void serve(const acquisition_key& key);

  /// The slot took the key: its row ends. Returns false if nobody wants that
  /// slot any more, which must then be vacated.
  bool confirm(const acquisition_key& key);

  /// The slot did not take the key, or is gone: it is reserved and in line
  /// again, at the place it had. Returns false if nobody wants it any more.
  bool refused(const acquisition_key& key);

  /// Takes those out of the line whose deadline has come, in order. They stay
  /// reserved, as with the peer, until they are given back. Who is being served
  /// is not taken out: the answer is on its way.
  std::vector<acquisition_key> expire(group_time now);

  /// When `expire` has something to do next; `never` if nobody waits.
  group_time next_deadline() const;

  /// Place in the line, 1 is next; nothing if the key does not wait.
  std::optional<size_t> position(const acquisition_key& key) const;

  /// When a waiting key came into the line.
  std::optional<group_time> waiting_since(const acquisition_key& key) const;

  /// Acquires that wait [slots].
  int pending() const;

  /// Promises that have no slot yet, the waiting among them [slots].
  int reserved() const;

  /// Keys on their way into a slot.
  int serving() const;

  bool operator==(const reservations&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f,
                                                 reservations& x) {
    return f(x.rows_, x.line_, x.next_ticket_, x.serving_);
  }

private:
  using ticket = reservation::ticket;

  std::map<acquisition_key, reservation> rows_;
  std::map<ticket, acquisition_key> line_;
  ticket next_ticket_ = 1;
  int serving_ = 0; ///< rows that are served
};

} // namespace muster
