#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

// Numbers as the recording has them: seven bits a byte, the lowest first.

inline void put_varint(std::string& to, uint64_t x) {
  for (; x >= 0x80; x >>= 7)
    to.push_back(static_cast<char>(x | 0x80));
  to.push_back(static_cast<char>(x));
}

/// Signed numbers: small ones of both signs are short.
inline void put_zigzag(std::string& to, int64_t x) {
  put_varint(to,
             static_cast<uint64_t>(x) << 1 ^ static_cast<uint64_t>(x >> 63));
}

/// Takes a number from the front; false if there is none.
inline bool take_varint(std::string_view& from, uint64_t& x) {
  x = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    auto byte = static_cast<uint8_t>(from.front());
    from.remove_prefix(1);
    x |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80)
      return true;
  }
  return false;
}

inline bool take_zigzag(std::string_view& from, int64_t& x) {
  uint64_t raw = 0;
  if (!take_varint(from, raw))
    return false;
  x = static_cast<int64_t>(raw >> 1 ^ (~(raw & 1) + 1));
  return true;
}

/// A text with its length before it.
inline void put_text(std::string& to, std::string_view x) {
  put_varint(to, x.size());
  to.append(x);
}

inline bool take_text(std::string_view& from, std::string_view& x) {
  uint64_t size = 0;
  if (!take_varint(from, size) || size > from.size())
    return false;
  x = from.substr(0, size);
  from.remove_prefix(size);
  return true;
}

} // namespace muster
