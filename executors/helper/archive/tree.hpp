#pragma once

#include "executors/helper/archive/bytes.hpp"
#include "executors/helper/archive/entry.hpp"
#include "executors/helper/unique_fd.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace muster::helper {

/// Returns the parts of an entry's path. Errors: `failed` for a path that leads
/// out of the folder: absolute or with `..`, and for one that no file system
/// takes. No part means the folder itself.
result<std::vector<std::string>, helper_errc> parts_of(std::string_view path);

/// Writes the entries of an archive below a folder and nowhere else.
///
/// Every folder on the way is opened by its parent's descriptor and never
/// through a link, whether the link was there before or came out of the
/// archive: such an entry is an error. Files are written under another name and
/// then renamed: what was there is replaced whole or not at all, and a file
/// outside that is linked to one inside keeps its content. Bits that would lend
/// rights (setuid, setgid) are not restored.
class tree {
public:
  /// Errors: `failed`: there is no such folder.
  static result<tree, helper_errc> open(const std::string& folder);

  /// @param what `kind` is file; `size_bytes` is not looked at
  outcome put_file(const archive_entry& what, const byte_source& content);
  outcome put_folder(const archive_entry& what);
  outcome put_link(const archive_entry& what);

  /// Links to a file that is there already, below the folder.
  outcome put_hard_link(const archive_entry& what);

  /// Restores modes and times of folders: these change while they are filled.
  outcome finish();

private:
  struct place {
    int folder = -1; ///< of `parents_`
    std::string name;
  };

  struct folder_facts {
    uint32_t mode = 0;
    std::optional<int64_t> modified_s;
  };

  explicit tree(unique_fd root);
  result<place, helper_errc> place_of(const std::string& path);
  result<int, helper_errc> open_folder(const std::vector<std::string>& parts,
                                       size_t count, const std::string& path);
  outcome clear(const place& at, const std::string& path);
  outcome fill(const unique_fd& file, const archive_entry& what,
               const byte_source& content);

  unique_fd root_;
  std::vector<std::string> last_; ///< whose descriptors are in `parents_`
  std::vector<unique_fd> parents_;
  std::map<std::string, folder_facts> folders_;
};

} // namespace muster::helper
