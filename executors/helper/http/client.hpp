#pragma once

#include "executors/helper/archive/bytes.hpp"
#include "executors/helper/http/response.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster::helper {

/// A body that is written when it is needed: again after a redirection.
using body_writer = std::function<outcome(byte_sink& to)>;

struct http_request {
  std::string method = "GET";
  url to;
  std::vector<std::pair<std::string, std::string>> headers;

  /// Sent to where the request first goes, and after a redirection to another
  /// host only with a body (an upload that GitLab sends elsewhere), never from
  /// HTTPS to HTTP.
  std::vector<std::pair<std::string, std::string>> secret_headers;

  body_writer body;                   ///< none: no body
  std::optional<uint64_t> body_bytes; ///< not known: sent in chunks
};

struct http_timeouts {
  std::chrono::nanoseconds total = std::chrono::hours{1};
  std::chrono::nanoseconds response_header = std::chrono::minutes{10};
  std::chrono::nanoseconds silence = std::chrono::hours{1}; ///< within a body
};

/// An answer whose head has come.
class http_answer {
public:
  http_answer(connection_to from, response_reader reader, response_head what,
              url of, deadline until, std::chrono::nanoseconds silence);

  const response_head& head() const {
    return head_;
  }

  /// Where the answer came from, redirections followed.
  const url& from() const {
    return url_;
  }

  result<size_t, transfer_errc> read(char* to, size_t size);

  /// Returns the first bytes of the body, for people: an object storage's code
  /// and message, GitLab's `message`, else nothing.
  std::string explanation();

private:
  connection_to connection_;
  response_reader reader_;
  response_head head_;
  url url_;
  deadline until_;
  std::chrono::nanoseconds silence_;
};

/// Returns what the body of an error says, one line: of XML
/// `<Code>: <Message>`, of JSON `message`; nothing of others.
std::string explanation_in(std::string_view body);

/// Sends requests, one connection each.
class http_client {
public:
  http_client(tls_settings tls, http_timeouts timeouts);

  /// Sends a request and reads the head of the answer. Redirections are
  /// followed, those of a request with a body where the body may be sent again
  /// (307, 308). An answer that comes while the body is still being sent ends
  /// it. Errors: `no_answer`, `hopeless`, also when the body cannot be written.
  result<http_answer, transfer_errc> send(const http_request& what);

private:
  result<http_answer, transfer_errc> send_once(const http_request& what,
                                               deadline until);

  tls_settings tls_settings_;
  http_timeouts timeouts_;
  std::optional<tls_context> tls_;
};

} // namespace muster::helper
