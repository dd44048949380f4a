#pragma once

#include "actors/recorder/codec.hpp"

#include <caf/type_erased_tuple.hpp>
#include <string>

namespace muster {

/// A message in words that are equal for a recording and its replay: secrets
/// and their numbers, fingerprints and the lengths of scripts are left out.
std::string normal_text(const caf::type_erased_tuple& what);

} // namespace muster
