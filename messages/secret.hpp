#pragma once

#include <compare>
#include <string>
#include <utility>

namespace muster {

/// Text that must never be printed: tokens, keys, values of job variables.
/// Prints as `<secret>` wherever a message or a state is shown.
class secret {
public:
  secret() = default;

  explicit secret(std::string value) : value_(std::move(value)) {
  }

  /// The text itself: for the wire and for masking only.
  const std::string& reveal() const {
    return value_;
  }

  bool empty() const {
    return value_.empty();
  }

  auto operator<=>(const secret&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, secret& x) {
    return f(x.value_);
  }

private:
  std::string value_;
};

/// CAF prefers this to `inspect` when it prints.
inline std::string to_string(const secret& x) {
  return x.empty() ? "" : "<secret>";
}

} // namespace muster
