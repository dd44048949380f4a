#pragma once

#include <cstdint>
#include <string>

namespace muster {

// The states of things that messages tell. Free of CAF, so that pure decisions
// can be written in the same words.

/// State of an instance as its cloud tells it.
enum class cloud_state : uint8_t {
  creating,
  running,
  deleting,
  deleted,
  timeout,
  suspending,
  suspended,
  resuming,
};

/// State of an instance as its actor tells it.
enum class instance_phase : uint8_t {
  creating,  ///< the cloud makes it
  preparing, ///< it runs; muster connects and runs the ready command
  ready,     ///< jobs may be given to it
  draining,  ///< no new job; jobs on it end
  deleting,  ///< nothing on it; the cloud removes it
  gone,      ///< the cloud does not list it any more
};

/// Why an instance is there (reference/autoscaling, section 2).
enum class instance_cause : uint8_t {
  requested,  ///< a request was open when it appeared
  preexisted, ///< in the first listing
  unexpected, ///< appeared although nobody had asked
};

/// State of one unit of an instance's capacity.
enum class slot_phase : uint8_t { free, held, cleaning, unusable };

inline std::string to_string(cloud_state x) {
  switch (x) {
    case cloud_state::creating:
      return "creating";
    case cloud_state::running:
      return "running";
    case cloud_state::deleting:
      return "deleting";
    case cloud_state::deleted:
      return "deleted";
    case cloud_state::timeout:
      return "timeout";
    case cloud_state::suspending:
      return "suspending";
    case cloud_state::suspended:
      return "suspended";
    case cloud_state::resuming:
      return "resuming";
  }
  return "unknown";
}

inline std::string to_string(instance_phase x) {
  switch (x) {
    case instance_phase::creating:
      return "creating";
    case instance_phase::preparing:
      return "preparing";
    case instance_phase::ready:
      return "ready";
    case instance_phase::draining:
      return "draining";
    case instance_phase::deleting:
      return "deleting";
    case instance_phase::gone:
      return "gone";
  }
  return "unknown";
}

inline std::string to_string(instance_cause x) {
  switch (x) {
    case instance_cause::requested:
      return "requested";
    case instance_cause::preexisted:
      return "preexisted";
    case instance_cause::unexpected:
      return "unexpected";
  }
  return "unknown";
}

inline std::string to_string(slot_phase x) {
  switch (x) {
    case slot_phase::free:
      return "free";
    case slot_phase::held:
      return "held";
    case slot_phase::cleaning:
      return "cleaning";
    case slot_phase::unusable:
      return "unusable";
  }
  return "unknown";
}

} // namespace muster
