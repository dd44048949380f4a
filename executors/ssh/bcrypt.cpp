#include "executors/ssh/bcrypt.hpp"

#include "executors/ssh/wire.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace muster::ssh {

namespace {

constexpr size_t hash_bytes = 32;
constexpr size_t digest_bytes = 64;
constexpr size_t subkeys = 18;
constexpr size_t boxes = 4;
constexpr size_t box_words = 256;

/// Blowfish, as far as bcrypt needs it.
struct blowfish {
  std::array<uint32_t, subkeys> p;
  std::array<std::array<uint32_t, box_words>, boxes> s;

  uint32_t mix(uint32_t x) const {
    return ((s[0][x >> 24] + s[1][x >> 16 & 0xff]) ^ s[2][x >> 8 & 0xff])
           + s[3][x & 0xff];
  }

  void encrypt(uint32_t& left, uint32_t& right) const {
    for (size_t i = 0; i < subkeys - 2; i += 2) {
      left ^= p[i];
      right ^= mix(left) ^ p[i + 1];
      left ^= mix(right);
    }
    left ^= p[subkeys - 2];
    right ^= p[subkeys - 1];
    std::swap(left, right);
  }
};

/// Endless big-endian words out of some bytes.
class word_stream {
public:
  explicit word_stream(std::string_view bytes) : bytes_{bytes} {
  }

  uint32_t next() {
    uint32_t word = 0;
    for (int i = 0; i < 4; ++i) {
      word = word << 8 | static_cast<unsigned char>(bytes_[at_]);
      at_ = (at_ + 1) % bytes_.size();
    }
    return word;
  }

private:
  std::string_view bytes_;
  size_t at_ = 0;
};

using number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

/// arctan(1/x) as a whole number of 2^-bits.
number arctan_of_inverse(BN_ULONG x, int bits) {
  number sum{BN_new(), BN_free};
  number power{BN_new(), BN_free};
  number term{BN_new(), BN_free};
  BN_one(power.get());
  BN_lshift(power.get(), power.get(), bits);
  BN_div_word(power.get(), x);
  for (BN_ULONG i = 1; !BN_is_zero(power.get()); i += 2) {
    BN_copy(term.get(), power.get());
    BN_div_word(term.get(), i);
    if (i % 4 == 1)
      BN_add(sum.get(), sum.get(), term.get());
    else
      BN_sub(sum.get(), sum.get(), term.get());
    BN_div_word(power.get(), x * x);
  }
  return sum;
}

/// Blowfish begins with the fractional digits of pi: 4 KiB of them, which are
/// sooner computed (once, in some 50 ms) than checked by a reader.
blowfish begin_with_pi() {
  constexpr size_t words = subkeys + boxes * box_words;
  constexpr int guard_bits = 64;
  constexpr int bits = words * 32 + guard_bits;
  auto pi
    = arctan_of_inverse(5, bits); // Machin: 16 arctan 1/5 - 4 arctan 1/239
  BN_mul_word(pi.get(), 16);
  auto less = arctan_of_inverse(239, bits);
  BN_mul_word(less.get(), 4);
  BN_sub(pi.get(), pi.get(), less.get());
  BN_mask_bits(pi.get(), bits); // the digits behind the 3
  BN_rshift(pi.get(), pi.get(), guard_bits);
  std::string digits(words * 4, '\0');
  BN_bn2binpad(pi.get(), reinterpret_cast<unsigned char*>(digits.data()),
               static_cast<int>(digits.size()));
  word_stream in{digits};
  blowfish out{};
  for (auto& x : out.p)
    x = in.next();
  for (auto& box : out.s)
    for (auto& x : box)
      x = in.next();
  return out;
}

/// Mixes a key into the state; `salt` may be empty.
void expand(blowfish& state, std::string_view key, std::string_view salt) {
  word_stream keys{key};
  for (auto& x : state.p)
    x ^= keys.next();
  constexpr std::string_view nothing{"\0\0\0\0", 4};
  word_stream salts{salt.empty() ? nothing : salt};
  uint32_t left = 0;
  uint32_t right = 0;
  auto replace = [&](uint32_t& first, uint32_t& second) {
    left ^= salts.next();
    right ^= salts.next();
    state.encrypt(left, right);
    first = left;
    second = right;
  };
  for (size_t i = 0; i < state.p.size(); i += 2)
    replace(state.p[i], state.p[i + 1]);
  for (auto& box : state.s)
    for (size_t i = 0; i < box.size(); i += 2)
      replace(box[i], box[i + 1]);
}

std::string bcrypt_hash(std::string_view key, std::string_view salt) {
  static const auto pi = begin_with_pi();
  constexpr int mixings = 64;
  auto state = pi;
  expand(state, key, salt);
  for (int i = 0; i < mixings; ++i) {
    expand(state, salt, {});
    expand(state, key, {});
  }
  std::array<uint32_t, hash_bytes / 4> text{};
  word_stream in{"OxychromaticBlowfishSwatDynamite"};
  for (auto& x : text)
    x = in.next();
  for (int i = 0; i < mixings; ++i)
    for (size_t k = 0; k < text.size(); k += 2)
      state.encrypt(text[k], text[k + 1]);
  std::string out;
  for (auto x : text)
    for (int shift = 0; shift < 32; shift += 8)
      out.push_back(static_cast<char>(x >> shift & 0xff));
  OPENSSL_cleanse(&state, sizeof state);
  return out;
}

std::string sha512(std::string_view bytes) {
  std::string out(digest_bytes, '\0');
  EVP_Digest(bytes.data(), bytes.size(),
             reinterpret_cast<unsigned char*>(out.data()), nullptr,
             EVP_sha512(), nullptr);
  return out;
}

} // namespace

std::string bcrypt_key(std::string_view passphrase, std::string_view salt,
                       uint32_t rounds, size_t size) {
  auto blocks = (size + hash_bytes - 1) / hash_bytes;
  auto key = sha512(passphrase);
  std::string out(size, '\0');
  for (size_t block = 0; block < blocks; ++block) {
    auto seed = std::string{salt} + wire_u32(static_cast<uint32_t>(block + 1));
    auto last = bcrypt_hash(key, sha512(seed));
    auto sum = last;
    for (uint32_t i = 1; i < rounds; ++i) {
      last = bcrypt_hash(key, sha512(last));
      std::transform(sum.begin(), sum.end(), last.begin(), sum.begin(),
                     [](char a, char b) { return static_cast<char>(a ^ b); });
    }
    // The blocks are dealt out one byte each in turn.
    for (size_t i = 0; i * blocks + block < size && i < sum.size(); ++i)
      out[i * blocks + block] = sum[i];
  }
  OPENSSL_cleanse(key.data(), key.size());
  return out;
}

} // namespace muster::ssh
