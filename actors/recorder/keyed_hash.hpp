#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace muster {

using hash_key = std::array<uint64_t, 2>;

/// SipHash-2-4. What is written of a secret must not let anybody try values:
/// the key is made anew in each process and kept there.
uint64_t keyed_hash(const hash_key& key, std::string_view text);

/// A key that nobody knows.
hash_key random_hash_key();

} // namespace muster
