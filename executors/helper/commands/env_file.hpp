#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <map>
#include <string>
#include <string_view>

namespace muster::helper {

using variables = std::map<std::string, std::string>;

/// Reads lines `NAME=value`, as dotenv files have them: `export` in front,
/// blank lines and comments, single quotes (nothing inside means anything),
/// double quotes (`\n`, `\"`, `\\`, `\$`). A line that is none of these is left
/// out.
variables parse_env(std::string_view text);

/// Reads such a file. Errors: `failed`: it cannot be read or is over 1 MiB.
result<variables, helper_errc> read_env_file(const std::string& path);

} // namespace muster::helper
