#pragma once

#include "actors/trace/flow.hpp"
#include "actors/traced.hpp"
#include "config/log.hpp"
#include "messages/trace.hpp"

#include <string>
#include <string_view>

namespace muster {

struct trace_setup {
  std::string role;
  acquisition_key key;
  int64_t job = 0;
  secret token;
  bool debug_trace = false;
  log::fields log_fields; ///< of the job
  trace_flow::settings settings;
  trace_parent_actor parent;
  coordinator_actor coordinator;
};

struct trace_state {
  trace_flow::state flow;
  finish final;           ///< what is to be told at the end
  int64_t size_bytes = 0; ///< of the log as last rendered
  uint32_t checksum = 0;
  coordinator_actor coordinator; ///< in force
  bool patch_out = false;        ///< an answer is waited for
  bool update_out = false;
  const char* name = "trace";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, trace_state& x) {
  return f(caf::meta::type_name("trace_state"), x.final, x.size_bytes,
           x.checksum, x.flow.offset, x.flow.failures);
}

/// Writes a line if a call for a job failed: an outage of GitLab's is seen in
/// the log, whatever becomes of the call.
void tell_failed_call(std::string_view call, const answer_info& x,
                      log::fields with);

/// Sends a job's log and its final state. Owns offsets only: the bytes are in
/// the job's `trace_buffer`. Spawned by its job, which it monitors. Told
/// of another coordinator, it takes what it had asked the old one for failed.
trace_actor spawn_trace(const spawner& at, trace_setup setup);

} // namespace muster
