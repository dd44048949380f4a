#pragma once

#include "messages/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster::gitlab {

enum class project_errc : uint8_t {
  unknown = 1, ///< no such project, ref or commit
  unusable,    ///< the folder is no git repository
};

/// A repository that is served: `path` is the project's full path.
struct project {
  int64_t id = 0;
  std::string path;      ///< `group/demo`
  std::string directory; ///< bare, or a working tree
};

/// What the predefined variables and `git_info` say about a commit.
struct commit_info {
  std::string sha = std::string(40, '0');
  std::string before_sha = std::string(40, '0');
  std::string ref = "main";
  bool tag = false; ///< `ref` is a tag
  std::string default_branch = "main";
  std::string title;
  std::string message;
  std::string author;     ///< `Name <mail>`
  std::string timestamp;  ///< ISO 8601
  bool cloneable = false; ///< there is a repository behind it
};

/// The repositories of the test GitLab. Constant once it serves.
class project_list {
public:
  /// Adds `path=directory`. Errors: `unusable`.
  result<void, project_errc> add(std::string_view assignment);

  /// Null if there is none; a leading slash and `.git` do not matter.
  const project* find(std::string_view path) const;
  /// The first one, or null: what a job without a project belongs to.
  const project* first() const;
  const std::vector<project>& all() const {
    return projects_;
  }

private:
  std::vector<project> projects_;
};

/// Looks a commit up. An empty `ref` is the default branch; a `sha` that is not
/// empty is taken instead of the ref's newest commit. Errors: both codes.
result<commit_info, project_errc>
commit_of(const project& where, const std::string& ref, const std::string& sha);

} // namespace muster::gitlab
