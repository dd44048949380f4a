#pragma once

#include "executors/shells/posix.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

/// One call of a helper command. What is secret goes into the environment,
/// which other users of the instance cannot see, and never into the words.
struct helper_call {
  std::vector<std::string> words; ///< the command and its flags
  std::vector<std::pair<std::string, std::string>> environment;

  /// Words that the shell expands, appended as they are.
  std::string expanded_words;

  /// Appends a flag with its value, also one that looks like a flag itself.
  void flag(std::string_view name, std::string_view value);
  void flags(std::string_view name, const std::vector<std::string>& values);
};

/// Writes the beginning of a stage that calls the helper: before the job's
/// variables are exported, among which one may have the same name.
void write_helper_begin(posix::script& out);

/// The same for a stage in a container: only its image has a helper.
void write_helper_begin_in_container(posix::script& out);

/// Writes finding the helper that carries out the plan or, where there is none,
/// one of GitLab Runner's in PATH; `$muster_helper` is empty if there is none.
void write_helper_search(posix::script& out);

/// Writes `if` there is a helper; ended by `write_missing_helper`.
void write_if_helper(posix::script& out);

/// Ends what `write_if_helper` began, with a warning where there is none.
void write_missing_helper(posix::script& out, std::string_view what);

/// Returns the call as one command of a shell: a subshell, so that the
/// environment is this call's alone.
///
/// @param xtrace the stage is traced, which must not show the environment
std::string shell_command(const helper_call& call, bool xtrace);

} // namespace muster
