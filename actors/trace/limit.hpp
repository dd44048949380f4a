#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace muster {

/// Ends a log at `output_limit`. What would reach or exceed the limit is cut,
/// without splitting a UTF-8 sequence, a notice follows, and everything later
/// is dropped (reference/job-api, section 5; reference/trace, section 3): all
/// but the line that tells how the job ended, which is not given to this.
class output_limit {
public:
  /// [bytes]; at least 1.
  explicit output_limit(int64_t bytes);

  /// Returns how much of `text` belongs to the log. @pre valid UTF-8
  std::string_view take(std::string_view text);

  /// Nothing more is taken; `notice()` follows what was.
  bool reached() const {
    return reached_;
  }

  std::string notice() const;

private:
  int64_t limit_;
  int64_t taken_ = 0;
  bool reached_ = false;
};

} // namespace muster
