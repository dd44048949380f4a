#include "messages/error_codes.hpp"

#include <array>
#include <cstddef>

namespace muster {

namespace {

/// Codes count from 1; 0 is "no error" everywhere.
template <class Errc, size_t N>
std::string name_of(Errc x, const std::array<const char*, N>& names) {
  auto index = static_cast<size_t>(x);
  return index >= 1 && index <= N ? names[index - 1] : "unknown";
}

} // namespace

std::string to_string(capacity_errc x) {
  return name_of(
    x, std::array{"no_capacity", "reservation_not_found", "acquire_timed_out"});
}

std::string to_string(provider_errc x) {
  return name_of(x, std::array{"bad_config", "not_available", "call_failed",
                               "not_found", "timed_out"});
}

std::string to_string(instance_errc x) {
  return name_of(x, std::array{"removed_externally", "retired", "not_ready"});
}

std::string to_string(connection_errc x) {
  return name_of(x, std::array{"unreachable", "handshake_failed",
                               "host_key_mismatch", "not_authenticated",
                               "channel_refused", "lost", "timed_out",
                               "helper_unavailable", "closed"});
}

std::string to_string(job_errc x) {
  return name_of(x, std::array{"script_failure", "runner_system_failure",
                               "job_execution_timeout", "job_canceled",
                               "runner_interrupted", "configuration_error",
                               "image_pull_failure",
                               "runner_external_dependency_failure"});
}

std::string to_string(coordinator_errc x) {
  return name_of(x, std::array{"unreachable", "forbidden", "rejected",
                               "server_error", "bad_answer", "stopped"});
}

std::string to_string(config_errc x) {
  return name_of(x, std::array{"not_readable", "not_valid", "not_writable"});
}

std::string to_string(journal_errc x) {
  return name_of(x, std::array{"not_writable", "not_readable"});
}

std::string to_string(helper_errc x) {
  return name_of(
    x, std::array{"bad_frame", "version_refused", "unknown_key", "failed"});
}

} // namespace muster
