#include "executors/helper/commands/sigv4.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string_view>

namespace muster::helper {

namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view unsigned_body = "UNSIGNED-PAYLOAD";

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (unsigned char c : bytes) {
    result += digits[c >> 4];
    result += digits[c & 15];
  }
  return result;
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (::EVP_Digest(text.data(), text.size(), bytes.data(), &size,
                   ::EVP_sha256(), nullptr)
      != 1)
    return "";
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(),
             bytes.data(), &size)
      == nullptr)
    return "";
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return text;
}

} // namespace

bool sign_s3(http_request& what, const aws_credentials& by,
             const std::string& region, std::time_t now) {
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
  std::string moment = text.data();
  auto day = moment.substr(0, 8);
  what.headers.emplace_back("x-amz-content-sha256", unsigned_body);
  what.headers.emplace_back("x-amz-date", moment);
  if (!by.session_token.empty())
    what.secret_headers.emplace_back("x-amz-security-token", by.session_token);
  std::map<std::string, std::string> headers{{"host", authority(what.to)}};
  for (const auto* list : {&what.headers, &what.secret_headers})
    for (const auto& [name, value] : *list)
      headers[lower(name)] = value;
  std::string signed_names;
  std::string lines;
  for (const auto& [name, value] : headers) {
    signed_names += (signed_names.empty() ? "" : ";") + name;
    lines.append(name).append(":").append(value).append("\n");
  }
  auto canonical = what.method + "\n" + what.to.target + "\n\n" + lines + "\n"
                   + signed_names + "\n" + std::string{unsigned_body};
  auto scope = day + "/" + region + "/s3/aws4_request";
  auto to_sign = std::string{algorithm} + "\n" + moment + "\n" + scope + "\n"
                 + hex(sha256(canonical));
  auto key = hmac(hmac(hmac(hmac("AWS4" + by.secret, day), region), "s3"),
                  "aws4_request");
  auto signature = hmac(key, to_sign);
  what.secret_headers.emplace_back(
    "Authorization", std::string{algorithm} + " Credential=" + by.key_id + "/"
                       + scope + ", SignedHeaders=" + signed_names
                       + ", Signature=" + hex(signature));
  return !signature.empty();
}

} // namespace muster::helper
