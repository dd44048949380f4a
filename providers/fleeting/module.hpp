#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "providers/fleeting/link.hpp"

#include <string>

namespace muster::fleeting {

/// Sets what gRPC reads of the environment, but for what is set there already.
/// To be called before there are threads.
void prepare_environment();

/// Loads the module that speaks gRPC; once loaded it stays. With an empty path
/// it is the one beside this program, as it is built or as it is installed.
///
/// Errors: `not_available`.
result<const link_module*, provider_errc>
load_link_module(const std::string& path);

} // namespace muster::fleeting
