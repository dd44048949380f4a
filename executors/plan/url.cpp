#include "executors/plan/url.hpp"

#include <algorithm>
#include <charconv>

namespace muster {

namespace {

bool is_scheme_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

} // namespace

std::string git_url::base() const {
  return scheme + "://" + host;
}

bool git_url::is_http() const {
  return (scheme == "http" || scheme == "https") && !host.empty();
}

std::optional<git_url> parse_git_url(std::string_view text) {
  auto colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0)
    return std::nullopt;
  auto scheme = text.substr(0, colon);
  if (!std::all_of(scheme.begin(), scheme.end(), is_scheme_character))
    return std::nullopt;
  git_url result;
  std::transform(scheme.begin(), scheme.end(),
                 std::back_inserter(result.scheme), to_lower);
  text.remove_prefix(colon + 3);
  auto authority = text.substr(0, text.find_first_of("/?#"));
  text.remove_prefix(authority.size());
  if (auto at = authority.rfind('@'); at != std::string_view::npos) {
    result.user_info = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  result.host = authority;
  result.path = text.substr(0, text.find_first_of("?#"));
  return result;
}

std::string without_credentials(std::string_view text) {
  auto url = parse_git_url(text);
  return url ? url->base() + url->path : std::string{text};
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    unsigned value = 0;
    auto digits = text.substr(i + 1, 2);
    auto end = digits.data() + digits.size();
    if (digits.size() != 2
        || std::from_chars(digits.data(), end, value, 16).ptr != end)
      return std::nullopt;
    result += static_cast<char>(value);
    i += 2;
  }
  return result;
}

} // namespace muster
