#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace muster::helper {

enum class entry_kind : uint8_t {
  file,
  folder,
  link,
  hard_link, ///< in tar files only
  other,     ///< device, pipe, socket: never extracted
};

/// What an archive knows of a file.
struct archive_entry {
  std::string path; ///< relative, with slashes; folders without the last one
  entry_kind kind = entry_kind::file;
  uint32_t mode = 0644;              ///< permission bits
  std::optional<int64_t> modified_s; ///< since 1970 [s]
  std::optional<uint32_t> user;
  std::optional<uint32_t> group;
  uint64_t size_bytes = 0; ///< of a file's content
  std::string target;      ///< of a link
};

/// Returns whether a path lies in a repository's own folder.
inline bool is_of_git(std::string_view path) {
  return path == ".git" || path.starts_with(".git/") || path.ends_with("/.git")
         || path.find("/.git/") != std::string_view::npos;
}

} // namespace muster::helper
