#pragma once

#include "executors/helper/archive/bytes.hpp"
#include "executors/helper/archive/entry.hpp"

#include <functional>

namespace muster::helper {

/// Reads gzip members, one after the other: a file each, its path the comment,
/// else the name of the member.
/// Errors: `failed`: damaged, cut off, a member without a name, or `take`'s
/// own.
outcome read_gzip(
  byte_source from,
  const std::function<outcome(const archive_entry&, const byte_source&)>& take);

} // namespace muster::helper
