#pragma once

#include "tests/e2e/coordinator_server/fake_runner.hpp"
#include "tools/coordinator/child_process.hpp"
#include "tools/coordinator/test_gitlab.hpp"

#include <chrono>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <string>
#include <thread>

namespace muster::test {

/// A folder that is removed at the end.
struct scratch {
  scratch() {
    std::string name = "/tmp/muster-e2e-XXXXXX";
    REQUIRE_NE(mkdtemp(name.data()), nullptr);
    path = name;
  }
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

inline result<std::string, gitlab::process_errc>
shell(const std::string& script) {
  return gitlab::run_program({"sh", "-ec", script}, std::chrono::seconds{60});
}

/// Makes a bare repository with two commits; returns its folder.
inline std::string make_repository(const scratch& at) {
  auto made = shell(fmt::format(
    "cd {}; export HOME=$PWD GIT_CONFIG_NOSYSTEM=1; git init -q -b main work; "
    "cd work; git config user.name N; git config user.email n@e; "
    "echo one > file; git add file; git commit -qm first; "
    "seq 100000 > file; git commit -qam second; "
    "git clone -q --bare . ../bare.git",
    at.path.string()));
  if (!made)
    FAIL(made.error().text);
  return (at.path / "bare.git").string();
}

struct server_world {
  explicit server_world(test_gitlab_options options = {})
    : server(std::move(options)) {
    auto started = server.start();
    if (!started)
      FAIL(started.error().text);
  }

  fake_runner runner() {
    return {server.url(), server.token()};
  }

  test_gitlab server;
};

inline gitlab::fault make_fault(gitlab::fault_kind kind, gitlab::endpoint at) {
  gitlab::fault rule;
  rule.kind = kind;
  rule.at = at;
  rule.count = 1;
  return rule;
}

inline bool wait_for(const std::function<bool()>& reached) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!reached())
    if (std::chrono::steady_clock::now() > until)
      return false;
    else
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
  return true;
}

} // namespace muster::test
