#include "actors/coordinator/worker.hpp"

#include "actors/coordinator/retry.hpp"
#include "actors/coordinator/server_chain.hpp"
#include "actors/traced.hpp"
#include "config/log.hpp"

#include <chrono>
#include <ctime>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

/// A request that took longer was held by the server.
constexpr auto parked_after = std::chrono::milliseconds{500};

answer_info info_of(const api_answer& x) {
  answer_info out;
  out.status = x.status;
  out.retriable = is_retriable(x.status);
  out.job_status = x.job_status;
  out.trace_interval_s
    = std::chrono::duration_cast<std::chrono::seconds>(x.trace_interval)
        .count();
  out.retry_after_ms = x.retry_after.count();
  // That this manager stops asking is no problem of anybody's.
  if (x.error && x.error->code != coordinator_errc::stopped)
    out.text = x.error->text;
  return out;
}

/// The calls, without the actor around them.
struct caller {
  std::shared_ptr<api_client> client;
  std::shared_ptr<api_session> session;
  std::shared_ptr<trace_shelf> traces;
  std::shared_ptr<runner_metrics> told;

  /// Makes a call and tells how it went.
  template <class Call>
  auto counted(api_endpoint what, Call call) const {
    auto began = clock::now();
    auto answer = call();
    told->called(what, answer.status, clock::now() - began);
    return answer;
  }

  job_offer call(const request_job& x) const {
    auto began = clock::now();
    auto answer = counted(api_endpoint::request_job, [this] {
      return client->request_job({session->info, session->token->token(),
                                  session->system_id, session->last_update()});
    });
    session->note(answer);
    job_offer out{
      x.key, info_of(answer), {}, clock::now() - began > parked_after};
    if (answer.job) {
      if (answer.job->correlation_id.empty())
        answer.job->correlation_id = answer.request_id;
      add_certificates(*answer.job, answer.server_chain);
      if (session->complete_job)
        session->complete_job(*answer.job);
      out.jobs.push_back(std::move(*answer.job));
    }
    return out;
  }

  /// What the job's tools need to speak with GitLab as this manager does.
  void add_certificates(job_payload& job, const std::string& chain) const {
    auto ca = read_pem_file(session->files.ca);
    job.tls_ca = secret{ca.empty() ? chain : std::move(ca)};
    auto certificate = read_pem_file(session->files.cert);
    auto key = read_pem_file(session->files.key);
    if (certificate.empty() || key.empty())
      return;
    job.tls_cert = secret{std::move(certificate)};
    job.tls_key = secret{std::move(key)};
  }

  update_result call(const update_job& x) const {
    job_update what;
    what.info = session->info;
    what.job = x.job;
    what.token = x.token;
    what.state = x.state;
    what.failure_reason = x.failure_reason;
    what.has_log = x.size_bytes > 0;
    what.crc32 = x.checksum;
    what.size = x.size_bytes;
    what.exit_code = x.exit_code;
    auto answer = counted(api_endpoint::update_job,
                          [&] { return client->update_job(what); });
    session->note(answer);
    return {x.key, x.state, info_of(answer)};
  }

  patch_result call(const patch_trace& x) const {
    patch_result out;
    out.key = x.key;
    out.offset = x.offset;
    auto log = traces->find(x.key);
    if (!log) {
      out.info.text = "the job's log is not there any more";
      out.total_bytes = -1; // not the same as an empty one
      return out;
    }
    auto extent = log->render();
    out.total_bytes = extent.size;
    out.checksum = extent.crc32;
    out.rendered_only = x.length_max == 0;
    if (out.rendered_only)
      return out;
    auto bytes = log->read(x.offset, static_cast<size_t>(x.length_max));
    out.sent_bytes = static_cast<int64_t>(bytes.size());
    if (bytes.empty())
      return out;
    auto answer = counted(api_endpoint::patch_trace, [&] {
      return client->patch_trace(
        {x.job, x.token, x.debug_trace, x.offset + x.shift, std::move(bytes)});
    });
    session->note(answer);
    out.info = info_of(answer);
    out.range_end = answer.next_offset;
    return out;
  }

  token_state call(const tend_token& x) const {
    token_state out;
    out.what = x.what;
    auto& token = *session->token;
    if (x.what == token_task::rotate)
      out.info = rotate();
    // A new token is written at once, whoever asked for it.
    if (x.what != token_task::tell && out.info.text.empty())
      out.save_failure = token.save();
    out.token = token.token();
    out.obtained_at = token.obtained_at().value_or(unix_time{}).seconds;
    out.expires_at = token.expires_at().value_or(unix_time{}).seconds;
    out.is_literal = token.is_literal();
    out.is_saved = token.is_saved();
    return out;
  }

  answer_info rotate() const {
    auto answer = counted(api_endpoint::reset_token, [this] {
      return client->reset_token(session->token->token());
    });
    session->note(answer);
    if (!answer.error) {
      fresh_token fresh{answer.runner.token, {std::time(nullptr)}, {}};
      if (answer.runner.token_expires_at)
        fresh.expires_at = unix_time{*answer.runner.token_expires_at};
      session->token->replace(std::move(fresh));
    }
    return info_of(answer);
  }
};

http_worker_actor::behavior_type
http_worker(watched_ptr<http_worker_actor, http_worker_state> self,
            const coordinator_actor& parent, uint64_t number,
            const caller& with) {
  self->state.client = with.client;
  self->state.number = number;
  self->monitor(parent);
  self->set_down_handler(
    [self](const caf::down_msg& x) { self->quit(x.reason); });
  auto free
    = [self, parent] { self->send(parent, worker_free{self->state.number}); };
  return {
    [self, with, free](const request_job& x) {
      self->send(as<offer_asker_actor>(x.asker), with.call(x));
      free();
    },
    [self, with, free](const update_job& x) {
      self->send(as<update_asker_actor>(x.asker), with.call(x));
      free();
    },
    [self, with, free](const patch_trace& x) {
      self->send(as<patch_asker_actor>(x.asker), with.call(x));
      free();
    },
    [self, with, free](const tend_token& x) {
      self->send(as<token_asker_actor>(x.asker), with.call(x));
      free();
    },
  };
}

} // namespace

api_session::api_session(api_settings with, manager_info who,
                         std::shared_ptr<runner_token> key, std::string system,
                         certificate_files own)
  : settings(std::move(with)),
    info(std::move(who)),
    token(std::move(key)),
    system_id(std::move(system)),
    files(std::move(own)),
    trusted(std::make_shared<certificate_store>(
      files, [](const std::string& x) { log::warning(x); })) {
}

std::string api_session::last_update() const {
  std::lock_guard guard{mutex_};
  return last_update_;
}

void api_session::note(const api_answer& x) {
  if (x.last_update.empty())
    return;
  std::lock_guard guard{mutex_};
  last_update_ = x.last_update;
}

started_worker start_http_worker(caf::local_actor* from,
                                 const coordinator_actor& parent,
                                 uint64_t number,
                                 const std::shared_ptr<api_session>& session,
                                 const std::shared_ptr<trace_shelf>& traces,
                                 const std::shared_ptr<runner_metrics>& told) {
  auto made = api_client::make(session->settings, session->trusted);
  if (!made) {
    log::error("GitLab cannot be asked", {{"err", made.error().text}});
    return {};
  }
  std::shared_ptr<api_client> client = std::move(*made);
  auto actor = from->spawn<caf::detached>(
    http_worker, parent, number, caller{client, session, traces, told});
  plays_edge(actor, "worker:" + std::to_string(number), parent.address());
  return {actor, [client] { client->stop(); }};
}

} // namespace muster
