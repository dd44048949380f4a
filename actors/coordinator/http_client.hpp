#pragma once

#include "actors/coordinator/base_url.hpp"
#include "actors/coordinator/certificates.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

using coordinator_failure = failure<coordinator_errc>;

struct http_settings {
  using milliseconds = std::chrono::milliseconds;

  std::string user_agent;
  proxy_environment proxies;
  milliseconds connect_timeout{30'000};
  /// Without a byte: also how long GitLab may hold a request for a job.
  milliseconds read_timeout{600'000};
  milliseconds write_timeout{60'000};
  milliseconds request_timeout{3'600'000}; ///< while a body drips in
  milliseconds idle_max{90'000}; ///< a connection unused for longer is not used
  milliseconds connection_max_age{900'000}; ///< <= 0: no limit
};

struct http_call {
  std::string method;
  std::string path; ///< appended to the base's
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  size_t answer_max = 64u << 10; ///< what is read of its body [bytes]
};

struct http_reply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool is_cut = false; ///< there was more of the body

  /// Returns the value of a header, empty if there is none. Case of the name
  /// does not matter.
  std::string_view header(std::string_view name) const;
};

/// One connection to one server, kept between calls, for one thread. Calls
/// block. Nothing throws. SIGPIPE is blocked in the threads that call.
class http_client {
public:
  http_client(http_settings with, url_parts base,
              std::shared_ptr<certificate_store> trusted);
  ~http_client();

  /// Follows redirects that keep to the host, with method, body and headers as
  /// they are. Another host would get to see the tokens: it is not asked.
  ///
  /// Errors: `unreachable` for no or half an answer, `rejected` for a redirect
  /// that is not followed and a proxy that refuses, `stopped`. Any status is an
  /// answer, and a body that is too large is cut.
  result<http_reply, coordinator_errc> send(http_call what);

  /// What the last server was trusted by; see `server_chain`. From the thread
  /// of the calls.
  const std::string& server_chain_pem() const;

  /// Aborts the call under way and makes all later ones fail. From any thread.
  void stop();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace muster
