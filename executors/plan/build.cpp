#include "executors/plan/build.hpp"

#include "config/feature_flags.hpp"
#include "executors/plan/archives.hpp"
#include "executors/plan/caches.hpp"
#include "executors/plan/containers.hpp"
#include "executors/plan/directories.hpp"
#include "executors/plan/environment.hpp"
#include "executors/plan/git.hpp"
#include "executors/plan/helper_call.hpp"
#include "executors/plan/limits.hpp"
#include "executors/plan/masking.hpp"
#include "executors/plan/settings.hpp"
#include "executors/plan/sources.hpp"
#include "executors/shells/posix.hpp"

#include <algorithm>

namespace muster {

namespace {

using std::chrono::milliseconds;

/// Everything that the stages are made from.
struct builder {
  const job_payload& payload;
  const runner_config& runner;
  const plan_facts& facts;
  job_directories dirs;
  job_variables variables; ///< expanded
  job_settings settings;
  git_sources sources;
  signatures secrets = {}; ///< that scripts hold

  posix::command_options command_options() const {
    return {.check_exit_code = settings.flags.bash_exit_code_check,
            .sections = settings.flags.script_sections};
  }

  std::string whole(const posix::script& body) const {
    return posix::whole_script(body, settings.debug_trace);
  }

  void user_commands(posix::script& out,
                     const std::vector<std::string>& commands,
                     std::string_view prefix) const {
    out.user_commands(commands, prefix, command_options());
  }

  /// A script of the configuration: one command, if there is one.
  void config_script(posix::script& out, const std::string& text,
                     std::string_view prefix) const {
    if (!text.empty())
      user_commands(out, {text}, prefix);
  }

  void hook(posix::script& out, std::string_view name,
            std::string_view prefix) const {
    for (const auto& x : payload.hooks)
      if (x.name == name)
        user_commands(out, x.script, prefix);
  }

  /// The start of every stage that runs in the project's folder.
  void enter_project(posix::script& out, const export_options& options) const {
    write_exports(out, variables, dirs, options);
    out.command({"cd", dirs.project});
  }

  cache_context caches() const {
    auto left
      = facts.time_left.count() > 0 ? facts.time_left : job_timeout(payload);
    return {payload,
            runner,
            dirs,
            variables,
            settings,
            {facts.short_token, payload.project_id},
            {facts.began_unix, std::chrono::ceil<std::chrono::seconds>(left)}};
  }

  /// The start of every stage that calls the helper's commands.
  void begin_helper(posix::script& out) const {
    if (runner.docker)
      write_helper_begin_in_container(out);
    else
      write_helper_begin(out);
  }

  void keep(signatures more) {
    secrets.insert(secrets.end(), more.begin(), more.end());
  }

  artifact_context artifacts() const {
    return {payload, runner, facts, variables, settings};
  }

  void set_attempts(stage_plan& stage, int32_t attempts_max) const {
    stage.attempts_max = attempts_max;
    if (!settings.flags.retry_backoff) {
      stage.retry_pause_ms = 1'000;
      stage.retry_pause_max_ms = 5'000;
    }
  }
};

stage_plan prepare_script(const builder& from) {
  posix::script body;
  // Read in the shell itself: a start of `hostname` is the time of a whole
  // stage.
  body.line("if [ -r /proc/sys/kernel/hostname ]; then");
  body.line("read -r muster_host </proc/sys/kernel/hostname || :");
  body.line("else muster_host=$(hostname); fi");
  body.line("printf 'Running on %s via %s...\\n' \"$muster_host\" "
            + posix::quote(from.facts.manager_host));
  for (const auto& path :
       {gitlab_env_path(from.dirs), from.dirs.temp + "/masking.db"})
    body.line("if [ -e " + posix::quote(path) + " ]; then rm -f "
              + posix::quote(path) + "; fi");
  stage_plan stage;
  stage.name = "prepare_script";
  stage.heading = "Preparing environment";
  stage.script = from.whole(body);
  stage.phase = stage_phase::prepare;
  return stage;
}

void write_sources(posix::script& out, const builder& from) {
  export_options options;
  if (from.settings.git.strategy == git_strategy::none)
    options.folder = from.dirs.project;
  write_exports(out, from.variables, from.dirs, options);
  if (!from.settings.git.refusal.empty()) {
    out.error(from.settings.git.refusal);
    out.line("exit 1");
    return;
  }
  if (from.settings.git.repository()) {
    out.export_variable("GIT_TERMINAL_PROMPT", "0");
    out.export_variable("GCM_INTERACTIVE", "Never");
    from.config_script(out, from.runner.pre_get_sources_script,
                       "pre_clone_script");
    from.hook(out, "pre_get_sources_script", "pre_clone_script");
  }
  write_get_sources(out, from.sources);
  if (from.settings.git.repository()) {
    from.hook(out, "post_get_sources_script", "post_clone_script");
    from.config_script(out, from.runner.post_get_sources_script,
                       "post_clone_script");
  }
}

stage_plan get_sources(const builder& from) {
  posix::script body;
  write_sources(body, from);
  posix::script clearing;
  write_clear_worktree(clearing, from.dirs);
  stage_plan stage;
  stage.name = "get_sources";
  stage.heading = "Getting source from Git repository";
  stage.script = from.whole(body);
  stage.phase = stage_phase::sources;
  stage.timeout_ms = from.settings.get_sources_timeout.count();
  from.set_attempts(stage, from.settings.get_sources_attempts);
  if (stage.attempts_max > 1)
    stage.before_retry = from.whole(clearing);
  return stage;
}

stage_plan restore_cache(builder& from) {
  posix::script body;
  from.begin_helper(body);
  from.enter_project(body, {});
  from.keep(write_restore_caches(body, from.caches()));
  stage_plan stage;
  stage.name = "restore_cache";
  stage.heading = "Restoring cache";
  stage.script = from.whole(body);
  stage.phase = stage_phase::sources;
  from.set_attempts(stage, from.settings.archives.restore_attempts);
  return stage;
}

stage_plan download_artifacts(const builder& from) {
  posix::script body;
  from.begin_helper(body);
  from.enter_project(body, {});
  write_download_artifacts(body, from.artifacts());
  stage_plan stage;
  stage.name = "download_artifacts";
  stage.heading = "Downloading artifacts";
  stage.script = from.whole(body);
  stage.phase = stage_phase::sources;
  from.set_attempts(stage, from.settings.archives.download_attempts);
  return stage;
}

std::string lower_case(std::string text) {
  for (auto& c : text)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return text;
}

stage_plan user_step(const builder& from, const job_step& step) {
  auto lines = step.script;
  // GitLab leaves references in these to the runner.
  if (step.name == "release")
    for (auto& line : lines)
      line = from.variables.expand(line);
  posix::script body;
  from.enter_project(body, {});
  from.config_script(body, from.runner.pre_build_script, "pre_build_script");
  from.user_commands(body, lines, "script_step");
  from.config_script(body, from.runner.post_build_script, "post_build_script");
  stage_plan stage;
  stage.name = "step_" + lower_case(step.name);
  stage.heading = "Executing \"" + stage.name + "\" stage of the job script";
  stage.script = from.whole(body);
  stage.phase = stage_phase::step;
  return stage;
}

stage_plan after_script(const builder& from, const job_step& step) {
  posix::script body;
  from.enter_project(body, {.status = false, .folder = {}});
  body.notice("Running after script...");
  from.user_commands(body, step.script, "after_script_step");
  stage_plan stage;
  stage.name = "after_script";
  stage.heading = "Running after_script";
  stage.script = from.whole(body);
  stage.condition = stage_condition::after_steps;
  stage.phase = stage_phase::after;
  stage.timeout_ms = from.settings.after_script_timeout.count();
  stage.failure_counts = !from.settings.after_script_ignore_errors;
  stage.status_variable = true;
  return stage;
}

/// Caches and artifacts go out in stages of one kind: of a good job or another.
stage_plan archiving_stage(const builder& from, const posix::script& body,
                           bool success) {
  stage_plan stage;
  stage.script = from.whole(body);
  stage.condition
    = success ? stage_condition::on_success : stage_condition::on_failure;
  stage.phase = stage_phase::archive;
  stage.status_variable = true;
  return stage;
}

stage_plan archive_cache(builder& from, bool success) {
  posix::script body;
  from.begin_helper(body);
  from.enter_project(body, {.status = false, .folder = {}});
  from.keep(write_archive_caches(body, from.caches(), success));
  auto stage = archiving_stage(from, body, success);
  stage.name = success ? "archive_cache" : "archive_cache_on_failure";
  stage.heading = success ? "Saving cache for successful job"
                          : "Saving cache for failed job";
  return stage;
}

stage_plan upload_artifacts(const builder& from, bool success) {
  posix::script body;
  from.begin_helper(body);
  from.enter_project(body, {.status = false, .folder = {}});
  write_upload_artifacts(body, from.artifacts(), success);
  auto stage = archiving_stage(from, body, success);
  stage.name
    = success ? "upload_artifacts_on_success" : "upload_artifacts_on_failure";
  stage.heading = success ? "Uploading artifacts for successful job"
                          : "Uploading artifacts for failed job";
  return stage;
}

/// The files below the temporary directory that may hold something secret or
/// mean something to the next job.
std::vector<std::string> temporary_files(const builder& from) {
  const auto& temp = from.dirs.temp;
  std::vector<std::string> result{
    gitlab_env_path(from.dirs), temp + "/gitlab_runner_cache_env",
    temp + "/masking.db",       temp + "/.glr.gconf",
    ext_config_path(from.dirs), template_path(from.dirs)};
  for (const auto& x : from.variables.in_force())
    if (x.file && can_export(x))
      result.push_back(temp + '/' + x.key);
  return result;
}

stage_plan cleanup(const builder& from) {
  posix::script body;
  body.line("set +o errexit"); // what can be removed is removed
  std::vector<std::string> removal{"rm", "-r", "-f"};
  auto files = temporary_files(from);
  removal.insert(removal.end(), files.begin(), files.end());
  body.line("if [ -d " + posix::quote(from.dirs.temp) + " ]; then");
  body.command(removal);
  body.line("fi");
  if (from.settings.flags.job_cleanup)
    write_project_cleanup(body, from.dirs, from.settings.git);
  write_git_cleanup(body, from.dirs, from.settings.git);
  stage_plan stage;
  stage.name = "cleanup_file_variables";
  stage.heading = "Cleaning up project directory and file based variables";
  stage.script = from.whole(body);
  stage.condition = stage_condition::always;
  stage.phase = stage_phase::cleanup;
  stage.failure_counts = false;
  return stage;
}

/// Images, volumes, network and services are prepared by the helper itself.
stage_plan prepare_executor() {
  stage_plan stage;
  stage.name = prepare_executor_stage;
  stage.heading = "Preparing the \"docker-autoscaler\" executor";
  stage.phase = stage_phase::prepare;
  stage.place = stage_place::engine;
  return stage;
}

stage_place place_of(const stage_plan& stage) {
  if (stage.place == stage_place::engine)
    return stage.place;
  return stage.phase == stage_phase::step || stage.phase == stage_phase::after
           ? stage_place::build
           : stage_place::helper;
}

std::vector<stage_plan> all_stages(builder& from) {
  std::vector<stage_plan> result;
  if (from.runner.docker)
    result.push_back(prepare_executor());
  result.push_back(prepare_script(from));
  result.push_back(get_sources(from));
  if (has_caches(from.payload))
    result.push_back(restore_cache(from));
  if (has_downloads(from.payload))
    result.push_back(download_artifacts(from));
  for (const auto& step : from.payload.steps)
    if (step.name != "after_script")
      result.push_back(user_step(from, step));
  for (const auto& step : from.payload.steps)
    if (step.name == "after_script" && !step.script.empty())
      result.push_back(after_script(from, step));
  for (auto success : {true, false})
    if (keeps_caches(from.payload, success))
      result.push_back(archive_cache(from, success));
  for (auto success : {true, false})
    if (has_uploads(from.payload, from.runner, success))
      result.push_back(upload_artifacts(from, success));
  result.push_back(cleanup(from));
  if (from.runner.docker)
    for (auto& stage : result)
      stage.place = place_of(stage);
  return result;
}

/// The directories depend on variables, which may refer to the builds
/// directory.
result<job_directories, job_errc> directories(const job_payload& payload,
                                              const runner_config& runner,
                                              const plan_facts& facts) {
  job_directories known;
  known.builds = builds_root(runner.builds_dir);
  auto variables = collect_variables(payload, runner, facts, known).expanded();
  directory_facts layout;
  layout.builds_dir = runner.builds_dir;
  layout.cache_dir = runner.cache_dir;
  layout.shared = shares_builds(runner, variables);
  layout.repo_url = payload.git.repo_url.reveal();
  layout.project_id = payload.project_id;
  layout.short_token = facts.short_token;
  layout.concurrent_project_id = facts.concurrent_project_id;
  layout.clone_path = variables.value("GIT_CLONE_PATH");
  layout.clone_path_allowed = runner.custom_build_dir_enabled;
  layout.empty_strategy = variables.value("GIT_STRATEGY") == "empty";
  return lay_out(layout);
}

/// Errors: as of `build_plan`, for what no plan can be made from.
result<void, job_errc> check(const job_payload& payload,
                             const runner_config& runner) {
  if (!payload.refusal.empty())
    return fail(job_errc::runner_system_failure, payload.refusal);
  if (runner.executor == "docker-autoscaler" && !runner.docker)
    return fail(job_errc::configuration_error,
                "the runner has no [runners.docker]");
  for (auto shell : {"pwsh", "powershell", "cmd"})
    if (runner.shell == shell)
      return fail(job_errc::configuration_error,
                  "the runner's shell \"" + runner.shell
                    + "\" is not supported: set it to bash or sh");
  return {};
}

std::vector<std::string> warnings_of(const builder& from) {
  auto result = from.settings.warnings;
  for (auto& line : bad_flag_variables(from.runner, [&](std::string_view key) {
         return payload_variable(from.payload, key);
       }))
    result.push_back(std::move(line));
  auto in_force = from.variables.in_force();
  for (const auto& x : in_force)
    if (!can_export(x))
      result.push_back(x.key
                       + ": a shell cannot be given a variable of this "
                         "name, it is left out");
  auto too_large = too_large_to_export(in_force);
  for (const auto& x : in_force)
    if (too_large.contains(x.key))
      result.push_back(too_large_text(x));
  return result;
}

/// What a job that a policy has added says of it (reference/trace, section 2).
std::vector<std::string> policy_lines(const job_policy& policy) {
  if (policy.name.empty())
    return {};
  std::vector<std::string> lines{"Job triggered by policy \"" + policy.name
                                 + "\"."};
  if (policy.overrides == policy_overrides::not_said) {
    lines.emplace_back("Variables defined in the policy take precedence over "
                       "matching user-defined CI/CD variables for this job.");
    return lines;
  }
  std::string line = "User-defined CI/CD variables are ";
  line += policy.overrides == policy_overrides::allowed ? "allowed" : "ignored";
  line += " in this job";
  std::string names;
  for (const auto& name : policy.exceptions)
    names += (names.empty() ? "" : ", ") + name;
  if (!names.empty())
    line += " (except for " + names + ")";
  lines.push_back(line + " according to the pipeline execution policy.");
  return lines;
}

/// The job's token is a masked variable as GitLab sends it; it is masked even
/// if it were not. So are those of the jobs whose artifacts it may download,
/// and what gives the right to its caches.
std::vector<std::string> phrases_of(const builder& from) {
  auto variables = from.variables.all();
  job_variable token;
  token.value = from.payload.token;
  token.masked = true;
  variables.push_back(token);
  for (const auto& x : from.payload.dependencies) {
    token.value = x.token;
    variables.push_back(token);
  }
  for (const auto& x : from.secrets) {
    token.value = secret{x};
    variables.push_back(token);
  }
  for (const auto& x : from.payload.credentials) {
    token.value = x.password;
    variables.push_back(token);
  }
  return mask_phrases(variables);
}

} // namespace

milliseconds job_timeout(const job_payload& payload) {
  constexpr int64_t by_default = 7200;
  constexpr int64_t at_most = 10LL * 365 * 24 * 3600; // no overflow below
  auto seconds = payload.timeout_seconds > 0
                   ? std::min(payload.timeout_seconds, at_most)
                   : by_default;
  return std::chrono::seconds{seconds};
}

result<plan_result, job_errc> build_plan(const job_payload& payload,
                                         const runner_config& runner,
                                         const plan_facts& facts) {
  if (auto ok = check(payload, runner); !ok)
    return tl::unexpected{ok.error()};
  auto dirs = directories(payload, runner, facts);
  if (!dirs)
    return tl::unexpected{dirs.error()};
  builder from{.payload = payload,
               .runner = runner,
               .facts = facts,
               .dirs = *dirs,
               .variables
               = collect_variables(payload, runner, facts, *dirs).expanded(),
               .settings = {},
               .sources = {},
               .secrets = {}};
  auto timeout = job_timeout(payload);
  from.settings = read_settings(from.variables, payload, runner, timeout);
  from.sources = sources_of(payload, runner, facts, from.dirs, from.variables,
                            from.settings);
  if (auto ok
      = check_variables(from.variables, from.dirs, payload.steps.size());
      !ok)
    return tl::unexpected{ok.error()};
  plan_result result;
  result.plan.key = facts.key;
  result.plan.shell = runner.shell;
  result.plan.stages = all_stages(from);
  if (runner.docker) {
    auto made = plan_containers(
      {payload, runner, facts, from.dirs, from.variables, from.settings});
    if (!made)
      return tl::unexpected{made.error()};
    result.plan.containers = std::move(made->plan);
    result.warnings = std::move(made->warnings);
    result.uses_default_image = made->uses_default_image;
  }
  if (auto ok = check_size(result.plan, from.variables); !ok)
    return tl::unexpected{ok.error()};
  result.plan.timeout_ms
    = (facts.time_left.count() > 0 ? facts.time_left : timeout).count();
  result.plan.steps_timeout_ms = from.settings.script_timeout.count();
  if (!runner.docker) // else it is in a volume
    result.plan.temp_dir = from_login(from.dirs.temp);
  auto warnings = warnings_of(from);
  result.warnings.insert(result.warnings.begin(), warnings.begin(),
                         warnings.end());
  result.policy_lines = policy_lines(payload.policy);
  result.prepare_timeout = from.settings.prepare_timeout;
  result.get_sources_timeout = from.settings.get_sources_timeout;
  result.mask_phrases = phrases_of(from);
  result.mask_prefixes = mask_prefixes(
    payload,
    flag_value(
      runner,
      [&](std::string_view key) { return payload_variable(payload, key); },
      "FF_MASK_ALL_DEFAULT_TOKENS"));
  result.variables = std::move(from.variables);
  return result;
}

} // namespace muster
