#pragma once

#include "messages/result.hpp"

#include <string>

namespace muster {

enum class tree_errc : uint8_t {
  no_repository = 1, ///< not in a working tree of git, or git is missing
  no_commit,         ///< there is nothing that could be cloned
};

/// The git working tree in which `muster try` was called.
struct working_tree {
  std::string top;            ///< its folder, absolute
  std::string project;        ///< full path: origin's, or try/FOLDER
  std::string branch;         ///< empty when HEAD is detached
  std::string default_branch; ///< origin's, or a guess
  std::string sha;            ///< of HEAD
  bool changed = false;       ///< has changes that are in no commit
};

/// Errors: both codes.
result<working_tree, tree_errc> find_working_tree(const std::string& folder);

} // namespace muster
