#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace muster::fleeting {

/// What a registry has under a digest.
struct descriptor {
  std::string media_type;
  std::string digest; ///< `sha256:` and 64 small hexadecimal digits
  uint64_t size_bytes = 0;
  std::map<std::string, std::string> annotations;
};

/// For which machines an image is, in Go's words.
struct platform {
  std::string os;
  std::string arch;
  std::string variant; ///< of 32-bit ARM: v5, v6, v7; else mostly empty

  bool operator==(const platform&) const = default;
};

/// This machine's.
platform platform_of_host();

/// `linux/arm/v7`.
std::string to_string(const platform& x);

struct index_entry {
  descriptor what;
  platform with;
};

/// An image for several platforms.
struct image_index {
  std::vector<index_entry> entries;
};

/// An image for one.
struct image_manifest {
  descriptor config;
  std::vector<descriptor> layers;
  std::map<std::string, std::string> annotations;
};

using manifest = std::variant<image_index, image_manifest>;

/// What the config of an image says.
struct image_facts {
  platform with;
  std::string version; ///< FLEETING_PLUGIN_PKG_VERSION; may be empty
};

/// The types of manifests that are read, for the header `Accept`: OCI's and
/// those of Docker's second version.
extern const char* const manifest_types;

/// Whether a text is `sha256:` and 64 small hexadecimal digits. Pure.
bool is_digest(std::string_view text);

/// Reads a manifest or an index. Foreign bytes. Pure.
/// @param content_type of the answer, for one that does not say what it is
///
/// Errors: `call_failed`: it is none, or of a kind that is not read.
result<manifest, provider_errc> parse_manifest(std::string_view body,
                                               std::string_view content_type);

/// Reads the config of an image. Pure. Errors: `call_failed`.
result<image_facts, provider_errc> parse_image_facts(std::string_view body);

/// Finds the image of an index that runs on a machine; of those for 32-bit ARM
/// the one for the newest that is not newer than the machine. Pure.
///
/// Errors: `not_found`, with the platforms that there are.
result<descriptor, provider_errc> choose_image(const image_index& from,
                                               const platform& host);

/// Whether a machine runs what is for a platform. Pure.
bool runs(const platform& host, const platform& image);

} // namespace muster::fleeting
