#include "executors/cache/remote.hpp"

#include "executors/cache/digest.hpp"

namespace muster {

namespace {

using headers = std::vector<std::pair<std::string, std::string>>;

/// Text that any server and proxy passes on as it is, and that needs no folding
/// for a signature.
std::string header_value(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool is_inner_blank
      = text[i] == ' ' && i > 0 && i + 1 < text.size() && text[i - 1] != ' ';
    bool is_plain = text[i] > ' ' && text[i] < 0x7f;
    out += is_inner_blank || is_plain ? std::string{text[i]}
                                      : percent_encoded(text.substr(i, 1));
  }
  return out;
}

std::string without_slashes(std::string_view text) {
  auto first = text.find_first_not_of('/');
  if (first == std::string_view::npos)
    return {};
  return std::string{
    text.substr(first, text.find_last_not_of('/') + 1 - first)};
}

headers s3_headers(const s3_cache_config& with, const std::string& key) {
  headers out{{"x-amz-meta-cachekey", key}};
  if (!with.encryption.empty())
    out.emplace_back("x-amz-server-side-encryption", with.encryption);
  if (with.encryption.starts_with("aws:kms") && !with.encryption_key.empty())
    out.emplace_back("x-amz-server-side-encryption-aws-kms-key-id",
                     with.encryption_key);
  return out;
}

headers gcs_headers(const cache_config& with, const std::string& key) {
  headers out{{"content-type", "application/octet-stream"},
              {"x-goog-meta-cachekey", key}};
  if (with.uploaded_max_bytes > 0)
    out.emplace_back("x-goog-content-length-range",
                     "0," + std::to_string(with.uploaded_max_bytes));
  return out;
}

/// Signs requests of one job.
struct signer {
  const cache_config& with;
  const cache_owner& owner;
  const signing_time& time;

  signed_request sign(http_method method, std::string_view stored, bool hashed,
                      std::string_view shown = {}) const {
    if (stored.empty())
      return {};
    auto object = cache_object(with, owner, stored, hashed);
    auto put = method == http_method::put;
    auto key = header_value(shown);
    switch (with.type) {
      case cache_type::s3:
        return sign_s3(with.s3, method, object,
                       put ? s3_headers(with.s3, key) : headers{}, time);
      case cache_type::gcs:
        return sign_gcs(with.gcs, method, object,
                        put ? gcs_headers(with, key) : headers{}, time);
      case cache_type::azure:
        return sign_azure(with.azure, method, object,
                          put ? headers{{"x-ms-blob-type", "BlockBlob"},
                                        {"x-ms-meta-cachekey", key}}
                              : headers{},
                          time);
      case cache_type::local:
        break;
    }
    return {};
  }
};

} // namespace

std::string_view to_string(http_method x) {
  switch (x) {
    case http_method::head:
      return "HEAD";
    case http_method::put:
      return "PUT";
    default:
      return "GET";
  }
}

std::string cache_object(const cache_config& with, const cache_owner& owner,
                         std::string_view stored, bool hashed) {
  auto name = without_slashes(with.path);
  if (!name.empty())
    name += '/';
  if (!with.shared)
    name += "runner/" + owner.short_token + '/';
  name += "project/" + std::to_string(owner.project_id) + '/';
  if (hashed)
    (name += stored.substr(0, 2)) += '/';
  return name.append(stored);
}

cache_requests sign_restore(const cache_config& with, const cache_owner& owner,
                            const cache_key& key, bool hashed,
                            const signing_time& time) {
  signer x{with, owner, time};
  return {x.sign(http_method::get, key.stored, hashed),
          x.sign(http_method::head, key.stored, hashed),
          x.sign(http_method::get, key.alternate, !hashed),
          x.sign(http_method::head, key.alternate, !hashed)};
}

cache_requests sign_archive(const cache_config& with, const cache_owner& owner,
                            const cache_key& key, bool hashed,
                            const signing_time& time) {
  signer x{with, owner, time};
  return {x.sign(http_method::put, key.stored, hashed, key.shown),
          x.sign(http_method::head, key.stored, hashed),
          {},
          {}};
}

} // namespace muster
