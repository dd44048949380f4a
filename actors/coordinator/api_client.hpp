#pragma once

#include "actors/coordinator/codec.hpp"
#include "actors/coordinator/http_client.hpp"
#include "messages/error_codes.hpp"
#include "messages/payload.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

struct api_settings {
  std::string url; ///< of the runner, as configured
  http_settings http;
  size_t job_bytes_max = 16u << 20; ///< of an answer with a job [bytes]
};

/// What every answer tells.
struct api_answer {
  int status = 0; ///< HTTP; 0: there was none
  /// Not set: the answer is one of the call's successes.
  std::optional<coordinator_failure> error;
  std::chrono::milliseconds retry_after{
    0};                   ///< RateLimit-ResetTime, Retry-After
  std::string job_status; ///< header Job-Status
  std::chrono::milliseconds trace_interval{0}; ///< 0: not named
  std::string last_update; ///< X-GitLab-Last-Update: to be sent with the next
                           ///< request for a job, if not empty
  std::string request_id;  ///< the server's, or the one that was sent
};

struct job_answer : api_answer {
  std::optional<job_payload> job; ///< set exactly with a usable 201
  std::string server_chain; ///< PEM: what GitLab is trusted by; empty: no TLS
};

struct update_answer : api_answer {};

struct patch_answer : api_answer {
  int64_t next_offset = 0; ///< of header Range; 0 if it is absent or malformed
};

struct identity_answer : api_answer {
  runner_identity runner;
};

/// A part of a job's log.
struct trace_patch {
  int64_t job = 0;
  secret token; ///< the job's
  bool debug_trace = false;
  int64_t offset = 0; ///< of the first byte [bytes]
  std::string bytes;  ///< not empty
};

/// GitLab's runner API over HTTP, for one thread: calls block. Nothing is tried
/// again here, nothing throws, and any answer is survived. SIGPIPE is blocked
/// in the threads that call. (reference/job-api)
class api_client {
public:
  /// Errors: `rejected` for a URL or proxy that cannot be used.
  static result<std::unique_ptr<api_client>, coordinator_errc>
  make(const api_settings& with, std::shared_ptr<certificate_store> trusted);

  ~api_client();

  /// Successes: 201 with a job, 204 without.
  job_answer request_job(const job_request& what);

  /// Successes: 200, 202.
  update_answer update_job(const job_update& what);

  /// Success: 202.
  patch_answer patch_trace(trace_patch what);

  /// Success: 200, whatever its body is.
  identity_answer verify(const verify_request& what);

  /// Success: 201 with a token.
  identity_answer register_runner(const registration& what);

  /// Gives a runner another token: by its own one, or by a personal access
  /// token. Success: 201 with a token.
  identity_answer reset_token(const secret& token);
  identity_answer reset_token_of(int64_t runner, const secret& personal_token);

  /// Success: 204. The runner goes, or only this manager of it.
  api_answer unregister_runner(const secret& token);
  api_answer unregister_manager(const secret& token,
                                const std::string& system_id);

  /// Aborts the call under way, if any, and makes it and all later ones fail
  /// with `stopped`. From any thread; returns at once. A name that is being
  /// looked up is waited for by the caller.
  void stop();

private:
  struct impl;
  explicit api_client(std::unique_ptr<impl> x);
  std::unique_ptr<impl> impl_;
};

/// Number after the `-` of a header `Range`; 0 if it is absent or malformed.
int64_t parse_range_end(std::string_view range);

/// A whole number of seconds; 0 for anything else. At most a day.
std::chrono::milliseconds parse_seconds(std::string_view x);

/// How long to wait, from the two headers: an RFC 1123 date that is not past,
/// else seconds. 0: nothing was said. `now` is Unix time. [seconds]
std::chrono::milliseconds parse_retry_after(std::string_view reset_time,
                                            std::string_view retry_after,
                                            int64_t now);

} // namespace muster
