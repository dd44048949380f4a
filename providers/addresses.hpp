#pragma once

#include <string>

namespace muster {

/// The address to dial: the internal one, unless the external one is wanted and
/// there, or there is no internal one. Empty: neither fits.
/// Source: reference/fleeting-plugins, section 8.
inline const std::string& address_to_dial(const std::string& internal,
                                          const std::string& external,
                                          bool use_external) {
  return use_external && (!external.empty() || internal.empty()) ? external
                                                                 : internal;
}

} // namespace muster
