#include "tools/coordinator/enqueue.hpp"

#include "tools/coordinator/pipeline_file.hpp"

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

result<job_template, spec_errc>
job_of(const server_state& state, const file_job& from, const json& options) {
  auto spec = with_masked(state, from.spec);
  for (const auto* key : {"project", "ref", "sha", "depth"})
    if (auto at = options.find(key); at != options.end())
      spec[key] = *at;
  for (const auto* key : {"variables", "masked"})
    if (auto at = options.find(key); at != options.end())
      spec[key].update(*at);
  return checked(state, job_from_json(spec, state.projects));
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

result<int64_t, spec_errc> start_pipeline(server_state& state,
                                          const std::string& text,
                                          const std::string& file,
                                          const json& options) {
  auto parsed = parse_pipeline(text, file);
  if (!parsed)
    return fail(code_of(parsed.error().code), parsed.error().text);
  std::vector<pipeline_job> jobs;
  try {
    for (const auto& from : parsed->jobs) {
      auto made = job_of(state, from, options);
      if (!made)
        return fail(made.error().code,
                    made.error().code == spec_errc::no_project
                      ? made.error().text
                      : placed(file, from.at, made.error().text));
      jobs.push_back(
        {std::move(*made), from.stage, from.has_needs, from.needs, {}});
    }
  } catch (const json::exception& problem) { // options of a wrong kind
    return fail(spec_errc::bad_value, problem.what());
  }
  auto id = state.jobs.start_pipeline(file, std::move(jobs));
  if (id == 0)
    return fail(spec_errc::bad_value, full_text);
  return id;
}

} // namespace muster::gitlab
