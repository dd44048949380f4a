#pragma once

#include <cstdint>
#include <string>

namespace muster {

// One code per reaction that a caller can have; the particulars are text.

enum class capacity_errc : uint8_t {
  no_capacity = 1,       ///< nothing free and no room to grow: poll later
  reservation_not_found, ///< the key was never reserved, or was given back
  acquire_timed_out,     ///< no slot within instance_acquire_timeout
};

enum class provider_errc : uint8_t {
  bad_config = 1, ///< plugin_config cannot work: fix the file
  not_available,  ///< a program or right that the provider needs is missing
  call_failed,    ///< this call failed: try again later
  not_found,      ///< no such instance
  timed_out,      ///< no answer within the deadline
};

enum class instance_errc : uint8_t {
  removed_externally = 1, ///< gone without having been asked to
  retired,                ///< removed on purpose; the text says why
  not_ready,              ///< it never became usable
};

enum class connection_errc : uint8_t {
  unreachable = 1,    ///< no TCP connection: refused, timed out, no route
  handshake_failed,   ///< no common algorithms, or the peer stalled or hung up
  host_key_mismatch,  ///< another key than the pinned one: refuse the instance
  not_authenticated,  ///< the key or password was not accepted
  channel_refused,    ///< the session is fine, this channel is not to be had
  lost,               ///< an established connection broke
  timed_out,          ///< a layer's deadline passed; the text says which
  helper_unavailable, ///< muster-helper cannot be put or run there
  closed,             ///< closed by us
};

enum class job_errc : uint8_t {
  script_failure = 1,    ///< a script of the job ended with a failure
  runner_system_failure, ///< not the job's fault; GitLab may retry
  job_execution_timeout, ///< a time-out of the job or its configuration
  job_canceled,          ///< cancelled in GitLab
  runner_interrupted,    ///< this manager was told to stop
  configuration_error,   ///< the job or the runner is configured wrongly
  image_pull_failure,    ///< an image could not be pulled
  runner_external_dependency_failure, ///< the same: a network or a registry
                                      ///< is out of order; GitLab may retry
};

enum class coordinator_errc : uint8_t {
  unreachable = 1, ///< no HTTP answer: network, TLS, time-out
  forbidden,       ///< 403
  rejected,        ///< another 4xx; 401 and 404 among them
  server_error,    ///< 5xx, 408, 429: try again later
  bad_answer,      ///< a body that is not what the API promises
  stopped,         ///< this manager is shutting down
};

enum class config_errc : uint8_t {
  not_readable = 1, ///< no such file, no right, not a file
  not_valid,        ///< syntax or a value that cannot be used
  not_writable,     ///< no right, disk full: the file is as it was
};

enum class journal_errc : uint8_t {
  not_writable = 1, ///< disk full, no right: nothing new may be accepted
  not_readable,     ///< damaged, or of a newer version
};

enum class helper_errc : uint8_t {
  bad_frame = 1,   ///< bytes that are not a frame
  version_refused, ///< the peer is too new
  unknown_key,     ///< no such job here
  failed,          ///< the system refused: fork, disk, memory
};

std::string to_string(capacity_errc x);
std::string to_string(provider_errc x);
std::string to_string(instance_errc x);
std::string to_string(connection_errc x);
std::string to_string(job_errc x);
std::string to_string(coordinator_errc x);
std::string to_string(config_errc x);
std::string to_string(journal_errc x);
std::string to_string(helper_errc x);

} // namespace muster
