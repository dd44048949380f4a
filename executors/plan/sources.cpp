#include "executors/plan/sources.hpp"

#include "executors/plan/url.hpp"

#include <algorithm>
#include <utility>

namespace muster {

namespace {

std::string server_url(const runner_config& runner) {
  auto url = without_credentials(runner.url);
  auto strip = [&url](std::string_view end) {
    while (url.ends_with(end))
      url.resize(url.size() - end.size());
  };
  strip("/");
  strip("/ci");
  strip("/");
  return url;
}

/// Where the project is fetched from: `clone_url` replaces all of the payload's
/// URL but the project.
std::string remote_url(const job_payload& payload, const runner_config& runner,
                       const job_variables& variables) {
  if (runner.clone_url.empty())
    return without_credentials(payload.git.repo_url.reveal());
  auto project = variables.value("CI_PROJECT_PATH");
  if (project.empty())
    project = payload.project_full_path;
  auto base = without_credentials(runner.clone_url);
  while (base.ends_with('/'))
    base.pop_back();
  return base + '/' + project + ".git";
}

/// The servers that may be told the job's token.
std::vector<std::string> password_hosts(const job_payload& payload,
                                        const runner_config& runner,
                                        const std::string& remote) {
  std::vector<std::string> result;
  for (const auto& text :
       {remote, without_credentials(payload.git.repo_url.reveal()),
        server_url(runner)}) {
    auto url = parse_git_url(text);
    if (url && url->is_http()
        && std::ranges::find(result, url->base()) == result.end())
      result.push_back(url->base());
  }
  return result;
}

std::vector<std::string> ssh_prefixes(const job_variables& vars,
                                      const git_settings& settings) {
  auto host = vars.value("CI_SERVER_SHELL_SSH_HOST");
  if (host.empty())
    host = vars.value("CI_SERVER_HOST");
  if (!settings.submodule_force_https || host.empty())
    return {};
  auto port = vars.value("CI_SERVER_SHELL_SSH_PORT");
  auto with_port = port.empty() || port == "22" ? host : host + ':' + port;
  return {"git@" + host + ':', "ssh://git@" + with_port + '/'};
}

} // namespace

git_sources sources_of(const job_payload& payload, const runner_config& runner,
                       const plan_facts& facts, const job_directories& dirs,
                       const job_variables& variables,
                       const job_settings& settings) {
  git_sources result;
  const auto& git = payload.git;
  result.settings = settings.git;
  result.dirs = dirs;
  result.remote_url = remote_url(payload, runner, variables);
  result.refspecs = git.refspecs;
  result.ref = git.ref;
  result.sha = git.sha;
  result.object_format = git.object_format;
  result.user_agent
    = "muster " + facts.version + ' ' + facts.os + '/' + facts.arch;
  if (settings.flags.gitaly_correlation_id)
    result.correlation_id = payload.correlation_id;
  result.bundle_uris = settings.flags.git_bundle_uris;
  result.safe_directory = runner.safe_directory_checkout;
  result.password = payload.token;
  result.password_hosts = password_hosts(payload, runner, result.remote_url);
  result.server_url = server_url(runner);
  result.ssh_prefixes = ssh_prefixes(variables, settings.git);
  for (auto [name, variable] : {std::pair{"sslCAInfo", "CI_SERVER_TLS_CA_FILE"},
                                std::pair{"sslCert", "CI_SERVER_TLS_CERT_FILE"},
                                std::pair{"sslKey", "CI_SERVER_TLS_KEY_FILE"}})
    if (!variables.value(variable).empty())
      result.tls_files.emplace_back(name, variable);
  return result;
}

} // namespace muster
