#pragma once

#include "executors/helper/archive/bytes.hpp"
#include "executors/helper/archive/entry.hpp"
#include "executors/helper/archive/zip_format.hpp"

#include <functional>
#include <string>

namespace muster::helper {

/// Reads a zip file by its directory. Foreign bytes: every offset and size is
/// checked against the file, sizes and checksums against what came out; memory
/// does not grow with what the file claims.
class zip_reader {
public:
  /// @param file open for reading; stays the caller's, must outlive the reader
  /// Errors: `failed`: no zip, damaged, or more than one disk.
  static result<zip_reader, helper_errc> open(int file);

  /// Tells of each entry, in the directory's order; `content` may be read or
  /// left, until `take` returns. Ends at the first error, its own or `take`'s.
  using taker
    = std::function<outcome(const archive_entry&, const byte_source& content)>;
  outcome each(const taker& take) const;

  uint64_t entries() const {
    return entries_;
  }

private:
  struct member {
    archive_entry facts;
    uint16_t flags = 0;
    zip::method method = zip::method::stored;
    uint32_t crc = 0;
    uint64_t packed_bytes = 0;
    uint64_t offset = 0;
  };

  explicit zip_reader(int file) : file_(file) {
  }

  outcome find_directory();
  outcome read_end64(uint64_t end_at);
  result<std::string, helper_errc> read(uint64_t at, uint64_t size) const;
  result<member, helper_errc> read_member(uint64_t& at) const;
  result<byte_source, helper_errc> content_of(const member& of) const;
  outcome take_member(member& of, const taker& take) const;

  int file_;
  uint64_t size_ = 0;      ///< of the file
  uint64_t shift_ = 0;     ///< bytes in front of the zip
  uint64_t directory_ = 0; ///< where it begins in the file
  uint64_t directory_end_ = 0;
  uint64_t entries_ = 0;
};

} // namespace muster::helper
