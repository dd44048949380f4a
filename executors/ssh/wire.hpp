#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// The data types of the SSH protocol (RFC 4251, section 5) and the encodings
/// that keys are written in.
namespace muster::ssh {

/// Four bytes, big endian.
std::string wire_u32(uint32_t x);

/// A length and the bytes.
std::string wire_string(std::string_view bytes);

/// A non-negative integer of any size; `big_endian` may have leading zeros.
std::string wire_mpint(std::string_view big_endian);

/// Reads the types above; each call returns nothing once the bytes run out.
class wire_reader {
public:
  explicit wire_reader(std::string_view bytes) : rest_(bytes) {
  }

  std::optional<uint8_t> byte();
  std::optional<uint32_t> u32();
  std::optional<std::string_view> string();

  std::string_view rest() const {
    return rest_;
  }

private:
  std::string_view rest_;
};

/// Standard base64 with padding.
std::string base64_encode(std::string_view bytes);

/// Nothing for anything but base64, padded or not.
std::optional<std::string> base64_decode(std::string_view text);

/// The 32 bytes of the digest.
std::string sha256(std::string_view bytes);

/// One printable line of at most 200 characters out of a server's text.
std::string printable(std::string_view foreign);

} // namespace muster::ssh
