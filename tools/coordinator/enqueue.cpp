#include "tools/coordinator/enqueue.hpp"

#include "tools/coordinator/job_parts.hpp"
#include "tools/coordinator/pipeline/git_files.hpp"
#include "tools/coordinator/pipeline/job_body.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;

constexpr const char* full_text
  = "too many jobs are remembered: forget ended ones first";

/// A job's JSON with the variables that the server was started with.
json with_masked(const server_state& state, json spec) {
  for (const auto& [key, value] : state.masked)
    spec["masked"][key] = value;
  return spec;
}

/// Makes the payload once, so that what cannot be handed out is refused now.
result<job_template, spec_errc> checked(const server_state& state,
                                        result<job_template, spec_errc> made) {
  if (!made)
    return made;
  job_view sample;
  sample.name = made->name;
  sample.project = made->project;
  sample.what = std::make_shared<const job_template>(*made);
  try {
    payload_of(sample, state.url, state.projects).dump();
  } catch (const json::exception& problem) {
    return fail(spec_errc::bad_value, problem.what());
  }
  return made;
}

spec_errc code_of(yaml_errc x) {
  return x == yaml_errc::unknown_keyword ? spec_errc::unknown_key
                                         : spec_errc::bad_value;
}

result<job_template, spec_errc> job_of(const server_state& state,
                                       const file_job& from,
                                       const project_commit& where,
                                       const json& options) {
  auto spec = with_masked(state, from.spec);
  spec["project"] = where.project;
  for (const auto* key : {"depth", "payload"})
    if (auto at = options.find(key); at != options.end())
      spec[key] = *at;
  if (auto at = options.find("masked"); at != options.end())
    spec["masked"].update(*at);
  auto made = job_from_json(spec, state.projects, &where.commit);
  if (!made)
    return made;
  auto late = variables_of(options.value("variables", json::object()));
  if (!late)
    return fail(spec_errc::bad_value, "variables: " + late.error().text);
  made->late_variables = std::move(*late);
  for (const auto& x : made->late_variables)
    if (x.value("key", "") == "EXPECT")
      made->expect = x.value("value", "success");
  return checked(state, std::move(made));
}

pipeline_context context_of(const server_state& state,
                            const project_commit& where,
                            const std::string& file, const json& options) {
  pipeline_context out;
  out.file = file;
  out.predefined = rule_variables(where.commit, where.project, state.url);
  add_values(out.given, options.value("variables", json::object()));
  const auto* project = state.projects.find(where.project);
  if (project != nullptr && where.commit.cloneable)
    out.files = std::make_shared<git_files>(
      project->directory, where.commit.sha, git_files::from::commit);
  return out;
}

tl::unexpected<failure<spec_errc>> first_error(const pipeline_notes& notes) {
  auto all = notes.diagnostics();
  auto errors = static_cast<size_t>(
    std::count_if(all.begin(), all.end(), [](const diagnostic& x) {
      return x.level == severity::error;
    }));
  auto text = headline(all.front());
  if (errors > 1)
    text += fmt::format(" (and {} more)", errors - 1);
  return fail(code_of(*notes.first_code()), std::move(text));
}

/// Errors: why a job cannot run here, and those of its parts.
result<std::vector<pipeline_job>, spec_errc>
jobs_of(const server_state& state, const pipeline_file& file,
        const std::string& name, const project_commit& where,
        const json& options) {
  std::vector<pipeline_job> jobs;
  for (const auto& from : file.jobs) {
    if (!from.refusals.empty())
      return fail(spec_errc::unknown_key, placed(name, from.refusals.front().at,
                                                 from.refusals.front().text));
    auto made = job_of(state, from, where, options);
    if (!made)
      return fail(made.error().code, placed(name, from.at, made.error().text));
    jobs.push_back({std::move(*made), from.stage, from.has_needs, from.needs,
                    from.dependencies});
  }
  return jobs;
}

result<int64_t, spec_errc> start(server_state& state, const pipeline_file& file,
                                 const std::string& name,
                                 const project_commit& where,
                                 const json& options) {
  auto jobs = jobs_of(state, file, name, where, options);
  if (!jobs)
    return tl::unexpected(jobs.error());
  auto id = state.jobs.start_pipeline(name, std::move(*jobs));
  if (id == 0)
    return fail(spec_errc::bad_value, full_text);
  return id;
}

} // namespace

result<std::vector<int64_t>, spec_errc>
enqueue_job(server_state& state, const json& spec, size_t copies) {
  bool is_full = spec.is_object() && spec.contains("steps");
  auto made = checked(state, job_from_json(!spec.is_object() || is_full
                                             ? spec
                                             : with_masked(state, spec),
                                           state.projects));
  if (!made)
    return tl::unexpected(made.error());
  auto ids = state.jobs.enqueue(
    std::make_shared<const job_template>(std::move(*made)), copies);
  if (ids.size() < copies)
    return fail(spec_errc::bad_value, full_text);
  return ids;
}

result<started_pipeline, spec_errc> start_pipeline(server_state& state,
                                                   const std::string& text,
                                                   const std::string& file,
                                                   const json& options) {
  try {
    auto where = commit_in_spec(options, state.projects);
    if (!where)
      return tl::unexpected(where.error());
    auto read = parse_pipeline(text, context_of(state, *where, file, options));
    if (!read.notes.passed())
      return first_error(read.notes);
    auto id = start(state, read.file, file, *where, options);
    if (!id)
      return tl::unexpected(id.error());
    started_pipeline out{*id, {}};
    for (const auto& x : read.notes.diagnostics())
      out.warnings.push_back(headline(x));
    return out;
  } catch (const json::exception& problem) { // options of a wrong kind
    return fail(spec_errc::bad_value, problem.what());
  }
}

result<int64_t, spec_errc> start_pipeline(server_state& state,
                                          const pipeline_file& file,
                                          const std::string& name,
                                          const json& options) {
  try {
    auto where = commit_in_spec(options, state.projects);
    if (!where)
      return tl::unexpected(where.error());
    return start(state, file, name, *where, options);
  } catch (const json::exception& problem) {
    return fail(spec_errc::bad_value, problem.what());
  }
}

} // namespace muster::gitlab
