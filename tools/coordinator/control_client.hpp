#pragma once

#include "messages/result.hpp"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace muster::gitlab {

enum class client_errc : uint8_t {
  unreachable = 1, ///< no answer from that server
  refused,         ///< it answered with an error; the text has its message
};

/// Speaks the control API of a test GitLab. One thread at a time.
class control_client {
public:
  /// `server` is the URL that `serve` prints; its path does not matter.
  explicit control_client(const std::string& server);
  ~control_client();
  control_client(const control_client&) = delete;
  control_client& operator=(const control_client&) = delete;

  // `path` is what follows `/control/`, with a query. Errors: both codes.
  result<nlohmann::json, client_errc> get(const std::string& path);
  result<nlohmann::json, client_errc> post(const std::string& path,
                                           const nlohmann::json& body);
  result<nlohmann::json, client_errc> remove(const std::string& path);
  result<std::string, client_errc> get_text(const std::string& path);

private:
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace muster::gitlab
