#pragma once

#include "tools/coordinator/control_client.hpp"
#include "tools/coordinator/test_gitlab.hpp"

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace muster::gitlab {

/// A pipeline as somebody watches it.
class pipeline_feed {
public:
  virtual ~pipeline_feed() = default;

  /// Waits until anything differs from version `seen`, and tells the pipeline
  /// with its jobs, as `GET /control/pipelines/ID` does.
  virtual result<nlohmann::json, client_errc>
  state(uint64_t seen, std::chrono::milliseconds timeout) = 0;

  /// A piece of a job's trace from `offset` on; empty if there is no more.
  virtual result<std::string, client_errc> trace(int64_t job, uint64_t offset)
    = 0;
};

/// One of a server that is spoken to over its control API.
class remote_feed final : public pipeline_feed {
public:
  remote_feed(control_client& server, int64_t id) : server_(server), id_(id) {
  }

  result<nlohmann::json, client_errc>
  state(uint64_t seen, std::chrono::milliseconds timeout) override;
  result<std::string, client_errc> trace(int64_t job, uint64_t offset) override;

private:
  control_client& server_;
  int64_t id_;
};

/// One of a server in this process.
class local_feed final : public pipeline_feed {
public:
  local_feed(store& jobs, int64_t id) : jobs_(jobs), id_(id) {
  }

  result<nlohmann::json, client_errc>
  state(uint64_t seen, std::chrono::milliseconds timeout) override;
  result<std::string, client_errc> trace(int64_t job, uint64_t offset) override;

private:
  store& jobs_;
  int64_t id_;
};

} // namespace muster::gitlab
