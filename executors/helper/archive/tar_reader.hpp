#pragma once

#include "executors/helper/archive/bytes.hpp"
#include "executors/helper/archive/entry.hpp"

#include <functional>

namespace muster::helper {

/// Reads a tar of any of the usual kinds (v7, ustar, pax, GNU), entry by entry.
/// `take` may read the content or leave it. Foreign bytes: memory does not grow
/// with what they claim.
/// Errors: `failed`: damaged, cut off, a sparse file, or `take`'s own.
outcome read_tar(
  byte_source from,
  const std::function<outcome(const archive_entry&, const byte_source&)>& take);

} // namespace muster::helper
