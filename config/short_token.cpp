#include "config/config.hpp"

#include <algorithm>
#include <string_view>

namespace muster {

namespace {

constexpr size_t shown_max = 9; // characters

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix))
    return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// `t1_`, `t2_`, `t3_`: the kind of runner that the token was made for.
void take_kind(std::string_view& text) {
  for (auto kind : {"t1_", "t2_", "t3_"})
    if (take(text, kind))
      return;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
         || (c >= 'A' && c <= 'F');
}

} // namespace

std::string short_token(const secret& token) {
  std::string_view text = token.reveal();
  if (!take(text, "glrtr-")) {
    take(text, "glrt-");
    take_kind(text);
  }
  take(text, "glcbt-");
  constexpr size_t registration_digits = 7; // a legacy prefix such as GR1348941
  if (text.starts_with("GR") && text.size() >= 2 + registration_digits
      && std::ranges::all_of(text.substr(2, registration_digits), is_hex))
    text.remove_prefix(2 + registration_digits);
  return std::string{text.substr(0, shown_max)};
}

} // namespace muster
