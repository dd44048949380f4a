#include "actors/recorder/crc32c.hpp"

#include <array>
#include <cstring>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

namespace muster {

namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> out{};
  for (uint32_t i = 0; i < 256; ++i) {
    auto x = i;
    for (int bit = 0; bit < 8; ++bit)
      x = x & 1 ? x >> 1 ^ 0x82F63B78 : x >> 1;
    out[i] = x;
  }
  return out;
}

constexpr auto table = make_table();

#ifdef __x86_64__
__attribute__((target("sse4.2"))) uint32_t
crc32c_by_instruction(std::string_view bytes) {
  uint64_t x = 0xFFFFFFFF;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    x = _mm_crc32_u64(x, word);
  }
  auto out = static_cast<uint32_t>(x);
  for (char byte : bytes)
    out = _mm_crc32_u8(out, static_cast<uint8_t>(byte));
  return ~out;
}
#endif

} // namespace

uint32_t crc32c_by_table(std::string_view bytes) {
  uint32_t x = 0xFFFFFFFF;
  for (char byte : bytes)
    x = x >> 8 ^ table[(x ^ static_cast<uint8_t>(byte)) & 0xFF];
  return ~x;
}

uint32_t crc32c(std::string_view bytes) {
#ifdef __x86_64__
  static const bool is_there = __builtin_cpu_supports("sse4.2");
  if (is_there)
    return crc32c_by_instruction(bytes);
#endif
  return crc32c_by_table(bytes);
}

} // namespace muster
