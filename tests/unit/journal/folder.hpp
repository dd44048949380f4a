#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::test {

/// A folder of its own for one test, removed after it.
class folder {
public:
  folder() {
    std::string name
      = std::filesystem::temp_directory_path() / "muster-journal-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }

  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  ~folder() {
    std::error_code ec;
    std::filesystem::remove_all(path, ec);
  }

  std::string path;
};

/// Runs `what` in a process of its own, where nothing of the test framework may
/// be used, and returns its exit code; 128 and the signal if it was killed.
inline int in_child(const std::function<int()>& what) {
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0)
    ::_exit(what());
  auto status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace muster::test
