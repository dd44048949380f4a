#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace muster::test {

struct shell_result {
  int exit_code = -1; ///< 128 + n after signal n; -1: killed at the deadline
  std::string out;
  std::string err;
};

struct shell_options {
  std::string directory = "/";                    ///< also its HOME
  std::map<std::string, std::string> environment; ///< beyond PATH and HOME
  std::chrono::seconds deadline{60};
};

/// Runs a program with `input` on its standard input until it has ended and its
/// output is at its end. What is left of it at the deadline is killed.
shell_result run_program(const std::vector<std::string>& arguments,
                         const std::string& input,
                         const shell_options& options = {});

inline shell_result run_shell(const std::string& shell,
                              const std::string& script,
                              const shell_options& options = {}) {
  return run_program({shell}, script, options);
}

} // namespace muster::test
