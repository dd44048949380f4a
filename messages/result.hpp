#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace muster {

/// Why something could not be done: a code for each reaction that a caller can
/// have, and the particulars for people. Free of CAF, so that what the static
/// helper links can use it; actors turn it into a `caf::error`.
template <class Errc>
struct failure {
  Errc code = Errc{};
  std::string text; ///< one line: what failed, for what, what to do
};

/// A value, or why there is none.
template <class T, class Errc>
using result = tl::expected<T, failure<Errc>>;

template <class Errc>
tl::unexpected<failure<Errc>> fail(Errc code, std::string text) {
  return tl::unexpected<failure<Errc>>{failure<Errc>{code, std::move(text)}};
}

} // namespace muster
