#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace muster::helper {

using outcome = result<void, helper_errc>;

/// Where bytes go: a file, an upload.
class byte_sink {
public:
  virtual ~byte_sink() = default;

  /// Takes all of the bytes. Errors: `failed`.
  virtual outcome write(std::string_view bytes) = 0;
};

/// Gives up to so many bytes; 0 is the end. Errors: `failed`.
using byte_source = std::function<result<size_t, helper_errc>(char*, size_t)>;

/// What is read or written at a time.
constexpr size_t piece_bytes = 128u << 10;

/// Writes `count` bytes of an integer, the lowest first.
inline void put_little(std::string& to, uint64_t value, int count) {
  for (int i = 0; i < count; ++i)
    to += static_cast<char>(value >> (8 * i));
}

/// Reads `count` bytes as an integer, the lowest first.
/// @pre there are as many
inline uint64_t get_little(std::string_view from, size_t at, int count) {
  uint64_t value = 0;
  for (int i = count; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(from[at + i]);
  return value;
}

} // namespace muster::helper
