#include "executors/ssh/reactor.hpp"

#include "executors/ssh/reactor_loop.hpp"
#include "executors/ssh/wire.hpp"

#include <libssh2.h>
#include <mutex>
#include <utility>

namespace muster {

namespace {

constexpr size_t username_bytes_max = 1024;

using ssh::dial;

/// libssh2 may be initialised once in a process, and is never taken down: other
/// transports may still use it.
void initialise_libssh2() {
  static std::once_flag once;
  std::call_once(once, [] { libssh2_init(0); });
}

result<dial, connection_errc> make_dial(const connect_info& target,
                                        std::chrono::milliseconds timeout,
                                        ssh::key_cache& keys) {
  if (!target.protocol.empty() && target.protocol != "ssh")
    return fail(connection_errc::unreachable,
                "protocol: instances are reached over ssh, not \""
                  + ssh::printable(target.protocol)
                  + "\": set protocol = \"ssh\" in connector_config");
  auto where = ssh::parse_address(target.host, target.port);
  if (!where)
    return tl::unexpected{where.error()};
  auto at = ssh::to_text(*where);
  if (target.username.empty() || target.username.size() > username_bytes_max)
    return fail(connection_errc::not_authenticated,
                "authentication: no usable user name for " + at
                  + ": set username in connector_config");
  if (target.key.empty() && target.password.empty())
    return fail(connection_errc::not_authenticated,
                "authentication: neither key nor password for user \""
                  + ssh::printable(target.username) + "\" at " + at
                  + ": set one in connector_config");
  dial to{*where, target.username, nullptr, target.password.reveal(),
          target.host_key};
  to.timeout = timeout;
  if (target.keepalive_ms > 0)
    to.keepalive = std::chrono::milliseconds{target.keepalive_ms};
  if (!target.key.empty()) {
    auto key = keys.get(target.key.reveal());
    if (!key)
      return fail(key.error().code, key.error().text + " (for user \""
                                      + ssh::printable(target.username)
                                      + "\" at " + at + ")");
    to.key = std::move(*key);
  }
  return to;
}

} // namespace

ssh_transport::ssh_transport(ssh_options options) {
  initialise_libssh2();
  reactor_ = std::make_unique<ssh::reactor>(options);
}

ssh_transport::~ssh_transport() = default;

void ssh_transport::connect(connection_id id, const connect_info& target,
                            std::chrono::milliseconds timeout,
                            std::shared_ptr<connection_sink> sink) {
  auto to = make_dial(target, timeout, reactor_->keys());
  reactor_->post(
    [id, to = std::move(to), sink = std::move(sink)](ssh::reactor& x) mutable {
      if (to)
        x.connect(id, std::move(*to), std::move(sink));
      else
        sink->failed(to.error());
    });
}

void ssh_transport::disconnect(connection_id id) {
  reactor_->post([id](ssh::reactor& x) { x.disconnect(id); });
}

void ssh_transport::exec(connection_id id, exec_request what,
                         exec_callback done) {
  reactor_->post([id, what = std::move(what),
                  done = std::move(done)](ssh::reactor& x) mutable {
    x.exec(id, std::move(what), std::move(done));
  });
}

void ssh_transport::open_stream(connection_id connection, stream_id id,
                                const std::string& socket_path,
                                std::shared_ptr<stream_sink> sink) {
  reactor_->post([connection, id, socket_path,
                  sink = std::move(sink)](ssh::reactor& x) mutable {
    x.open_stream(connection, id, socket_path, std::move(sink));
  });
}

void ssh_transport::open_command(connection_id connection, stream_id id,
                                 command_request what,
                                 std::shared_ptr<stream_sink> sink) {
  reactor_->post([connection, id, what = std::move(what),
                  sink = std::move(sink)](ssh::reactor& x) mutable {
    x.open_command(connection, id, std::move(what), std::move(sink));
  });
}

void ssh_transport::send(stream_id id, std::string bytes) {
  reactor_->post([id, bytes = std::move(bytes)](ssh::reactor& x) mutable {
    x.send(id, std::move(bytes));
  });
}

void ssh_transport::end_input(stream_id id) {
  reactor_->post([id](ssh::reactor& x) { x.end_input(id); });
}

void ssh_transport::resume(stream_id id) {
  reactor_->post([id](ssh::reactor& x) { x.resume(id); });
}

void ssh_transport::close_stream(stream_id id) {
  reactor_->post([id](ssh::reactor& x) { x.close_stream(id); });
}

ssh_counters ssh_transport::counters() const {
  return reactor_->counters();
}

} // namespace muster
