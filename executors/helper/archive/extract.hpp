#pragma once

#include "executors/helper/archive/bytes.hpp"

#include <functional>
#include <string>

namespace muster::helper {

/// What became of an archive.
struct extracted {
  uint64_t entries = 0;
  uint64_t skipped = 0; ///< devices, pipes and sockets
  bool has_git = false; ///< something in a `.git` folder was among them
};

/// Extracts an archive below a folder: zstd (a tar), gzip (a file each member)
/// or zip, told apart by their first bytes.
/// @param file open for reading
/// Errors: `failed`: no archive, damaged, an entry that leads out of the
/// folder, or the system's. What was extracted until then stays.
result<extracted, helper_errc> extract(int file, const std::string& folder);

} // namespace muster::helper
