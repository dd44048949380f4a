#pragma once

#include <cstdint>
#include <string_view>

namespace muster {

/// CRC-32C (Castagnoli), as iSCSI and ext4 have it.
uint32_t crc32c(std::string_view bytes);

/// The same without the processor's instruction for it, for tests.
uint32_t crc32c_by_table(std::string_view bytes);

} // namespace muster
