#pragma once

#include "actors/group/group_time.hpp"
#include "messages/id.hpp"
#include "messages/phases.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <vector>

namespace muster {

/// An instance as one listing tells it.
struct listed {
  instance_id instance;
  cloud_state state = cloud_state::creating;
};

/// What a listing said about one instance, compared with what was known.
struct observation {
  enum class kind : uint8_t {
    discovered, ///< new: log line `instance discovery`
    changed,    ///< another state: `instance update`
    missed,     ///< left out, not for long enough yet
    gone,       ///< told deleted, or left out long enough: `instance pruned`
  };

  kind what = kind::discovered;
  instance_id instance;
  cloud_state state = cloud_state::creating; ///< `timeout`: gone by its absence
  instance_cause cause = instance_cause::requested;
  bool was_asked = false;    ///< gone or changed: we had asked for its removal
  int missed = 0;            ///< listings in a row that left it out
  group_time since = {};     ///< first listed
  group_time last_seen = {}; ///< in a listing
  group_time requested = {}; ///< discovered on request: when that was made

  bool operator==(const observation&) const = default;
};

/// What the cloud is known to have: a group's memory between two listings, and
/// the requests that no listing has shown yet. A value; it asks nobody.
class cloud_view {
public:
  /// A known instance is gone when so many listings in a row left it out.
  static constexpr int missed_max = 6;

  /// So many instances are being asked for. They are given up at `give_up` if
  /// that is never answered.
  void requested(int count, group_time now, group_time give_up = never);

  /// The provider answered the oldest unanswered request. What it accepted is
  /// given up at `give_up` unless a listing has shown it by then; the peer
  /// never gives up: see the reference. What it did not accept is no longer
  /// expected, unless the answer is uncertain (it came too late, or the
  /// provider died over it): then nothing is dropped, for it may have been
  /// done, and the deadline decides. More accepted than asked counts as asked.
  void answered(int asked, int accepted, bool certain, group_time give_up);

  /// Drops the requests whose deadline had come at the last listing, which
  /// would have shown them. Returns how many: their instances may be asked for
  /// again.
  int give_up(group_time listed);

  /// Removal was asked for: its absence from a listing is no surprise.
  void removal_asked(const instance_id& instance);

  /// It was found dead otherwise, or only its actor was: then it `comes_back`
  /// with the next listing, and counts until that. If a listing still has it,
  /// it is discovered again, and is not taken for one that was requested.
  void forget(const instance_id& instance, bool comes_back);

  /// Compares a listing that succeeded with what is known. Observations come in
  /// the order of the listing, then the absent ones by id.
  ///
  /// New instances use up the oldest open request each. Ids that are not known
  /// and told as deleted are ignored; so are empty ids; of two entries with one
  /// id the more alive counts, so that no job is ended by a doubtful entry.
  ///
  /// One that is left out is gone only if it was not seen for `absent_min`,
  /// too: listings may follow each other quickly, and clouds forget for a
  /// moment.
  ///
  /// Source: reference/autoscaling, section 2.
  std::vector<observation> reconcile(const std::vector<listed>& listing,
                                     group_time now,
                                     group_time::duration absent_min = {});

  /// Requests that no listing has shown yet, and those that are to come back
  /// [instances].
  int requests() const;

  /// Requests among these that the provider has accepted [instances].
  int accepted() const;

  /// Instances that were found dead otherwise, and may be there all the same:
  /// no listing has said so since.
  int unconfirmed() const;

  /// When these were made, the oldest first.
  std::vector<group_time> requested_at() const;

  /// Instances known, in whatever state.
  int known() const;

  /// Whether there was a listing: before it nothing can be decided.
  bool has_listed() const;

  /// Whether something is under way that a listing will show: a request, a
  /// removal, or a state that is not its last. Listings then come at the
  /// interval `update_interval_when_expecting`.
  bool expects_change() const;

  /// Whether that is an instance that is to run.
  bool expects_instance() const;

  /// The state last listed; `deleted` if the instance is not known.
  cloud_state state_of(const instance_id& instance) const;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, cloud_view& x) {
    return f(x.has_listed_, x.known_, x.requests_, x.forgotten_);
  }

private:
  struct row {
    cloud_state state = cloud_state::creating;
    instance_cause cause = instance_cause::requested;
    bool removal_asked = false;
    int32_t missed = 0;
    group_time since = {};
    group_time last_seen = {};

    template <class Inspector>
    friend typename Inspector::result_type inspect(Inspector& f, row& x) {
      return f(x.state, x.cause, x.removal_asked, x.missed, x.since,
               x.last_seen);
    }
  };

  struct request {
    group_time made = {};
    group_time give_up = never; ///< once it is answered
    bool answered = false;

    template <class Inspector>
    friend typename Inspector::result_type inspect(Inspector& f, request& x) {
      return f(x.made, x.give_up, x.answered);
    }
  };

  using rows = std::map<instance_id, row>;

  observation observe(observation::kind what, const rows::value_type& x) const;
  void see(const listed& x, group_time now, std::vector<observation>& seen);
  void discover(const listed& x, group_time now,
                std::vector<observation>& seen);
  void miss_absent(const std::set<instance_id>& present, group_time seen_before,
                   std::vector<observation>& seen);

  bool has_listed_ = false;
  rows known_;
  std::deque<request> requests_;          ///< oldest first
  std::map<instance_id, bool> forgotten_; ///< whether it comes back
};

} // namespace muster
