#include "executors/plan/archives.hpp"

#include "config/duration.hpp"
#include "executors/cache/utc.hpp"
#include "executors/plan/helper_call.hpp"
#include "executors/plan/url.hpp"

#include <algorithm>

namespace muster {

namespace {

bool has_file(const job_dependency& x) {
  return !x.file_name.empty();
}

bool names_something(const job_artifact& x) {
  return x.untracked || !x.paths.empty();
}

bool wanted_after(const job_artifact& x, bool success) {
  if (x.when == "always")
    return true;
  return success ? x.when.empty() || x.when == "on_success"
                 : x.when == "on_failure";
}

/// A call that speaks with GitLab as the job of this id and token.
helper_call call_for(const char* command, const artifact_context& from,
                     int64_t job, const secret& token) {
  helper_call call;
  call.words = {command};
  call.environment
    = {{"CI_SERVER_URL", from.runner.url}, {"CI_JOB_TOKEN", token.reveal()}};
  call.flag("--id", std::to_string(job));
  return call;
}

/// What the statement about an artifact's origin says (SLSA provenance).
void add_metadata(helper_call& call, const artifact_context& from) {
  const auto& payload = from.payload;
  constexpr std::string_view now = "\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"";
  auto repository = without_credentials(payload.git.repo_url.reveal());
  if (repository.ends_with(".git"))
    repository.resize(repository.size() - 4);
  call.words.emplace_back("--generate-artifacts-metadata");
  call.flag("--runner-id", from.variables.value("CI_RUNNER_ID"));
  call.flag("--repo-url", repository);
  call.flag("--repo-digest", payload.git.sha);
  call.flag("--job-name", payload.name);
  call.flag("--executor-name", from.runner.executor);
  call.flag("--runner-name", from.runner.name);
  const auto& schema = from.settings.archives.metadata_schema_version;
  call.flag("--schema-version", schema.empty() ? "unknown" : schema);
  for (const auto& variable : payload.variables)
    call.flag("--metadata-parameter", variable.key);
  call.flag("--started-at", utc_text(from.facts.began_unix));
  call.expanded_words += "--ended-at " + std::string{now};
}

helper_call uploader(const artifact_context& from, const job_artifact& what) {
  auto call
    = call_for("artifacts-uploader", from, from.payload.id, from.payload.token);
  call.flag("--timeout", format_duration(from.runner.artifact_upload_timeout));
  call.flag("--response-header-timeout",
            format_duration(from.runner.artifact_response_header_timeout));
  if (from.settings.archives.artifacts_metadata && what.format == "zip")
    add_metadata(call, from);
  call.flags("--path", what.paths);
  call.flags("--exclude", what.exclude);
  if (what.untracked)
    call.words.emplace_back("--untracked");
  for (const auto& [name, value] : {std::pair{"--name", &what.name},
                                    {"--expire-in", &what.expire_in},
                                    {"--artifact-format", &what.format},
                                    {"--artifact-type", &what.type}})
    if (!value->empty())
      call.flag(name, *value);
  return call;
}

} // namespace

bool has_downloads(const job_payload& payload) {
  return std::ranges::any_of(payload.dependencies, has_file);
}

bool has_uploads(const job_payload& payload, const runner_config& runner,
                 bool success) {
  return !runner.url.empty()
         && std::ranges::any_of(
           payload.artifacts, [success](const job_artifact& x) {
             return names_something(x) && wanted_after(x, success);
           });
}

void write_download_artifacts(posix::script& out,
                              const artifact_context& from) {
  write_helper_search(out);
  write_if_helper(out);
  for (const auto& job : from.payload.dependencies) {
    if (!has_file(job))
      continue;
    out.notice("Downloading artifacts for " + job.name + " ("
               + std::to_string(job.id) + ")...");
    out.line(
      shell_command(call_for("artifacts-downloader", from, job.id, job.token),
                    from.settings.debug_trace));
  }
  write_missing_helper(out, "Artifacts downloading");
}

void write_upload_artifacts(posix::script& out, const artifact_context& from,
                            bool success) {
  write_helper_search(out);
  for (const auto& artifact : from.payload.artifacts) {
    if (!names_something(artifact) || !wanted_after(artifact, success))
      continue;
    write_if_helper(out);
    out.notice("Uploading artifacts...");
    out.line(
      shell_command(uploader(from, artifact), from.settings.debug_trace));
    write_missing_helper(out, "Uploading artifacts");
  }
}

} // namespace muster
