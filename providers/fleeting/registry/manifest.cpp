#include "providers/fleeting/registry/manifest.hpp"

#include "config/version.hpp"

#include <nlohmann/json.hpp>

namespace muster::fleeting {

namespace {

using nlohmann::json;

/// Entries of an index, layers of an image. Registries allow no more bytes than
/// some thousands take.
constexpr size_t descriptors_max = 1000;

constexpr std::string_view version_variable = "FLEETING_PLUGIN_PKG_VERSION=";

tl::unexpected<failure<provider_errc>> unreadable(const std::string& why) {
  return fail(provider_errc::call_failed,
              "its manifest cannot be read: " + why);
}

std::string text_of(const json& in, const char* key) {
  auto at = in.find(key);
  return at != in.end() && at->is_string() ? at->get<std::string>() : "";
}

std::map<std::string, std::string> annotations_of(const json& in) {
  std::map<std::string, std::string> out;
  auto at = in.find("annotations");
  if (at != in.end() && at->is_object())
    for (const auto& [key, value] : at->items())
      if (value.is_string())
        out.emplace(key, value.get<std::string>());
  return out;
}

result<descriptor, provider_errc> read_descriptor(const json& in) {
  if (!in.is_object())
    return unreadable("a descriptor is no table");
  descriptor out{text_of(in, "mediaType"), text_of(in, "digest"), 0,
                 annotations_of(in)};
  if (!is_digest(out.digest))
    return unreadable("a digest in it is not sha256:...");
  auto size = in.find("size");
  if (size == in.end() || !size->is_number_unsigned())
    return unreadable("a size in it is no number");
  out.size_bytes = size->get<uint64_t>();
  return out;
}

platform read_platform(const json& in) {
  return in.is_object()
           ? platform{text_of(in, "os"), text_of(in, "architecture"),
                      text_of(in, "variant")}
           : platform{};
}

result<manifest, provider_errc> read_index(const json& in) {
  image_index out;
  for (const auto& x : in["manifests"]) {
    if (out.entries.size() == descriptors_max)
      return unreadable("it has too many entries");
    auto what = read_descriptor(x);
    if (!what)
      return tl::unexpected{what.error()};
    out.entries.push_back(
      {std::move(*what), read_platform(x.value("platform", json::object()))});
  }
  return out;
}

result<manifest, provider_errc> read_image(const json& in) {
  image_manifest out;
  auto config = read_descriptor(in.value("config", json{}));
  if (!config)
    return tl::unexpected{config.error()};
  out.config = std::move(*config);
  for (const auto& x : in["layers"]) {
    if (out.layers.size() == descriptors_max)
      return unreadable("it has too many layers");
    auto layer = read_descriptor(x);
    if (!layer)
      return tl::unexpected{layer.error()};
    out.layers.push_back(std::move(*layer));
  }
  out.annotations = annotations_of(in);
  return out;
}

bool is_list(const json& in, const char* key) {
  auto at = in.find(key);
  return at != in.end() && at->is_array();
}

/// Of the variants `v5` to `v8`; 0 for another text.
int variant_number(const std::string& variant) {
  auto known = variant.size() == 2 && variant[0] == 'v' && variant[1] >= '5'
               && variant[1] <= '8';
  return known ? variant[1] - '0' : 0;
}

} // namespace

const char* const manifest_types
  = "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

platform platform_of_host() {
#if defined(__arm__)
  return {"linux", arch_text, "v" + std::to_string(__ARM_ARCH)};
#else
  return {"linux", arch_text, ""};
#endif
}

std::string to_string(const platform& x) {
  return x.os + "/" + x.arch + (x.variant.empty() ? "" : "/" + x.variant);
}

bool is_digest(std::string_view text) {
  constexpr std::string_view algorithm = "sha256:";
  return text.size() == algorithm.size() + 64 && text.starts_with(algorithm)
         && text.find_first_not_of("0123456789abcdef", algorithm.size())
              == std::string_view::npos;
}

result<manifest, provider_errc> parse_manifest(std::string_view body,
                                               std::string_view content_type) {
  auto in = json::parse(body, nullptr, false);
  if (!in.is_object())
    return unreadable("it is no JSON object");
  auto type = text_of(in, "mediaType");
  if (type.empty())
    type = content_type;
  auto is_index = type.find(".index.") != std::string::npos
                  || type.find(".manifest.list.") != std::string::npos;
  auto is_image = !is_index && type.find(".manifest.v") != std::string::npos;
  if (is_list(in, "manifests") && !is_image)
    return read_index(in);
  if (is_list(in, "layers") && !is_index)
    return read_image(in);
  return unreadable("it is neither an image nor an index of images of OCI's "
                    "or of Docker's second version");
}

result<image_facts, provider_errc> parse_image_facts(std::string_view body) {
  auto in = json::parse(body, nullptr, false);
  if (!in.is_object())
    return fail(provider_errc::call_failed,
                "the config of its image is no JSON object");
  image_facts out{read_platform(in), ""};
  auto config = in.value("config", json{});
  auto variables = config.is_object() ? config.value("Env", json{}) : json{};
  for (const auto& x : variables)
    if (x.is_string())
      if (auto text = x.get<std::string>(); text.starts_with(version_variable))
        out.version = text.substr(version_variable.size());
  return out;
}

bool runs(const platform& host, const platform& image) {
  if (host.os != image.os || host.arch != image.arch)
    return false;
  if (host.arch == "arm")
    return variant_number(image.variant) <= variant_number(host.variant);
  // The least that there is of each: what is for newer ones may not run.
  return image.variant.empty() || image.variant == host.variant
         || image.variant == (host.arch == "arm64" ? "v8" : "v1");
}

result<descriptor, provider_errc> choose_image(const image_index& from,
                                               const platform& host) {
  const index_entry* best = nullptr;
  std::string others;
  for (const auto& x : from.entries) {
    if (runs(host, x.with)) {
      if (best == nullptr
          || variant_number(x.with.variant)
               > variant_number(best->with.variant))
        best = &x;
    } else if (!x.with.os.empty() && x.with.os != "unknown") {
      others += (others.empty() ? "" : ", ") + to_string(x.with);
    }
  }
  if (best != nullptr)
    return best->what;
  return fail(provider_errc::not_found,
              "it has no image for " + to_string(host) + ", only for "
                + (others.empty() ? "no machine at all" : others));
}

} // namespace muster::fleeting
