#pragma once

#include "tools/coordinator/pipeline/context.hpp"

#include <map>

namespace muster::gitlab {

/// Files of a git repository: of a commit, or of its working tree, where
/// untracked files count unless they are ignored. What the commit changed is
/// what differs from its first parent.
class git_files final : public pipeline_files {
public:
  enum class from : uint8_t { commit, working_tree };

  git_files(std::string folder, std::string sha, from source)
    : folder_(std::move(folder)),
      sha_(std::move(sha)),
      source_(source) {
  }

  std::optional<std::string> read(const std::string& path) override;
  const std::vector<std::string>& paths() override;
  std::optional<std::vector<std::string>>
  changes(const std::string& ref) override;
  std::string digest(const std::vector<std::string>& paths) override;

private:
  std::optional<std::string> git(std::vector<std::string> arguments) const;

  std::string folder_;
  std::string sha_;
  from source_;
  std::optional<std::vector<std::string>> paths_;
  std::map<std::string, std::optional<std::vector<std::string>>> changes_;
};

} // namespace muster::gitlab
