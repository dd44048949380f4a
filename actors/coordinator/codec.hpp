#pragma once

#include "messages/error_codes.hpp"
#include "messages/payload.hpp"
#include "messages/result.hpp"
#include "messages/secret.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace muster {

/// What GitLab is told about this manager with every request
/// (reference/job-api, section 3.2). Empty texts are left out.
struct manager_info {
  std::string name = "muster";
  std::string version;
  std::string revision;
  std::string platform = "linux";
  std::string architecture;
  std::string executor = "instance";
  std::string shell = "bash";
  std::map<std::string, std::string> labels;
};

/// `POST jobs/request`.
struct job_request {
  manager_info info;
  secret token; ///< the runner's
  std::string system_id;
  std::string last_update; ///< of the last answer; without it, no long poll
};

/// `PUT jobs/:id`: acceptance, keep-alive, end.
struct job_update {
  manager_info info;
  int64_t job = 0;
  secret token;      ///< the job's
  std::string state; ///< `running`, `success`, `failed`
  std::string failure_reason;
  bool has_log = false; ///< whether size and checksum are told
  uint32_t crc32 = 0;
  int64_t size = 0; ///< [bytes]
  int32_t exit_code = 0;
};

/// `POST runners/verify`.
struct verify_request {
  manager_info info;
  secret token; ///< the runner's
  std::string system_id;
};

std::string to_json(const job_request& x);
std::string to_json(const job_update& x);
std::string to_json(const verify_request& x);

/// `crc32:` and 8 hexadecimal digits.
std::string checksum_text(uint32_t crc32);

/// Reads the body of a 201 (reference/job-api, section 3.3). Unknown fields are
/// ignored, missing ones and nulls are empty.
///
/// A job whose id and token can be read is returned also when the rest is wrong
/// or must not be run: then `refusal` says why, so that GitLab can be told.
/// Errors: `bad_answer`, naming the field.
result<job_payload, coordinator_errc> parse_job(std::string_view body);

/// The body of a successful `POST runners/verify`; old servers send none.
struct verified_runner {
  int64_t id = 0;
  std::string token_expires_at; ///< RFC 3339; empty: never
};

/// Tolerates anything: what cannot be read is empty.
verified_runner parse_verified(std::string_view body);

/// Returns the text of an error body, one line, at most 300 bytes; empty if it
/// has none (reference/job-api, section 1, error bodies).
std::string parse_error(std::string_view body);

} // namespace muster
