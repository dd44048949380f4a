#include "executors/plan/helper_call.hpp"

namespace muster {

void helper_call::flag(std::string_view name, std::string_view value) {
  std::string word{name};
  if (value.starts_with('-')) {
    words.push_back((word += '=').append(value));
    return;
  }
  words.push_back(std::move(word));
  words.emplace_back(value);
}

void helper_call::flags(std::string_view name,
                        const std::vector<std::string>& values) {
  for (const auto& value : values)
    flag(name, value);
}

void write_helper_begin(posix::script& out) {
  out.line("muster_helper=${MUSTER_HELPER:-}");
}

void write_helper_begin_in_container(posix::script& out) {
  out.line("muster_helper=");
}

void write_helper_search(posix::script& out) {
  out.line("if [ -z \"$muster_helper\" ]; then");
  out.line("for muster_name in gitlab-runner-helper gitlab-runner; do");
  out.line("if \"$muster_name\" --version >/dev/null 2>&1; then");
  out.line("muster_helper=$muster_name");
  out.line("break");
  out.line("fi");
  out.line("done");
  out.line("fi");
}

void write_if_helper(posix::script& out) {
  out.line("if [ -n \"$muster_helper\" ]; then");
}

void write_missing_helper(posix::script& out, std::string_view what) {
  out.line("else");
  out.warning("Missing gitlab-runner. " + std::string{what} + " is disabled.");
  out.line("fi");
}

std::string shell_command(const helper_call& call, bool xtrace) {
  std::string command = "(\n";
  if (xtrace)
    command += "{ set +o xtrace; } 2>/dev/null\n";
  for (const auto& [name, value] : call.environment)
    command += "export " + name + '=' + posix::quote(value) + '\n';
  command += "exec \"$muster_helper\" " + posix::quote(call.words);
  if (!call.expanded_words.empty())
    command += ' ' + call.expanded_words;
  return command + "\n)";
}

} // namespace muster
