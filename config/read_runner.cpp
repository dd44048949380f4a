#include "config/feature_flags.hpp"
#include "config/fingerprint.hpp"
#include "config/keys.hpp"
#include "config/readers.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fmt/format.h>

namespace muster {

namespace {

constexpr std::array<std::string_view, 10> executors_of_the_peer{
  "shell",      "ssh",        "docker", "docker-windows", "docker+machine",
  "kubernetes", "virtualbox", "custom", "parallels",      "docker-ssh"};

constexpr std::string_view docker_autoscaler = "docker-autoscaler";

bool is_docker(const runner_config& runner) {
  return runner.executor == docker_autoscaler;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool is_one_word(std::string_view text) {
  return std::ranges::none_of(text, [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f;
  });
}

/// Why a URL cannot be GitLab's, or nothing.
std::string url_fault(std::string_view url) {
  auto scheme_end = url.find("://");
  auto scheme = url.substr(0, scheme_end);
  if (scheme_end == std::string_view::npos
      || (!same_ignoring_case(scheme, "http")
          && !same_ignoring_case(scheme, "https")))
    return "must begin with http:// or https://";
  if (!is_one_word(url))
    return "has a space or control character in it";
  auto rest = url.substr(scheme_end + 3);
  auto authority = rest.substr(0, rest.find_first_of("/?#"));
  if (auto at = authority.rfind('@'); at != std::string_view::npos)
    authority.remove_prefix(at + 1);
  auto bracket = authority.rfind(']');
  auto colon = authority.rfind(':');
  if (authority.starts_with('[') ? bracket == std::string_view::npos
                                 : authority.find(':') != colon)
    return "names a host that is none: IPv6 addresses stand in [ ]";
  if (colon == std::string_view::npos
      || (bracket != std::string_view::npos && colon < bracket))
    return authority.empty() ? "names no host" : "";
  auto port = authority.substr(colon + 1);
  bool digits
    = !port.empty() && port.size() <= 5
      && port.find_first_not_of("0123456789") == std::string_view::npos;
  auto number = digits ? std::stoi(std::string{port}) : 0;
  if (colon == 0)
    return "names no host";
  return number >= 1 && number <= 65'535 ? "" : "has a port that is none";
}

std::string expanded(const section& at, std::string_view name,
                     const load_options& options) {
  if (options.variable)
    return expand_variables(at.text(name), options.variable);
  return expand_variables(
    at.text(name),
    [](const std::string& variable) -> std::optional<std::string> {
      const char* value = std::getenv(variable.c_str());
      return value == nullptr ? std::nullopt
                              : std::optional<std::string>{value};
    });
}

/// Reads url and token. Returns whether both are there; without them the runner
/// is skipped with a warning, as by GitLab Runner.
bool read_identity(const section& at, const load_options& options,
                   runner_config& into) {
  into.name = at.text("name");
  into.id = at.integer("id", 0);
  if (into.id < 0)
    at.say(severity::warning, "id",
           fmt::format("id {} is no number of a runner at GitLab", into.id),
           "remove the line: GitLab tells it by the token");
  into.url = expanded(at, "url", options);
  into.token = secret{expanded(at, "token", options)};
  into.token_is_literal = at.text("token").find('$') == std::string::npos;
  into.token_obtained_at = at.unix_time("token_obtained_at");
  into.token_expires_at = at.unix_time("token_expires_at");
  bool complete = true;
  for (auto [name, value] :
       {std::pair{"url", std::string_view{into.url}},
        std::pair{"token", std::string_view{into.token.reveal()}}}) {
    if (!is_blank(value))
      continue;
    complete = false;
    bool written = !is_blank(at.text(name));
    at.say(
      severity::warning, name,
      fmt::format("the runner {} has no {}{}{}", in_quotes(into.name), name,
                  written ? " once environment variables are expanded" : "",
                  not_served));
  }
  if (complete && !is_one_word(into.token.reveal()))
    at.say(severity::warning, "token",
           "the token has a space or a line break in it, which no token of "
           "GitLab's has",
           "look at the end of the file or variable that it comes from");
  if (is_blank(into.url))
    return false;
  if (auto fault = url_fault(into.url); !fault.empty())
    at.say(severity::error, "url", fmt::format("url {}{}", fault, not_served),
           "write it like url = \"https://gitlab.example.com\"");
  else if (into.url.ends_with("/ci") || into.url.ends_with("/ci/"))
    at.say(severity::warning, "url",
           "url ends with /ci, which GitLab no longer needs: it is left out",
           "write it without /ci");
  return complete;
}

void check_executor(const section& at, const std::string& executor) {
  if (executor == "instance" || executor == docker_autoscaler)
    return;
  const auto* hint = "write executor = \"instance\" or \"docker-autoscaler\"";
  if (executor.empty()) {
    at.say(severity::error, "executor",
           fmt::format("the runner names no executor{}", not_served), hint);
  } else if (std::ranges::find(executors_of_the_peer, executor)
             != executors_of_the_peer.end()) {
    at.say(severity::error, "executor",
           fmt::format("executor {} is GitLab Runner's alone: muster has "
                       "\"instance\" and \"docker-autoscaler\"{}",
                       in_quotes(executor), not_served),
           hint);
  } else {
    auto meant = nearest(executor, {"instance", "docker-autoscaler"});
    at.say(severity::error, "executor",
           fmt::format(
             "unknown executor {}{}{}", in_quotes(executor),
             meant ? fmt::format(", did you mean {}?", in_quotes(*meant)) : "",
             not_served),
           hint);
  }
}

void check_shell(const section& at, const std::string& shell) {
  if (shell.empty() || shell == "bash" || shell == "sh")
    return;
  bool known = shell == "pwsh" || shell == "powershell" || shell == "cmd";
  at.say(severity::error, "shell",
         fmt::format("shell {} is {}{}", in_quotes(shell),
                     known ? "not supported yet" : "unknown", not_served),
         "write shell = \"bash\" or \"sh\", or remove the line: bash if it is "
         "there, else sh");
}

bool is_label_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

bool is_label_key(std::string_view key) {
  return key.size() >= 3 && key.size() <= 65 && is_label_text(key)
         && key[0] != '.' && key[0] != '-';
}

} // namespace

void check_labels(const section& at) {
  auto labels = at.child("labels");
  for (const auto& [key, value] : at.text_map("labels")) {
    if (!is_label_key(key))
      labels.say(
        severity::fatal, key,
        fmt::format("label {}: its name must be 3 to 65 letters, digits, "
                    "'.', '_' or '-', the first no '.' or '-'",
                    in_quotes(key)));
    if (value.empty() || value.size() > 256 || !is_label_text(value))
      labels.say(
        severity::fatal, key,
        fmt::format("label {}: its value must be 1 to 256 letters, digits, "
                    "'.', '_' or '-'",
                    in_quotes(key)));
  }
}

namespace {

void read_labels(const section& at,
                 const std::map<std::string, std::string>& global_labels,
                 runner_config& into) {
  constexpr size_t labels_max = 32;
  check_labels(at);
  into.labels = at.text_map("labels"); // these win
  into.labels.insert(global_labels.begin(), global_labels.end());
  if (into.labels.size() > labels_max)
    at.say(severity::fatal, "labels",
           fmt::format("the runner has {} labels, those of the top of the file "
                       "included: at most {} are allowed",
                       into.labels.size(), labels_max));
}

void read_limits(const section& at, runner_config& into) {
  constexpr int64_t kilobyte = 1024;
  into.limit = at.small_count("limit", {});
  into.request_concurrency
    = at.small_count("request_concurrency", {.fallback = 1, .min = 1});
  into.strict_check_interval = at.flag("strict_check_interval");
  into.unhealthy_requests_limit
    = at.small_count("unhealthy_requests_limit", {.fallback = 3, .min = 1});
  into.unhealthy_interval
    = at.duration("unhealthy_interval", into.unhealthy_interval);
  into.final_update_retry_limit = at.small_count(
    "job_status_final_update_retry_limit", {.fallback = 10, .min = 1});
  into.output_limit_bytes
    = kilobyte
      * at.count("output_limit",
                 {.fallback = 4096, .min = 1, .max = int64_t{1} << 40});
}

void read_environment(const section& at, runner_config& into) {
  size_t number = 0;
  for (auto& text : at.texts("environment")) {
    ++number;
    if (text.find('=') == std::string::npos)
      at.say_of_element(
        severity::warning, "environment", number - 1,
        fmt::format("entry {} of environment has no '=': it has "
                    "no effect",
                    number),
        "write entries like \"NAME=value\"");
    else
      into.environment.push_back(std::move(text));
  }
}

void read_flags(const section& at, runner_config& into) {
  into.feature_flags = at.flag_map("feature_flags");
  std::vector<std::string_view> known;
  for (const auto& flag : feature_flags())
    known.push_back(flag.name);
  for (const auto& [name, value] : into.feature_flags) {
    if (std::ranges::find(known, name) != known.end())
      continue;
    auto meant = nearest(name, known);
    at.child("feature_flags")
      .say(severity::notice, name,
           fmt::format(
             "feature flag {} is not one of these executors{}", in_quotes(name),
             meant ? fmt::format(", did you mean {}?", in_quotes(*meant))
                   : ": it has no effect"));
  }
}

/// A limit of the configuration; what is not above zero is told and none.
std::optional<milliseconds> read_limit(const section& at,
                                       std::string_view name) {
  auto found = at.find(name);
  auto value = found ? read_duration(*found.value) : std::nullopt;
  if (!value)
    return std::nullopt;
  if (*value <= std::chrono::nanoseconds{0}) {
    at.say(severity::warning, name,
           fmt::format("{} must be more than zero: the job's own time-out is "
                       "taken",
                       name));
    return std::nullopt;
  }
  return std::chrono::ceil<milliseconds>(*value);
}

void read_timeouts(const section& at, runner_config& into) {
  into.prepare_timeout = read_limit(at, "prepare_timeout");
  into.get_sources_timeout = read_limit(at, "get_sources_timeout");
  auto artifact = at.child("artifact");
  into.artifact_upload_timeout
    = artifact.duration("upload_timeout", into.artifact_upload_timeout);
  into.artifact_response_header_timeout = artifact.duration(
    "response_header_timeout", into.artifact_response_header_timeout);
}

/// Only where no other job can be on the instance, now or later.
void read_build_dir(const section& at, runner_config& into) {
  into.custom_build_dir_enabled
    = at.child("custom_build_dir").flag("enabled", is_docker(into));
  if (is_docker(into))
    return;
  auto wanted = at.child("instance").flag("use_common_build_dir");
  auto max_use_count = at.child("autoscaler").integer("max_use_count", 0);
  into.use_common_build_dir = wanted && max_use_count == 1;
  if (wanted && !into.use_common_build_dir)
    at.child("instance")
      .say(severity::warning, "use_common_build_dir",
           "use_common_build_dir has no effect: requires vm isolation or "
           "max_use_count = 1");
}

/// Containers have no login directory that a folder could be relative to.
void read_folders(const section& at, runner_config& into) {
  if (is_docker(into)) {
    into.builds_dir = "/builds";
    into.cache_dir = "/cache";
  }
  for (auto [name, field] : {std::pair{"builds_dir", &into.builds_dir},
                             std::pair{"cache_dir", &into.cache_dir}}) {
    if (auto text = at.text(name); !text.empty())
      *field = std::move(text);
    else if (name == std::string_view{"builds_dir"} && at.find(name))
      at.say(severity::warning, name,
             fmt::format("{} is empty: {} is taken", name, in_quotes(*field)),
             "name a folder, or remove the line");
    if (is_docker(into) && !field->starts_with('/'))
      at.say(severity::error, name,
             fmt::format("{} must be an absolute path of the containers, not "
                         "{}{}",
                         name, in_quotes(*field), not_served),
             fmt::format("write {} = \"/...\", or remove the line", name));
  }
}

void check_slot_cgroup(const section& at, std::string_view name,
                       const std::string& text) {
  if (text.empty() || text.find("${slot}") != std::string::npos
      || text.find("$slot") != std::string::npos)
    return;
  at.say(severity::warning, name,
         fmt::format("Slot cgroup template does not contain ${{slot}} "
                     "placeholder. All jobs will use the same cgroup: {}",
                     in_quotes(text)),
         fmt::format("write {} = \"gitlab-runner/slot-${{slot}}\"", name));
}

void read_slot_cgroups(const section& at, runner_config& into) {
  into.use_slot_cgroups = at.flag("use_slot_cgroups");
  into.slot_cgroup_template = at.text("slot_cgroup_template");
  if (!into.use_slot_cgroups)
    return;
  check_slot_cgroup(at, "slot_cgroup_template", into.slot_cgroup_template);
  constexpr auto of_services = "service_slot_cgroup_template";
  if (is_docker(into))
    check_slot_cgroup(at.child("docker"), of_services,
                      at.child("docker").text(of_services));
}

/// The content names the image: another file is another image.
void read_helper_archive(const section& at, const load_options& options,
                         docker_config& into) {
  constexpr auto key = "helper_image_archive";
  auto path = expanded(at, key, options);
  if (path.empty())
    return;
  if (!into.helper_image.empty()) {
    at.say(severity::warning, key,
           "helper_image_archive has no effect: helper_image of "
           "[runners.docker] names another image",
           "remove one of the two");
    return;
  }
  auto known = fingerprint_of(path);
  if (known.size == 0) {
    at.say(severity::error, key,
           fmt::format("helper_image_archive {} is no file that can be read{}",
                       in_quotes(path), not_served),
           "make it with tools/helper-image, or `docker save` an image");
    return;
  }
  into.helper_archive = path;
  into.helper_archive_image = "muster-helper-archive:" + known.hash;
}

void read_containers(const section& at, const load_options& options,
                     runner_config& into) {
  auto docker = at.child("docker");
  auto version = at.child("muster").text("helper_image_version");
  if (!version.empty())
    into.helper_image_version = version.substr(version.starts_with('v'));
  if (is_docker(into) && docker.exists()) {
    into.docker = read_docker(docker, options);
    read_helper_archive(at.child("muster"), options, *into.docker);
  } else if (is_docker(into))
    at.say(severity::error, "executor",
           fmt::format("executor \"docker-autoscaler\" requires "
                       "[runners.docker]{}",
                       not_served),
           "write [runners.docker] with image = \"alpine:latest\" below it");
  else if (docker.exists())
    at.say(severity::notice, "docker",
           fmt::format("[runners.docker] has no effect with executor {}",
                       in_quotes(into.executor)),
           "write executor = \"docker-autoscaler\" for jobs in containers");
}

void check_clone_url(const section& at, const std::string& url) {
  if (url.empty() || url.starts_with("https://") || url.starts_with("http://")
      || url.find('$') != std::string::npos)
    return;
  at.say(severity::warning, "clone_url",
         "clone_url is no address of HTTP: jobs cannot get their sources from "
         "there",
         "write it like \"https://gitlab.example.com\"");
}

void read_job_settings(const section& at, const load_options& options,
                       runner_config& into) {
  into.executor = at.text("executor");
  check_executor(at, into.executor);
  into.shell = at.text("shell");
  check_shell(at, into.shell);
  into.tls_ca_file = at.text("tls-ca-file");
  into.tls_cert_file = at.text("tls-cert-file");
  into.tls_key_file = at.text("tls-key-file");
  if (into.tls_cert_file.empty() != into.tls_key_file.empty())
    at.say(severity::warning,
           into.tls_cert_file.empty() ? "tls-key-file" : "tls-cert-file",
           "a client certificate needs both tls-cert-file and tls-key-file: "
           "it is not used");
  for (auto [name, field] : {
         std::pair{"clone_url", &into.clone_url},
         std::pair{"pre_get_sources_script", &into.pre_get_sources_script},
         std::pair{"post_get_sources_script", &into.post_get_sources_script},
         std::pair{"pre_build_script", &into.pre_build_script},
         std::pair{"post_build_script", &into.post_build_script},
       })
    if (auto text = at.text(name); !text.empty())
      *field = std::move(text);
  check_clone_url(at, into.clone_url);
  read_folders(at, into);
  read_slot_cgroups(at, into);
  read_containers(at, options, into);
  read_environment(at, into);
  into.debug_trace_disabled = at.flag("debug_trace_disabled");
  into.safe_directory_checkout
    = at.flag("safe_directory_checkout", is_docker(into));
  into.clean_git_config = at.optional_flag("clean_git_config");
  read_timeouts(at, into);
  read_build_dir(at, into);
  read_flags(at, into);
}

void check_monitoring(const section& at, const load_options& options) {
  for (const auto& entry :
       at.child("monitoring").children("job_queuing_durations")) {
    check_periods(entry);
    read_timezone(entry, options);
  }
}

void read_group(const section& at, const load_options& options,
                runner_config& into) {
  auto autoscaler = at.child("autoscaler");
  if (autoscaler.exists())
    into.autoscaler = read_autoscaler(
      autoscaler, options,
      secret{expanded(at.child("muster"), "key_passphrase", options)});
  else if (into.executor == "instance" || is_docker(into))
    at.say(severity::error, "executor",
           fmt::format("executor {} requires [runners.autoscaler]{}",
                       in_quotes(into.executor), not_served),
           "write [runners.autoscaler] with plugin = \"local\" below it");
}

} // namespace

std::optional<runner_config>
read_runner(const section& at,
            const std::map<std::string, std::string>& global_labels,
            const load_options& options, report& out) {
  auto errors_before = out.count(severity::error);
  runner_config into;
  bool complete = read_identity(at, options, into);
  read_limits(at, into);
  read_labels(at, global_labels, into);
  read_job_settings(at, options, into);
  check_monitoring(at, options);
  into.cache = read_cache(at.child("cache"), options);
  read_group(at, options, into);
  if (!complete || out.count(severity::error) != errors_before)
    return std::nullopt;
  return into;
}

} // namespace muster
