#pragma once

#include "executors/helper/unique_fd.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>

namespace muster::helper {

// Non-blocking ones. Paths are of 107 bytes at most.

/// Makes a unix socket that listens at `path`.
/// Errors: `failed`; the text names the path.
result<unique_fd, helper_errc> listen_at(const std::string& path);

/// Connects to a unix socket without waiting.
/// Errors: `unknown_key` if nothing listens there, else `failed`.
result<unique_fd, helper_errc> connect_to(const std::string& path);

/// Takes a waiting connection from a listening socket; empty if there is none.
unique_fd accept_from(const unique_fd& listener);

} // namespace muster::helper
