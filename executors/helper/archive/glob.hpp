#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::helper {

/// A pattern for paths: `*`, `?`, `[a-z]` and `[!a-z]` within a name, `**` for
/// any number of folders, `{a,b}` for alternatives, `\` before a character that
/// means itself. A pattern that is malformed matches nothing.
class glob {
public:
  explicit glob(std::string_view pattern);

  /// Returns whether a relative path, without `.` and `..`, matches.
  bool matches(std::string_view path) const;

  /// Calls `found` with each path below the folder where we are that matches.
  /// Folders are read only where the pattern leads; links to folders are
  /// entered where the pattern names them without wildcard only.
  void find(const std::function<void(const std::string&)>& found) const;

private:
  std::vector<std::vector<std::string>> alternatives_; ///< names of each
};

/// Returns the pattern with each `{a,b}` written out; at most 1,000 of them.
/// Nothing if a brace is open at the end or there are more.
std::vector<std::string> braces_expanded(std::string_view pattern);

/// Returns whether a single name matches a pattern without `/`, `**` and `{}`.
bool name_matches(std::string_view pattern, std::string_view name);

} // namespace muster::helper
