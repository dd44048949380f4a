#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace muster {

/// A set of bytes that can be searched for fast: traces are long and the bytes
/// that filters wait for are rare.
class byte_set {
public:
  byte_set() = default;

  explicit byte_set(std::string_view bytes);

  void add(unsigned char byte);

  bool has(unsigned char byte) const {
    return member_[byte];
  }

  /// Whether `find` compares many bytes at a time.
  bool is_small() const {
    return size_ <= needles_max;
  }

  /// Returns the first position at or after `from` with a byte of the set, or
  /// the size of `where`.
  size_t find(std::string_view where, size_t from) const;

private:
  /// Up to this many members are compared 16 bytes at a time; with more, one
  /// table look-up per byte is faster.
  static constexpr size_t needles_max = 8;

  /// Skips blocks without a member.
  size_t skip_blocks(std::string_view where, size_t at) const;

  std::array<bool, 256> member_{};
  std::array<unsigned char, needles_max> needles_{};
  size_t size_ = 0;
};

} // namespace muster
