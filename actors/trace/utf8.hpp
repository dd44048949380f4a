#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace muster {

/// Makes a stream of bytes valid UTF-8, as GitLab stores text: each byte that
/// is not part of a valid sequence becomes U+FFFD, one for one, as Go does it.
/// A sequence may span writes.
class utf8_repair {
public:
  /// Returns the repaired bytes: `bytes` itself if nothing had to be changed,
  /// else they are in `scratch`. An unfinished sequence at the end waits.
  std::string_view repair(std::string_view bytes, std::string& scratch);

  /// Returns what the stream ends with: one U+FFFD for each byte that waits.
  std::string close();

private:
  std::string waiting_; ///< at most three bytes
};

/// Returns the size of the longest prefix of at most `size_max` bytes that does
/// not end within a sequence. @pre `text` is valid UTF-8
size_t whole_prefix(std::string_view text, size_t size_max);

} // namespace muster
