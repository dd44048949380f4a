#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// The finished bytes of one log, kept whole until the job is over, so that any
/// part can be sent again: the first 64 KiB in memory, the rest in an unlinked
/// file of mode 0600. A file that cannot be made or written (disk full) costs
/// memory, not output: what follows stays in memory.
class log_store {
public:
  /// `folder` is where the file is made; nothing is touched before it is
  /// needed.
  explicit log_store(std::string folder);
  ~log_store();

  log_store(const log_store&) = delete;
  log_store& operator=(const log_store&) = delete;

  void append(std::string_view bytes);

  /// Returns at most `max` bytes from `offset` on; nothing at or beyond the
  /// end.
  std::string read(int64_t offset, size_t max) const;

  int64_t size() const;

  /// CRC-32/IEEE of all bytes.
  uint32_t crc32() const {
    return crc_;
  }

private:
  static constexpr size_t head_max = 64u << 10; ///< [bytes]

  bool open_file();
  size_t write_file(std::string_view bytes);

  std::string folder_;
  std::string head_;
  int file_ = -1;
  int64_t file_size_ = 0;
  bool file_failed_ = false;
  std::string tail_; ///< what the file did not take
  uint32_t crc_ = 0;
};

} // namespace muster
