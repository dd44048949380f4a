#pragma once

#include "executors/helper/archive/bytes.hpp"
#include "executors/helper/archive/compression.hpp"
#include "executors/helper/archive/entry.hpp"

#include <memory>
#include <string_view>

namespace muster::helper {

enum class archive_format : uint8_t { zip, zipzstd, tarzstd, gzip, raw };

/// Reads a format's name; nothing for another text. No text is `zip`.
std::optional<archive_format> format_of(std::string_view name);

/// Returns `.zip`, `.tar.zst`, `.gz`, or nothing for `raw`.
std::string_view extension_of(archive_format format);

/// Writes an archive to a sink, front to back: nothing is sought, so that the
/// sink may be an upload; memory is needed for what a zip says of its entries
/// at its end only.
class archive_writer {
public:
  virtual ~archive_writer() = default;

  /// Adds an entry; of a file at most `size_bytes` are read. What the format
  /// has no place for (folders in gzip) is left out.
  /// Errors: `failed`, the source's or the sink's.
  virtual outcome add(const archive_entry& what, const byte_source& content)
    = 0;

  virtual outcome finish() = 0;
};

/// Errors: `failed`, no memory.
result<std::unique_ptr<archive_writer>, helper_errc>
make_archive_writer(archive_format format, compression_level level,
                    byte_sink& to);

} // namespace muster::helper
