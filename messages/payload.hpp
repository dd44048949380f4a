#pragma once

#include "messages/secret.hpp"

#include <caf/meta/type_name.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace muster {

/// A variable of a job, as GitLab sends it. Duplicates are allowed, the last
/// wins.
struct job_variable {
  std::string key;
  secret value;           ///< any value may hold a secret; none is ever printed
  bool is_public = false; ///< shown in GitLab
  bool file = false;      ///< written to a file, exported as its path
  bool masked = false;    ///< hidden in the trace
  bool raw = false;       ///< not expanded
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_variable& x) {
  return f(caf::meta::type_name("job_variable"), x.key, x.value, x.is_public,
           x.file, x.masked, x.raw);
}

struct git_info {
  secret repo_url;           ///< with credentials
  std::string object_format; ///< empty means sha1
  std::string ref;
  std::string sha;
  std::string before_sha;
  std::string ref_type; ///< `branch` or `tag`
  std::vector<std::string> refspecs;
  int32_t depth = 0; ///< commits; 0 fetches all
  bool is_protected = false;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, git_info& x) {
  return f(caf::meta::type_name("git_info"), x.repo_url, x.object_format, x.ref,
           x.sha, x.before_sha, x.ref_type, x.refspecs, x.depth,
           x.is_protected);
}

/// `script`, `after_script`, or another step; its lines in order.
struct job_step {
  std::string name;
  std::vector<std::string> script;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_step& x) {
  return f(caf::meta::type_name("job_step"), x.name, x.script);
}

/// A script that the job wants run around getting sources.
struct job_hook {
  std::string name; ///< `pre_get_sources_script` or `post_get_sources_script`
  std::vector<std::string> script;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_hook& x) {
  return f(caf::meta::type_name("job_hook"), x.name, x.script);
}

/// What of the work tree goes to GitLab, and when. Empty texts: not given.
struct job_artifact {
  std::string name = {};
  bool untracked = false;
  std::vector<std::string> paths = {};
  std::vector<std::string> exclude = {};
  std::string when = {};   ///< `on_success`, `on_failure` or `always`
  std::string type = {};   ///< `archive`, `junit`, ...
  std::string format = {}; ///< `zip`, `gzip`, `raw`, ...
  std::string expire_in = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_artifact& x) {
  return f(caf::meta::type_name("job_artifact"), x.name, x.untracked, x.paths,
           x.exclude, x.when, x.type, x.format, x.expire_in);
}

/// What is kept for later jobs. Empty texts: not given.
struct job_cache {
  std::string key = {}; ///< with references to variables
  bool untracked = false;
  std::string policy = {}; ///< `pull-push`, `pull` or `push`, with references
  std::vector<std::string> paths = {};
  std::string when = {}; ///< `on_success`, `on_failure` or `always`
  std::vector<std::string> fallback_keys = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_cache& x) {
  return f(caf::meta::type_name("job_cache"), x.key, x.untracked, x.policy,
           x.paths, x.when, x.fallback_keys);
}

/// An earlier job whose artifacts this one wants.
struct job_dependency {
  int64_t id = 0;
  secret token = {};
  std::string name = {};
  std::string file_name = {}; ///< empty: it has none
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_dependency& x) {
  return f(caf::meta::type_name("job_dependency"), x.id, x.token, x.name,
           x.file_name);
}

/// Whether a policy job's users may override its variables.
enum class policy_overrides : uint8_t {
  not_said, ///< the policy's variables come first
  allowed,  ///< all but the exceptions
  ignored,  ///< all but the exceptions
};

/// A job that a pipeline execution policy has added; shown in its log.
struct job_policy {
  std::string name; ///< empty: no such job
  policy_overrides overrides = policy_overrides::not_said;
  std::vector<std::string> exceptions;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_policy& x) {
  return f(caf::meta::type_name("job_policy"), x.name, x.overrides,
           x.exceptions);
}

/// What GitLab tells of its queue with a job; -1 and empty: nothing.
struct job_queue_facts {
  double waited_s = -1; ///< the job, in the queue
  int64_t size = -1;
  int64_t depth = -1;
  std::string project_jobs_running; ///< a number, or that there are many
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_queue_facts& x) {
  return f(caf::meta::type_name("job_queue_facts"), x.waited_s, x.size, x.depth,
           x.project_jobs_running);
}

/// The image of a job or of one of its services, with references to variables.
/// Empty texts and lists: not given.
struct job_image {
  std::string name = {};
  std::string alias = {}; ///< of a service: one or more host names
  std::vector<std::string> command = {};
  std::vector<std::string> entrypoint = {};
  std::vector<job_variable> variables = {};
  std::vector<std::string> pull_policies = {};
  std::string platform = {}; ///< `executor_opts.docker.platform`
  std::string user = {};     ///< `executor_opts.docker.user`
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_image& x) {
  return f(caf::meta::type_name("job_image"), x.name, x.alias, x.command,
           x.entrypoint, x.variables, x.pull_policies, x.platform, x.user);
}

/// Whom GitLab makes the job at a registry.
struct job_credential {
  std::string type = {}; ///< `registry`; others are not for images
  std::string url = {};
  std::string username = {};
  secret password = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_credential& x) {
  return f(caf::meta::type_name("job_credential"), x.type, x.url, x.username,
           x.password);
}

/// Whom the job's images are pulled as, from one registry or a part of it.
struct registry_login {
  std::string registry = {}; ///< `registry.example.com[/path]`
  secret auth = {};          ///< value of X-Registry-Auth
  std::string source = {};   ///< where it is from, for the log
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, registry_login& x) {
  return f(caf::meta::type_name("registry_login"), x.registry, x.auth,
           x.source);
}

/// A job as GitLab hands it out (reference/job-api, section 3.3), the parts
/// that muster acts on.
struct job_payload {
  int64_t id = 0;
  secret token;
  bool allow_git_fetch = false;
  std::string name;
  std::string stage;
  int64_t pipeline_id = 0;
  int64_t project_id = 0;
  std::string project_full_path;
  git_info git;
  int64_t timeout_seconds = 0; ///< <= 0 means 7200
  std::vector<job_variable> variables;
  std::vector<job_step> steps;
  std::vector<job_hook> hooks;
  std::vector<job_artifact> artifacts;
  std::vector<job_cache> caches;
  std::vector<job_dependency> dependencies;
  job_policy policy;
  job_image image; ///< without a name: the runner's
  std::vector<job_image> services;
  std::vector<job_credential> credentials;
  bool trace_sections = false;
  std::vector<std::string> token_mask_prefixes;
  std::vector<std::string> failure_reasons; ///< that GitLab understands
  std::string refusal;        ///< not empty: must not be run, and why
  std::string correlation_id; ///< X-Request-Id of the answer
  /// What the job's tools trust and are known by when they speak with GitLab:
  /// PEM texts, added by this manager. May be empty.
  secret tls_ca;
  secret tls_cert;
  secret tls_key;
  job_queue_facts queue;
  /// Added by this manager: the first for a registry counts.
  std::vector<registry_login> logins;
  std::vector<std::string> login_warnings; ///< about what could not be read
};

/// Number and token come first: the journal reads these two from what any
/// version of muster has written.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_payload& x) {
  return f(caf::meta::type_name("job_payload"), x.id, x.token,
           x.allow_git_fetch, x.name, x.stage, x.pipeline_id, x.project_id,
           x.project_full_path, x.git, x.timeout_seconds, x.variables, x.steps,
           x.hooks, x.artifacts, x.caches, x.dependencies, x.policy, x.image,
           x.services, x.credentials, x.trace_sections, x.token_mask_prefixes,
           x.failure_reasons, x.refusal, x.correlation_id, x.tls_ca, x.tls_cert,
           x.tls_key, x.queue, x.logins, x.login_warnings);
}

} // namespace muster
