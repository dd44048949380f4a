#pragma once

#include "executors/docker/multiplexed.hpp"
#include "executors/docker/stream.hpp"

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace muster::docker {

using nlohmann::json;

/// A connection that has left HTTP: what is written goes to a container's
/// standard input, what is read is its output, as frames.
class attached {
public:
  attached(std::unique_ptr<byte_stream> stream, std::string first)
    : stream_(std::move(stream)),
      first_(std::move(first)) {
  }

  /// Writes all and says that nothing more comes. A container that reads no
  /// more is no error. For one thread; another one reads.
  void write_all(std::string_view bytes);

  /// Gives the output to `to` until its end.
  /// Errors: `lost`, `bad_answer`.
  engine_result<void> read_all(const demultiplexer::sink& to);

  /// Ends both ways; from any thread.
  void shut_down() {
    stream_->shut_down();
  }

private:
  std::unique_ptr<byte_stream> stream_;
  std::string first_; ///< came together with the answer's head
};

/// A call to an Engine.
struct call {
  const char* method = "GET";
  std::string path;            ///< without the version
  std::string body{};          ///< JSON; empty: none
  std::string registry_auth{}; ///< value of X-Registry-Auth: a secret
  /// For the whole answer; its head has 2 minutes, unless that comes when the
  /// body of `source` was worked on.
  std::chrono::seconds time{120};
  /// Gives a body that is no JSON, by pieces: how much of the memory was
  /// filled; 0 is its end, less a fault. Empty: `body` is all.
  std::function<int64_t(char*, size_t)> source{};
};

/// Speaks with one Engine; from any thread, each call on a connection of its
/// own. What comes is foreign: it is bounded, and waited for within deadlines.
class engine {
public:
  /// @param version of the API, `1.41`; empty: to be found out by `negotiate`
  /// @param local the Engine is on this machine
  engine(std::shared_ptr<dialer> to, std::string version, bool local)
    : dialer_(std::move(to)),
      version_(std::move(version)),
      local_(local) {
  }

  /// Finds out in which version to speak: the lower one of what the Engine
  /// offers and 1.55. Errors: `refused` if the Engine is older than 1.40, and
  /// those of any call.
  engine_result<void> negotiate();

  const std::string& version() const {
    return version_;
  }

  bool is_local() const {
    return local_;
  }

  /// No call goes on beyond this. Before the first one.
  void end_by(deadline until) {
    until_ = until;
  }

  /// Whether the version is this one or a later one.
  bool speaks(int major, int minor) const;

  /// Returns the answer's JSON; null if it has no body. Errors: any; the
  /// Engine's own words are in the text.
  engine_result<json> ask(const call& what) const;

  /// Returns the answer's bytes. Errors: any; `bad_answer` beyond `bytes_max`.
  engine_result<std::string> ask_bytes(const call& what,
                                       size_t bytes_max) const;

  /// Gives each line of the answer to `line`, as it comes; false ends it.
  /// Errors: any.
  engine_result<void>
  ask_lines(const call& what,
            const std::function<bool(std::string_view)>& line) const;

  /// Asks, tells with `begun` that the answer's head has come, and returns the
  /// answer's JSON. Errors: any.
  engine_result<json> ask_slowly(const call& what,
                                 const std::function<void()>& begun) const;

  /// Asks for a change of protocols.
  /// Errors: any; `bad_answer` if the Engine does not change.
  engine_result<attached> attach(const call& what) const;

  /// Gives the frames of an answer that is a log to `to`, until its end.
  engine_result<void> read_log(const call& what,
                               const demultiplexer::sink& to) const;

private:
  struct exchange;

  engine_result<exchange> begin(const call& what, bool upgrades,
                                bool versioned) const;

  deadline after(std::chrono::seconds time) const;

  std::shared_ptr<dialer> dialer_;
  std::string version_;
  std::optional<deadline> until_;
  bool local_ = false;
};

/// Returns a text as part of a URL. @param kept characters that stay
std::string url_encoded(std::string_view text, std::string_view kept = "");

} // namespace muster::docker
