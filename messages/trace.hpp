#pragma once

#include "messages/coordinator.hpp"
#include "messages/peer.hpp"

#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>

namespace muster {

/// The trace buffer holds bytes that were not there before (an input).
struct trace_grew {
  bool pressed = false; ///< its queue is filling: render soon
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, trace_grew& x) {
  return f(caf::meta::type_name("trace_grew"), x.pressed);
}

struct flush_tick {
  uint64_t version = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, flush_tick& x) {
  return f(caf::meta::type_name("flush_tick"), x.version);
}

/// The last byte is in the buffer: sends the rest and then the final state,
/// until GitLab confirms. Answered by `trace_flushed`.
struct finish {
  std::string state;          ///< `success` or `failed`
  std::string failure_reason; ///< as GitLab understands it
  int32_t exit_code = 0;
  /// Where our last words begin, if GitLab may have more of the log than there
  /// is here: they follow on what it has then; -1: it has not [bytes]
  int64_t words_from = -1;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, finish& x) {
  return f(caf::meta::type_name("finish"), x.state, x.failure_reason,
           x.exit_code, x.words_from);
}

/// Answers `finish`.
struct trace_flushed {
  bool confirmed = false; ///< GitLab has the result, or does not want it
  std::string text;       ///< why not
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, trace_flushed& x) {
  return f(caf::meta::type_name("trace_flushed"), x.confirmed, x.text);
}

enum class job_order : uint8_t { canceling, aborted };

/// GitLab wants the job to end.
struct job_ordered {
  job_order what = job_order::canceling;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_ordered& x) {
  return f(caf::meta::type_name("job_ordered"), x.what);
}

using trace_actor
  = caf::typed_actor<caf::reacts_to<trace_grew>, caf::reacts_to<flush_tick>,
                     caf::reacts_to<patch_result>,
                     caf::reacts_to<update_result>, caf::reacts_to<finish>,
                     caf::reacts_to<coordinator_changed>>;

/// What a trace says to its job.
using trace_parent_actor = caf::typed_actor<caf::reacts_to<trace_flushed>,
                                            caf::reacts_to<job_ordered>>;

} // namespace muster
