#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::gitlab {

/// `Content-Range` of a trace patch: `<first>-<last>`, both inclusive, in bytes
/// (reference/job-api, section 1).
struct byte_range {
  uint64_t first = 0;
  uint64_t last = 0;
};

/// Reads a `Content-Range` of the job API; nothing if it is none.
std::optional<byte_range> parse_range(std::string_view text);

/// CRC-32/IEEE of `bytes`.
uint32_t crc32_of(std::string_view bytes);

/// `crc32:` and eight lower-case hex digits.
std::string checksum_text(uint32_t crc);

/// When a piece of a trace came in, and which.
struct trace_arrival {
  int64_t at_us = 0; ///< Unix time [µs]
  uint64_t offset = 0;
  uint64_t size = 0; ///< [bytes]
};

/// The log of one job as received. Pieces are kept as they came: nothing is
/// copied together until somebody reads.
class trace_log {
public:
  /// What is beyond `keep_max` is counted and summed, but not kept [bytes].
  explicit trace_log(uint64_t keep_max = uint64_t{64} << 20)
    : keep_max_(keep_max) {
  }

  /// Appends a piece whose CRC is already known, so that it need not be
  /// computed under a lock. Returns how many of its bytes are kept.
  uint64_t append(std::string&& piece, uint32_t crc, int64_t at_us);

  /// Forgets all, as after a 412: the client sends from the start again.
  void clear();

  uint64_t size() const {
    return size_;
  }
  uint32_t crc() const {
    return crc_;
  }
  uint64_t kept() const {
    return kept_;
  }
  const std::vector<trace_arrival>& arrivals() const {
    return arrivals_;
  }

  /// Returns the kept bytes from `offset` on, at most `max` of them.
  std::string read(uint64_t offset, uint64_t max) const;

private:
  uint64_t keep_max_;
  uint64_t size_ = 0;
  uint64_t kept_ = 0;
  uint32_t crc_ = 0;
  std::vector<std::string> pieces_;
  std::vector<uint64_t> starts_; ///< offset of each piece
  std::vector<trace_arrival> arrivals_;
};

} // namespace muster::gitlab
