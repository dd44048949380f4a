#pragma once

#include "executors/helper/http/connection.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::helper {

/// What stands in front of an answer's body.
struct response_head {
  int status = 0;
  std::string reason; ///< the server's words; may be empty
  std::vector<std::pair<std::string, std::string>> headers;

  /// Returns a header's value, its name in any case; nothing if it is not
  /// there.
  std::optional<std::string> header(std::string_view name) const;

  /// Returns `403 Forbidden`.
  std::string status_line() const;
};

/// Reads an answer from a stream of bytes. Foreign bytes: the head is bounded,
/// the body given in pieces.
class response_reader {
public:
  enum class body : uint8_t { expected, none /**< to HEAD and CONNECT */ };

  /// Reads up to so many bytes; 0 is the end.
  using filler = std::function<result<size_t, transfer_errc>(char*, size_t)>;

  explicit response_reader(body what);
  response_reader(response_reader&&) noexcept;
  response_reader& operator=(response_reader&&) noexcept;
  ~response_reader();

  /// Reads the head of the final answer, which a change of protocols (101) is
  /// too. Errors: `no_answer`.
  result<response_head, transfer_errc> read_head(const filler& fill);

  /// Reads a piece of the body; 0 is its end. Errors: `no_answer`, also for a
  /// body that is cut off.
  result<size_t, transfer_errc> read_body(char* to, size_t size,
                                          const filler& fill);

  /// Returns what was read behind the head: after a change of protocols the
  /// first bytes of the other one.
  std::string rest() const;

private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

} // namespace muster::helper
