#pragma once

#include <optional>
#include <string>

namespace muster {

/// Questions on stdout, answers from stdin: a terminal, or lines of a pipe or a
/// file. While there is one, SIGINT, SIGTERM and SIGHUP do not end the process
/// but the question.
class prompt {
public:
  prompt();
  ~prompt();
  prompt(const prompt&) = delete;
  prompt& operator=(const prompt&) = delete;

  /// Returns the answer without blanks around it; `fallback` for an empty one.
  /// Asks again while that is empty, too, unless `may_be_empty`. Nothing at the
  /// end of the input, or if a signal came.
  std::optional<std::string> ask(const std::string& question,
                                 const std::string& fallback,
                                 bool may_be_empty = false);

  /// Asks for what nobody may read over the shoulder: a terminal does not show
  /// it. Nothing as above, and for an empty answer.
  std::optional<std::string> ask_secret(const std::string& question);

  /// Whether a signal came since it was made.
  static bool is_interrupted();

private:
  std::optional<std::string> read_line();
};

} // namespace muster
