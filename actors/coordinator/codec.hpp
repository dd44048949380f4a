#pragma once

#include "messages/error_codes.hpp"
#include "messages/payload.hpp"
#include "messages/result.hpp"
#include "messages/secret.hpp"

#include <cstdint>
#include <map>
#include <optional>
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
  std::string gpus; ///< as the runner's configuration has them
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

/// `POST runners`: for tokens that register runners. What is not set is left to
/// GitLab.
struct registration {
  manager_info info;
  secret token; ///< the registration token
  std::string description;
  std::string maintenance_note;
  std::string tag_list; ///< with commas
  std::optional<bool> run_untagged;
  std::optional<bool> locked;
  std::optional<bool> paused;
  std::string access_level;    ///< not_protected, ref_protected
  int64_t maximum_timeout = 0; ///< [s]; 0: none
};

std::string to_json(const job_request& x);
std::string to_json(const job_update& x);
std::string to_json(const verify_request& x);
std::string to_json(const registration& x);

/// The body of calls that tell nothing but who it is about.
std::string token_json(const secret& token, const std::string& system_id = {});

/// `crc32:` and 8 hexadecimal digits.
std::string checksum_text(uint32_t crc32);

/// Reads the body of a 201 (reference/job-api, section 3.3). Unknown fields are
/// ignored, missing ones and nulls are empty.
///
/// A job whose id and token can be read is returned also when the rest is wrong
/// or must not be run: then `refusal` says why, so that GitLab can be told.
/// Errors: `bad_answer`, naming the field.
result<job_payload, coordinator_errc> parse_job(std::string_view body);

/// What GitLab says of a runner when it was verified, registered, or got
/// another token.
struct runner_identity {
  int64_t id = 0;
  secret token;
  std::optional<int64_t> token_expires_at; ///< Unix time [s]; unset: never
};

/// Tolerates anything: what cannot be read is empty. Old servers answer to a
/// verification with no JSON at all.
runner_identity parse_identity(std::string_view body);

/// Reads `2026-11-28T08:30:00.000Z`, with any offset; nothing if it is none.
std::optional<int64_t> parse_rfc3339(std::string_view text);

/// Returns the text of an error body, one line, at most 300 bytes; empty if it
/// has none (reference/job-api, section 1, error bodies). What is nested deeper
/// than anybody reads is left out.
std::string parse_error(std::string_view body);

} // namespace muster
