#pragma once

#include "executors/helper/archive/bytes.hpp"

#include <memory>
#include <optional>
#include <string_view>

namespace muster::helper {

/// The names that ARTIFACT_COMPRESSION_LEVEL and CACHE_COMPRESSION_LEVEL have.
enum class compression_level : uint8_t { fastest, fast, normal, slow, slowest };

/// Reads a level's name; nothing for another text. No text is `normal`.
std::optional<compression_level> level_of(std::string_view name);

/// Returns zlib's level: 0 (stored), 1, 5, 7, 9.
int deflate_level(compression_level level);

/// Returns zstd's level.
int zstd_level(compression_level level);

/// Compresses streams of bytes, one after the other.
class compressor {
public:
  virtual ~compressor() = default;

  virtual outcome write(std::string_view bytes, byte_sink& to) = 0;

  /// Ends a stream; the next `write` begins another.
  virtual outcome finish(byte_sink& to) = 0;
};

/// What a gzip member says of its file.
struct gzip_header {
  std::string name;
  std::string comment;
  int64_t modified_s = 0;
};

/// Errors: `failed`, no memory.
result<std::unique_ptr<compressor>, helper_errc>
make_deflater(compression_level level);
result<std::unique_ptr<compressor>, helper_errc>
make_zstd_compressor(compression_level level);

/// Compresses all of `content` as one gzip member.
outcome write_gzip_member(const gzip_header& header, compression_level level,
                          const byte_source& content, byte_sink& to);

/// Undoes a compression, of foreign bytes.
class decompressor {
public:
  struct step {
    size_t taken = 0; ///< of the input [bytes]
    size_t given = 0; ///< to the output [bytes]
    bool ended = false;
  };

  virtual ~decompressor() = default;

  /// Errors: `failed`, the bytes are damaged.
  virtual result<step, helper_errc> run(std::string_view in, char* out,
                                        size_t size)
    = 0;
};

result<std::unique_ptr<decompressor>, helper_errc> make_inflater();
result<std::unique_ptr<decompressor>, helper_errc> make_zstd_decompressor();

/// Of gzip members, whatever they are called.
result<std::unique_ptr<decompressor>, helper_errc> make_gunzip();

/// Returns what is in `from` decompressed. With `concatenated` streams may
/// follow each other until `from` ends (zstd frames, gzip members); else what
/// follows the first is left. Errors: `failed`, damaged or cut off.
byte_source decompressed(byte_source from, std::unique_ptr<decompressor> by,
                         bool concatenated);

} // namespace muster::helper
