#include "tools/coordinator/projects.hpp"

#include "tools/coordinator/child_process.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

constexpr std::chrono::seconds patience{20};

/// Runs git in the project's folder; also in one that another user owns.
result<std::string, process_errc> git(const project& where,
                                      std::vector<std::string> arguments) {
  std::vector<std::string> all{"git", "-c", "safe.directory=*", "-C",
                               where.directory};
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto output = run_program(all, patience);
  while (output && !output->empty() && output->back() == '\n')
    output->pop_back();
  return output;
}

std::string_view next_line(std::string_view& text) {
  auto end = text.find('\n');
  auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

void read_log(commit_info& to, std::string_view text) {
  to.sha = next_line(text);
  auto parents = next_line(text);
  if (parents.size() >= 40)
    to.before_sha = parents.substr(0, parents.find(' '));
  to.author = next_line(text);
  to.timestamp = next_line(text);
  to.message = text;
  to.title = next_line(text);
}

std::string_view trimmed(std::string_view path) {
  while (path.starts_with('/'))
    path.remove_prefix(1);
  while (path.ends_with('/'))
    path.remove_suffix(1);
  if (path.ends_with(".git"))
    path.remove_suffix(4);
  return path;
}

} // namespace

result<void, project_errc> project_list::add(std::string_view assignment) {
  auto equals = assignment.find('=');
  auto path = trimmed(assignment.substr(0, equals));
  if (equals == std::string_view::npos || path.empty())
    return fail(project_errc::unusable,
                fmt::format("\"{}\" is no repository: write group/name=FOLDER",
                            assignment));
  project x{static_cast<int64_t>(projects_.size()) + 1, std::string{path},
            std::string{assignment.substr(equals + 1)}};
  std::error_code none;
  x.directory = std::filesystem::absolute(x.directory, none).string();
  auto found = git(x, {"rev-parse", "--git-dir"});
  if (!found)
    return fail(project_errc::unusable,
                fmt::format("{} is no git repository: {}", x.directory,
                            found.error().text));
  projects_.push_back(std::move(x));
  return {};
}

const project* project_list::find(std::string_view path) const {
  auto at = std::find_if(
    projects_.begin(), projects_.end(),
    [path = trimmed(path)](const project& x) { return x.path == path; });
  return at == projects_.end() ? nullptr : &*at;
}

const project* project_list::first() const {
  return projects_.empty() ? nullptr : &projects_.front();
}

result<commit_info, project_errc> commit_of(const project& where,
                                            const std::string& ref,
                                            const std::string& sha) {
  commit_info result;
  auto head = git(where, {"symbolic-ref", "--short", "HEAD"});
  if (head)
    result.default_branch = *head;
  result.ref = ref.empty() ? result.default_branch : ref;
  for (std::string_view word :
       {std::string_view{result.ref}, std::string_view{sha}})
    if (word.starts_with('-'))
      return fail(project_errc::unknown,
                  fmt::format("\"{}\" is no ref or commit", word));
  result.tag
    = git(where, {"rev-parse", "--verify", "-q", "refs/tags/" + result.ref})
        .has_value();
  auto what = !sha.empty() ? sha
              : result.tag ? "refs/tags/" + result.ref
                           : "refs/heads/" + result.ref;
  auto log = git(
    where, {"log", "-1", "--format=%H%n%P%n%an <%ae>%n%cI%n%B", what, "--"});
  if (!log)
    return fail(project_errc::unknown,
                fmt::format("{} has no commit {}: {}", where.path, what,
                            log.error().text));
  read_log(result, *log);
  result.cloneable = true;
  return result;
}

} // namespace muster::gitlab
