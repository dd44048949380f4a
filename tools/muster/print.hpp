#pragma once

#include <string>

namespace muster {

/// Writes what a command was called for to stdout. Returns 0; 2, and says why
/// on stderr, if not all of it could be written.
int print(const std::string& text);

} // namespace muster
