#pragma once

#include "config/config.hpp"
#include "messages/connect_info.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "providers/fleeting/link.hpp"

#include <string>

namespace muster::fleeting {

/// What the operator says of connections, as a plugin wants it: the key is the
/// text of `key_path`.
connector settings_of(const connector_config& from, const secret& key);

/// What a plugin said of an instance as what is dialed: its word first, then
/// the operator's. The internal address is taken unless `use_external_addr`
/// prefers the other; a port in it wins over `protocol_port`. Pure.
///
/// Errors: `call_failed` (no address, no user, a protocol that is not spoken).
/// Source: reference/fleeting-plugins, section 8.
result<connect_info, provider_errc>
connect_info_from(const std::string& instance, const connect_answer& told,
                  const connector_config& operators, const secret& key);

} // namespace muster::fleeting
