#pragma once

#include "actors/metrics/table.hpp"
#include "config/listen_address.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace muster {

/// Bounds of the metrics server. The defaults are for production; tests shorten
/// them.
struct metrics_server_options {
  size_t connections_max = 8;
  /// From the acceptance of a connection to its last byte.
  std::chrono::milliseconds time_max{30'000};
  /// Of it, until the request has come.
  std::chrono::milliseconds request_max{10'000};
};

/// Shows a table over HTTP, in threads of its own: /metrics, /debug/jobs/list,
/// /debug/process/state, /health/ready (reference/cli, section 5). One request
/// a connection. Whoever is slow is cut off at the deadline, or, if there are
/// too many connections, at once, the oldest first: a scrape takes
/// milliseconds.
class metrics_server {
public:
  /// Listens. Errors: `not_valid` if the address cannot be had; the text says
  /// why.
  static result<std::unique_ptr<metrics_server>, config_errc>
  start(const listen_address& at, std::shared_ptr<const metrics_table> table,
        const metrics_server_options& options = {});

  /// Ends all connections and waits for the threads.
  ~metrics_server();

  metrics_server(const metrics_server&) = delete;
  metrics_server& operator=(const metrics_server&) = delete;

  /// Where it listens; the port is the real one if 0 was asked for.
  listen_address address() const;

private:
  struct impl;
  explicit metrics_server(std::unique_ptr<impl> x);
  std::unique_ptr<impl> impl_;
};

} // namespace muster
