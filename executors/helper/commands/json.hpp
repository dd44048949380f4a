#pragma once

#include <string>
#include <string_view>

namespace muster::helper {

/// Returns a text as JSON, with its quotes.
inline std::string json_text(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += static_cast<char>(c);
    } else if (c < 32) {
      result += "\\u00";
      result += digits[c >> 4];
      result += digits[c & 15];
    } else {
      result += static_cast<char>(c);
    }
  }
  return result + "\"";
}

} // namespace muster::helper
