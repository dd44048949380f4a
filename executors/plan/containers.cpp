#include "executors/plan/containers.hpp"

#include "config/duration.hpp"
#include "config/feature_flags.hpp"
#include "executors/helper/archive/glob.hpp"
#include "executors/plan/container_body.hpp"
#include "executors/plan/container_names.hpp"
#include "executors/plan/container_volumes.hpp"
#include "executors/plan/environment.hpp"
#include "executors/plan/url.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace muster {

namespace {

using json = nlohmann::json;
using kind = container_settings::kind;
using texts = std::vector<std::string>;

constexpr std::string_view label_prefix = "com.gitlab.gitlab-runner.";
constexpr auto helper_repository
  = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper";

/// Started in the image; it must not need more than a shell.
constexpr auto find_shell = R"(if [ -x /usr/local/bin/bash ]; then
	exec /usr/local/bin/bash
elif [ -x /usr/bin/bash ]; then
	exec /usr/bin/bash
elif [ -x /bin/bash ]; then
	exec /bin/bash
elif [ -x /usr/local/bin/sh ]; then
	exec /usr/local/bin/sh
elif [ -x /usr/bin/sh ]; then
	exec /usr/bin/sh
elif [ -x /bin/sh ]; then
	exec /bin/sh
elif [ -x /busybox/sh ]; then
	exec /busybox/sh
else
	echo shell not found
	exit 1
fi
)";

std::string joined(const texts& list, const char* between = ", ") {
  std::string out;
  for (const auto& x : list)
    out += (out.empty() ? "" : between) + x;
  return out;
}

bool matches_any(const texts& patterns, const std::string& name) {
  return std::ranges::any_of(patterns, [&name](const std::string& pattern) {
    return pattern == name || helper::glob{pattern}.matches(name);
  });
}

tl::unexpected<failure<job_errc>> refuse(std::string text) {
  return fail(job_errc::configuration_error, std::move(text));
}

pull_policy policy_of(std::string_view name) {
  if (name == "never")
    return pull_policy::never;
  return name == "if-not-present" ? pull_policy::if_not_present
                                  : pull_policy::always;
}

/// As the peer compares an image with `services_devices`.
std::string with_version(const std::string& image) {
  auto last = image.rfind('/');
  auto from = last == std::string::npos ? 0 : last;
  auto has_one = image.find_first_of(":@", from) != std::string::npos;
  return has_one ? image : image + ":latest";
}

bool is_policy(std::string_view name) {
  return name == "always" || name == "if-not-present" || name == "never";
}

struct container_planner {
  const container_context& from;
  const docker_config& docker;
  container_names names;
  planned_containers out = {};
  std::map<std::string, std::string> labels = {}; ///< of everything
  texts binds = {};
  bool init = false;
  bool keeps_umask = false; ///< FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR

  bool flag(std::string_view name) const {
    return flag_value(
      from.runner,
      [&](std::string_view key) { return payload_variable(from.payload, key); },
      name);
  }

  std::string expanded(std::string_view text) const {
    return from.variables.expand(text);
  }

  // -- labels -----------------------------------------------------------------

  static std::string label(std::string_view key) {
    return std::string{label_prefix} + std::string{key};
  }

  std::string job_url() const {
    auto url = without_credentials(from.payload.git.repo_url.reveal());
    if (url.ends_with(".git"))
      url.resize(url.size() - 4);
    return url + "/-/jobs/" + std::to_string(from.payload.id);
  }

  void make_labels() {
    const auto& job = from.payload;
    const auto& facts = from.facts;
    auto pipeline = from.variables.value("CI_PIPELINE_ID");
    if (pipeline.empty())
      pipeline = std::to_string(job.pipeline_id);
    const std::pair<const char*, std::string> all[] = {
      {"job.id", std::to_string(job.id)},
      {"job.url", job_url()},
      {"job.sha", job.git.sha},
      {"job.before_sha", job.git.before_sha},
      {"job.ref", job.git.ref},
      {"job.timeout", format_duration(job_timeout(job))},
      {"project.id", std::to_string(job.project_id)},
      {"project.runner_id", std::to_string(facts.concurrent_project_id)},
      {"pipeline.id", pipeline},
      {"runner.id", facts.short_token},
      {"runner.local_id", std::to_string(facts.concurrent_id)},
      {"runner.system_id", facts.system_id},
      {"managed", "true"},
    };
    for (const auto& [key, value] : all)
      labels[label(key)] = value;
  }

  std::map<std::string, std::string> labels_of(const char* type) const {
    auto all = labels;
    for (const auto& [key, value] : docker.container_labels)
      all[key] = expanded(value);
    all[label("type")] = type;
    return all;
  }

  // -- images -----------------------------------------------------------------

  /// What the job may use of what it wants, in its order.
  result<std::vector<pull_policy>, job_errc>
  policies(const texts& of_job) const {
    const auto& wanted = of_job.empty() ? docker.pull_policies : of_job;
    const auto& allowed = docker.allowed_pull_policies.empty()
                            ? docker.pull_policies
                            : docker.allowed_pull_policies;
    for (const auto& x : wanted)
      if (!is_policy(x))
        return refuse("unsupported pull policy \"" + x
                      + "\": write always, if-not-present or never");
    std::vector<pull_policy> usable;
    for (const auto& x : wanted)
      if (std::ranges::find(allowed, x) != allowed.end())
        usable.push_back(policy_of(x));
    if (usable.empty())
      return refuse(
        "pull_policy (" + joined(wanted) + ") defined in "
        + (of_job.empty() ? "Runner config" : "GitLab pipeline config")
        + " is not one of the allowed_pull_policies (" + joined(allowed) + ")");
    return usable;
  }

  /// An image that the Engine cannot be asked for in a path.
  static bool is_name(const std::string& name) {
    return std::ranges::none_of(name, [](unsigned char c) {
      return c <= ' ' || c == 0x7f || c == '?' || c == '#';
    });
  }

  /// An image without the policies for it.
  result<image_request, job_errc> image(const std::string& name,
                                        const std::string& platform) const {
    if (!is_name(name))
      return refuse("\"" + name + "\" is not the name of an image");
    image_request out;
    out.name = name;
    out.platform = expanded(platform);
    // An architecture alone.
    if (!out.platform.empty() && out.platform.find('/') == std::string::npos)
      out.platform = "linux/" + out.platform;
    if (const auto* login = find_login(from.payload.logins, name)) {
      out.auth = login->auth;
      out.auth_source = login->source;
    }
    return out;
  }

  /// One that the job or the runner wants.
  result<image_request, job_errc> image_of(const job_image& wanted,
                                           const std::string& name) const {
    auto out = image(name, wanted.platform);
    if (!out)
      return out;
    auto usable = policies(wanted.pull_policies);
    if (!usable)
      return tl::unexpected{usable.error()};
    out->policies = std::move(*usable);
    return out;
  }

  result<std::string, job_errc> build_image() {
    auto own = expanded(docker.image);
    auto name = expanded(from.payload.image.name);
    out.uses_default_image = name.empty();
    if (name.empty())
      name = own;
    if (name.empty())
      return refuse("the job names no image, and the runner has none for such "
                    "jobs: write image = \"...\" into [runners.docker]");
    if (name == own || docker.allowed_images.empty()
        || matches_any(docker.allowed_images, name))
      return name;
    return refuse("the \"" + name
                  + "\" image is not present on list of allowed images: "
                  + joined(docker.allowed_images));
  }

  // -- the job's containers ---------------------------------------------------

  /// All variables, of file variables their paths. What no program could be
  /// started with is in the scripts alone.
  static texts environment(const std::vector<job_variable>& variables,
                           const job_variables& all) {
    texts list;
    auto too_large = too_large_to_export(variables);
    for (const auto& x : variables) {
      auto value = x.file ? all.value(x.key) : x.value.reveal();
      auto bad = x.key.empty() || x.key.find('=') != std::string::npos
                 || x.key.find('\0') != std::string::npos
                 || value.find('\0') != std::string::npos;
      if (!bad && !too_large.contains(x.key))
        list.push_back(x.key + '=' + value);
    }
    return list;
  }

  std::string cgroup_of(const docker_limits& limits) const {
    if (!from.runner.use_slot_cgroups || from.facts.slot < 0)
      return limits.cgroup_parent;
    const auto& text = limits.slot_cgroup_template.empty()
                         ? from.runner.slot_cgroup_template
                         : limits.slot_cgroup_template;
    return slot_cgroup(text, from.facts.slot);
  }

  bool is_privileged(const docker_limits& limits, const texts& allowed,
                     const std::string& name) const {
    return limits.privileged && (allowed.empty() || matches_any(allowed, name));
  }

  container_settings settings(kind what, const std::string& image) const {
    container_settings x{.what = what, .docker = docker};
    auto is_service = what == kind::service;
    const auto& limits = is_service ? docker.services_limits : docker.build;
    x.binds = binds;
    x.cgroup_parent = cgroup_of(limits);
    x.privileged = is_privileged(limits,
                                 is_service ? docker.allowed_privileged_services
                                            : docker.allowed_privileged_images,
                                 image);
    x.init = init;
    if (is_service)
      return x;
    x.devices = docker.devices;
    x.hostname = docker.hostname.empty() ? names.project : docker.hostname;
    x.environment = environment(from.variables.in_force(), from.variables);
    return x;
  }

  /// The job's user, if it may be.
  result<std::string, job_errc> build_user() const {
    auto user
      = docker.user.empty() ? expanded(from.payload.image.user) : docker.user;
    auto allowed = docker.allowed_users;
    if (allowed.empty() && !docker.user.empty())
      allowed.push_back(docker.user);
    if (user.empty() || allowed.empty()
        || std::ranges::find(allowed, user) != allowed.end())
      return user;
    return refuse("user \"" + user
                  + "\" is not an allowed user: " + joined(allowed));
  }

  texts entrypoint(const texts& wanted, const std::string& image) {
    if (wanted.empty() || !docker.disable_entrypoint_overwrite)
      return wanted;
    out.warnings.push_back("the entrypoint of " + image
                           + " is not replaced: the runner has "
                             "disable_entrypoint_overwrite");
    return {};
  }

  result<void, job_errc> plan_build() {
    auto name = build_image();
    if (!name)
      return tl::unexpected{name.error()};
    const auto& job = from.payload.image;
    auto request = image_of(job, *name);
    if (!request)
      return tl::unexpected{request.error()};
    auto user = build_user();
    if (!user)
      return tl::unexpected{user.error()};
    auto x = settings(kind::build, *name);
    x.name = names.job + "-build";
    x.user = *user;
    x.command = {"sh", "-c", find_shell};
    x.entrypoint = entrypoint(job.entrypoint, *name);
    x.labels = labels_of("build");
    x.aliases = {"build", x.name};
    out.plan.build = {x.name, std::move(*request), secret{container_body(x)}};
    return {};
  }

  /// GitLab's own, by its rules: `{arch}` is filled in at the instance.
  std::string helper_image() const {
    const auto& version = from.runner.helper_image_version;
    if (!docker.helper_image.empty()) {
      // Such a tag is that of the GitLab Runner that muster stands for.
      auto variables = from.variables;
      variables.add("CI_RUNNER_VERSION", version);
      return variables.expand(docker.helper_image);
    }
    if (!docker.helper_archive_image.empty())
      return docker.helper_archive_image;
    auto flavor = expanded(docker.helper_image_flavor);
    std::string tag = flavor.empty() || flavor == "alpine" ? "" : flavor + '-';
    tag += "{arch}-";
    tag += version == "latest" ? version : 'v' + version;
    return std::string{helper_repository} + ':' + tag;
  }

  result<void, job_errc> plan_helper() {
    auto name = helper_image();
    auto request = image(name, "");
    if (!request)
      return tl::unexpected{request.error()};
    // What jobs may ask for is not about it.
    for (const auto& x : docker.pull_policies)
      request->policies.push_back(policy_of(x));
    request->kept = docker.helper_image.empty();
    if (name == docker.helper_archive_image) // no registry has it
      request->policies = {pull_policy::never};
    auto x = settings(kind::helper, name);
    x.name = names.job + "-predefined";
    x.command = {keeps_umask ? "/bin/bash" : "gitlab-runner-build"};
    x.labels = labels_of("predefined");
    x.aliases = {x.name}; // "build" is where the job's script runs
    out.plan.helper = {x.name, std::move(*request), secret{container_body(x)}};
    return {};
  }

  // -- services ---------------------------------------------------------------

  /// A service of the configuration, in the form of the job's.
  job_image configured(const docker_service_config& x) const {
    job_image service;
    service.name = x.name;
    service.alias = x.alias;
    service.command = x.command;
    service.entrypoint = x.entrypoint;
    for (const auto& entry : x.environment) {
      auto equals = entry.find('=');
      job_variable variable;
      variable.key = entry.substr(0, equals);
      variable.value = secret{entry.substr(equals + 1)};
      service.variables.push_back(std::move(variable));
    }
    return service;
  }

  result<std::vector<job_image>, job_errc> wanted_services() const {
    std::vector<job_image> all;
    texts own;
    for (const auto& x : docker.services) {
      all.push_back(configured(x));
      own.push_back(expanded(x.name));
    }
    for (const auto& x : from.payload.services) {
      auto name = expanded(x.name);
      if (!docker.allowed_services.empty()
          && std::ranges::find(own, name) == own.end()
          && !matches_any(docker.allowed_services, name))
        return refuse("the \"" + name
                      + "\" image is not present on list of allowed services: "
                      + joined(docker.allowed_services));
      all.push_back(x);
    }
    if (docker.services_max >= 0
        && all.size() > static_cast<size_t>(docker.services_max))
      return refuse("too many services requested: the job has "
                    + std::to_string(all.size()) + ", the runner's limit is "
                    + std::to_string(docker.services_max));
    return all;
  }

  /// The public ones of the job's variables, and its own.
  texts service_environment(const job_image& service) const {
    job_variables list;
    for (const auto& x : from.variables.all())
      if (x.is_public)
        list.add(x);
    auto scope = from.variables;
    for (const auto& x : service.variables)
      scope.add(x);
    for (auto x : service.variables) {
      if (!x.raw)
        x.value = secret{scope.expand(x.value.reveal())};
      list.add(std::move(x));
    }
    auto shown = list.in_force();
    // Only the job's containers have its files.
    for (auto& x : shown)
      if (x.file)
        x.value = secret{from.variables.value(x.key)};
    for (auto& x : shown)
      x.file = false;
    return environment(shown, list);
  }

  result<void, job_errc> plan_service(const job_image& service, size_t index,
                                      std::set<std::string>& taken) {
    auto name = expanded(service.name);
    if (name.empty())
      return refuse("a service of the job has no image");
    auto request = image_of(service, name);
    if (!request)
      return tl::unexpected{request.error()};
    auto parts = service_name_of(name);
    service_request planned;
    planned.label = parts.label();
    for (auto& alias : service_aliases(parts, expanded(service.alias))) {
      if (taken.insert(alias).second)
        planned.aliases.push_back(std::move(alias));
      else
        out.warnings.push_back("service " + planned.label + " is not known as "
                               + alias + ": another service is");
    }
    if (planned.aliases.empty()) {
      out.warnings.push_back("service " + planned.label
                             + " is not started again: there is one of all its "
                               "names");
      return {};
    }
    auto x = settings(kind::service, name);
    x.name
      = names.job + '-' + parts.in_container() + '-' + std::to_string(index);
    x.user = expanded(service.user);
    x.command = service.command;
    x.entrypoint = entrypoint(service.entrypoint, name);
    x.environment = service_environment(service);
    x.aliases = planned.aliases;
    x.labels = labels_of("service");
    for (const auto& [key, value] : docker.container_labels)
      x.labels[label(key)] = expanded(value);
    x.labels[label("service")] = parts.name;
    x.labels[label("service.version")] = parts.version;
    for (const auto& [pattern, devices] : docker.services_devices)
      if (matches_any({pattern}, name)
          || matches_any({pattern}, with_version(name)))
        x.devices.insert(x.devices.end(), devices.begin(), devices.end());
    planned.container
      = {x.name, std::move(*request), secret{container_body(x)}};
    out.plan.services.push_back(std::move(planned));
    return {};
  }

  result<void, job_errc> plan_services() {
    auto services = wanted_services();
    if (!services)
      return tl::unexpected{services.error()};
    std::set<std::string> taken;
    for (size_t i = 0; i < services->size(); ++i)
      if (auto ok = plan_service((*services)[i], i, taken); !ok)
        return ok;
    return {};
  }

  // -- volumes and network ----------------------------------------------------

  bool is_protected() const {
    return from.payload.git.is_protected
           || std::ranges::any_of(from.payload.caches, [](const job_cache& x) {
                return x.key.ends_with("-protected");
              });
  }

  result<void, job_errc> plan_volumes() {
    auto volumes = lay_out_volumes(
      {.docker = docker,
       .variables = from.variables,
       .names = names,
       .builds = from.dirs.builds,
       .project = from.dirs.project,
       .keep_builds = from.settings.git.strategy == git_strategy::fetch,
       .is_protected = is_protected(),
       .labels = labels});
    if (!volumes)
      return tl::unexpected{volumes.error()};
    binds = std::move(volumes->binds);
    out.plan.volumes = std::move(volumes->made);
    return {};
  }

  void plan_network() {
    if (!docker.network_mode.empty() || !flag("FF_NETWORK_PER_BUILD"))
      return;
    json body{{"Name", names.network},
              {"Labels", labels},
              {"EnableIPv6", docker.enable_ipv6}};
    if (docker.network_mtu > 0)
      body["Options"]["com.docker.network.driver.mtu"]
        = std::to_string(docker.network_mtu);
    out.plan.network = {
      names.network, body.dump(-1, ' ', false, json::error_handler_t::replace)};
  }

  void plan_rest() {
    auto& plan = out.plan;
    plan.host = docker.host;
    plan.api_version = docker.api_version;
    plan.job_label = std::to_string(from.payload.id)
                     + "\nrunner.id=" + from.facts.short_token
                     + "\nrunner.system_id=" + from.facts.system_id;
    plan.services_timeout_ms = docker.wait_for_services_timeout_s < 0
                                 ? -1
                                 : docker.wait_for_services_timeout_s * 1'000;
    plan.services_logs = from.settings.debug_services;
    plan.keep_anonymous_volumes = docker.volume_keep;
    if (keeps_umask)
      plan.given_to_user = {from.dirs.project, from.dirs.temp};
    if (docker.volume_keep)
      out.warnings.emplace_back(
        "volume_keep is enabled: volumes that images declare stay on the "
        "instance after the job");
    for (const auto& x : from.payload.login_warnings)
      out.warnings.push_back(x);
  }
};

} // namespace

bool shares_builds(const runner_config& runner,
                   const job_variables& variables) {
  if (!runner.docker)
    return !runner.use_common_build_dir;
  return has_mounted_builds(*runner.docker, variables, runner.builds_dir);
}

result<planned_containers, job_errc>
plan_containers(const container_context& from) {
  container_planner planner{.from = from,
                            .docker = *from.runner.docker,
                            .names
                            = names_of(from.payload, from.runner, from.facts)};
  planner.init = planner.flag("FF_USE_INIT_WITH_DOCKER_EXECUTOR");
  planner.keeps_umask = planner.flag("FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR");
  planner.make_labels();
  for (auto part :
       {&container_planner::plan_volumes, &container_planner::plan_build,
        &container_planner::plan_helper, &container_planner::plan_services})
    if (auto ok = (planner.*part)(); !ok)
      return tl::unexpected{ok.error()};
  planner.plan_network();
  planner.plan_rest();
  return std::move(planner.out);
}

} // namespace muster
