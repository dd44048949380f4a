#include "tools/coordinator/pipeline/glob.hpp"

#include <string>
#include <vector>

namespace muster::gitlab {

namespace {

constexpr size_t pattern_max = 1000; ///< [bytes]
constexpr size_t alternatives_max = 1000;
constexpr size_t steps_max
  = 2'000'000; ///< patterns of many stars take for ever

/// Where the brace that is opened at `from` is closed; npos if it is not.
size_t closing(std::string_view text, size_t from) {
  int depth = 0;
  for (size_t i = from; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '{')
      ++depth;
    else if (text[i] == '}' && --depth == 0)
      return i;
  }
  return std::string_view::npos;
}

/// `a{b,c}` as `ab` and `ac`.
void expand(const std::string& pattern, std::vector<std::string>& to) {
  auto open = pattern.find('{');
  auto close = open == std::string::npos ? open : closing(pattern, open);
  if (close == std::string::npos || to.size() >= alternatives_max) {
    to.push_back(pattern);
    return;
  }
  auto head = pattern.substr(0, open);
  auto tail = pattern.substr(close + 1);
  int depth = 0;
  std::string word;
  for (size_t i = open + 1; i <= close; ++i) {
    char c = pattern[i];
    if (depth == 0 && (c == ',' || i == close)) {
      if (to.size() < alternatives_max)
        expand(head + word + tail, to);
      word.clear();
      continue;
    }
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    word += c;
  }
}

class matcher {
public:
  bool fits(std::string_view pattern, std::string_view path) {
    while (!pattern.empty()) {
      if (++steps_ > steps_max)
        return false;
      if (pattern.starts_with("**/"))
        return fits_folders(pattern.substr(3), path);
      if (pattern == "**")
        return true;
      if (pattern.front() == '*')
        return fits_star(pattern.substr(pattern.find_first_not_of('*')
                                            == std::string_view::npos
                                          ? pattern.size()
                                          : pattern.find_first_not_of('*')),
                         path);
      if (path.empty() || !fits_one(pattern, path.front()))
        return false;
      path.remove_prefix(1);
    }
    return path.empty();
  }

private:
  bool fits_folders(std::string_view rest, std::string_view path) {
    for (;;) {
      if (fits(rest, path))
        return true;
      auto slash = path.find('/');
      if (slash == std::string_view::npos)
        return false;
      path.remove_prefix(slash + 1);
    }
  }

  bool fits_star(std::string_view rest, std::string_view path) {
    for (;;) {
      if (fits(rest, path))
        return true;
      if (path.empty() || path.front() == '/')
        return false;
      path.remove_prefix(1);
    }
  }

  /// Takes one sign off the pattern.
  static bool fits_one(std::string_view& pattern, char c) {
    char sign = pattern.front();
    pattern.remove_prefix(1);
    if (sign == '?')
      return c != '/';
    if (sign == '[')
      if (auto close = pattern.find(']', 1); close != std::string_view::npos) {
        auto set = pattern.substr(0, close);
        pattern.remove_prefix(close + 1);
        return c != '/' && in_set(set, c);
      }
    if (sign == '\\' && !pattern.empty()) {
      sign = pattern.front();
      pattern.remove_prefix(1);
    }
    return sign == c;
  }

  static bool in_set(std::string_view set, char c) {
    bool negated = set.front() == '!' || set.front() == '^';
    if (negated)
      set.remove_prefix(1);
    bool found = false;
    for (size_t i = 0; i < set.size(); ++i) {
      if (i + 2 < set.size() && set[i + 1] == '-') {
        found |= set[i] <= c && c <= set[i + 2];
        i += 2;
      } else {
        found |= set[i] == c;
      }
    }
    return found != negated;
  }

  size_t steps_ = 0;
};

} // namespace

bool path_fits(std::string_view pattern, std::string_view path) {
  if (pattern.size() > pattern_max)
    return false;
  while (pattern.starts_with('/'))
    pattern.remove_prefix(1);
  std::vector<std::string> patterns;
  expand(std::string{pattern}, patterns);
  matcher match;
  for (const auto& x : patterns)
    if (match.fits(x, path))
      return true;
  return false;
}

bool is_pattern(std::string_view text) {
  return text.find_first_of("*?[{") != std::string_view::npos;
}

} // namespace muster::gitlab
