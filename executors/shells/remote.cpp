#include "executors/shells/remote.hpp"

#include "executors/shells/posix.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace muster::remote {

namespace {

/// Begins and ends what is added to stderr: no text has it by chance.
constexpr char mark_edge = '\x01';

/// The login shell may be any: it only has to know words in single quotes.
std::string command_of(const std::string& script) {
  std::string out = "sh -c '";
  for (char c : script)
    out += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return out + "'";
}

/// `found`: the processes that have the mark. The search itself has it in its
/// arguments, not in its environment.
std::string finder(std::string_view key) {
  return "m=" + posix::quote("MUSTER_JOB_MARK=" + mark_of(key))
         + "; found() { grep -lsF -e \"$m\" /proc/[0-9]*/environ 2>/dev/null"
           " | sed -e \"s|^/proc/||\" -e \"s|/environ$||\"; }; ";
}

} // namespace

std::string mark_of(std::string_view key) {
  return std::string{key} + ".";
}

std::string script_command(const script_request& what) {
  std::string script
    = "unset SSH_CONNECTION SSH_CLIENT SSH_TTY SSH_ORIGINAL_COMMAND; "
      "MUSTER_JOB_KEY="
      + posix::quote(what.key)
      + "; MUSTER_JOB_MARK=" + posix::quote(mark_of(what.key))
      + "; export MUSTER_JOB_KEY MUSTER_JOB_MARK; ";
  if (!what.job_status.empty())
    script += "CI_JOB_STATUS=" + posix::quote(what.job_status)
              + "; export CI_JOB_STATUS; ";
  if (what.shell.empty())
    script += "if command -v bash >/dev/null 2>&1; then bash; else sh; fi";
  else
    script += posix::quote(what.shell);
  script += "; c=$?; printf \"\\001%s:%d\\001\" " + posix::quote(what.token)
            + " \"$c\" >&2; exit \"$c\"";
  return command_of(script);
}

std::string terminate_command(std::string_view key) {
  return command_of(finder(key)
                    + "p=$(found); if [ -n \"$p\" ]; then kill -TERM $p "
                      "2>/dev/null; kill -CONT $p 2>/dev/null; fi; exit 0");
}

std::string sweep_command(std::string_view key, std::string_view temp_dir) {
  auto script
    = finder(key)
      + "if ! [ -r /proc/self/environ ]; then echo unknown; exit 0; fi; i=0; "
        "while [ $i -lt 100 ]; do p=$(found); "
        "if [ -z \"$p\" ]; then ";
  if (!temp_dir.empty())
    script += "rm -rf -- " + posix::quote(temp_dir)
              + " || { echo \"files\"; exit 0; }; ";
  script += "echo clean; exit 0; fi; kill -KILL $p 2>/dev/null; "
            "sleep 0.1 2>/dev/null || sleep 1; i=$((i + 1)); done; "
            "echo left $p";
  return command_of(script);
}

std::string streamed_command(std::string_view words) {
  return command_of("printf \"\\001muster\\001\"; exec " + std::string{words});
}

std::string bridge_command(std::string_view program,
                           std::string_view socket_path) {
  auto folder = socket_path.substr(0, socket_path.rfind('/'));
  return streamed_command(posix::quote(program) + " connect --dir "
                          + posix::quote(folder));
}

sweep_answer read_sweep(std::string_view output) {
  // Start-up files of the login shell may print before the command does.
  auto text = posix::trim(output);
  auto last = text.substr(text.rfind('\n') + 1);
  if (last == "clean")
    return {true, ""};
  if (last == "unknown")
    return {false, "there is no /proc on the instance: what a job has left "
                   "cannot be looked for"};
  if (last == "files")
    return {false, "the job's temporary folder cannot be removed"};
  if (last.starts_with("left"))
    return {false, "processes cannot be killed:" + std::string{last.substr(4)}};
  return {false, "the search for what the job has left did not work; is grep "
                 "there?"};
}

exit_filter::exit_filter(std::string token)
  : mark_(mark_edge + std::move(token) + ":") {
}

/// Returns where the mark, or what may become it, begins in what is held.
size_t exit_filter::find_mark() {
  for (auto at = held_.find(mark_edge); at != held_.npos;
       at = held_.find(mark_edge, at + 1)) {
    auto size = std::min(mark_.size(), held_.size() - at);
    if (held_.compare(at, size, mark_, 0, size) == 0)
      return at;
  }
  return held_.size();
}

std::string exit_filter::feed(std::string_view bytes) {
  constexpr size_t code_max = 12;
  held_ += bytes;
  auto at = find_mark();
  auto out = held_.substr(0, at);
  held_.erase(0, at);
  if (held_.size() <= mark_.size() || code_)
    return code_ ? out + std::exchange(held_, {}) : out;
  auto end = held_.find(mark_edge, mark_.size());
  if (end == held_.npos)
    return held_.size() > mark_.size() + code_max
             ? out + std::exchange(held_, {})
             : out;
  code_ = static_cast<int32_t>(
    std::strtol(held_.c_str() + mark_.size(), nullptr, 10));
  out += held_.substr(end + 1);
  held_.clear();
  return out;
}

std::string exit_filter::close() {
  return std::exchange(held_, {});
}

} // namespace muster::remote
