#include "tools/coordinator/job_spec.hpp"

#include "tools/coordinator/job_parts.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;

constexpr int64_t timeout_default = 3600; ///< [s]
constexpr int depth_default = 20;         ///< [commits]

constexpr std::array keys{
  "script",
  "before_script",
  "after_script",
  "variables",
  "image",
  "services",
  "cache",
  "artifacts",
  "hooks",
  "timeout",
  "allow_failure",
  "when",
  "stage",
  "name",
  "project",
  "ref",
  "sha",
  "depth",
  "expect",
  "runner_token",
  "job_token",
  "masked",
  "predefined",
  "payload",
  "failure_reasons",
  "dependencies",
  "default_branch",
  "retry",
  "environment",
  "node_index",
  "node_total",
};

/// What GitLab 19 names, as far as a runner can send it.
const json all_failure_reasons{
  "unknown_failure",
  "script_failure",
  "runner_system_failure",
  "job_execution_timeout",
  "image_pull_failure",
  "runner_configuration_error",
  "runner_external_dependency_failure",
  "runner_interrupted",
};

tl::unexpected<failure<spec_errc>> bad(std::string text) {
  return fail(spec_errc::bad_value, std::move(text));
}

result<void, spec_errc> read_flags(const json& spec, job_template& to) {
  auto when = spec.value("when", std::string{"on_success"});
  auto known = when_of(when);
  if (!known)
    return bad(fmt::format("when: \"{}\" is none of on_success, on_failure, "
                           "always, manual, never",
                           when));
  to.when = *known;
  if (auto at = spec.find("allow_failure"); at != spec.end()) {
    if (at->is_boolean())
      to.allow_failure = at->get<bool>();
    else if (at->is_object() && at->contains("exit_codes"))
      for (const auto& code : list_of(at->at("exit_codes")))
        to.allow_failure_codes.push_back(code.get<int>());
    else
      return bad("allow_failure: neither true, false nor {exit_codes: ...}");
  }
  return {};
}

result<int64_t, spec_errc> read_timeout(const json& spec) {
  auto at = spec.find("timeout");
  if (at == spec.end())
    return timeout_default;
  if (at->is_number_integer())
    return at->get<int64_t>();
  auto time
    = at->is_string() ? parse_timeout(at->get<std::string>()) : std::nullopt;
  if (!time)
    return bad(fmt::format("timeout: {} is no duration; write \"1h 30m\" or "
                           "seconds",
                           at->dump()));
  return time->count();
}

void read_retry(const json& spec, job_template& to) {
  auto from = spec.value("retry", json::object());
  to.retry.max = from.value("max", 0);
  for (const auto& word : list_of(from.value("when", json{})))
    if (word != "always")
      to.retry.when.push_back(word.get<std::string>());
  for (const auto& code : list_of(from.value("exit_codes", json{})))
    to.retry.exit_codes.push_back(code.get<int>());
}

/// The variables of an environment, before all others of the job.
void add_environment(const json& spec, json& to) {
  auto from = spec.value("environment", json::object());
  if (from.empty())
    return;
  auto add = [&](const char* key, const std::string& value) {
    to.push_back(
      {{"key", key}, {"value", value}, {"public", true}, {"masked", false}});
  };
  auto name = from.value("name", std::string{});
  add("CI_ENVIRONMENT_NAME", name);
  if (name.find('$') == std::string::npos)
    add("CI_ENVIRONMENT_SLUG", slug(name.substr(0, 24)));
  add("CI_ENVIRONMENT_ACTION", from.value("action", std::string{"start"}));
  if (from.contains("url"))
    add("CI_ENVIRONMENT_URL", from["url"].get<std::string>());
  if (from.contains("deployment_tier"))
    add("CI_ENVIRONMENT_TIER", from["deployment_tier"].get<std::string>());
}

result<json, spec_errc> steps_of(const json& spec, int64_t timeout) {
  auto before = script_lines(spec.value("before_script", json::array()));
  auto script = script_lines(spec.value("script", json::array()));
  auto after = script_lines(spec.value("after_script", json::array()));
  if (!before || !script || !after)
    return bad("a script is neither text nor a list of texts");
  before->insert(before->end(), script->begin(), script->end());
  auto steps = json::array({{{"name", "script"},
                             {"script", *before},
                             {"timeout", timeout},
                             {"when", "on_success"},
                             {"allow_failure", false}}});
  if (!after->empty())
    steps.push_back({{"name", "after_script"},
                     {"script", *after},
                     {"timeout", timeout},
                     {"when", "always"},
                     {"allow_failure", true}});
  return steps;
}

json git_info_of(const commit_info& commit, int depth) {
  json refspecs = json::array();
  auto where = commit.tag ? "refs/tags/" : "refs/heads/";
  auto kept = commit.tag ? "refs/tags/" : "refs/remotes/origin/";
  if (depth > 0) {
    refspecs.push_back(
      fmt::format("+{}{}:{}{}", where, commit.ref, kept, commit.ref));
  } else {
    refspecs.push_back("+refs/heads/*:refs/remotes/origin/*");
    refspecs.push_back("+refs/tags/*:refs/tags/*");
  }
  return {{"repo_object_format", "sha1"},
          {"ref", commit.ref},
          {"sha", commit.sha},
          {"before_sha", commit.before_sha},
          {"ref_type", commit.tag ? "tag" : "branch"},
          {"refspecs", refspecs},
          {"depth", depth},
          {"protected", false}};
}

result<void, spec_errc> read_variables(const json& spec, json& to) {
  if (auto at = spec.find("variables"); at != spec.end()) {
    auto list = variables_of(*at);
    if (!list)
      return bad("variables: " + list.error().text);
    to.insert(to.end(), list->begin(), list->end());
  }
  auto masked = spec.value("masked", json::object());
  for (const auto& [key, value] : masked.items())
    to.push_back({{"key", key},
                  {"value", value.get<std::string>()},
                  {"public", false},
                  {"masked", true}});
  return {};
}

void read_expectation(const json& spec, const json& variables,
                      job_template& to) {
  for (const auto& x : variables)
    if (x.value("key", "") == "EXPECT")
      to.expect = x.value("value", "success");
  to.expect = spec.value("expect", to.expect);
}

result<json, spec_errc> short_payload(const json& spec, job_template& to) {
  auto timeout = read_timeout(spec);
  if (!timeout)
    return tl::unexpected(timeout.error());
  auto steps = steps_of(spec, *timeout);
  if (!steps)
    return steps;
  json variables = json::array();
  add_environment(spec, variables);
  if (auto read = read_variables(spec, variables); !read)
    return tl::unexpected(read.error());
  read_expectation(spec, variables, to);
  json services = json::array();
  for (const auto& x : list_of(spec.value("services", json::array())))
    services.push_back(image_of(x));
  json image = spec.contains("image") ? image_of(spec["image"]) : json{};
  return json{
    {"allow_git_fetch", true},
    {"git_info", git_info_of(to.commit, spec.value("depth", depth_default))},
    {"runner_info", {{"timeout", *timeout}, {"uuid", ""}}},
    {"variables", std::move(variables)},
    {"steps", std::move(*steps)},
    {"hooks", hooks_of(spec.value("hooks", json::object()))},
    {"image", image},
    {"services", std::move(services)},
    {"artifacts", artifacts_of(spec.value("artifacts", json{}))},
    {"cache", caches_of(spec.value("cache", json{}))},
    {"credentials", json::array()},
    {"dependencies", json::array()},
    {"features",
     {{"trace_sections", true},
      {"token_mask_prefixes", json::array({"glpat-"})},
      {"failure_reasons",
       spec.value("failure_reasons", all_failure_reasons)}}}};
}

result<job_template, spec_errc> from_short(const json& spec,
                                           const project_list& projects,
                                           const commit_info* known) {
  for (const auto& [key, value] : spec.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      return fail(spec_errc::unknown_key,
                  fmt::format("a job has no key \"{}\"", key));
  job_template result;
  result.name = spec.value("name", result.name);
  result.stage = spec.value("stage", result.stage);
  result.runner_token = spec.value("runner_token", std::string{});
  result.job_token = spec.value("job_token", std::string{});
  result.predefined = spec.value("predefined", true);
  result.dependencies = spec.value("dependencies", std::vector<int64_t>{});
  if (auto flags = read_flags(spec, result); !flags)
    return tl::unexpected(flags.error());
  read_retry(spec, result);
  result.node_index = spec.value("node_index", 0);
  result.node_total = spec.value("node_total", 1);
  if (known != nullptr) {
    result.project = spec.value("project", std::string{});
    result.commit = *known;
  } else {
    auto found = commit_in_spec(spec, projects);
    if (!found)
      return tl::unexpected(found.error());
    result.project = std::move(found->project);
    result.commit = std::move(found->commit);
  }
  auto payload = short_payload(spec, result);
  if (!payload)
    return tl::unexpected(payload.error());
  payload->merge_patch(spec.value("payload", json::object()));
  result.payload = std::move(*payload);
  return result;
}

job_template from_full(const json& spec, const project_list& projects) {
  job_template result;
  const auto* where = projects.first();
  auto info = spec.value("job_info", json::object());
  result.name = info.value("name", result.name);
  result.stage = info.value("stage", result.stage);
  result.project = info.value("project_full_path",
                              where == nullptr ? "root/test" : where->path);
  result.job_token = spec.value("token", std::string{});
  result.predefined = false;
  read_expectation(json::object(), spec.value("variables", json::array()),
                   result);
  result.payload = spec;
  // Dependencies without a token are jobs of this server.
  auto& list = result.payload["dependencies"];
  for (size_t i = 0; list.is_array() && i < list.size();) {
    if (!list[i].is_object() || list[i].contains("token")
        || !list[i].contains("id")) {
      ++i;
      continue;
    }
    result.dependencies.push_back(list[i]["id"].get<int64_t>());
    list.erase(i);
  }
  return result;
}

} // namespace

std::optional<std::chrono::seconds> parse_timeout(std::string_view text) {
  static constexpr std::array units{
    std::pair{'s', 1},     std::pair{'m', 60},     std::pair{'h', 3600},
    std::pair{'d', 86400}, std::pair{'w', 604800},
  };
  int64_t sum = 0;
  bool any = false;
  const auto* at = text.data();
  const auto* end = at + text.size();
  auto skip = [&](auto&& fits) {
    while (at != end && fits(static_cast<unsigned char>(*at)))
      ++at;
  };
  for (;;) {
    skip([](unsigned char c) { return std::isspace(c) != 0 || c == ','; });
    if (at == end)
      break;
    int64_t count = 0;
    auto [stop, error] = std::from_chars(at, end, count);
    if (error != std::errc{} || count < 0 || count > 1'000'000'000)
      return std::nullopt;
    at = stop;
    skip([](unsigned char c) { return c == ' '; });
    int64_t unit = 1;
    if (at != end && std::isalpha(static_cast<unsigned char>(*at)) != 0) {
      std::string_view word{at, static_cast<size_t>(end - at)};
      const auto* known
        = std::find_if(units.begin(), units.end(), [&](const auto& x) {
            return x.first == std::tolower(word.front());
          });
      if (known == units.end() || word.starts_with("mo"))
        return std::nullopt;
      unit = known->second;
      skip([](unsigned char c) { return std::isalpha(c) != 0; });
    }
    sum += count * unit;
    any = true;
  }
  if (!any)
    return std::nullopt;
  return std::chrono::seconds{sum};
}

result<project_commit, spec_errc> commit_in_spec(const json& spec,
                                                 const project_list& projects) {
  auto path = spec.value("project", std::string{});
  auto ref = spec.value("ref", std::string{});
  auto sha = spec.value("sha", std::string{});
  const auto* where = path.empty() ? projects.first() : projects.find(path);
  project_commit out;
  if (where == nullptr) {
    out.project = path.empty() ? "root/test" : path;
    if (!ref.empty())
      out.commit.ref = ref;
    if (!sha.empty())
      out.commit.sha = sha;
    return out;
  }
  out.project = where->path;
  auto commit = commit_of(*where, ref, sha);
  if (!commit)
    return fail(spec_errc::no_project, commit.error().text);
  out.commit = std::move(*commit);
  out.commit.default_branch
    = spec.value("default_branch", out.commit.default_branch);
  return out;
}

result<job_template, spec_errc> job_from_json(const json& spec,
                                              const project_list& projects,
                                              const commit_info* known) {
  if (!spec.is_object())
    return bad("a job is a JSON object");
  try {
    auto made = spec.contains("steps")
                  ? result<job_template, spec_errc>{from_full(spec, projects)}
                  : from_short(spec, projects, known);
    if (!made)
      return made;
    auto features = made->payload.value("features", json::object());
    made->failure_reasons
      = features.value("failure_reasons", std::vector<std::string>{});
    return made;
  } catch (const json::exception& problem) { // a value of another type
    return bad(problem.what());
  }
}

json payload_of(const job_view& job, const std::string& server_url,
                const project_list& projects) {
  auto result = job.what->payload;
  auto fill = [&](const char* key, json value) {
    if (!result.contains(key))
      result[key] = std::move(value);
  };
  const auto* where = projects.find(job.project);
  result["id"] = job.id;
  result["token"] = job.token;
  auto slash = job.project.rfind('/');
  fill("job_info",
       {{"name", job.name},
        {"stage", job.stage},
        {"pipeline_id", job.pipeline},
        {"project_id", where == nullptr ? 1 : where->id},
        {"project_name", job.project.substr(slash + 1)},
        {"project_full_path", job.project},
        {"namespace_id", 1},
        {"root_namespace_id", 1},
        {"user_id", 1},
        {"time_in_queue_seconds",
         static_cast<double>(job.handed_out_us - job.queued_us) / 1e6},
        {"project_jobs_running_on_instance_runners_count", "0"}});
  fill("git_info", git_info_of(job.what->commit, depth_default));
  auto& git = result["git_info"];
  if (git.is_object() && !git.contains("repo_url")) {
    auto scheme_end = server_url.find("://") + 3;
    git["repo_url"] = fmt::format("{}gitlab-ci-token:{}@{}/{}.git",
                                  server_url.substr(0, scheme_end), job.token,
                                  server_url.substr(scheme_end), job.project);
  }
  for (const auto& x : job.dependencies) {
    json file;
    if (!x.file_name.empty())
      file = {{"filename", x.file_name}, {"size", x.size}};
    json one{{"id", x.id}, {"name", x.name}, {"token", x.token}};
    if (!file.is_null())
      one["artifacts_file"] = std::move(file);
    result["dependencies"].push_back(std::move(one));
  }
  if (job.what->predefined) {
    auto variables = predefined_variables(job, server_url, projects);
    for (auto& x : result["variables"])
      variables.push_back(std::move(x));
    result["variables"] = std::move(variables);
  }
  for (const auto* list : {&job.inherited_variables, &job.what->late_variables})
    for (const auto& x : *list)
      result["variables"].push_back(x);
  return result;
}

} // namespace muster::gitlab
