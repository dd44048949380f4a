#include "actors/trace/limit.hpp"

#include "actors/trace/utf8.hpp"

#include <algorithm>

namespace muster {

output_limit::output_limit(int64_t bytes)
  : limit_(std::max<int64_t>(bytes, 1)) {
}

std::string_view output_limit::take(std::string_view text) {
  if (reached_)
    return {};
  auto room = static_cast<size_t>(limit_ - taken_);
  if (text.size() >= room) {
    reached_ = true;
    text = text.substr(0, whole_prefix(text, room));
  }
  taken_ += static_cast<int64_t>(text.size());
  return text;
}

std::string output_limit::notice() const {
  return "\n\x1b[33;1mJob's log exceeded limit of " + std::to_string(limit_)
         + " bytes.\nJob execution will continue but no more output will be "
           "collected.\x1b[0;m\n";
}

} // namespace muster
