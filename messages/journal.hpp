#pragma once

#include "messages/id.hpp"
#include "messages/log_recipe.hpp"
#include "messages/payload.hpp"
#include "messages/peer.hpp"

#include <caf/error.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace muster {

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, stage_text& x) {
  return f(caf::meta::type_name("stage_text"), x.name, x.heading, x.phase,
           x.attempts_max, x.failure_counts, x.before);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, manager_line& x) {
  return f(caf::meta::type_name("manager_line"), x.source, x.unix_us, x.text);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, log_recipe& x) {
  return f(caf::meta::type_name("log_recipe"), x.base_us, x.socket_path,
           x.project, x.timeout_ms, x.prepare_timeout_ms,
           x.get_sources_timeout_ms, x.failure_reasons, x.debug_trace,
           x.sections, x.stages, x.masked, x.token_prefixes,
           x.mask_all_default_tokens, x.timestamps, x.limit_bytes);
}

/// Writes an accepted job down. Answered by `job_written`; the job is run only
/// then.
struct write_job {
  acquisition_key key;
  std::string runner; ///< identity of the runner: url and short token
  job_payload payload;
  int64_t taken_us = 0; ///< when it was accepted, Unix time [us]
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_job& x) {
  return f(caf::meta::type_name("write_job"), x.key, x.runner, x.payload,
           x.taken_us, x.asker);
}

/// All lines of the manager's own in the job's log so far.
struct write_job_lines {
  acquisition_key key;
  std::vector<manager_line> lines;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_job_lines& x) {
  return f(caf::meta::type_name("write_job_lines"), x.key, x.lines);
}

/// The job's plan is about to be sent to an instance. Answered by
/// `job_start_written`: only then may it be, so that no script runs twice.
struct write_job_start {
  acquisition_key key;
  instance_id instance;
  int32_t slot = 0;
  std::vector<manager_line> lines;
  log_recipe recipe;
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_job_start& x) {
  return f(caf::meta::type_name("write_job_start"), x.key, x.instance, x.slot,
           x.lines, x.recipe, x.asker);
}

/// The job's result is known, GitLab has not confirmed it yet.
struct write_job_result {
  acquisition_key key;
  bool success = false;
  int32_t exit_code = 0;
  std::string failure_reason;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_job_result& x) {
  return f(caf::meta::type_name("write_job_result"), x.key, x.success,
           x.exit_code, x.failure_reason);
}

/// The runner has another token, and with it another name here. Only these jobs
/// of it are concerned: another runner may have that token now.
struct rename_runner {
  std::string from;
  std::string to;
  std::vector<acquisition_key> jobs;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, rename_runner& x) {
  return f(caf::meta::type_name("rename_runner"), x.from, x.to, x.jobs);
}

/// GitLab has confirmed the result, or does not want it.
struct forget_job {
  acquisition_key key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, forget_job& x) {
  return f(caf::meta::type_name("forget_job"), x.key);
}

/// What must be known of an instance after a restart. What is left empty stays
/// as it was written.
struct write_instance {
  std::string group; ///< the cloud's own id
  instance_id instance;
  int32_t use_count = 0;
  int64_t last_use_ms = 0;       ///< Unix time [ms]; 0: as it was
  std::string host_key;          ///< pinned
  int64_t provisioned_at_ms = 0; ///< first listed, Unix time [ms]
  std::string leaves;            ///< why it serves no further job
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_instance& x) {
  return f(caf::meta::type_name("write_instance"), x.group, x.instance,
           x.use_count, x.last_use_ms, x.host_key, x.provisioned_at_ms,
           x.leaves);
}

/// The instance is gone.
struct forget_instance {
  std::string group;
  instance_id instance;
  bool may_return = false; ///< as the same machine: its host key stays
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, forget_instance& x) {
  return f(caf::meta::type_name("forget_instance"), x.group, x.instance,
           x.may_return);
}

/// Something of the job may be on the instance from now on.
struct write_leftover {
  std::string group;
  instance_id instance;
  acquisition_key key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_leftover& x) {
  return f(caf::meta::type_name("write_leftover"), x.group, x.instance, x.key);
}

/// Nothing of it is there: that was proven.
struct forget_leftover {
  std::string group;
  instance_id instance;
  acquisition_key key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, forget_leftover& x) {
  return f(caf::meta::type_name("forget_leftover"), x.group, x.instance, x.key);
}

/// Asks for the host key that is pinned for an instance: before each first
/// dial, since somebody may have forgotten it beside the manager. Answered by
/// `host_key_found`.
struct read_host_key {
  std::string group;
  instance_id instance;
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_host_key& x) {
  return f(caf::meta::type_name("read_host_key"), x.group, x.instance, x.asker);
}

/// Asks what is known of the instances of a group. Answered by
/// `known_instances`.
struct read_instances {
  std::string group;
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_instances& x) {
  return f(caf::meta::type_name("read_instances"), x.group, x.asker);
}

/// Asks for the jobs of a runner that an earlier manager left. Answered by
/// `left_jobs`.
struct read_jobs {
  std::string runner;
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_jobs& x) {
  return f(caf::meta::type_name("read_jobs"), x.runner, x.asker);
}

/// Answers `write_job`.
struct job_written {
  acquisition_key key;
  caf::error why; ///< not written: `why` is set
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_written& x) {
  return f(caf::meta::type_name("job_written"), x.key, x.why);
}

/// Answers `write_job_start`.
struct job_start_written {
  acquisition_key key;
  caf::error why; ///< not written: `why` is set
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, job_start_written& x) {
  return f(caf::meta::type_name("job_start_written"), x.key, x.why);
}

struct known_instance {
  instance_id instance;
  int32_t use_count = 0;
  int64_t last_use_ms = 0; ///< Unix time [ms]
  std::string host_key;
  std::vector<acquisition_key> jobs; ///< that an earlier manager left there
  std::vector<acquisition_key> leftovers = {}; ///< as `write_leftover` told
  int64_t provisioned_at_ms = 0; ///< first listed, Unix time [ms]; 0: not known
  std::string leaves = {};       ///< why it serves no further job
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, known_instance& x) {
  return f(caf::meta::type_name("known_instance"), x.instance, x.use_count,
           x.last_use_ms, x.host_key, x.jobs, x.leftovers, x.provisioned_at_ms,
           x.leaves);
}

/// Answers `read_instances`.
struct known_instances {
  std::string group;
  std::vector<known_instance> instances;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, known_instances& x) {
  return f(caf::meta::type_name("known_instances"), x.group, x.instances,
           x.why);
}

/// Answers `read_host_key`.
struct host_key_found {
  instance_id instance;
  std::string host_key; ///< empty: none is pinned
  caf::error why;       ///< not known: `why` is set
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, host_key_found& x) {
  return f(caf::meta::type_name("host_key_found"), x.instance, x.host_key,
           x.why);
}

/// How far an earlier manager had come with a job.
enum class left_phase : uint8_t {
  waiting, ///< its plan was never sent: nothing of it has run
  started, ///< its plan may be at the instance
  ended,   ///< its result is known, but not confirmed by GitLab
  lost,    ///< what is written of it cannot be used by this muster
};

/// A job that an earlier manager accepted and did not bring to an end.
struct left_job {
  acquisition_key key;
  left_phase at = left_phase::lost;
  /// Whole while `waiting`; else what the end of the job needs: at least the
  /// number and the token.
  job_payload payload;
  int64_t taken_us = 0; ///< when it was accepted, Unix time [us]
  instance_id instance; ///< once `started`
  int32_t slot = 0;
  std::vector<manager_line> lines; ///< of the manager's own, so far
  log_recipe recipe;               ///< once `started`
  bool success = false;            ///< once `ended`
  int32_t exit_code = 0;
  std::string failure_reason;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, left_job& x) {
  return f(caf::meta::type_name("left_job"), x.key, x.at, x.payload, x.taken_us,
           x.instance, x.slot, x.lines, x.recipe, x.success, x.exit_code,
           x.failure_reason);
}

/// Answers `read_jobs`.
struct left_jobs {
  std::vector<left_job> jobs;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, left_jobs& x) {
  return f(caf::meta::type_name("left_jobs"), x.jobs, x.why);
}

using journal_actor = caf::typed_actor<
  caf::reacts_to<write_job>, caf::reacts_to<write_job_lines>,
  caf::reacts_to<write_job_start>, caf::reacts_to<write_job_result>,
  caf::reacts_to<rename_runner>, caf::reacts_to<forget_job>,
  caf::reacts_to<write_instance>, caf::reacts_to<forget_instance>,
  caf::reacts_to<read_instances>, caf::reacts_to<read_jobs>,
  caf::reacts_to<read_host_key>, caf::reacts_to<write_leftover>,
  caf::reacts_to<forget_leftover>>;

/// What the journal says to a runner.
using journal_asker_actor
  = caf::typed_actor<caf::reacts_to<job_written>, caf::reacts_to<left_jobs>>;

/// What the journal says to a job.
using start_asker_actor = caf::typed_actor<caf::reacts_to<job_start_written>>;

/// What the journal says to an instance.
using host_key_asker_actor = caf::typed_actor<caf::reacts_to<host_key_found>>;

/// What the journal says to a group.
using instances_asker_actor = caf::typed_actor<caf::reacts_to<known_instances>>;

} // namespace muster
