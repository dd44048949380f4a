#pragma once

#include <cstdint>
#include <string>

namespace muster {

/// What a file's content is known by.
struct fingerprint {
  std::string hash;  ///< the first 16 digits of its SHA-256
  uint64_t size = 0; ///< 0: it is empty or cannot be read [bytes]
};

/// Reads a regular file. By pieces: megabytes read at once would stay a
/// manager's memory.
fingerprint fingerprint_of(const std::string& path);

} // namespace muster
