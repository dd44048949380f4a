#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "providers/fleeting/lookup.hpp"
#include "providers/fleeting/registry/manifest.hpp"

#include <string>

namespace muster::fleeting {

/// Installs a plugin from its registry, unless that very version is there: the
/// highest that its name means, or what it is pinned to. The version is there
/// whole or not at all. Returns the program's path.
///
/// Errors: `bad_config` (the name), and those of `registry_client`; the text
/// says for which plugin.
result<std::string, provider_errc>
install_plugin(const std::string& name, const lookup_places& places,
               const platform& host = platform_of_host());

} // namespace muster::fleeting
