#pragma once

#include "executors/docker/engine.hpp"
#include "executors/helper/unique_fd.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace muster::test {

/// Listens at a unix socket and says what a test wants: for what a real Engine
/// cannot be brought to.
class scripted_engine {
public:
  /// Gets a request's first line, `GET /v1.41/info`, and returns all bytes of
  /// the answer. The connection ends behind them; with `hang` it stays.
  using script = std::function<std::string(const std::string& request)>;

  static constexpr const char* hang = "\1hang";

  explicit scripted_engine(script what);
  scripted_engine(const scripted_engine&) = delete;
  scripted_engine& operator=(const scripted_engine&) = delete;
  ~scripted_engine();

  /// Ends the answers that hang with these bytes; for the script alone.
  void end_held(const std::string& bytes);

  const std::string& socket() const {
    return socket_;
  }

  docker::engine api(const std::string& version = "1.41") const;

  /// Returns whole requests, as they came.
  std::vector<std::string> requests() const;

private:
  void serve();
  void answer(helper::unique_fd client);

  script what_;
  std::string folder_;
  std::string socket_;
  helper::unique_fd listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<helper::unique_fd> held_;
  std::vector<helper::unique_fd> upgraded_; ///< nothing more is sent
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

/// Returns an answer with this status line and body.
std::string answer_of(const std::string& status, const std::string& body,
                      const std::string& more_headers = "");

} // namespace muster::test
