#pragma once

#include <string_view>

namespace muster::gitlab {

/// Whether a path, separated by `/`, fits a pattern as `rules:changes`,
/// `rules:exists` and local includes take it: `*` and `?` within a folder, `**`
/// over folders, `[a-z]`, `[!a]`, `{one,two}`; names that begin with a dot are
/// no exception. A pattern of more than 1000 bytes fits nothing.
bool path_fits(std::string_view pattern, std::string_view path);

/// Whether it has any of these signs.
bool is_pattern(std::string_view text);

} // namespace muster::gitlab
