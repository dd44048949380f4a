#pragma once

#include "messages/id.hpp"
#include "messages/payload.hpp"
#include "messages/peer.hpp"

#include <caf/error.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace muster {

/// Asks GitLab for a job. Answered by `job_offer`.
struct request_job {
  acquisition_key key; ///< of the reservation
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, request_job& x) {
  return f(caf::meta::type_name("request_job"), x.key, x.asker);
}

/// Tells GitLab a job's state. Answered by `update_result`.
struct update_job {
  acquisition_key key;
  int64_t job = 0;
  secret token;
  std::string state;          ///< `running`, `success` or `failed`
  std::string failure_reason; ///< as GitLab understands it
  int32_t exit_code = 0;
  uint32_t checksum = 0;  ///< CRC-32 of the trace
  int64_t size_bytes = 0; ///< of the trace
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, update_job& x) {
  return f(caf::meta::type_name("update_job"), x.key, x.job, x.token, x.state,
           x.failure_reason, x.exit_code, x.checksum, x.size_bytes, x.asker);
}

/// Sends a piece of a job's trace; the bytes are at the edge. Answered by
/// `patch_result`.
struct patch_trace {
  acquisition_key key;
  int64_t job = 0;
  secret token;
  int64_t offset = 0;     ///< of the first byte [bytes]
  int64_t length_max = 0; ///< 0: only render what is queued [bytes]
  bool debug_trace = false;
  peer asker;
  int64_t shift = 0; ///< GitLab's log is longer by this: of another manager
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, patch_trace& x) {
  return f(caf::meta::type_name("patch_trace"), x.key, x.job, x.token, x.offset,
           x.length_max, x.debug_trace, x.asker, x.shift);
}

/// What every answer of GitLab tells beside its own.
struct answer_info {
  int32_t status = 0;           ///< HTTP status; 0: no answer
  bool retriable = false;       ///< the server asks to be asked again
  std::string job_status;       ///< header Job-Status; may be empty
  int64_t trace_interval_s = 0; ///< 0: none given [s]
  int64_t retry_after_ms = 0;   ///< 0: none given [ms]
  std::string text; ///< what went wrong, for people; empty if nothing
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, answer_info& x) {
  return f(caf::meta::type_name("answer_info"), x.status, x.retriable,
           x.job_status, x.trace_interval_s, x.retry_after_ms, x.text);
}

/// Answers `request_job`.
struct job_offer {
  acquisition_key key;
  answer_info info;
  std::vector<job_payload> jobs; ///< none or one
  bool parked = false;           ///< the server held the request (long poll)
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_offer& x) {
  return f(caf::meta::type_name("job_offer"), x.key, x.info, x.jobs, x.parked);
}

/// Answers `update_job`.
struct update_result {
  acquisition_key key;
  std::string state; ///< that was told
  answer_info info;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, update_result& x) {
  return f(caf::meta::type_name("update_result"), x.key, x.state, x.info);
}

/// Answers `patch_trace`.
struct patch_result {
  acquisition_key key;
  int64_t offset = 0;         ///< as asked [bytes]
  int64_t sent_bytes = 0;     ///< 0: there was nothing to send
  int64_t range_end = -1;     ///< after 416: the offset that GitLab expects
  int64_t total_bytes = 0;    ///< of the trace so far
  uint32_t checksum = 0;      ///< of the trace so far
  bool rendered_only = false; ///< as asked: nothing was sent
  answer_info info;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, patch_result& x) {
  return f(caf::meta::type_name("patch_result"), x.key, x.offset, x.sent_bytes,
           x.range_end, x.total_bytes, x.checksum, x.rendered_only, x.info);
}

/// Aborts what is under way, for shutdown. What is asked later fails.
struct stop_requests {
  bool polls_only = true; ///< results and traces still go out
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, stop_requests& x) {
  return f(caf::meta::type_name("stop_requests"), x.polls_only);
}

/// The runner's coordinator failed and there is another.
struct coordinator_changed {
  peer coordinator;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, coordinator_changed& x) {
  return f(caf::meta::type_name("coordinator_changed"), x.coordinator);
}

/// A worker has done what it was asked and is free.
struct worker_free {
  uint64_t worker = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, worker_free& x) {
  return f(caf::meta::type_name("worker_free"), x.worker);
}

enum class token_task : uint8_t {
  tell,   ///< nothing is done
  rotate, ///< GitLab is asked for another token
  save,   ///< it is written into config.toml
};

/// Has something done about the runner's token. Answered by `token_state`.
struct tend_token {
  token_task what = token_task::tell;
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tend_token& x) {
  return f(caf::meta::type_name("tend_token"), x.what, x.asker);
}

/// Answers `tend_token`: the token as it is then. Times are Unix times.
struct token_state {
  token_task what = token_task::tell; ///< as asked
  secret token;
  int64_t obtained_at = 0; ///< 0: not known [s]
  int64_t expires_at = 0;  ///< 0: never [s]
  bool is_literal = true;  ///< config.toml has it, not the environment
  bool is_saved = true;    ///< config.toml has this one already
  std::string save_failure;
  answer_info info; ///< of a rotation
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token_state& x) {
  return f(caf::meta::type_name("token_state"), x.what, x.token, x.obtained_at,
           x.expires_at, x.is_literal, x.is_saved, x.save_failure, x.info);
}

using coordinator_actor
  = caf::typed_actor<caf::reacts_to<request_job>, caf::reacts_to<update_job>,
                     caf::reacts_to<patch_trace>, caf::reacts_to<stop_requests>,
                     caf::reacts_to<worker_free>, caf::reacts_to<tend_token>>;

using http_worker_actor
  = caf::typed_actor<caf::reacts_to<request_job>, caf::reacts_to<update_job>,
                     caf::reacts_to<patch_trace>, caf::reacts_to<tend_token>>;

using offer_asker_actor = caf::typed_actor<caf::reacts_to<job_offer>>;
using update_asker_actor = caf::typed_actor<caf::reacts_to<update_result>>;
using patch_asker_actor = caf::typed_actor<caf::reacts_to<patch_result>>;
using token_asker_actor = caf::typed_actor<caf::reacts_to<token_state>>;

} // namespace muster
