#pragma once

#include "tools/coordinator/test_gitlab.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::gitlab {

/// `20s`, `500ms`, `2m`, `1h`; nothing for other text. A number alone is
/// seconds.
std::optional<std::chrono::milliseconds> duration_of(std::string_view text);

/// `KEY=VALUE` split; nothing without a `=` or without a key.
std::optional<std::pair<std::string, std::string>>
assignment_of(const std::string& text);

struct serve_settings {
  test_gitlab_options gitlab;
  std::string port_file; ///< the port is written there; empty: not
};

/// Serves until SIGTERM, SIGINT or a shutdown by the control API. Returns the
/// exit status: 0, 1 if it could not start, 3 if `strict` and there were
/// violations.
int serve(serve_settings settings);

// The commands that speak to a server. Each returns an exit status: 0, or 1
// with a line on stderr.

struct enqueue_settings {
  std::string server;
  std::string file; ///< JSON; `-`: stdin; empty: made from the rest
  std::vector<std::string> script;
  std::string name;
  std::string expect;
  std::vector<std::string> variables; ///< KEY=VALUE
  std::vector<std::string> masked;    ///< KEY=VALUE
  int64_t copies = 1;
};
int enqueue(const enqueue_settings& settings);

struct pipeline_settings {
  std::string server;
  std::string file;
  std::string project;
  std::string ref;
  std::string sha;
  std::vector<std::string> variables;
  std::vector<std::string> masked;
  bool follow = false;
  bool colours = false;
  std::chrono::milliseconds timeout{3'600'000};
  std::string manager_log; ///< see `follow_options`
};
int pipeline(const pipeline_settings& settings);

struct wait_settings {
  std::string server;
  int64_t job = 0;
  int64_t pipeline = 0;
  std::chrono::milliseconds timeout{600'000};
};
int wait(const wait_settings& settings);

int trace(const std::string& server, int64_t job, bool plain);
/// All jobs, or one with all that is known about it.
int status(const std::string& server, int64_t job, bool as_json);
int cancel(const std::string& server, int64_t job, bool now);

struct fault_settings {
  std::string server;
  nlohmann::json rule; ///< `fault_from_json`; without a kind: lists them
  int64_t remove = -1; ///< an id, 0: all, -1: none
};
int fault_command(const fault_settings& settings);

/// Returns 1 if there are any.
int violations(const std::string& server, bool as_json);
int counters(const std::string& server);
int shut_down(const std::string& server);

} // namespace muster::gitlab
