#include "executors/cache/digest.hpp"
#include "executors/cache/signing.hpp"
#include "executors/cache/utc.hpp"

#include <algorithm>

namespace muster {

namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view default_address = "s3.amazonaws.com";

/// A signature of this kind holds seven days at most.
constexpr std::chrono::seconds valid_max{604'800};

bool is_of_amazon(std::string_view host) {
  return host.ends_with(".amazonaws.com")
         || host.ends_with(".amazonaws.com.cn");
}

std::string amazons_host(const s3_cache_config& with) {
  if (with.accelerate)
    return with.dual_stack ? "s3-accelerate.dualstack.amazonaws.com"
                           : "s3-accelerate.amazonaws.com";
  return std::string{with.dual_stack ? "s3.dualstack." : "s3."} + with.region
         + (with.region.starts_with("cn-") ? ".amazonaws.com.cn"
                                           : ".amazonaws.com");
}

/// The certificates of these servers are for one name before theirs: a bucket
/// with a dot in its name cannot be one.
bool wants_path_style(const s3_cache_config& with, std::string_view host) {
  if (with.path_style)
    return *with.path_style;
  if (!is_of_amazon(host) && host != "storage.googleapis.com")
    return true;
  return !with.insecure && with.bucket.find('.') != std::string::npos;
}

} // namespace

s3_place place_of(const s3_cache_config& with) {
  s3_place place;
  place.scheme = with.insecure ? "http" : "https";
  place.host
    = with.server_address.empty() || with.server_address == default_address
        ? amazons_host(with)
        : with.server_address;
  if (wants_path_style(with, place.host))
    place.prefix = '/' + with.bucket;
  else
    place.host = with.bucket + '.' + place.host;
  return place;
}

signed_request sign_s3(const s3_cache_config& with, http_method method,
                       std::string_view object,
                       std::vector<std::pair<std::string, std::string>> headers,
                       const signing_time& time) {
  return sign_s3(place_of(with), with, method, object, std::move(headers),
                 time);
}

signed_request sign_s3(const s3_place& place, const s3_cache_config& with,
                       http_method method, std::string_view object,
                       std::vector<std::pair<std::string, std::string>> headers,
                       const signing_time& time) {
  auto path
    = percent_encoded(place.prefix, true) + '/' + percent_encoded(object, true);
  auto stamp = utc_compact(time.now_unix);
  auto scope = stamp.substr(0, 8) + '/' + with.region + "/s3/aws4_request";

  auto canonical = headers;
  canonical.emplace_back("host", place.host);
  std::ranges::sort(canonical);
  std::string lines;
  std::string names;
  for (const auto& [name, value] : canonical) {
    lines += name + ':' + value + '\n';
    names += (names.empty() ? "" : ";") + name;
  }

  auto valid = std::clamp(time.valid, std::chrono::seconds{1}, valid_max);
  auto query
    = "X-Amz-Algorithm=" + std::string{algorithm} + "&X-Amz-Credential="
      + percent_encoded(with.access_key + '/' + scope) + "&X-Amz-Date=" + stamp
      + "&X-Amz-Expires=" + std::to_string(valid.count());
  if (!with.session_token.empty())
    query += "&X-Amz-Security-Token="
             + percent_encoded(with.session_token.reveal());
  query += "&X-Amz-SignedHeaders=" + percent_encoded(names);

  auto request = std::string{to_string(method)} + '\n' + path + '\n' + query
                 + '\n' + lines + '\n' + names + "\nUNSIGNED-PAYLOAD";
  auto text = std::string{algorithm} + '\n' + stamp + '\n' + scope + '\n'
              + hex_of(sha256(request));
  auto key = hmac_sha256("AWS4" + with.secret_key.reveal(), stamp.substr(0, 8));
  for (std::string_view part :
       {std::string_view{with.region}, std::string_view{"s3"},
        std::string_view{"aws4_request"}})
    key = hmac_sha256(key, part);
  return {place.scheme + "://" + place.host + path + '?' + query
            + "&X-Amz-Signature=" + hex_of(hmac_sha256(key, text)),
          std::move(headers)};
}

} // namespace muster
