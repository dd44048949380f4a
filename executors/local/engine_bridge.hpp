#pragma once

#include "executors/local/socket_loop.hpp"
#include "executors/transport.hpp"

#include <functional>
#include <memory>
#include <string>

namespace muster::local {

/// Leads a socket of this machine to the Docker Engine of an instance: each
/// connection there becomes a stream to the Engine's socket or, where the
/// server forwards none or the Engine is elsewhere, to `docker system
/// dial-stdio`. What cannot be reached answers as an Engine would, with the
/// reason.
class engine_bridge {
public:
  struct ends {
    std::shared_ptr<socket_loop> loop;
    std::shared_ptr<transport> wire;
    std::string socket_path; ///< here; its folder is this user's alone
    /// Of the Engine, at the instance: as DOCKER_HOST; empty: its default.
    std::string engine_host;
    std::function<stream_id()> next_stream; ///< from any thread
  };

  /// Errors: `failed`: the socket cannot be made.
  static result<std::unique_ptr<engine_bridge>, helper_errc> make(ends what);

  engine_bridge(const engine_bridge&) = delete;
  engine_bridge& operator=(const engine_bridge&) = delete;

  /// Ends what goes over it, and removes the socket.
  ~engine_bridge();

  /// The connection to the instance has been made (anew).
  void use(connection_id x);

  const std::string& socket_path() const;

private:
  struct core;
  class link;
  class far_end;

  explicit engine_bridge(std::shared_ptr<core> x) : core_(std::move(x)) {
  }

  std::shared_ptr<core> core_;
};

} // namespace muster::local
