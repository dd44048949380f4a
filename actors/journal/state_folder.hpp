#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>

namespace muster {

/// Makes the state folder if it is not there, with those above it, and sees to
/// it that nobody else may look into it (mode 0700): it holds tokens. A folder
/// that others may enter is closed to them only if it is empty or has been
/// ours.
///
/// Errors: `not_writable`.
result<void, journal_errc> prepare_state_folder(const std::string& path);

/// Makes a file of mode 0600 if it is not there, and takes the rights of others
/// from one that is.
///
/// Errors: `not_writable`.
result<void, journal_errc> prepare_private_file(const std::string& path);

} // namespace muster
