#include "executors/helper/commands/object_store.hpp"

#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/server.hpp"
#include "executors/helper/commands/sigv4.hpp"

#include <ctime>
#include <optional>

namespace muster::helper {

namespace {

constexpr std::string_view azure_version = "2021-08-06";

/// A URL of the Go CDK, taken apart.
struct object_url {
  std::string scheme;
  std::string bucket;
  std::string key; ///< encoded as a path
  variables query;
};

std::optional<object_url> parse(std::string_view text) {
  object_url result;
  auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos)
    return std::nullopt;
  result.scheme = text.substr(0, scheme_end);
  text.remove_prefix(scheme_end + 3);
  auto question = text.find('?');
  auto path = text.substr(0, question);
  auto slash = path.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == path.size())
    return std::nullopt;
  result.bucket = path.substr(0, slash);
  result.key = path.substr(slash + 1);
  if (question == std::string_view::npos)
    return result;
  text.remove_prefix(question + 1);
  while (!text.empty()) {
    auto end = std::min(text.find('&'), text.size());
    auto pair = text.substr(0, end);
    auto equals = pair.find('=');
    if (equals != std::string_view::npos)
      result.query[std::string{pair.substr(0, equals)}]
        = percent_decoded(pair.substr(equals + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

/// Encodes a key as a path, which it may be already.
std::string path_of(std::string_view key) {
  std::string result;
  for (size_t begin = 0; begin <= key.size();) {
    auto end = std::min(key.find('/', begin), key.size());
    if (begin > 0)
      result += '/';
    result += percent_encoded(percent_decoded(key.substr(begin, end - begin)));
    begin = end + 1;
  }
  return result;
}

std::string value_of(const variables& from, const std::string& name) {
  auto found = from.find(name);
  return found == from.end() ? "" : found->second;
}

tl::unexpected<failure<helper_errc>> missing(const std::string& names) {
  return fail(helper_errc::failed, "the cache's store needs " + names
                                     + " in the file of --env-file");
}

result<http_request, helper_errc> azure_request(const std::string& method,
                                                const object_url& from,
                                                const variables& environment) {
  auto account = value_of(environment, "AZURE_STORAGE_ACCOUNT");
  auto domain = value_of(environment, "AZURE_STORAGE_DOMAIN");
  auto token = value_of(environment, "AZURE_STORAGE_SAS_TOKEN");
  if (account.empty() || token.empty())
    return missing("AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_SAS_TOKEN");
  if (domain.empty())
    domain = "blob.core.windows.net";
  // The storage emulator has the account in the path: its domain says how.
  auto base = domain.find("://") != std::string::npos
                ? domain + "/" + account
                : "https://" + account + "." + domain;
  if (token.starts_with('?'))
    token.erase(0, 1);
  auto to = parse_url(base + "/" + from.bucket + "/" + path_of(from.key) + "?"
                      + token);
  if (!to)
    return fail(helper_errc::failed, "AZURE_STORAGE_ACCOUNT, "
                                     "AZURE_STORAGE_DOMAIN and "
                                     "AZURE_STORAGE_SAS_TOKEN make no URL");
  http_request what;
  what.method = method;
  what.to = std::move(*to);
  what.headers = {{"x-ms-version", std::string{azure_version}}};
  if (method == "PUT")
    what.headers.emplace_back("x-ms-blob-type", "BlockBlob");
  return what;
}

std::string s3_base(const object_url& from, const std::string& region) {
  auto endpoint = value_of(from.query, "endpoint");
  bool path_style = false;
  for (const auto* name :
       {"s3ForcePathStyle", "use_path_style", "hostname_immutable"})
    path_style
      = path_style || boolean_of(value_of(from.query, name)).value_or(false);
  bool plain = false;
  for (const auto* name : {"disableSSL", "disable_https"})
    plain = plain || boolean_of(value_of(from.query, name)).value_or(false);
  std::string scheme = plain ? "http://" : "https://";
  if (auto at = endpoint.find("://"); at != std::string::npos) {
    scheme = endpoint.substr(0, at + 3);
    endpoint.erase(0, at + 3);
  }
  auto flag = [&from](const char* name) {
    return boolean_of(value_of(from.query, name)).value_or(false);
  };
  while (endpoint.ends_with('/'))
    endpoint.pop_back();
  if (endpoint.empty() && flag("accelerate"))
    endpoint = "s3-accelerate.amazonaws.com";
  else if (endpoint.empty())
    endpoint = (flag("dualstack") ? "s3.dualstack." : "s3.") + region
               + ".amazonaws.com";
  // A dot in a bucket's name does not fit the certificate.
  if (path_style || from.bucket.find('.') != std::string::npos)
    return scheme + endpoint + "/" + from.bucket + "/";
  return scheme + from.bucket + "." + endpoint + "/";
}

void add_encryption(const object_url& from, http_request& to) {
  auto kind = value_of(from.query, "ssetype");
  auto key = value_of(from.query, "kmskeyid");
  if (!kind.empty())
    to.headers.emplace_back("x-amz-server-side-encryption", kind);
  if (!key.empty())
    to.headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", key);
}

result<http_request, helper_errc> s3_request(const std::string& method,
                                             const object_url& from,
                                             const variables& environment) {
  aws_credentials credentials{value_of(environment, "AWS_ACCESS_KEY_ID"),
                              value_of(environment, "AWS_SECRET_ACCESS_KEY"),
                              value_of(environment, "AWS_SESSION_TOKEN")};
  if (credentials.key_id.empty() || credentials.secret.empty())
    return missing("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  auto region = value_of(from.query, "region");
  for (const auto* name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (region.empty())
      region = value_of(environment, name);
  if (region.empty())
    region = "us-east-1";
  auto to = parse_url(s3_base(from, region) + path_of(from.key));
  if (!to)
    return fail(helper_errc::failed, "the cache's URL (s3://) names no host");
  http_request what;
  what.method = method;
  what.to = std::move(*to);
  if (method == "PUT")
    add_encryption(from, what);
  if (!sign_s3(what, credentials, region, std::time(nullptr)))
    return fail(helper_errc::failed, "the request to the cache's store cannot "
                                     "be signed");
  return what;
}

} // namespace

result<http_request, helper_errc> object_request(const std::string& method,
                                                 const std::string& url,
                                                 const variables& environment) {
  auto from = parse(url);
  if (from && from->scheme == "azblob")
    return azure_request(method, *from, environment);
  if (from && from->scheme == "s3")
    return s3_request(method, *from, environment);
  return fail(
    helper_errc::failed,
    "the cache's URL is not of a store that is supported: "
      + (from ? from->scheme + "://" : std::string{"no bucket and key"})
      + " (there are azblob:// and s3://, and presigned URLs for all "
        "others)");
}

} // namespace muster::helper
