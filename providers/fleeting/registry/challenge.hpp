#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace muster::fleeting {

/// One way to authenticate that a server offers in `WWW-Authenticate`.
struct challenge {
  std::string scheme;                            ///< in small letters
  std::map<std::string, std::string> parameters; ///< names in small letters
};

/// Reads one header, which may offer several. Foreign bytes: what is no
/// challenge is left out. Pure.
std::vector<challenge> parse_challenges(std::string_view header);

} // namespace muster::fleeting
