#pragma once

#include "messages/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace muster::gitlab {

enum class artifact_errc : uint8_t {
  disk = 1,  ///< no file can be made or written
  too_large, ///< it would be larger than it may
};

/// The bytes of an artifact, in a file that has no name: it is gone with this
/// object, also when the program dies. Reading it is safe from any thread once
/// it is whole.
class artifact_file {
public:
  /// In the folder of temporary files; /var/tmp if TMPDIR names none, since
  /// artifacts are large and /tmp may be in memory.
  static result<std::unique_ptr<artifact_file>, artifact_errc>
  create(uint64_t size_max);

  ~artifact_file();
  artifact_file(const artifact_file&) = delete;
  artifact_file& operator=(const artifact_file&) = delete;

  result<void, artifact_errc> append(std::string_view bytes);

  uint64_t size() const {
    return size_;
  }
  /// CRC-32 of all of it.
  uint32_t crc() const {
    return crc_;
  }
  /// At most `size` bytes from `offset` on; empty at its end.
  std::string read(uint64_t offset, size_t size) const;

private:
  artifact_file(int fd, uint64_t size_max) : fd_(fd), size_max_(size_max) {
  }

  int fd_;
  uint64_t size_max_;
  uint64_t size_ = 0;
  uint32_t crc_ = 0;
};

} // namespace muster::gitlab
