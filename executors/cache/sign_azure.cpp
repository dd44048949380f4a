#include "executors/cache/digest.hpp"
#include "executors/cache/signing.hpp"
#include "executors/cache/utc.hpp"

namespace muster {

namespace {

constexpr std::string_view version = "2020-12-06";

std::string_view permissions(http_method method) {
  return method == http_method::put ? "cw" : "r"; // create and write
}

} // namespace

signed_request
sign_azure(const azure_cache_config& with, http_method method,
           std::string_view object,
           std::vector<std::pair<std::string, std::string>> headers,
           const signing_time& time) {
  auto key = base64_decoded(with.account_key.reveal());
  if (!key || key->empty())
    return {};
  auto expires = utc_text(time.now_unix + time.valid.count());
  auto resource = "/blob/" + with.account + '/' + with.container + '/'
                  + std::string{object};
  std::string what{permissions(method)};
  // In order: permissions, start, expiry, resource, identifier, addresses,
  // protocol, version, kind, snapshot, encryption scope, and five headers of
  // the answer.
  auto text = what + "\n\n" + expires + '\n' + resource + "\n\n\nhttps\n"
              + std::string{version} + "\nb\n\n\n\n\n\n\n";
  return {"https://" + with.account + '.' + with.storage_domain + '/'
            + percent_encoded(with.container) + '/'
            + percent_encoded(object, true) + "?sv=" + std::string{version}
            + "&se=" + percent_encoded(expires) + "&sr=b&sp=" + what
            + "&spr=https&sig="
            + percent_encoded(base64_of(hmac_sha256(*key, text))),
          std::move(headers)};
}

} // namespace muster
