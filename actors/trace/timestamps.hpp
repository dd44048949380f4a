#pragma once

#include "actors/trace/sink.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// Puts GitLab's header of 32 bytes before each line: time, stream, and whether
/// it continues the stream's previous line (reference/trace, section 4.4).
///
/// A line has the time of its first byte. An unfinished line waits for its end,
/// unless it holds a carriage return or grows beyond 8 KiB: then it is ended
/// here, and the next one is marked as its continuation.
class timestamper final : public trace_sink {
public:
  /// `stream` is 0 for the manager's lines and 1 for the job's; `letter` is `O`
  /// or `E`.
  timestamper(uint8_t stream, char letter, trace_sink& next);

  /// Sets the time of what is written next. [microseconds, Unix time]
  void set_time(int64_t unix_us);

  void text(std::string_view bytes) override;
  void mask() override;

  /// Ends an unfinished line.
  void close();

private:
  static constexpr size_t header_size = 32;

  /// Returns the header of a line that begins now.
  std::string_view header();
  void format_second(int64_t unix_s);

  /// Writes an unfinished line and ends it.
  void cut(std::string_view rest);

  trace_sink& next_;
  std::array<char, header_size> header_{};
  std::string line_; ///< an unfinished line with its header
  int64_t now_us_ = 0;
  int64_t second_ = -1; ///< that `header_` shows
  bool continued_ = false;
};

} // namespace muster
