#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::helper {

/// Masks values in a stream of output, and learns more of them from lines
/// `::add-mask::VALUE`, which it leaves out.
///
/// Output is passed on at once but for what may become such a line or a value:
/// the beginning of a line that could still be one, and an end that is the
/// beginning of a value.
class masking_stream {
public:
  /// @param values shared by all streams of a command; longest first
  /// @param learned called with each new value
  masking_stream(std::vector<std::string>& values,
                 std::function<void(const std::string&)> learned);

  /// Returns what may be shown of the output until here.
  std::string take(std::string_view bytes);

  /// Returns the rest, at the end of the output.
  std::string finish();

private:
  std::string pass(std::string_view text, bool at_end);

  std::vector<std::string>& values_;
  std::function<void(const std::string&)> learned_;
  std::string line_; ///< the beginning of a line that may be a command
  bool at_line_start_ = true;
  std::string held_; ///< may be the beginning of a value
};

/// Adds a value; empty ones and those known are left out.
/// @return whether it is new
bool add_value(std::vector<std::string>& to, const std::string& value);

} // namespace muster::helper
