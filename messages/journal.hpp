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

/// Writes an accepted job down. Answered by `job_written`; the job is run only
/// then.
struct write_job {
  acquisition_key key;
  std::string runner; ///< identity of the runner: url and short token
  job_payload payload;
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_job& x) {
  return f(caf::meta::type_name("write_job"), x.key, x.runner, x.payload,
           x.asker);
}

/// Where a job runs.
struct write_job_place {
  acquisition_key key;
  instance_id instance;
  int32_t slot = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_job_place& x) {
  return f(caf::meta::type_name("write_job_place"), x.key, x.instance, x.slot);
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

/// The runner has another token, and with it another name here.
struct rename_runner {
  std::string from;
  std::string to;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, rename_runner& x) {
  return f(caf::meta::type_name("rename_runner"), x.from, x.to);
}

/// GitLab has confirmed the result, or does not want it.
struct forget_job {
  acquisition_key key;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, forget_job& x) {
  return f(caf::meta::type_name("forget_job"), x.key);
}

/// What must be known of an instance after a restart.
struct write_instance {
  std::string group; ///< the cloud's own id
  instance_id instance;
  int32_t use_count = 0;
  int64_t last_use_ms = 0; ///< Unix time [ms]
  std::string host_key;    ///< pinned
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, write_instance& x) {
  return f(caf::meta::type_name("write_instance"), x.group, x.instance,
           x.use_count, x.last_use_ms, x.host_key);
}

struct forget_instance {
  std::string group;
  instance_id instance;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, forget_instance& x) {
  return f(caf::meta::type_name("forget_instance"), x.group, x.instance);
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

struct known_instance {
  instance_id instance;
  int32_t use_count = 0;
  int64_t last_use_ms = 0; ///< Unix time [ms]
  std::string host_key;
  bool had_jobs = false; ///< a job of an earlier manager may still be there
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, known_instance& x) {
  return f(caf::meta::type_name("known_instance"), x.instance, x.use_count,
           x.last_use_ms, x.host_key, x.had_jobs);
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

/// A job that an earlier manager accepted and did not bring to an end.
struct left_job {
  acquisition_key key;
  int64_t job = 0;
  secret token;
  bool has_result = false; ///< known, but not confirmed by GitLab
  bool success = false;
  int32_t exit_code = 0;
  std::string failure_reason;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, left_job& x) {
  return f(caf::meta::type_name("left_job"), x.key, x.job, x.token,
           x.has_result, x.success, x.exit_code, x.failure_reason);
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

using journal_actor
  = caf::typed_actor<caf::reacts_to<write_job>, caf::reacts_to<write_job_place>,
                     caf::reacts_to<write_job_result>,
                     caf::reacts_to<rename_runner>, caf::reacts_to<forget_job>,
                     caf::reacts_to<write_instance>,
                     caf::reacts_to<forget_instance>,
                     caf::reacts_to<read_instances>, caf::reacts_to<read_jobs>>;

/// What the journal says to a runner.
using journal_asker_actor
  = caf::typed_actor<caf::reacts_to<job_written>, caf::reacts_to<left_jobs>>;

/// What the journal says to a group.
using instances_asker_actor = caf::typed_actor<caf::reacts_to<known_instances>>;

} // namespace muster
