#include "executors/plan/environment.hpp"

#include "config/feature_flags.hpp"
#include "executors/plan/container_names.hpp"
#include "executors/plan/settings.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

namespace muster {

namespace {

using posix::quote;

bool is_feature_flag(std::string_view name) {
  return std::ranges::find(feature_flags(), name, &feature_flag::name)
         != feature_flags().end();
}

void add_flags(job_variables& to, const job_payload& payload,
               const runner_config& runner) {
  auto from_job
    = [&](std::string_view name) { return payload_variable(payload, name); };
  for (const auto& flag : feature_flags())
    to.add(std::string{flag.name},
           flag_value(runner, from_job, flag.name) ? "true" : "false");
}

void add_environment(job_variables& to, const runner_config& runner) {
  for (const auto& entry : runner.environment) {
    auto equals = entry.find('=');
    if (equals == std::string::npos
        || is_feature_flag(std::string_view{entry}.substr(0, equals)))
      continue;
    job_variable x;
    x.key = entry.substr(0, equals);
    x.value = secret{entry.substr(equals + 1)};
    x.is_public = true; // services have them, as with GitLab Runner
    to.add(std::move(x));
  }
}

/// The name of the job's image, with its references.
void add_image(job_variables& to, const job_payload& payload) {
  if (payload.image.name.empty())
    return;
  job_variable x;
  x.key = "CI_JOB_IMAGE";
  x.value = secret{payload.image.name};
  x.is_public = true;
  to.add(std::move(x));
}

/// What a job has of its place: its network and its slot's cgroup.
void add_places(job_variables& to, const job_payload& payload,
                const runner_config& runner, const plan_facts& facts) {
  auto per_build = flag_value(
    runner,
    [&](std::string_view name) { return payload_variable(payload, name); },
    "FF_NETWORK_PER_BUILD");
  if (runner.docker && runner.docker->network_mode.empty() && per_build)
    to.add("CI_BUILD_NETWORK_NAME", names_of(payload, runner, facts).network);
  if (runner.use_slot_cgroups && facts.slot >= 0)
    to.add("GITLAB_RUNNER_SLOT_CGROUP",
           slot_cgroup(runner.slot_cgroup_template, facts.slot));
}

void add_file(job_variables& to, std::string key, const secret& content) {
  if (content.empty())
    return;
  job_variable x;
  x.key = std::move(key);
  x.value = content;
  x.file = true;
  x.raw = true;
  x.is_public = true; // its path is
  to.add(std::move(x));
}

void write_file_variable(posix::script& out, const job_variable& x,
                         const std::string& temp) {
  auto path = temp + '/' + x.key;
  out.line("printf '%s' " + quote(x.value.reveal()) + " >" + quote(path));
  out.export_variable(x.key, path);
}

/// What a variable takes of a program's environment, its pointer included; 0:
/// nothing worth counting.
size_t exported_bytes(const job_variable& x) {
  if (x.file || !can_export(x))
    return 0;
  return x.key.size() + x.value.reveal().size() + 2 + sizeof(char*);
}

/// One that was exported before would stay so.
void write_shell_variable(posix::script& out, const job_variable& x) {
  out.line("unset -v " + x.key);
  out.line(x.key + '=' + quote(x.value.reveal()));
}

void write_gitlab_env(posix::script& out, const job_directories& dirs) {
  out.export_variable("GITLAB_ENV", gitlab_env_path(dirs));
  out.line("if [ -s \"$GITLAB_ENV\" ]; then");
  out.line("while IFS= read -r muster_line || [ -n \"$muster_line\" ]; do");
  out.line("case ${muster_line%%=*} in");
  // What is no name would end the shell itself.
  out.line("'' | [0-9]* | *[!A-Za-z0-9_]*)");
  out.line("if [ -n \"$muster_line\" ]; then");
  out.warning("A line in the file of GITLAB_ENV is not KEY=VALUE: ignored");
  out.line("fi ;;");
  out.line("*) export \"$muster_line\" ;;");
  out.line("esac");
  out.line("done <\"$GITLAB_ENV\"");
  out.line("else");
  out.line(": >>\"$GITLAB_ENV\"");
  out.line("fi");
}

} // namespace

job_variables collect_variables(const job_payload& payload,
                                const runner_config& runner,
                                const plan_facts& facts,
                                const job_directories& dirs) {
  using std::chrono::seconds;
  job_variables result{dirs.temp};
  add_flags(result, payload, runner);
  add_image(result, payload);
  result.add("CI_RUNNER_SHORT_TOKEN", facts.short_token);
  add_environment(result, runner);
  result.add("CI_BUILDS_DIR", dirs.builds);
  result.add("CI_PROJECT_DIR", dirs.project);
  result.add("CI_CONCURRENT_ID", std::to_string(facts.concurrent_id));
  result.add("CI_CONCURRENT_PROJECT_ID",
             std::to_string(facts.concurrent_project_id));
  result.add("CI_SERVER", "yes");
  result.add("CI_JOB_STATUS", "running");
  auto timeout = std::chrono::duration_cast<seconds>(job_timeout(payload));
  result.add("CI_JOB_TIMEOUT", std::to_string(timeout.count()));
  add_file(result, "CI_SERVER_TLS_CA_FILE", payload.tls_ca);
  add_file(result, "CI_SERVER_TLS_CERT_FILE", payload.tls_cert);
  add_file(result, "CI_SERVER_TLS_KEY_FILE", payload.tls_key);
  for (const auto& x : payload.variables)
    if (!is_feature_flag(x.key))
      result.add(x);
  result.add(runner.docker ? "CI_DISPOSABLE_ENVIRONMENT"
                           : "CI_SHARED_ENVIRONMENT",
             "true");
  result.add("CI_RUNNER_VERSION", facts.version);
  result.add("CI_RUNNER_REVISION", facts.revision);
  result.add("CI_RUNNER_EXECUTABLE_ARCH", facts.os + '/' + facts.arch);
  result.add("RUNNER_TEMP_PROJECT_DIR", dirs.temp);
  add_places(result, payload, runner, facts);
  return result;
}

bool can_export(const job_variable& x) {
  for (auto name :
       {"UID", "EUID", "PPID", "BASHOPTS", "SHELLOPTS", "BASH_VERSINFO"})
    if (x.key == name)
      return false;
  return posix::is_variable_name(x.key);
}

std::set<std::string>
too_large_to_export(const std::vector<job_variable>& in_force) {
  std::set<std::string> out;
  std::vector<const job_variable*> by_size;
  size_t total = 0;
  for (const auto& x : in_force) {
    auto size = exported_bytes(x);
    if (size > exported_max + 1 + sizeof(char*)) {
      out.insert(x.key);
      continue;
    }
    by_size.push_back(&x);
    total += size;
  }
  if (total <= exported_total_max)
    return out;
  std::ranges::stable_sort(by_size, std::greater<>{},
                           [](const auto* x) { return exported_bytes(*x); });
  for (const auto* x : by_size) {
    if (total <= exported_total_max)
      break;
    total -= exported_bytes(*x);
    out.insert(x->key);
  }
  return out;
}

std::string gitlab_env_path(const job_directories& dirs) {
  return dirs.temp + "/gitlab_runner_env";
}

void write_exports(posix::script& out, const job_variables& expanded,
                   const job_directories& dirs, const export_options& options) {
  std::vector<std::string> folders{dirs.temp};
  if (!options.folder.empty())
    folders.push_back(options.folder);
  // The test saves a process in all stages but the first.
  out.line("[ -d " + quote(dirs.temp) + " ] || mkdir -p " + quote(folders));
  auto in_force = expanded.in_force();
  auto too_large = too_large_to_export(in_force);
  for (const auto& x : in_force) {
    if (!can_export(x) || (!options.status && x.key == "CI_JOB_STATUS"))
      continue;
    if (x.file)
      write_file_variable(out, x, dirs.temp);
    else if (too_large.contains(x.key))
      write_shell_variable(out, x);
    else
      out.export_variable(x.key, x.value.reveal());
  }
  write_gitlab_env(out, dirs);
}

} // namespace muster
