#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace muster::fleeting {

// The calls to a plugin, as plain values: what stands between muster and the
// module that has gRPC. Both are of one build; the module is loaded only when a
// plugin is configured, since its libraries cost memory.

/// How an instance is reached, as plugin and host tell each other.
struct connector {
  std::string os;
  std::string arch;
  std::string protocol; ///< `ssh`, `winrm`, `winrm+https` or empty
  std::string username;
  std::string password; ///< secret
  std::string key;      ///< secret
  bool use_static_credentials = false;
  std::chrono::nanoseconds keepalive{0};
  std::chrono::nanoseconds timeout{0};
  int64_t protocol_port = 0;
};

struct init_answer {
  std::string id;
  uint32_t max_size = 0;
  std::string version;
  std::string build_info;
  std::vector<std::string> capabilities;
};

struct update_row {
  std::string instance;
  int state = 0; ///< as on the wire: may be a number that nobody knows
};

struct connect_answer {
  connector how;
  std::string external_address;
  std::string internal_address;
  int64_t expires_at = 0; ///< Unix seconds; 0: never
};

enum class call_outcome : uint8_t {
  refused,       ///< the plugin answered with an error
  unimplemented, ///< it does not know the call
  timed_out,     ///< no answer within the deadline
  cancelled,     ///< given up by `cancel`
  broken,        ///< no connection, or it broke
};

/// Why a call has no answer.
struct call_error {
  call_outcome what = call_outcome::refused;
  std::string text; ///< the plugin's own words; may be several lines
};

template <class T>
using answer = tl::expected<T, call_error>;

/// A connection to one plugin. Any thread may call, several at a time; each
/// call ends at its deadline at the latest. Nothing throws.
class plugin_link {
public:
  using deadline = std::chrono::steady_clock::time_point;

  virtual ~plugin_link() = default;

  /// Waits until the plugin takes the connection.
  virtual bool wait_connected(deadline by) = 0;

  virtual answer<init_answer> init(const std::string& config,
                                   const connector& settings, deadline by)
    = 0;

  /// Calls `each` for one instance after the other; it returns false to end the
  /// call. Only without an error were they all.
  virtual answer<void> update(const std::function<bool(update_row)>& each,
                              deadline by)
    = 0;

  virtual answer<uint32_t> increase(uint32_t count, deadline by) = 0;

  virtual answer<std::vector<std::string>>
  decrease(const std::vector<std::string>& ids, deadline by) = 0;

  virtual answer<connect_answer> get_connect_info(const std::string& id,
                                                  deadline by)
    = 0;

  virtual answer<void> heartbeat(const std::string& id, deadline by) = 0;

  /// The plugin's own clean-up.
  virtual answer<void> shutdown(deadline by) = 0;

  /// Has it stop serving; it exits after that.
  virtual void stop_serving(deadline by) = 0;

  /// Whether it still answers anything at all.
  virtual bool is_responsive(deadline by) = 0;

  /// Ends all calls that are under way.
  virtual void cancel() = 0;
};

/// What a link tells by itself, from any thread.
struct link_events {
  /// What the plugin's code printed, in pieces.
  std::function<void(bool is_error_stream, const std::string& text)> printed;
};

/// What the module exports.
struct link_module {
  const char* version; ///< muster's
  /// `target` as gRPC writes it: `unix:/path` or `ADDRESS:PORT`.
  std::unique_ptr<plugin_link> (*connect)(const std::string& target,
                                          link_events events);
};

/// Name of the module's function: `const link_module*
/// muster_fleeting_module()`.
constexpr auto link_module_symbol = "muster_fleeting_module";

} // namespace muster::fleeting
