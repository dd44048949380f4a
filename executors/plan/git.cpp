#include "executors/plan/git.hpp"

#include "executors/plan/url.hpp"

namespace muster {

namespace {

using posix::quote;

/// Writes a file from within the shell: its content is in no command line, and
/// a traced shell does not show it.
void write_file(posix::script& out, const std::string& path,
                const std::string& content) {
  out.line("cat >" + quote(path) + " <<'MUSTER_END_OF_FILE'");
  out.line(content + "MUSTER_END_OF_FILE");
}

void write_configuration(posix::script& out, const git_sources& from) {
  auto ext = ext_config_path(from.dirs);
  auto tpl = template_path(from.dirs);
  out.command({"rm", "-r", "-f", ext, tpl});
  out.command({"mkdir", "-p", tpl});
  out.line("(");
  out.line("umask 077");
  write_file(out, ext, ext_config(from));
  write_file(out, tpl + "/config", template_config());
  out.line(")");
  out.export_variable("GLR_EXT_GIT_CONFIG_PATH", ext);
  out.line("git config --file " + quote(tpl + "/config")
           + " include.path \"$GLR_EXT_GIT_CONFIG_PATH\"");
  for (const auto& host : from.password_hosts)
    for (const auto& [name, variable] : from.tls_files)
      out.line("git config --file \"$GLR_EXT_GIT_CONFIG_PATH\" "
               + quote("http." + host + '.' + name) + " \"$" + variable + '"');
  if (from.safe_directory) {
    auto dir = quote(from.dirs.project);
    out.line("git config --global --get-all safe.directory | grep -F -x -q -e "
             + dir + " || git config --global --add safe.directory " + dir);
  }
}

void write_init(posix::script& out, const git_sources& from) {
  auto project = quote(from.dirs.project);
  auto url = quote(from.remote_url);
  out.line("if [ -e " + project
           + "/.git ]; then muster_fresh=false; else muster_fresh=true; fi");
  std::vector<std::string> init{"git", "init", from.dirs.project, "--template",
                                template_path(from.dirs)};
  if (!from.object_format.empty() && from.object_format != "sha1")
    init.insert(init.end(), {"--object-format", from.object_format});
  out.command(init);
  out.line("cd " + project);
  out.line("if ! git remote add origin " + url + " 2>/dev/null; then");
  out.line("git remote set-url origin " + url);
  out.line(
    "git config --replace-all include.path \"$GLR_EXT_GIT_CONFIG_PATH\"");
  out.line("fi");
  out.line("if [ \"$muster_fresh\" = true ]; then");
  out.notice("Created fresh repository.");
  out.line("fi");
}

/// git itself, with what a request to the server says.
std::vector<std::string> git_words(const git_sources& from) {
  std::vector<std::string> words{"git", "-c",
                                 "http.userAgent=" + from.user_agent};
  if (auto url = parse_git_url(from.remote_url);
      from.settings.proactive_auth && url && url->is_http())
    words.insert(words.end(),
                 {"-c", "http." + url->base() + ".proactiveAuth=basic"});
  return words;
}

/// A clone at once, with a git that can clone any ref.
void write_native_clone(posix::script& out, const git_sources& from) {
  auto words = git_words(from);
  words.insert(words.end(),
               {"clone", "--no-checkout", from.remote_url, from.dirs.project,
                "--template", template_path(from.dirs)});
  if (from.settings.depth > 0)
    words.insert(words.end(), {"--depth", std::to_string(from.settings.depth)});
  if (from.ref.starts_with("refs/"))
    words.insert(words.end(), {"--revision", from.ref});
  else if (!from.ref.empty())
    words.insert(words.end(), {"--branch", from.ref});
  const auto& flags = from.settings.clone_flags;
  words.insert(words.end(), flags.begin(), flags.end());
  std::string notice = "Cloning repository";
  if (!from.ref.empty())
    notice += " for " + from.ref;
  if (from.settings.depth > 0)
    notice += " with git depth set to " + std::to_string(from.settings.depth);
  out.notice(notice + "...");
  out.command(words);
  out.command({"cd", from.dirs.project});
}

void write_fetch(posix::script& out, const git_sources& from) {
  auto words = git_words(from);
  words.insert(words.end(), {"fetch", "origin", "--no-recurse-submodules"});
  words.insert(words.end(), from.refspecs.begin(), from.refspecs.end());
  if (from.settings.depth > 0)
    words.insert(words.end(), {"--depth", std::to_string(from.settings.depth)});
  const auto& flags = from.settings.fetch_flags;
  words.insert(words.end(), flags.begin(), flags.end());
  if (from.settings.depth > 0) {
    out.command(words);
    return;
  }
  auto whole = words;
  whole.push_back("--unshallow");
  out.line("if [ -f .git/shallow ]; then");
  out.command(whole);
  out.line("else");
  out.command(words);
  out.line("fi");
}

void write_clean(posix::script& out, const git_settings& settings) {
  if (!settings.clean)
    return;
  std::vector<std::string> words{"git", "clean"};
  words.insert(words.end(), settings.clean_flags.begin(),
               settings.clean_flags.end());
  out.command(words);
}

void write_checkout(posix::script& out, const git_sources& from) {
  if (!from.settings.checkout) {
    out.notice("Skipping Git checkout");
    return;
  }
  constexpr size_t sha_shown = 8;
  out.notice("Checking out " + from.sha.substr(0, sha_shown)
             + " as detached HEAD (ref is " + from.ref + ")...");
  out.command(
    {"git", "-c", "submodule.recurse=false", "checkout", "-f", "-q", from.sha});
  write_clean(out, from.settings);
  if (from.settings.lfs_skip_smudge)
    return;
  out.line("if git lfs version >/dev/null 2>&1; then");
  out.line("git lfs pull");
  out.line("echo");
  out.line("fi");
}

void write_removal(posix::script& out, const std::string& path) {
  auto word = quote(path);
  out.line("if [ -e " + word + " ]; then");
  // Jobs leave folders without write permission: Go's module cache for one.
  out.line("chmod -R u+rwX " + word + " || :");
  out.command({"rm", "-r", "-f", path});
  out.line("fi");
}

void write_fetching(posix::script& out, const git_settings& settings) {
  out.notice(settings.depth > 0 ? "Fetching changes with git depth set to "
                                    + std::to_string(settings.depth) + "..."
                                : "Fetching changes...");
}

void write_repository(posix::script& out, const git_sources& from) {
  const auto& settings = from.settings;
  if (!settings.lfs_skip_smudge)
    out.export_variable("GIT_LFS_SKIP_SMUDGE", "1");
  if (!from.correlation_id.empty())
    out.notice("Gitaly correlation ID: " + from.correlation_id);
  bool native
    = settings.native_clone && settings.strategy == git_strategy::clone;
  if (!native)
    write_fetching(out, settings);
  if (settings.strategy == git_strategy::clone)
    write_removal(out, from.dirs.project);
  else
    write_git_cleanup(out, from.dirs, settings);
  write_configuration(out, from);
  if (native) {
    // `git version 2.49.0`, or with more behind it.
    out.line("muster_git=$(git version)");
    out.line("muster_git=${muster_git#git version }");
    out.line("muster_git_minor=${muster_git#*.}");
    out.line("muster_git_minor=${muster_git_minor%%[!0-9]*}");
    out.line("if [ \"${muster_git%%.*}\" -gt 2 ] || { [ \"${muster_git%%.*}\" "
             "-eq 2 ] && [ \"$muster_git_minor\" -ge 49 ]; }; then");
    write_native_clone(out, from);
    out.line("else");
    write_fetching(out, settings);
  }
  write_init(out, from);
  write_fetch(out, from);
  if (native)
    out.line("fi");
  write_checkout(out, from);
  write_submodules(out, settings);
}

void write_no_repository(posix::script& out, const git_sources& from) {
  const auto& project = from.dirs.project;
  if (from.settings.strategy == git_strategy::empty) {
    out.notice("Skipping Git repository setup and creating an empty build "
               "directory");
    write_removal(out, project);
  } else {
    out.notice("Skipping Git repository setup");
  }
  out.line("[ -d " + quote(project) + " ] || mkdir -p " + quote(project));
  out.line("cd " + quote(project));
  out.notice("Skipping Git checkout");
  write_submodules(out, from.settings);
}

} // namespace

void write_get_sources(posix::script& out, const git_sources& from) {
  if (from.settings.repository())
    write_repository(out, from);
  else
    write_no_repository(out, from);
}

void write_clear_worktree(posix::script& out, const job_directories& dirs) {
  // Without a repository here, git would look for one further up.
  out.line("if [ -e " + quote(dirs.project) + "/.git ]; then");
  out.line("cd " + quote(dirs.project));
  out.line("git rm -rf --ignore-unmatch --quiet .");
  out.line("git clean -ffdx -q");
  out.line("fi");
}

void write_git_cleanup(posix::script& out, const job_directories& dirs,
                       const git_settings& settings) {
  auto git_dir = dirs.project + "/.git";
  auto modules = quote(git_dir + "/modules");
  std::vector<std::string> removal{"rm", "-r", "-f"};
  for (auto name : {"index.lock", "shallow.lock", "HEAD.lock", "config.lock",
                    "hooks/post-checkout"})
    removal.push_back(git_dir + '/' + name);
  if (settings.clean_git_config)
    removal.insert(removal.end(), {git_dir + "/config", git_dir + "/hooks"});
  out.line("if [ -d " + quote(git_dir) + " ]; then");
  out.command(removal);
  out.line("if [ -d " + quote(git_dir + "/refs") + " ]; then find "
           + quote(git_dir + "/refs") + " -type f -name '*.lock' -exec rm -f "
           + "{} +; fi");
  if (settings.submodules != submodule_strategy::none) {
    out.line("if [ -d " + modules + " ]; then");
    out.line("find " + modules
             + " -type f \\( -name index.lock -o -name shallow.lock -o -name "
               "HEAD.lock -o -name config.lock -o -path "
               "'*/hooks/post-checkout' -o -path '*/refs/*.lock' \\) "
               "-exec rm -f {} +");
    // A branch may be named `config`: its file below refs is not one.
    if (settings.clean_git_config)
      out.line("find " + modules
               + " \\( -name refs -o -name logs -o -name objects \\) -prune "
                 "-o \\( -type f -name config -o -type d -name hooks \\) "
                 "-prune -exec rm -r -f {} +");
    out.line("fi");
  }
  out.line("fi");
}

void write_project_cleanup(posix::script& out, const job_directories& dirs,
                           const git_settings& settings) {
  if (settings.strategy == git_strategy::clone
      || settings.strategy == git_strategy::empty) {
    write_removal(out, dirs.project);
    return;
  }
  if (settings.strategy != git_strategy::fetch)
    return;
  out.line("if [ -e " + quote(dirs.project) + "/.git ]; then");
  out.line("cd " + quote(dirs.project));
  write_clean(out, settings);
  out.line("git reset --hard");
  if (settings.submodules != submodule_strategy::none) {
    if (settings.clean)
      out.line("git submodule foreach --recursive git clean "
               + quote(settings.clean_flags));
    out.line("git submodule foreach --recursive git reset --hard");
  }
  out.line("fi");
}

} // namespace muster
