#pragma once

#include <cstdint>
#include <string>

namespace muster {

/// What somebody in a recording is, by the role.
enum class part : uint8_t {
  other, ///< is played by the recording
  runner,
  coordinator,
  job,
  trace,
  group,
  instance,
  slot,
};

part part_of(const std::string& role);

/// Whether what it is sent is recorded at that moment, and not when it is
/// handled: it stands on `watched`.
bool is_edge(const std::string& role);

/// Whether the state is in a snapshot.
bool is_restorable(part x);

/// Who has started it, where that is told by the role.
std::string parent_of(const std::string& role);

/// `runner:a/group` -> `a`.
std::string runner_of(const std::string& role);

} // namespace muster
