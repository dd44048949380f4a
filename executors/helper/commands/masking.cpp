#include "executors/helper/commands/masking.hpp"

#include <algorithm>
#include <utility>

namespace muster::helper {

namespace {

constexpr std::string_view command = "::add-mask::";
constexpr std::string_view mask = "[MASKED]";

/// A longer line is no command.
constexpr size_t line_bytes_max = 64u << 10;

bool may_be_command(std::string_view line) {
  return line.size() < command.size() ? command.starts_with(line)
                                      : line.starts_with(command);
}

} // namespace

bool add_value(std::vector<std::string>& to, const std::string& value) {
  if (value.empty() || std::find(to.begin(), to.end(), value) != to.end())
    return false;
  auto place = std::find_if(to.begin(), to.end(), [&value](const auto& x) {
    return x.size() < value.size();
  });
  to.insert(place, value);
  return true;
}

masking_stream::masking_stream(std::vector<std::string>& values,
                               std::function<void(const std::string&)> learned)
  : values_(values),
    learned_(std::move(learned)) {
}

std::string masking_stream::take(std::string_view bytes) {
  std::string shown;
  while (!bytes.empty()) {
    auto end = bytes.find('\n');
    auto whole = end != std::string_view::npos;
    auto piece = bytes.substr(0, whole ? end + 1 : end);
    bytes.remove_prefix(piece.size());
    if (at_line_start_ || !line_.empty()) {
      line_ += piece;
      at_line_start_ = false;
      auto possible = may_be_command(line_) && line_.size() < line_bytes_max;
      if (possible && !whole)
        continue;
      if (possible && line_.size() > command.size()) {
        auto value = line_.substr(command.size());
        value.erase(value.find_last_not_of("\r\n") + 1);
        if (add_value(values_, value))
          learned_(value);
        line_.clear();
        at_line_start_ = true;
        continue;
      }
      shown += pass(std::exchange(line_, {}), false);
    } else {
      shown += pass(piece, false);
    }
    at_line_start_ = whole;
  }
  return shown;
}

std::string masking_stream::finish() {
  return pass(std::exchange(line_, {}), true);
}

std::string masking_stream::pass(std::string_view text, bool at_end) {
  held_ += text;
  std::string shown;
  size_t at = 0;
  while (at < held_.size()) {
    std::string_view rest{held_};
    rest.remove_prefix(at);
    auto starts = [rest](const std::string& x) { return rest.starts_with(x); };
    auto found = std::find_if(values_.begin(), values_.end(), starts);
    // A longer value that could still come must not be cut by a shorter one.
    auto open
      = !at_end
        && std::any_of(values_.begin(), found, [rest](const std::string& x) {
             return x.size() > rest.size()
                    && std::string_view{x}.starts_with(rest);
           });
    if (open)
      break;
    if (found != values_.end()) {
      shown += mask;
      at += found->size();
    } else {
      shown += held_[at++];
    }
  }
  held_.erase(0, at);
  return shown;
}

} // namespace muster::helper
