#include "actors/coordinator/codec.hpp"

#include "actors/coordinator/payload_reader.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace muster {

namespace {

using json = nlohmann::json;

// -- requests -----------------------------------------------------------------

/// Which executor has a feature.
enum class has : uint8_t { none, all, containers, hosts };

/// All of GitLab's feature flags. GitLab chooses jobs by them, so one is true
/// only when this build does it.
constexpr std::pair<const char*, has> features[] = {
  {"variables", has::all},
  {"image", has::containers},
  {"services", has::containers},
  {"artifacts", has::all},
  {"cache", has::all},
  {"fallback_cache_keys", has::all},
  {"shared", has::hosts},
  {"upload_multiple_artifacts", has::all},
  {"upload_raw_artifacts", has::all},
  {"session", has::none},
  {"terminal", has::none},
  {"refspecs", has::all},
  {"masking", has::all},
  {"proxy", has::none},
  {"raw_variables", has::all},
  {"artifacts_exclude", has::all},
  {"multi_build_steps", has::all},
  {"trace_reset", has::all},
  {"trace_checksum", has::all},
  {"trace_size", has::all},
  {"vault_secrets", has::none},
  {"cancelable", has::all},
  {"return_exit_code", has::all},
  {"service_variables", has::containers},
  {"service_multiple_aliases", has::containers},
  {"image_executor_opts", has::containers},
  {"service_executor_opts", has::containers},
  {"cancel_gracefully", has::all},
  {"native_steps_integration", has::none},
  {"two_phase_job_commit", has::all},
  {"job_inputs", has::none},
};

bool is_there(has what, const manager_info& x) {
  bool in_containers = x.executor == "docker-autoscaler";
  return what == has::all || (what == has::containers && in_containers)
         || (what == has::hosts && !in_containers);
}

void set_unless_empty(json& in, const char* key, const std::string& value) {
  if (!value.empty())
    in[key] = value;
}

json info_json(const manager_info& x) {
  json info;
  set_unless_empty(info, "name", x.name);
  set_unless_empty(info, "version", x.version);
  set_unless_empty(info, "revision", x.revision);
  set_unless_empty(info, "platform", x.platform);
  set_unless_empty(info, "architecture", x.architecture);
  set_unless_empty(info, "executor", x.executor);
  set_unless_empty(info, "shell", x.shell);
  for (auto [name, what] : features)
    info["features"][name] = is_there(what, x);
  info["config"]["gpus"] = x.gpus;
  if (!x.labels.empty())
    info["labels"] = x.labels;
  return info;
}

/// Text that is not UTF-8 would make nlohmann-json throw: it is repaired.
std::string written(const json& x) {
  return x.dump(-1, ' ', false, json::error_handler_t::replace);
}

// -- the job ------------------------------------------------------------------

/// Only counted: what is not as it should be is as if it were not there.
job_queue_facts read_queue(const payload_reader& in, const json& info) {
  job_queue_facts out;
  auto number = [&](const char* key, auto& to) {
    const auto* found = in.find(info, key);
    if (found != nullptr && found->is_number() && found->get<double>() >= 0
        && found->get<double>() < 1e15)
      to = found->get<std::remove_reference_t<decltype(to)>>();
  };
  number("time_in_queue_seconds", out.waited_s);
  number("queue_size", out.size);
  number("queue_depth", out.depth);
  const auto* jobs
    = in.find(info, "project_jobs_running_on_instance_runners_count");
  if (jobs != nullptr && jobs->is_string())
    out.project_jobs_running = jobs->get<std::string>();
  return out;
}

git_info read_git(payload_reader& in, const json& x) {
  constexpr auto where = "git_info";
  git_info git;
  git.repo_url = secret{in.text(x, "repo_url", where)};
  git.object_format = in.text(x, "repo_object_format", where);
  git.ref = in.text(x, "ref", where);
  git.sha = in.text(x, "sha", where);
  git.before_sha = in.text(x, "before_sha", where);
  git.ref_type = in.text(x, "ref_type", where);
  git.refspecs = in.texts(x, "refspecs", where);
  git.depth = static_cast<int32_t>(
    std::clamp<int64_t>(in.integer(x, "depth", where), 0, INT32_MAX));
  git.is_protected = in.boolean(x, "protected", where);
  return git;
}

std::string at(const char* list, size_t index) {
  return std::string{list} + "[" + std::to_string(index) + "]";
}

std::vector<job_variable> read_variables(payload_reader& in, const json& x,
                                         const std::string& around = "") {
  const auto& list = in.objects(x, "variables", around);
  std::vector<job_variable> variables;
  variables.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    auto where
      = around.empty() ? at("variables", i) : around + '.' + at("variables", i);
    variables.push_back({.key = in.text(list[i], "key", where),
                         .value = secret{in.text(list[i], "value", where)},
                         .is_public = in.boolean(list[i], "public", where),
                         .file = in.boolean(list[i], "file", where),
                         .masked = in.boolean(list[i], "masked", where),
                         .raw = in.boolean(list[i], "raw", where)});
  }
  return variables;
}

/// Steps and hooks look alike: a name and lines.
template <class Named>
std::vector<Named> read_scripts(payload_reader& in, const json& x,
                                const char* key) {
  const auto& list = in.objects(x, key, "");
  std::vector<Named> scripts;
  scripts.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    auto where = at(key, i);
    scripts.push_back({.name = in.text(list[i], "name", where),
                       .script = in.texts(list[i], "script", where)});
  }
  return scripts;
}

bool has_entries(const json& x, const char* key) {
  auto found = x.find(key);
  return found != x.end() && found->is_structured() && !found->empty();
}

std::vector<job_artifact> read_artifacts(payload_reader& in, const json& x) {
  const auto& list = in.objects(x, "artifacts", "");
  std::vector<job_artifact> artifacts;
  artifacts.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    auto where = at("artifacts", i);
    artifacts.push_back({.name = in.text(list[i], "name", where),
                         .untracked = in.boolean(list[i], "untracked", where),
                         .paths = in.texts(list[i], "paths", where),
                         .exclude = in.texts(list[i], "exclude", where),
                         .when = in.text(list[i], "when", where),
                         .type = in.text(list[i], "artifact_type", where),
                         .format = in.text(list[i], "artifact_format", where),
                         .expire_in = in.text(list[i], "expire_in", where)});
  }
  return artifacts;
}

std::vector<job_cache> read_caches(payload_reader& in, const json& x) {
  const auto& list = in.objects(x, "cache", "");
  std::vector<job_cache> caches;
  caches.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    auto where = at("cache", i);
    caches.push_back(
      {.key = in.text(list[i], "key", where),
       .untracked = in.boolean(list[i], "untracked", where),
       .policy = in.text(list[i], "policy", where),
       .paths = in.texts(list[i], "paths", where),
       .when = in.text(list[i], "when", where),
       .fallback_keys = in.texts(list[i], "fallback_keys", where)});
  }
  return caches;
}

std::vector<job_dependency> read_dependencies(payload_reader& in,
                                              const json& x) {
  const auto& list = in.objects(x, "dependencies", "");
  std::vector<job_dependency> dependencies;
  dependencies.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    auto where = at("dependencies", i);
    const auto& file = in.object(list[i], "artifacts_file", where);
    dependencies.push_back(
      {.id = in.integer(list[i], "id", where),
       .token = secret{in.text(list[i], "token", where)},
       .name = in.text(list[i], "name", where),
       .file_name = in.text(file, "filename", where + ".artifacts_file")});
  }
  return dependencies;
}

/// A user may be a number.
std::string read_user(payload_reader& in, const json& options,
                      const std::string& where) {
  const auto* user = in.find(options, "user");
  if (user != nullptr && user->is_number_integer())
    return user->dump();
  return in.text(options, "user", where);
}

job_image read_image(payload_reader& in, const json& x,
                     const std::string& where) {
  job_image image{.name = in.text(x, "name", where),
                  .alias = in.text(x, "alias", where),
                  .command = in.texts(x, "command", where),
                  .entrypoint = in.texts(x, "entrypoint", where),
                  .variables = read_variables(in, x, where),
                  .pull_policies = in.texts(x, "pull_policy", where)};
  auto options_at = where + ".executor_opts";
  const auto& options = in.object(x, "executor_opts", where);
  const auto& docker = in.object(options, "docker", options_at);
  image.platform = in.text(docker, "platform", options_at + ".docker");
  image.user = read_user(in, docker, options_at + ".docker");
  return image;
}

std::vector<job_image> read_services(payload_reader& in, const json& x) {
  std::vector<job_image> services;
  const auto& list = in.objects(x, "services", "");
  for (size_t i = 0; i < list.size(); ++i)
    services.push_back(read_image(in, list[i], at("services", i)));
  return services;
}

std::vector<job_credential> read_credentials(payload_reader& in,
                                             const json& x) {
  std::vector<job_credential> credentials;
  const auto& list = in.objects(x, "credentials", "");
  for (size_t i = 0; i < list.size(); ++i) {
    auto where = at("credentials", i);
    credentials.push_back(
      {.type = in.text(list[i], "type", where),
       .url = in.text(list[i], "url", where),
       .username = in.text(list[i], "username", where),
       .password = secret{in.text(list[i], "password", where)}});
  }
  return credentials;
}

job_policy read_policy(payload_reader& in, const json& x) {
  constexpr auto where = "policy_options";
  constexpr auto overrides = "policy_variables_override_allowed";
  const auto& options = in.object(x, where, "");
  job_policy policy;
  if (!in.boolean(options, "execution_policy_job", where))
    return policy;
  policy.name = in.text(options, "policy_name", where);
  if (in.find(options, overrides) != nullptr)
    policy.overrides = in.boolean(options, overrides, where)
                         ? policy_overrides::allowed
                         : policy_overrides::ignored;
  policy.exceptions
    = in.texts(options, "policy_variables_override_exceptions", where);
  return policy;
}

// -- what must not be run -----------------------------------------------------

/// Returns the first key of an object that is not among `known`.
template <size_t N>
std::optional<std::string>
unknown_key(const json& x, const std::array<std::string_view, N>& known) {
  if (x.is_object())
    for (const auto& entry : x.items())
      if (std::find(known.begin(), known.end(), entry.key()) == known.end())
        return entry.key();
  return {};
}

/// Returns the name of an option under `executor_opts` that GitLab Runner does
/// not know either.
std::optional<std::string> unknown_option(const json& image) {
  if (!image.is_object() || !image.contains("executor_opts"))
    return {};
  const auto& options = image["executor_opts"];
  using std::string_view;
  if (auto key = unknown_key(
        options, std::array<string_view, 2>{"docker", "kubernetes"}))
    return key;
  if (!options.is_object())
    return {};
  if (auto docker = options.find("docker"); docker != options.end())
    if (auto key
        = unknown_key(*docker, std::array<string_view, 2>{"platform", "user"}))
      return "docker." + *key;
  if (auto kubernetes = options.find("kubernetes"); kubernetes != options.end())
    if (auto key = unknown_key(*kubernetes, std::array<string_view, 1>{"user"}))
      return "kubernetes." + *key;
  return {};
}

std::string refusal_of_options(const json& x) {
  std::vector<const json*> images;
  if (auto image = x.find("image"); image != x.end())
    images.push_back(&*image);
  if (auto services = x.find("services");
      services != x.end() && services->is_array())
    for (const auto& service : *services)
      images.push_back(&service);
  for (const auto* image : images)
    if (auto option = unknown_option(*image))
      return "unsupported executor_opts of an image or service: " + *option;
  return {};
}

std::string refusal_of_run(const json& x, const job_payload& job) {
  auto run = x.find("run");
  if (run == x.end() || !run->is_string()
      || run->get_ref<const std::string&>().empty())
    return {};
  for (const auto& step : job.steps)
    if (step.name == "script" && !step.script.empty())
      return "the job has both `run` and `script`: only one of them is allowed";
  for (const auto& variable : job.variables)
    if (variable.key == "STEPS")
      return "the job has both `run` and a variable STEPS: only one of them is "
             "allowed";
  return "the job uses the keyword `run`, which muster does not support: use "
         "`script`";
}

/// Run without them, the job would do something else than it says. GitLab sends
/// neither to a runner with our features. The image and services mean nothing
/// to the instance executor, and the peer says nothing either.
std::string refusal_of_parts(const json& x) {
  if (has_entries(x, "secrets"))
    return "the job needs secrets from a vault, which muster does not fetch: "
           "use CI/CD variables";
  if (has_entries(x, "inputs"))
    return "the job has inputs, which muster does not fill in: use CI/CD "
           "variables";
  return {};
}

std::string one_line(std::string text) {
  constexpr size_t size_max = 300;
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < ' ')
      c = ' ';
  if (text.size() > size_max) {
    auto size = size_max;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80)
      --size;
    text.resize(size);
  }
  return text;
}

} // namespace

std::string checksum_text(uint32_t crc32) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text = "crc32:";
  for (auto shift = 28; shift >= 0; shift -= 4)
    text += hex[(crc32 >> shift) & 15];
  return text;
}

std::string to_json(const job_request& x) {
  json body;
  body["info"] = info_json(x.info);
  body["token"] = x.token.reveal();
  set_unless_empty(body, "system_id", x.system_id);
  set_unless_empty(body, "last_update", x.last_update);
  return written(body);
}

std::string to_json(const job_update& x) {
  json body;
  body["info"] = info_json(x.info);
  body["token"] = x.token.reveal();
  body["state"] = x.state;
  set_unless_empty(body, "failure_reason", x.failure_reason);
  body["output"] = json::object();
  if (x.has_log) {
    // Of a log that is not known as a whole there is a size alone.
    if (x.crc32 != 0 || x.size == 0) {
      auto checksum = checksum_text(x.crc32);
      body["checksum"] = checksum;
      body["output"]["checksum"] = checksum;
    }
    if (x.size > 0)
      body["output"]["bytesize"] = x.size;
  }
  if (x.exit_code != 0)
    body["exit_code"] = x.exit_code;
  return written(body);
}

std::string to_json(const verify_request& x) {
  json body;
  body["info"] = info_json(x.info);
  body["token"] = x.token.reveal();
  set_unless_empty(body, "system_id", x.system_id);
  return written(body);
}

std::string token_json(const secret& token, const std::string& system_id) {
  json body;
  body["token"] = token.reveal();
  set_unless_empty(body, "system_id", system_id);
  return written(body);
}

std::string to_json(const registration& x) {
  json body;
  body["info"] = info_json(x.info);
  body["token"] = x.token.reveal();
  set_unless_empty(body, "description", x.description);
  set_unless_empty(body, "maintenance_note", x.maintenance_note);
  set_unless_empty(body, "tag_list", x.tag_list);
  set_unless_empty(body, "access_level", x.access_level);
  for (auto [key, value] :
       {std::pair{"run_untagged", x.run_untagged},
        std::pair{"locked", x.locked}, std::pair{"paused", x.paused}})
    if (value)
      body[key] = *value;
  if (x.maximum_timeout > 0)
    body["maximum_timeout"] = x.maximum_timeout;
  return written(body);
}

result<job_payload, coordinator_errc> parse_job(std::string_view body) {
  auto x = json::parse(body, nullptr, false);
  if (!x.is_object())
    return fail(coordinator_errc::bad_answer,
                x.is_discarded() ? "the job is not valid JSON"
                                 : "the job is not a JSON object");
  payload_reader in;
  job_payload job;
  job.id = in.integer(x, "id", "");
  job.token = secret{in.text(x, "token", "")};
  if (!in.error().empty())
    return fail(coordinator_errc::bad_answer, "the job's " + in.error());
  if (job.id <= 0 || job.token.empty())
    return fail(coordinator_errc::bad_answer,
                job.id <= 0 ? "the job has no id" : "the job has no token");
  job.allow_git_fetch = in.boolean(x, "allow_git_fetch", "");
  const auto& info = in.object(x, "job_info", "");
  job.name = in.text(info, "name", "job_info");
  job.stage = in.text(info, "stage", "job_info");
  job.pipeline_id = in.integer(info, "pipeline_id", "job_info");
  job.project_id = in.integer(info, "project_id", "job_info");
  job.project_full_path = in.text(info, "project_full_path", "job_info");
  job.queue = read_queue(in, info);
  job.git = read_git(in, in.object(x, "git_info", ""));
  job.timeout_seconds
    = in.integer(in.object(x, "runner_info", ""), "timeout", "runner_info");
  job.variables = read_variables(in, x);
  job.steps = read_scripts<job_step>(in, x, "steps");
  job.hooks = read_scripts<job_hook>(in, x, "hooks");
  job.artifacts = read_artifacts(in, x);
  job.caches = read_caches(in, x);
  job.dependencies = read_dependencies(in, x);
  job.policy = read_policy(in, x);
  job.image = read_image(in, in.object(x, "image", ""), "image");
  job.services = read_services(in, x);
  job.credentials = read_credentials(in, x);
  const auto& wishes = in.object(x, "features", "");
  job.trace_sections = in.boolean(wishes, "trace_sections", "features");
  job.token_mask_prefixes = in.texts(wishes, "token_mask_prefixes", "features");
  job.failure_reasons = in.texts(wishes, "failure_reasons", "features");
  if (!in.error().empty())
    job.refusal = "GitLab sent a job that cannot be read: " + in.error();
  if (job.refusal.empty())
    job.refusal = refusal_of_options(x);
  if (job.refusal.empty())
    job.refusal = refusal_of_run(x, job);
  if (job.refusal.empty())
    job.refusal = refusal_of_parts(x);
  return job;
}

std::string parse_error(std::string_view body) {
  constexpr size_t size_max = 64 << 10;
  constexpr int depth_max = 32;
  if (body.size() > size_max)
    return {};
  // Writing it recurses, on a stack that a server must not be able to fill.
  auto is_kept = [](int depth, json::parse_event_t, const json&) {
    return depth <= depth_max;
  };
  auto x = json::parse(body, is_kept, false);
  if (!x.is_object())
    return {};
  for (const auto* key : {"message", "error"}) {
    auto found = x.find(key);
    if (found == x.end() || found->is_null())
      continue;
    if (const auto* text = found->get_ptr<const std::string*>())
      return one_line(*text);
    return one_line(written(*found));
  }
  return {};
}

} // namespace muster
