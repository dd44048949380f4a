#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace muster::posix {

// Scripts that mean the same to bash, dash and every other POSIX shell
// (reference/job-stages, section 6).

/// Stands in a value for the directory in which a stage starts, which only the
/// instance knows: builds_dir may be relative to it. `quote` turns it into an
/// expansion, so a path like `login_mark + "/builds"` becomes absolute there.
inline constexpr std::string_view login_mark = "\x1dlogin-dir\x1d";

/// Returns one shell word with exactly the value `text`, whatever its bytes.
/// NUL bytes, which no shell can hold, are left out.
std::string quote(std::string_view text);

/// Returns the words quoted, with blanks between them.
std::string quote(const std::vector<std::string>& words);

/// Whether `name` can be exported by every POSIX shell.
bool is_variable_name(std::string_view name);

/// Returns `text` without blanks and line ends at both ends.
std::string_view trim(std::string_view text);

/// How the user's commands are shown and checked.
struct command_options {
  bool check_exit_code = false; ///< FF_ENABLE_BASH_EXIT_CODE_CHECK
  bool sections = false; ///< several lines are shown as a collapsed section
};

/// The body of a stage's script, written line by line.
class script {
public:
  /// Appends shell code as it is, and a newline.
  script& line(std::string_view code);

  /// Appends a command of quoted words.
  script& command(const std::vector<std::string>& words);

  /// Prints a line in bold green, yellow or bold red (reference/trace, 1.3).
  script& notice(std::string_view text);
  script& warning(std::string_view text);
  script& error(std::string_view text);

  /// Exports a variable.
  /// @pre `is_variable_name(key)`
  script& export_variable(std::string_view key, std::string_view value);

  /// Appends the user's commands, each shown before it runs. `prefix` names
  /// their sections: `script_step`, `after_script_step`, ...
  script& user_commands(const std::vector<std::string>& commands,
                        std::string_view prefix,
                        const command_options& options);

  const std::string& body() const {
    return body_;
  }

private:
  void echo_command(std::string_view command, std::string_view section,
                    bool as_section);

  std::string body_;
};

/// Returns what is given to the shell on its standard input. The body is one
/// word: the shell has read all of it before anything runs, so no command can
/// eat the script. The script's exit code is that of the command that failed.
std::string whole_script(const script& body, bool xtrace);

} // namespace muster::posix
