#include "executors/plan/trace_text.hpp"

#include "config/duration.hpp"

namespace muster::trace_text {

namespace {

constexpr std::string_view clear = "\x1b[0K";
constexpr std::string_view line_end = "\x1b[0;m\n";
constexpr std::string_view bold_green = "\x1b[32;1m";
constexpr std::string_view bold_cyan = "\x1b[36;1m";
constexpr std::string_view bold_red = "\x1b[31;1m";
constexpr std::string_view yellow = "\x1b[0;33m";

template <class... Pieces>
std::string join(const Pieces&... pieces) {
  std::string result;
  ((result += pieces), ...);
  return result;
}

std::string marker(std::string_view kind, int64_t unix_seconds,
                   std::string_view name) {
  return join(kind, ":", std::to_string(unix_seconds), ":", name, "\r", clear);
}

} // namespace

std::string plain(std::string_view text) {
  return join(clear, text, line_end);
}

std::string info(std::string_view text) {
  return join(bold_green, text, line_end);
}

std::string warning(std::string_view text) {
  return join(yellow, "WARNING: ", text, line_end);
}

std::string soft_error(std::string_view text) {
  return error(text);
}

std::string error(std::string_view text) {
  return join(bold_red, "ERROR: ", text, line_end);
}

std::string heading(std::string_view text) {
  return plain(join(bold_cyan, text, "\x1b[0;m"));
}

std::string section_start(int64_t unix_seconds, std::string_view name) {
  return marker("section_start", unix_seconds, name);
}

std::string section_end(int64_t unix_seconds, std::string_view name) {
  return marker("section_end", unix_seconds, name);
}

std::string header(const header_facts& facts) {
  auto result = plain(
    join("Running with muster ", facts.version, " (", facts.revision, ")"));
  if (!facts.short_token.empty())
    result += plain(join("  on ", facts.runner_name, " ", facts.short_token,
                         ", system ID: ", facts.system_id));
  if (!facts.changed_flags.empty())
    result += plain(join("  feature flags: ", facts.changed_flags));
  return result;
}

std::string prepare_executor_heading(std::string_view executor) {
  return heading(join("Preparing the \"", executor, "\" executor"));
}

std::string preparing_instance() {
  return plain("Preparing instance...");
}

std::string dialing_instance(std::string_view id, std::string_view internal,
                             std::string_view external) {
  auto text = join("Dialing instance ", id);
  for (auto address : {internal, external})
    if (!address.empty())
      text += join(", ", address);
  return plain(text + "...");
}

std::string instance_connected(std::string_view id) {
  return plain(join("Instance ", id, " connected"));
}

std::string preparation_failed(std::string_view why,
                               std::chrono::nanoseconds retry_in) {
  return soft_error(join("Preparation failed: ", why))
         + info(join("Will be retried in ", format_duration(retry_in), " ..."));
}

std::string clearing_worktree() {
  return "Deleting all tracked and untracked files due to source fetch failure";
}

std::string retrying() {
  return warning("Retrying...");
}

std::string canceled_externally() {
  return warning("script canceled externally (UI, API)");
}

std::string stage_out_of_time(std::string_view stage) {
  return warning(join(
    stage,
    " could not run to completion because the timeout was exceeded. For more "
    "control over job and script timeouts see: "
    "https://docs.gitlab.com/ci/runners/configure_runners/"
    "#set-script-and-after_script-timeouts"));
}

std::string after_script_failed(std::string_view why) {
  return warning(
    join("after_script failed, but job will continue unaffected: ", why));
}

std::string still_unwinding() {
  return warning("Timed out waiting for the build to finish");
}

std::string job_succeeded() {
  return info("Job succeeded");
}

std::string job_failed(std::string_view why) {
  return soft_error(join("Job failed: ", why));
}

std::string job_failed_by_system(std::string_view why) {
  return error(join("Job failed (system failure): ", why));
}

std::string script_exited(int32_t exit_code, bool in_container) {
  auto code = std::to_string(exit_code);
  if (in_container)
    return "exit code " + code;
  return join("run exit (exit code: ", code, "): Process exited with status ",
              code);
}

std::string job_timed_out(std::chrono::nanoseconds timeout) {
  return join("execution took longer than ", format_duration(timeout),
              " seconds");
}

std::string script_timed_out() {
  return "script timeout: context deadline exceeded";
}

std::string prepare_timed_out(std::chrono::nanoseconds timeout) {
  return join("prepare timeout: exceeded timeout of ",
              format_duration(timeout));
}

std::string get_sources_timed_out(std::chrono::nanoseconds timeout) {
  return join("get sources timeout: exceeded timeout of ",
              format_duration(timeout));
}

std::string canceled() {
  return "canceled";
}

std::string aborted_by_terminate() {
  return "aborted: terminated";
}

std::string aborted_by_interrupt() {
  return "aborted: interrupt";
}

std::string environment_failed(std::string_view why) {
  return join("prepare environment: ", why,
              ". Check https://docs.gitlab.com/runner/shells/"
              "#shell-profile-loading for more information");
}

std::string acquire_timed_out(std::chrono::nanoseconds timeout) {
  return join("unable to acquire instance within the configured timeout of ",
              format_duration(timeout), ": context deadline exceeded");
}

std::string panicked(std::string_view what) {
  return join("panic: ", what);
}

} // namespace muster::trace_text
