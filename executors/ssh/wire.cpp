#include "executors/ssh/wire.hpp"

#include <array>
#include <openssl/sha.h>

namespace muster::ssh {

namespace {

constexpr std::string_view base64_digits
  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

} // namespace

std::string wire_u32(uint32_t x) {
  std::string result(4, '\0');
  for (size_t i = 0; i < 4; ++i)
    result[i] = static_cast<char>(x >> (24 - 8 * i));
  return result;
}

std::string wire_string(std::string_view bytes) {
  return wire_u32(static_cast<uint32_t>(bytes.size())).append(bytes);
}

std::string wire_mpint(std::string_view big_endian) {
  while (!big_endian.empty() && big_endian.front() == '\0')
    big_endian.remove_prefix(1);
  std::string digits;
  if (!big_endian.empty() && (big_endian.front() & 0x80) != 0)
    digits.push_back('\0'); // else it would be negative
  return wire_string(digits.append(big_endian));
}

std::optional<uint8_t> wire_reader::byte() {
  if (rest_.empty())
    return std::nullopt;
  auto result = static_cast<uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return result;
}

std::optional<uint32_t> wire_reader::u32() {
  if (rest_.size() < 4)
    return std::nullopt;
  uint32_t result = 0;
  for (size_t i = 0; i < 4; ++i)
    result = result << 8 | static_cast<uint8_t>(rest_[i]);
  rest_.remove_prefix(4);
  return result;
}

std::optional<std::string_view> wire_reader::string() {
  auto size = u32();
  if (!size || *size > rest_.size())
    return std::nullopt;
  auto result = rest_.substr(0, *size);
  rest_.remove_prefix(*size);
  return result;
}

std::string base64_encode(std::string_view bytes) {
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8
              | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j)
      result.push_back(
        i + j > bytes.size() ? '=' : base64_digits[group >> (18 - 6 * j) & 63]);
  }
  return result;
}

std::optional<std::string> base64_decode(std::string_view text) {
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i)
    text.remove_suffix(1);
  if (text.size() % 4 == 1)
    return std::nullopt;
  std::string result;
  result.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int bits_count = 0;
  for (char c : text) {
    auto digit = base64_digits.find(c);
    if (digit == std::string_view::npos)
      return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    bits_count += 6;
    if (bits_count >= 8) {
      bits_count -= 8;
      result.push_back(static_cast<char>(bits >> bits_count));
    }
  }
  return result;
}

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         digest.data());
  return {digest.begin(), digest.end()};
}

std::string printable(std::string_view foreign) {
  constexpr size_t size_max = 200;
  while (!foreign.empty() && (foreign.back() == '\n' || foreign.back() == '\r'))
    foreign.remove_suffix(1);
  std::string result;
  for (char c : foreign.substr(0, size_max))
    result.push_back(c >= ' ' && c <= '~' ? c : '?');
  return foreign.size() > size_max ? result + "..." : result;
}

} // namespace muster::ssh
