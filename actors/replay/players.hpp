#pragma once

#include "actors/recorder/record.hpp"
#include "actors/replay/normal_text.hpp"
#include "actors/traced.hpp"

#include <caf/all.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace muster {

/// Somebody in a replay: an actor that runs again, or one who stands in.
struct actor_again {
  player who;
  caf::actor handle;
  bool runs = false;      ///< again; else a stand-in
  bool has_ended = false; ///< in the replay
  bool is_over = false;   ///< in the recording
  bool from_snapshot = false;
  state_text show = nullptr;
  std::deque<comparable> notes; ///< remarked, and not compared yet

  struct timer {
    time_point due;
    comparable what;
  };
  std::vector<timer> timers; ///< set, and not come yet
};

/// What was sent again and is not recorded yet.
struct sent_again {
  comparable what; ///< as it was sent, with its handles
  time_point at;
  uint64_t record = 0; ///< at which it was sent
  uint64_t number = 0; ///< in the order of sending; 0: that is not known
};

/// All who ever took part, by their numbers in the recording and by their
/// actors in the replay.
class players {
public:
  actor_again& add(actor_again x);

  /// Null if there is nobody.
  actor_again* by_number(uint32_t number);
  actor_again* by_actor(caf::actor_id id);

  /// The last one in a role; null if there was none.
  actor_again* by_role(const std::string& role);

  template <class F>
  void for_each(F what) {
    for (auto& x : all_)
      what(x);
  }

  /// The recorded number of somebody who was known by his role so far.
  void bind(actor_again& x, const player& who);

  void clear();

private:
  std::deque<actor_again> all_; ///< addresses stay
  std::map<uint32_t, actor_again*> numbers_;
  std::map<caf::actor_id, actor_again*> actors_;
  std::map<std::string, actor_again*> roles_;
};

} // namespace muster
