#include "tools/muster/equip.hpp"

#include "tools/muster/gitlab.hpp"
#include "tools/muster/job_logins.hpp"
#include "tools/muster/plugins.hpp"

#include <utility>

namespace muster {

namespace {

manager_info info_of(const runner_config& runner) {
  auto out = info_of_manager(runner.executor);
  out.shell = runner.shell.empty() ? "bash" : runner.shell;
  out.labels = runner.labels;
  if (runner.docker)
    out.gpus = runner.docker->gpus_text;
  return out;
}

make_http_worker worker_maker(const config& cfg, const runner_config& runner,
                              const std::shared_ptr<runner_token>& token,
                              const std::string& system,
                              const certificate_files& files,
                              const std::shared_ptr<trace_shelf>& traces,
                              const std::shared_ptr<runner_metrics>& told) {
  auto with = gitlab_settings(runner.url);
  with.http.connection_max_age = cfg.connection_max_age;
  auto session = std::make_shared<api_session>(with, info_of(runner), token,
                                               system, files);
  session->complete_job = login_adder(runner);
  return
    [session, traces, told](caf::local_actor* from,
                            const coordinator_actor& parent, uint64_t number) {
      return start_http_worker(from, parent, number, session, traces, told);
    };
}

/// How a runner is called where it is counted. Its first token stays its name
/// there: with another one its series would begin anew.
runner_facts facts_of(const runner_config& runner, const std::string& system) {
  runner_facts out;
  out.token = short_token(runner.token);
  out.name = runner.name;
  out.system_id = system;
  if (auto api = api_url(runner.url))
    out.api_path = api->path;
  out.limit = runner.limit;
  out.request_concurrency = runner.request_concurrency;
  return out;
}

token_origin origin_of(const config& cfg, const runner_config& runner) {
  token_origin from;
  from.config_path = cfg.path;
  from.state_dir = cfg.muster.state_dir;
  from.url = runner.url;
  from.token = runner.token;
  from.is_literal = runner.token_is_literal;
  if (runner.token_obtained_at > 0)
    from.obtained_at = unix_time{runner.token_obtained_at};
  if (runner.token_expires_at > 0)
    from.expires_at = unix_time{runner.token_expires_at};
  return from;
}

} // namespace

equip_runner equipper(const std::shared_ptr<const config>& cfg, size_t at,
                      const shared_parts& shared) {
  const auto& runner = cfg->runners[at];
  auto origin = origin_of(*cfg, runner);
  auto own = std::make_shared<runner_token>(origin);
  auto files = certificates_for({runner.url, runner.tls_ca_file,
                                 runner.tls_cert_file, runner.tls_key_file});
  return [=](const runner_parts* earlier) {
    runner_parts out;
    out.token = earlier != nullptr && earlier->token ? earlier->token : own;
    if (earlier != nullptr)
      out.token->reread(origin);
    auto with = cfg->runners[at];
    with.token = out.token->token();
    out.id = runner_id{short_token(with.token)};
    out.metrics = earlier != nullptr
                    ? earlier->metrics
                    : shared.metrics->runner(facts_of(with, shared.system_id));
    out.make_provider = group_maker(*cfg, with, out.metrics);
    out.make_worker = worker_maker(*cfg, with, out.token, shared.system_id,
                                   files, shared.traces, out.metrics);
    out.config = std::make_shared<const runner_config>(std::move(with));
    return out;
  };
}

} // namespace muster
