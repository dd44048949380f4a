#include "executors/cache/signing.hpp"
#include "executors/cache/utc.hpp"
#include "tests/support/test_key.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

// 2026-11-28 12:34:56 UTC
constexpr signing_time then{1'795'869'296, 1h};

s3_cache_config s3() {
  s3_cache_config with;
  with.access_key = "AKIDEXAMPLE";
  with.secret_key = secret{"SECRETexample/key+1"};
  with.bucket = "cache";
  with.region = "eu-west-1";
  return with;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("times are written in UTC") {
  CHECK_EQ(utc_compact(then.now_unix), "20261128T123456Z");
  CHECK_EQ(utc_text(then.now_unix), "2026-11-28T12:34:56Z");
  CHECK_EQ(utc_text(0), "1970-01-01T00:00:00Z");
}

TEST_CASE("a signature for S3 is that of Amazon's example") {
  // "Authenticating Requests: Using Query Parameters", Amazon S3's API
  // reference.
  s3_cache_config with;
  with.access_key = "AKIAIOSFODNN7EXAMPLE";
  with.secret_key = secret{"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
  auto got = sign_s3({"https", "examplebucket.s3.amazonaws.com", ""}, with,
                     http_method::get, "test.txt", {}, {1'369'353'600, 24h});
  CHECK_EQ(
    got.url,
    "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-"
    "HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1"
    "%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
    "X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

// The expectations below are what Amazon's, Google's and Microsoft's own
// libraries for Python sign (botocore 1.43, google-cloud-storage 3,
// azure-storage-blob 12).

TEST_CASE("signatures for S3 cover headers, odd names and session tokens") {
  auto with = s3();
  with.server_address = "127.0.0.1:9000";
  with.insecure = true;
  auto got = sign_s3(
    with, http_method::put, "pre/project/7/k ey/\xc3\xa9",
    {{"x-amz-meta-cachekey", "k ey/%C3%A9"},
     {"x-amz-server-side-encryption", "aws:kms"},
     {"x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:x:1:key/2"}},
    then);
  CHECK_EQ(
    got.url,
    "http://127.0.0.1:9000/cache/pre/project/7/k%20ey/%C3%A9?X-Amz-Algorithm="
    "AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261128%2Feu-west-1%2F"
    "s3%2Faws4_request&X-Amz-Date=20261128T123456Z&X-Amz-Expires=3600&X-Amz-"
    "SignedHeaders=host%3Bx-amz-meta-cachekey%3Bx-amz-server-side-encryption"
    "%3Bx-amz-server-side-encryption-aws-kms-key-id&X-Amz-Signature="
    "c299e66d6ea0a353d77f875cb7c15c819af32e6bdf9f518ec8c994b4ed251acd");
  CHECK_EQ(got.headers.size(), 3);
  with = s3();
  with.session_token = secret{"tok/en+="};
  CHECK_EQ(
    sign_s3(with, http_method::head, "project/7/k", {}, then).url,
    "https://cache.s3.dualstack.eu-west-1.amazonaws.com/project/7/k?X-Amz-"
    "Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261128%2Feu-"
    "west-1%2Fs3%2Faws4_request&X-Amz-Date=20261128T123456Z&X-Amz-Expires="
    "3600&X-Amz-Security-Token=tok%2Fen%2B%3D&X-Amz-SignedHeaders=host&X-Amz-"
    "Signature="
    "48be7fe9a805532200d3fab690d64fa14d4a8dc9d0fc78b5483bb6d4d76003a9");
}

TEST_CASE("a signature for S3 holds for a second to seven days") {
  CHECK(has(sign_s3(s3(), http_method::get, "k", {}, {0, 0s}).url,
            "X-Amz-Expires=1&"));
  CHECK(has(sign_s3(s3(), http_method::get, "k", {}, {0, 24h * 30}).url,
            "X-Amz-Expires=604800&"));
}

TEST_CASE("a bucket of S3 is where its configuration says") {
  struct row {
    const char* what;
    void (*change)(s3_cache_config&);
    const char* expected;
  };
  const row rows[] = {
    {"Amazon's", [](s3_cache_config&) {},
     "https://cache.s3.dualstack.eu-west-1.amazonaws.com"},
    {"named", [](s3_cache_config& x) { x.server_address = "s3.amazonaws.com"; },
     "https://cache.s3.dualstack.eu-west-1.amazonaws.com"},
    {"without IPv6", [](s3_cache_config& x) { x.dual_stack = false; },
     "https://cache.s3.eu-west-1.amazonaws.com"},
    {"in China",
     [](s3_cache_config& x) {
       x.region = "cn-north-1";
       x.dual_stack = false;
     },
     "https://cache.s3.cn-north-1.amazonaws.com.cn"},
    {"accelerated", [](s3_cache_config& x) { x.accelerate = true; },
     "https://cache.s3-accelerate.dualstack.amazonaws.com"},
    {"accelerated, without IPv6",
     [](s3_cache_config& x) {
       x.accelerate = true;
       x.dual_stack = false;
     },
     "https://cache.s3-accelerate.amazonaws.com"},
    {"a region's",
     [](s3_cache_config& x) {
       x.server_address = "s3.eu-west-1.amazonaws.com";
     },
     "https://cache.s3.eu-west-1.amazonaws.com"},
    {"a name that no certificate has",
     [](s3_cache_config& x) { x.bucket = "a.b"; },
     "https://s3.dualstack.eu-west-1.amazonaws.com/a.b"},
    {"path style", [](s3_cache_config& x) { x.path_style = true; },
     "https://s3.dualstack.eu-west-1.amazonaws.com/cache"},
    {"another server",
     [](s3_cache_config& x) {
       x.server_address = "minio.example.com:9000";
       x.insecure = true;
     },
     "http://minio.example.com:9000/cache"},
    {"another server by name",
     [](s3_cache_config& x) {
       x.server_address = "minio.example.com";
       x.path_style = false;
     },
     "https://cache.minio.example.com"},
    {"Google's",
     [](s3_cache_config& x) { x.server_address = "storage.googleapis.com"; },
     "https://cache.storage.googleapis.com"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto with = s3();
    r.change(with);
    auto place = place_of(with);
    CHECK_EQ(place.scheme + "://" + place.host + place.prefix, r.expected);
  }
}

TEST_CASE("signatures for Google Cloud Storage are those of version 2") {
  gcs_cache_config with;
  with.access_id = "ci@example.iam.gserviceaccount.com";
  with.private_key = secret{test::private_key};
  with.bucket = "my-cache";
  const std::string begin
    = "https://storage.googleapis.com/my-cache/project/7/k%20ey?"
      "GoogleAccessId=ci%40example.iam.gserviceaccount.com&Expires="
      "1795872896&Signature=";
  auto put = sign_gcs(with, http_method::put, "project/7/k ey",
                      {{"content-type", "application/octet-stream"},
                       {"x-goog-meta-cachekey", "k ey"},
                       {"x-goog-content-length-range", "0,1000"}},
                      then);
  CHECK_EQ(put.url,
           begin
             + "pQLZO0nwo%2FpvCu70lC%2F9lX6JlccPp5wU%2FGbmL%2FdnetwAn2JbypIk"
               "sJBoGgTk1DZike4E1ImJekqvYx8ssHxSWwLaiOSA1R22MaRyAbb9e4mLvIOY"
               "05dK2Yw22mUcMIfb5UiC2DprRkAHt9tZ%2Bkfdxffm1WiIqFnjMqz3T4CCMx"
               "0%3D");
  CHECK_EQ(put.headers.size(), 3);
  CHECK_EQ(sign_gcs(with, http_method::head, "project/7/k ey", {}, then).url,
           begin
             + "RHF8Zcb3xehnKhYKV1EWy%2BqFRIw0BubACDjpgsFLrJylbfaXaUncEoj9h1"
               "vEp16bIdVb7b%2FOtmCK6pbb07qA0Lq%2B5dmqN7SHOKH%2FDdWk2eoaAAjJ"
               "LYnfJTQk%2Bzcguf5kgMg8nmJaQF9KVgP0KlHz3wO%2Bz5rj4Mp%2FQTTdeM"
               "YURvc%3D");
  with.universe_domain = "example.org";
  CHECK(sign_gcs(with, http_method::get, "k", {}, then)
          .url.starts_with("https://storage.example.org/my-cache/k?"));
  for (const auto* bad : {"", "no key",
                          "-----BEGIN PRIVATE KEY-----\nAAAA\n"
                          "-----END PRIVATE KEY-----\n"}) {
    with.private_key = secret{bad};
    CHECK_EQ(sign_gcs(with, http_method::get, "k", {}, then).url, "");
  }
}

TEST_CASE("signatures for Azure are those of a service SAS") {
  azure_cache_config with;
  with.account = "muster";
  with.account_key = secret{"a2V5IG9mIHRoZSBhY2NvdW50"};
  with.container = "cache";
  const std::string begin
    = "https://muster.blob.core.windows.net/cache/project/7/k%20ey/%C3%A9?"
      "sv=2020-12-06&se=2026-11-28T13%3A34%3A56Z&sr=b&";
  const std::string object = "project/7/k ey/\xc3\xa9";
  CHECK_EQ(sign_azure(with, http_method::put, object, {}, then).url,
           begin
             + "sp=cw&spr=https&sig="
               "pfuljQxiigRNm7goKkn1PUd5LtPnvpqnC%2FcYYnAuoKU%3D");
  for (auto method : {http_method::get, http_method::head})
    CHECK_EQ(sign_azure(with, method, object, {}, then).url,
             begin
               + "sp=r&spr=https&sig="
                 "FyD0c%2BzOUsMOeQ7x2FcAnk6G2rg9Er837yHbxlkBVj4%3D");
  with.account_key = secret{"no base64"};
  CHECK_EQ(sign_azure(with, http_method::get, object, {}, then).url, "");
}
