#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>

namespace muster::helper {

/// Removes a folder below or beside `home` with all that is in it; links are
/// removed, never followed. Nothing there is fine; so is an empty `path`.
/// Errors: `failed`: the path names `home` or a folder above it, or has `..`,
/// or something cannot be removed.
result<void, helper_errc> remove_tree(const std::string& home,
                                      const std::string& path);

} // namespace muster::helper
