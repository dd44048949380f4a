#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace muster {

// Digests and encodings that signatures are made of. All are of bytes.

std::string sha256(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);

/// In small letters.
std::string hex_of(std::string_view bytes);

std::string base64_of(std::string_view bytes);

/// Errors: nothing if it is none, or not whole.
std::optional<std::string> base64_decoded(std::string_view text);

/// Percent-encodes all but letters, digits and `-._~` (RFC 3986), and `/` if it
/// is to be kept.
std::string percent_encoded(std::string_view text, bool keep_slashes = false);

} // namespace muster
