#pragma once

#include <array>
#include <cstdio>
#include <doctest/doctest.h>
#include <string>
#include <sys/wait.h>

namespace muster::test {

struct program_output {
  int status = -1; ///< of its exit; -1: it was ended by a signal
  std::string text;
};

/// What a command of the shell, which ends by itself, writes to its stdout.
inline program_output output_of(const std::string& command) {
  program_output out;
  auto* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer{};
  while (auto size = std::fread(buffer.data(), 1, buffer.size(), pipe))
    out.text.append(buffer.data(), size);
  auto status = pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

} // namespace muster::test
