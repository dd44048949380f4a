#include "actors/recorder/keyed_hash.hpp"

#include <bit>
#include <cstring>
#include <random>

namespace muster {

namespace {

struct sip_state {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void absorb(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

} // namespace

uint64_t keyed_hash(const hash_key& key, std::string_view text) {
  sip_state s{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
              key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
  auto last = static_cast<uint64_t>(text.size()) << 56;
  uint64_t word = 0;
  for (; text.size() >= 8; text.remove_prefix(8)) {
    std::memcpy(&word, text.data(), 8);
    s.absorb(word);
  }
  for (size_t i = 0; i < text.size(); ++i)
    last |= static_cast<uint64_t>(static_cast<uint8_t>(text[i])) << 8 * i;
  s.absorb(last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i)
    s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

hash_key random_hash_key() {
  std::random_device source;
  auto word
    = [&source] { return static_cast<uint64_t>(source()) << 32 | source(); };
  return {word(), word()};
}

} // namespace muster
