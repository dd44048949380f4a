#include "executors/plan/directories.hpp"

#include "executors/plan/url.hpp"
#include "executors/shells/posix.hpp"

#include <filesystem>
#include <optional>

namespace muster {

namespace {

std::string clean_path(std::string_view path) {
  auto result = std::filesystem::path{path}.lexically_normal().string();
  while (result.size() > 1 && result.back() == '/')
    result.pop_back();
  return result;
}

std::string absolute(std::string_view path) {
  if (path.starts_with('/') || path.starts_with(posix::login_mark))
    return clean_path(path);
  return clean_path(std::string{posix::login_mark} + '/' + std::string{path});
}

/// The project's folder as the peer derives it: the URL's path. Nothing for
/// URLs without a host and for paths that would leave the root.
std::optional<std::string> slug_of(std::string_view repo_url) {
  auto url = parse_git_url(repo_url);
  if (!url || url->host.empty())
    return std::nullopt;
  auto path = percent_decoded(url->path);
  if (!path)
    return std::nullopt;
  if (path->ends_with(".git"))
    path->resize(path->size() - 4);
  auto slug = clean_path('/' + *path);
  slug.erase(0, slug.find_first_not_of('/'));
  for (unsigned char c : slug)
    if (c < ' ' || c == 0x7f)
      return std::nullopt;
  if (slug.empty() || slug.find("..") != std::string::npos)
    return std::nullopt;
  return slug;
}

bool is_below(std::string_view path, std::string_view root) {
  return path.size() > root.size() && path.starts_with(root)
         && (root.ends_with('/') || path[root.size()] == '/');
}

result<std::string, job_errc> custom_path(const directory_facts& facts,
                                          const std::string& root) {
  if (!facts.clone_path_allowed)
    return fail(job_errc::configuration_error,
                "setting GIT_CLONE_PATH is not allowed, enable "
                "`custom_build_dir` feature");
  auto path = absolute(facts.clone_path);
  if (!is_below(path, root))
    return fail(job_errc::configuration_error,
                "the GIT_CLONE_PATH=\"" + from_login(path)
                  + "\" has to be within \"" + from_login(root) + '"');
  return path;
}

} // namespace

std::string builds_root(std::string_view builds_dir) {
  return absolute(builds_dir);
}

std::string from_login(std::string_view path) {
  if (!path.starts_with(posix::login_mark))
    return std::string{path};
  path.remove_prefix(posix::login_mark.size());
  if (path.starts_with('/'))
    path.remove_prefix(1);
  return path.empty() ? "." : std::string{path};
}

result<job_directories, job_errc> lay_out(const directory_facts& facts) {
  if (facts.builds_dir.empty())
    return fail(job_errc::configuration_error,
                "the runner's builds_dir is empty: set it or remove the key");
  if (facts.cache_dir.empty())
    return fail(job_errc::configuration_error,
                "the runner's cache_dir is empty: set it or remove the key");
  auto slug = slug_of(facts.repo_url)
                .value_or("project-" + std::to_string(facts.project_id));
  job_directories dirs;
  dirs.builds = builds_root(facts.builds_dir);
  dirs.cache = clean_path(absolute(facts.cache_dir) + '/' + slug);
  if (facts.clone_path.empty()) {
    auto own = facts.shared
                 ? facts.short_token + '/'
                     + std::to_string(facts.concurrent_project_id) + '/'
                 : std::string{};
    dirs.project = clean_path(dirs.builds + '/' + own + slug);
  } else {
    auto path = custom_path(facts, dirs.builds);
    if (!path)
      return tl::unexpected{path.error()};
    dirs.project = *path;
  }
  if (facts.empty_strategy)
    dirs.project += "-empty";
  dirs.temp = dirs.project + ".tmp";
  return dirs;
}

} // namespace muster
