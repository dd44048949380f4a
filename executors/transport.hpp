#pragma once

#include "messages/connect_info.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace muster {

using connection_failure = failure<connection_errc>;

/// What became of a connection. Called from the transport's thread; must not
/// block. Nothing follows `failed` or `lost`.
class connection_sink {
public:
  virtual ~connection_sink() = default;

  /// Authenticated. `host_key` is `TYPE BASE64`, to be pinned.
  virtual void connected(const std::string& host_key) = 0;

  /// Not connected; the text names the layer (tcp, banner, key exchange, host
  /// key, authentication), the address and what to do.
  virtual void failed(const connection_failure& why) = 0;

  /// Was connected. Every stream and command on it was told first.
  virtual void lost(const connection_failure& why) = 0;
};

/// What arrives on a stream. Called from the transport's thread; must not
/// block.
class stream_sink {
public:
  virtual ~stream_sink() = default;

  virtual void opened() = 0;

  /// Credit: how many bytes may be delivered now. 0 stops reading from the
  /// channel until `transport::resume` is called.
  virtual size_t wanted() = 0;

  /// Never empty, never more than `wanted()`.
  virtual void data(std::string_view bytes) = 0;

  /// The same of a command's stderr. Both share the credit.
  virtual void error_data(std::string_view) {
  }

  /// So many of the bytes given to `transport::send` are on their way: who
  /// gives much keeps what waits bounded by that.
  virtual void sent(size_t) {
  }

  /// A command has ended and all that it printed was delivered; 128 + n after
  /// signal n. `closed` follows.
  virtual void exited(int) {
  }

  /// Nothing follows. `closed` without a fault when the peer ended the stream
  /// in order or `close_stream` was called.
  virtual void closed(const connection_failure& why) = 0;
};

/// How a command on an exec channel ended.
struct exec_result {
  int exit_code = -1;       ///< 128 + n after signal n
  std::string output;       ///< the first 64 KiB of stdout
  std::string error_output; ///< the last 32 KiB of stderr
};

struct exec_request {
  std::string command; ///< for the login shell there
  std::string input;   ///< on stdin, then end of file
  std::chrono::milliseconds timeout{30'000};
  std::string input_file = {}; ///< whose bytes come behind `input`
};

/// A command whose input and output are a stream.
struct command_request {
  std::string command;     ///< for the login shell there
  std::string input;       ///< the first bytes of its stdin
  bool ends_input = false; ///< end of file follows; else `send` gives more
};

using exec_callback
  = std::function<void(const result<exec_result, connection_errc>&)>;

using connection_id = uint64_t;
using stream_id = uint64_t;

/// Connections to instances, the streams on them and commands there. All
/// functions may be called from any thread, return at once and never fail:
/// results arrive at the sinks. Ids are the caller's, never reused.
class transport {
public:
  virtual ~transport() = default;

  /// One try, no retries: TCP, banner, key exchange, host key, authentication,
  /// each with a deadline of its own within `timeout`.
  virtual void connect(connection_id id, const connect_info& target,
                       std::chrono::milliseconds timeout,
                       std::shared_ptr<connection_sink> sink)
    = 0;

  /// Ends a connection; its streams and commands get `closed`.
  virtual void disconnect(connection_id id) = 0;

  /// Runs a command on an exec channel. The callback is called exactly once,
  /// from the transport's thread.
  virtual void exec(connection_id id, exec_request what, exec_callback done)
    = 0;

  /// Opens a stream to a unix socket at the instance.
  virtual void open_stream(connection_id connection, stream_id id,
                           const std::string& socket_path,
                           std::shared_ptr<stream_sink> sink)
    = 0;

  /// Runs a command on an exec channel with its stdin and its output as a
  /// stream. Where the server allows no further one on the connection, another
  /// connection is made for it.
  virtual void open_command(connection_id connection, stream_id id,
                            command_request what,
                            std::shared_ptr<stream_sink> sink)
    = 0;

  /// Sends bytes in order. What the peer does not take yet is kept.
  virtual void send(stream_id id, std::string bytes) = 0;

  /// Nothing is sent behind what was sent so far; reading goes on.
  virtual void end_input(stream_id id) = 0;

  /// The sink wants bytes again.
  virtual void resume(stream_id id) = 0;

  virtual void close_stream(stream_id id) = 0;
};

} // namespace muster
