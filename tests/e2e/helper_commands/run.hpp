#pragma once

#include "tests/e2e/helper_commands/store.hpp"
#include "tests/unit/helper_commands/scratch.hpp"

#include <string>
#include <vector>

namespace muster::test {

/// What a helper command printed, how it ended and what it took.
struct command_end {
  int status = -1;
  std::string out;
  std::string err;   ///< without colours
  long peak_kib = 0; ///< resident memory
};

/// Runs `muster-helper` in the current folder with an environment of only PATH,
/// HOME and these (`NAME=value`), to its end or for a minute.
command_end run_helper(const std::vector<std::string>& arguments,
                       std::vector<std::string> environment = {});

/// Runs another program, the same way.
command_end run_program(std::vector<std::string> words,
                        std::vector<std::string> environment = {});

bool has(const std::string& text, const std::string& part);

} // namespace muster::test
