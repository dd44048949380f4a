#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <string>

namespace muster::fleeting {

struct unpack_limits {
  uint64_t bytes = 4ull << 30; ///< of all files
  size_t files = 1000;
};

/// Unpacks the files of a plugin from a layer of an image, a tar as it is or
/// compressed by gzip or zstd, into a folder: what is in the archive's folder
/// `plugin` (or `Files/plugin`). `plugin` itself is made executable, and
/// nothing is left writable for others. What is elsewhere in the archive is
/// left out.
///
/// Errors: `not_available`: damaged, no program `plugin`, too large, or with
/// links, devices, further folders, or paths that lead out of it. Files that
/// were unpacked until then stay.
/// Source: reference/fleeting-plugins, section 10.
///
/// @param file open for reading
/// @param folder empty
result<void, provider_errc> unpack_plugin(int file, const std::string& folder,
                                          const unpack_limits& limits = {});

} // namespace muster::fleeting
