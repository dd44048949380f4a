#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace muster {

/// What tells one version of a file from another.
struct file_stamp {
  bool exists = false;
  int64_t modified_ns = 0;
  int64_t size_bytes = 0;
  uint64_t inode = 0;

  bool operator==(const file_stamp&) const = default;
};

file_stamp stamp_of(const std::string& path);

enum class file_sight : uint8_t {
  same,     ///< as it was read
  settling, ///< it changes: look again soon
  changed,  ///< to be read
  gone,     ///< it is not there any more; told once
};

/// Decides when a file that people edit is read again: when it has changed, and
/// has been the same in two looks. Editors write in pieces, or move a file away
/// before the new one comes. A value.
class file_watch {
public:
  explicit file_watch(const file_stamp& read) : read_(read) {
  }

  file_sight look(const file_stamp& now);

  /// It was read anyway; `stamp` is from before that.
  void was_read(const file_stamp& stamp);

private:
  file_stamp read_;
  std::optional<file_stamp> seen_; ///< while it changes
};

} // namespace muster
