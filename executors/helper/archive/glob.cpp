#include "executors/helper/archive/glob.hpp"

#include <algorithm>
#include <dirent.h>
#include <memory>
#include <sys/stat.h>

namespace muster::helper {

namespace {

constexpr size_t alternatives_max = 1'000;

/// Symbolic links do not end a walk that goes in circles; mounts could.
constexpr size_t depth_max = 512;

using names = std::vector<std::string>;

/// Where the brace at `open` closes, and its commas; nothing if it does not.
std::vector<size_t> brace_parts(std::string_view text, size_t open) {
  std::vector<size_t> parts;
  int depth = 0;
  for (auto i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      if (depth++ == 0)
        parts.push_back(i);
    } else if (text[i] == ',' && depth == 1) {
      parts.push_back(i);
    } else if (text[i] == '}' && --depth == 0) {
      parts.push_back(i);
      return parts;
    }
  }
  return {};
}

size_t first_brace(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '{')
      return i;
  }
  return std::string_view::npos;
}

bool is_wild(std::string_view name) {
  return name.find_first_of("*?[\\") != std::string_view::npos;
}

/// Matches `c` with the class at the beginning of `pattern`, behind its `[`,
/// and moves behind its `]`. A class that does not end matches nothing.
bool class_matches(std::string_view& pattern, char c) {
  bool negated = !pattern.empty() && (pattern[0] == '!' || pattern[0] == '^');
  if (negated)
    pattern.remove_prefix(1);
  bool found = false;
  auto take = [&pattern] {
    if (pattern.size() > 1 && pattern[0] == '\\')
      pattern.remove_prefix(1);
    auto result = pattern[0];
    pattern.remove_prefix(1);
    return result;
  };
  for (bool first = true; !pattern.empty(); first = false) {
    if (pattern[0] == ']' && !first) {
      pattern.remove_prefix(1);
      return found != negated;
    }
    auto low = static_cast<unsigned char>(take());
    auto high = low;
    if (pattern.size() > 1 && pattern[0] == '-' && pattern[1] != ']') {
      pattern.remove_prefix(1);
      high = static_cast<unsigned char>(take());
    }
    auto byte = static_cast<unsigned char>(c);
    found = found || (low <= byte && byte <= high);
  }
  return false;
}

/// Bytes of the UTF-8 character that `text` begins with: `?` is one character.
size_t character_bytes(std::string_view text) {
  size_t n = 1;
  while (n < text.size() && n < 4
         && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80)
    ++n;
  return n;
}

bool matches_names(const names& pattern, size_t i, const names& path,
                   size_t k) {
  // Each `**` stands for the shortest that works; on failure the last one takes
  // a name more. Earlier ones need no other try: what they left matched.
  size_t star = pattern.size();
  size_t star_at = 0;
  while (k < path.size()) {
    if (i < pattern.size() && pattern[i] == "**") {
      star = i++;
      star_at = k;
    } else if (i < pattern.size() && name_matches(pattern[i], path[k])) {
      ++i;
      ++k;
    } else if (star < pattern.size()) {
      i = star + 1;
      k = ++star_at;
    } else {
      return false;
    }
  }
  while (i < pattern.size() && pattern[i] == "**")
    ++i;
  return i == pattern.size();
}

names split(std::string_view path) {
  names result;
  for (size_t begin = 0; begin <= path.size();) {
    auto end = std::min(path.find('/', begin), path.size());
    auto name = path.substr(begin, end - begin);
    bool repeated = name == "**" && !result.empty() && result.back() == "**";
    if (!name.empty() && name != "." && !repeated)
      result.emplace_back(name);
    begin = end + 1;
  }
  return result;
}

std::string unescaped(std::string_view name) {
  std::string result;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\' && i + 1 < name.size())
      ++i;
    result += name[i];
  }
  return result;
}

bool is_literal(const std::string& name) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '\\')
      ++i;
    else if (is_wild(name.substr(i, 1)))
      return false;
  }
  return true;
}

bool is_folder(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

class finder {
public:
  finder(const names& pattern,
         const std::function<void(const std::string&)>& found)
    : pattern_(pattern),
      found_(found) {
  }

  /// @param folder empty for the one where we are
  void walk(const std::string& folder, size_t i, size_t depth) const {
    if (i == pattern_.size()) {
      if (!folder.empty())
        found_(folder);
      return;
    }
    if (depth > depth_max)
      return;
    const auto& name = pattern_[i];
    if (name == "**") {
      walk(folder, i + 1, depth);
      for (const auto& below : entries_of(folder)) {
        auto path = joined(folder, below);
        if (is_folder(path))
          walk(path, i, depth + 1);
        else if (i + 1 == pattern_.size())
          found_(path);
      }
    } else if (is_literal(name)) {
      struct stat facts {};
      auto path = joined(folder, unescaped(name));
      if (::lstat(path.c_str(), &facts) == 0)
        walk(path, i + 1, depth + 1);
    } else {
      for (const auto& below : entries_of(folder))
        if (name_matches(name, below)) {
          auto path = joined(folder, below);
          if (i + 1 == pattern_.size() || is_folder(path))
            walk(path, i + 1, depth + 1);
        }
    }
  }

private:
  static std::string joined(const std::string& folder,
                            const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
  }

  static names entries_of(const std::string& folder) {
    names result;
    std::unique_ptr<DIR, int (*)(DIR*)> open{
      ::opendir(folder.empty() ? "." : folder.c_str()), ::closedir};
    if (!open)
      return result;
    while (const auto* entry = ::readdir(open.get())) {
      std::string_view name{entry->d_name};
      if (name != "." && name != "..")
        result.emplace_back(name);
    }
    return result;
  }

  const names& pattern_;
  const std::function<void(const std::string&)>& found_;
};

} // namespace

std::vector<std::string> braces_expanded(std::string_view pattern) {
  std::vector<std::string> done;
  std::vector<std::string> open{std::string{pattern}};
  while (!open.empty()) {
    auto text = std::move(open.back());
    open.pop_back();
    auto begin = first_brace(text);
    if (begin == std::string_view::npos) {
      done.push_back(std::move(text));
    } else {
      auto parts = brace_parts(text, begin);
      if (parts.empty())
        return {};
      for (auto i = parts.size() - 1; i-- > 0;)
        open.push_back(text.substr(0, begin)
                       + text.substr(parts[i] + 1, parts[i + 1] - parts[i] - 1)
                       + text.substr(parts.back() + 1));
    }
    if (done.size() + open.size() > alternatives_max)
      return {};
  }
  return done;
}

bool name_matches(std::string_view pattern, std::string_view name) {
  auto star = std::string_view::npos; // of what is left behind the last `*`
  std::string_view behind;
  std::string_view at;
  for (;;) {
    if (!pattern.empty() && pattern[0] == '*') {
      pattern.remove_prefix(1);
      behind = pattern;
      at = name;
      star = 0;
      continue;
    }
    if (name.empty() && pattern.empty())
      return true;
    bool same = false;
    if (!pattern.empty() && !name.empty()) {
      auto c = pattern[0];
      pattern.remove_prefix(1);
      auto taken = c == '?' ? character_bytes(name) : 1;
      if (c == '[') {
        same = class_matches(pattern, name[0]);
      } else if (c == '\\' && !pattern.empty()) {
        same = pattern[0] == name[0];
        pattern.remove_prefix(1);
      } else {
        same = c == '?' || c == name[0];
      }
      if (same) {
        name.remove_prefix(taken);
        continue;
      }
    }
    if (star == std::string_view::npos || at.empty())
      return false;
    at.remove_prefix(1);
    name = at;
    pattern = behind;
  }
}

glob::glob(std::string_view pattern) {
  for (const auto& alternative : braces_expanded(pattern))
    alternatives_.push_back(split(alternative));
}

bool glob::matches(std::string_view path) const {
  auto parts = split(path);
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&parts](const names& pattern) {
                       return matches_names(pattern, 0, parts, 0);
                     });
}

void glob::find(const std::function<void(const std::string&)>& found) const {
  for (const auto& pattern : alternatives_)
    finder{pattern, found}.walk("", 0, 0);
}

} // namespace muster::helper
