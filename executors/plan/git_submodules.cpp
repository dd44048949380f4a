#include "executors/plan/git.hpp"

namespace muster {

namespace {

using posix::quote;

/// The commands of one set-up, which is tried a second time when it fails.
struct submodule_commands {
  std::string init;
  std::string sync;
  std::string foreach; ///< runs the command that follows in each submodule
  std::string clean;   ///< empty: not wanted
  std::string update;
  bool remote = false; ///< --remote is among the flags
};

submodule_commands commands_of(const git_settings& settings) {
  auto recursive = settings.submodules == submodule_strategy::recursive;
  std::string recursively = recursive ? " --recursive" : "";
  auto paths = settings.submodule_paths.empty()
                 ? std::string{}
                 : " -- " + quote(settings.submodule_paths);
  submodule_commands result;
  result.init = "git submodule init" + paths;
  result.sync = "git submodule sync" + recursively + paths;
  result.foreach = "git submodule foreach" + recursively + ' ';
  if (settings.clean)
    // One word for the shell that git starts in each submodule.
    result.clean
      = result.foreach + quote("git clean " + quote(settings.clean_flags));
  result.update = "git -c include.path=\"$GLR_EXT_GIT_CONFIG_PATH\" "
                  "submodule update --init"
                  + recursively;
  if (settings.submodule_depth > 0)
    result.update += " --depth " + std::to_string(settings.submodule_depth);
  result.update += ' ' + quote(settings.submodule_update_flags) + paths;
  for (const auto& flag : settings.submodule_update_flags)
    result.remote = result.remote || flag == "--remote";
  return result;
}

std::string first_notice(const git_settings& settings) {
  std::string text = "Updating/initializing submodules";
  if (settings.submodules == submodule_strategy::recursive)
    text += " recursively";
  if (settings.submodule_depth > 0)
    text
      += " with git depth set to " + std::to_string(settings.submodule_depth);
  return text + "...";
}

void write_update(posix::script& out, const submodule_commands& run) {
  auto reset = run.foreach + "'git reset --hard'";
  out.line("if " + run.update + "; then");
  out.notice("Updated submodules");
  out.line(run.sync);
  out.line("else");
  out.warning("Updating submodules failed. Retrying...");
  if (run.remote)
    out.line(run.foreach
             + "'git fetch origin +refs/heads/*:refs/remotes/origin/*'");
  out.line(run.sync);
  out.line(run.update);
  out.line(reset);
  out.notice("Updated submodules");
  out.line("fi");
}

} // namespace

void write_submodules(posix::script& out, const git_settings& settings) {
  if (settings.submodules == submodule_strategy::none) {
    out.notice("Skipping Git submodules setup");
    return;
  }
  auto run = commands_of(settings);
  out.notice(first_notice(settings));
  out.line(run.init);
  out.line(run.sync);
  if (!run.clean.empty())
    out.line(run.clean);
  out.line(run.foreach + "'git reset --hard'");
  write_update(out, run);
  if (!run.clean.empty())
    out.line(run.clean);
  out.line("git submodule --quiet foreach --recursive "
           "'git config --replace-all include.path "
           "\"$GLR_EXT_GIT_CONFIG_PATH\"'");
  if (settings.lfs_skip_smudge)
    return;
  out.line("if git lfs version >/dev/null 2>&1; then");
  out.line(run.foreach + "'git lfs pull'");
  out.line("fi");
}

} // namespace muster
