#include "tools/muster/try/working_tree.hpp"

#include "config/diagnostic.hpp"
#include "tools/coordinator/child_process.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <vector>

namespace muster {

namespace {

constexpr std::chrono::seconds patience{60};

/// Runs git there, also in a repository of another user; its output without the
/// line break at the end.
result<std::string, gitlab::process_errc>
git(const std::string& folder, std::vector<std::string> arguments) {
  std::vector<std::string> all{"git", "-c", "safe.directory=*", "-C", folder};
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto output = gitlab::run_program(all, patience);
  while (output && output->ends_with('\n'))
    output->pop_back();
  return output;
}

bool in_path(unsigned char c) {
  return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
}

std::string folder_name(const std::string& top) {
  std::string result;
  for (unsigned char c : std::filesystem::path{top}.filename().string())
    result += in_path(c) ? static_cast<char>(c) : '-';
  auto first = result.find_first_not_of("-.");
  return first == std::string::npos ? "project" : result.substr(first);
}

/// `group/project` of `https://host/group/project.git` or
/// `git@host:group/project`; nothing for a folder or what is not like a
/// project.
std::optional<std::string> path_in_url(std::string_view url) {
  if (auto scheme = url.find("://"); scheme != std::string_view::npos) {
    url.remove_prefix(scheme + 3);
    url.remove_prefix(std::min(url.find('/'), url.size()));
  } else {
    auto colon = url.find(':');
    if (colon == std::string_view::npos)
      return std::nullopt;
    url.remove_prefix(colon + 1);
  }
  while (url.starts_with('/'))
    url.remove_prefix(1);
  while (url.ends_with('/'))
    url.remove_suffix(1);
  if (url.ends_with(".git"))
    url.remove_suffix(4);
  bool fits = url.find('/') != std::string_view::npos
              && url.find("//") == std::string_view::npos
              && url.find("..") == std::string_view::npos
              && std::all_of(url.begin(), url.end(), [](unsigned char c) {
                   return in_path(c) || c == '/';
                 });
  return fits ? std::optional{std::string{url}} : std::nullopt;
}

std::string project_of(const std::string& top) {
  if (auto url = git(top, {"remote", "get-url", "origin"}))
    if (auto path = path_in_url(*url))
      return *path;
  return "try/" + folder_name(top);
}

std::string default_branch(const working_tree& tree) {
  auto origin = git(
    tree.top, {"symbolic-ref", "-q", "--short", "refs/remotes/origin/HEAD"});
  if (origin && origin->starts_with("origin/"))
    return origin->substr(7);
  for (const auto* name : {"main", "master"})
    if (git(tree.top, {"rev-parse", "-q", "--verify",
                       fmt::format("refs/heads/{}", name)}))
      return name;
  return tree.branch.empty() ? "main" : tree.branch;
}

} // namespace

result<working_tree, tree_errc> find_working_tree(const std::string& folder) {
  auto top = git(folder, {"rev-parse", "--show-toplevel"});
  if (!top && top.error().text.ends_with('\n'))
    top.error().text.pop_back();
  if (!top)
    return fail(tree_errc::no_repository,
                fmt::format("{} is in no git working tree: muster try runs a "
                            "commit, so go to a clone first; git said: {}",
                            folder, one_line(top.error().text)));
  working_tree tree;
  tree.top = *top;
  tree.project = project_of(*top);
  auto sha = git(tree.top, {"rev-parse", "-q", "--verify", "HEAD^{commit}"});
  if (!sha)
    return fail(tree_errc::no_commit,
                fmt::format("{} has no commit yet: muster try clones the "
                            "committed state, so commit something first",
                            tree.top));
  tree.sha = *sha;
  tree.branch
    = git(tree.top, {"symbolic-ref", "-q", "--short", "HEAD"}).value_or("");
  tree.default_branch = default_branch(tree);
  auto changes = git(tree.top, {"status", "--porcelain"});
  tree.changed = changes && !changes->empty();
  return tree;
}

} // namespace muster
