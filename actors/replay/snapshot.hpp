#pragma once

#include "actors/group/group.hpp"
#include "actors/instance/instance.hpp"
#include "actors/recorder/codec.hpp"
#include "actors/replay/state_codec.hpp"
#include "actors/slot/slot.hpp"

#include <string>
#include <string_view>

namespace muster {

// States of those that run again, as a segment of a recording begins with them.

/// Appends the state of a group, an instance or a slot; nothing for others, and
/// for a group that is about to take another provider.
void put_snapshot(std::string& to, const caf::local_actor& self,
                  writing_context& context);

/// What of an instance is not its state.
struct instance_snapshot {
  std::string group;
  instance_id id;
  instance_life::options options;
};

/// The state in a snapshot, its moments by the clock of the replay.
class snapshot_reader {
public:
  /// `now` is that of the replay at the moment of the snapshot.
  snapshot_reader(std::string_view bytes, time_point now,
                  const state_reader::finder& find);

  /// Whether there is one, of a form that this build reads.
  bool is_there() const {
    return is_there_;
  }

  /// Each returns false if the bytes are no such state.
  bool get(group_state& into, bool& has_provider);
  bool get(instance_snapshot& into);
  bool get(instance_state& into);
  bool get(slot_state& into);

private:
  bool is_there_ = false;
  uint8_t form_ = 0;
  state_reader from_;
};

} // namespace muster
