#pragma once

#include "actors/clock.hpp"

#include <caf/message.hpp>
#include <chrono>
#include <cstdint>
#include <string>

namespace muster {

/// What a record tells; a byte of a file: append, never reuse.
enum class record_kind : uint8_t {
  born = 1, ///< `to` begins; its first behaviour is set up then
  handled,  ///< `to` handles a message, a down or an exit
  sent,     ///< to an edge
  note,     ///< a remark of `to`, or of the program itself
  ended,    ///< `to` has ended; `what` is an `exit_told`
  gap,      ///< records are missing here
  state,    ///< in a segment's snapshot: `to` is alive
};

std::string to_string(record_kind x);

/// One actor for its life: roles are filled again when an actor fails.
struct player {
  std::string role;    ///< `runner:a/group/instance:i-1`
  uint32_t number = 0; ///< of this actor in the run, from 1; 0: nobody known
  uint32_t life = 0;   ///< 1 for the first actor in this role

  bool operator==(const player&) const = default;
};

/// `runner:a/group`, `runner:a/group#2`; `-` if nobody is known.
std::string to_string(const player& x);

/// One record of a run, decoded. Peers have a role and no handle, secrets are
/// `#17` for the 17th different one, empty ones are empty; scripts and the like
/// are a length and a checksum in words.
struct record {
  uint64_t number = 0; ///< in the run, from 1 on; missing ones were lost
  std::chrono::nanoseconds at{0}; ///< since the run began; of what is handled
  int64_t unix_us = 0;            ///< the wall clock, then [us]
  record_kind kind = record_kind::handled;
  player from; ///< who has sent it; nobody: an edge without a role
  player to;
  /// Comes from outside of the deciding actors: from an edge or a timer, or is
  /// a down.
  bool is_input = false;
  bool is_timer = false; ///< of these: sent by the actor to itself, earlier
  std::string type;      ///< of `what`: `acquire`; empty: it has none
  caf::message what;     ///< one element; empty if `problem` is set
  std::string problem;   ///< why `what` could not be decoded
  uint64_t missing = 0;  ///< of a `gap`: so many records
};

} // namespace muster
