#include "providers/local/ssh_key.hpp"

#include <array>
#include <memory>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace muster::local {

namespace {

constexpr size_t key_size = 32; ///< of both halves of an ed25519 key [bytes]

std::string number(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string field(std::string_view value) {
  return number(static_cast<uint32_t>(value.size())).append(value);
}

std::string base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  auto size
    = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string pem(const std::string& bytes) {
  constexpr size_t line_size = 70; // as ssh-keygen writes it
  std::string out = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  auto text = base64(bytes);
  for (size_t i = 0; i < text.size(); i += line_size)
    out.append(text, i, line_size).append("\n");
  return out + "-----END OPENSSH PRIVATE KEY-----\n";
}

} // namespace

ssh_key encode_ssh_key(std::string_view seed, std::string_view public_part,
                       uint32_t check) {
  auto blob = field("ssh-ed25519") + field(public_part);
  auto inner = number(check) + number(check) + blob
               + field(std::string{seed}.append(public_part)) + field("");
  constexpr size_t block_size = 8; // of the cipher `none`
  for (char pad = 1; inner.size() % block_size != 0; ++pad)
    inner.push_back(pad);
  auto outer = std::string{"openssh-key-v1"} + '\0' + field("none")
               + field("none") + field("") + number(1) + field(blob)
               + field(inner);
  return {secret{pem(outer)}, "ssh-ed25519 " + base64(blob)};
}

std::optional<ssh_key> make_ssh_key() {
  auto key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>(
    EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free);
  if (key == nullptr)
    return std::nullopt;
  std::array<unsigned char, key_size> seed{};
  std::array<unsigned char, key_size> public_part{};
  uint32_t check = 0;
  size_t seed_size = seed.size();
  size_t public_size = public_part.size();
  if (EVP_PKEY_get_raw_private_key(key.get(), seed.data(), &seed_size) != 1
      || EVP_PKEY_get_raw_public_key(key.get(), public_part.data(),
                                     &public_size)
           != 1
      || RAND_bytes(reinterpret_cast<unsigned char*>(&check), sizeof check)
           != 1)
    return std::nullopt;
  auto text = [](const auto& bytes, size_t size) {
    return std::string_view{reinterpret_cast<const char*>(bytes.data()), size};
  };
  return encode_ssh_key(text(seed, seed_size), text(public_part, public_size),
                        check);
}

} // namespace muster::local
