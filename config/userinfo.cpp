#include "config/userinfo.hpp"

#include <algorithm>

namespace muster {

std::vector<text_range> find_userinfo(std::string_view text) {
  constexpr std::string_view mark = "://";
  std::vector<text_range> found;
  for (auto at = text.find(mark); at != std::string_view::npos;) {
    auto begin = at + mark.size();
    auto end = std::min(text.find_first_of(" \t\r\n\"'<>", begin), text.size());
    // Up to the last one: a password may have a `/` or `@` in it, though it
    // should not.
    auto sign = text.substr(begin, end - begin).rfind('@');
    if (sign != std::string_view::npos)
      found.push_back({begin, begin + sign});
    at = text.find(mark, sign == std::string_view::npos ? begin : end);
  }
  return found;
}

std::string without_userinfo(std::string_view text) {
  std::string out;
  size_t done = 0;
  for (const auto& x : find_userinfo(text)) {
    out += text.substr(done, x.begin - done);
    out += "[MASKED]";
    done = x.end;
  }
  out += text.substr(done);
  return out;
}

} // namespace muster
