#include "executors/cache/remote.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

constexpr signing_time then{1'795'869'296, 1h};
const cache_owner owner{"ABCDEFGHI", 7};

cache_config s3() {
  cache_config with;
  with.type = cache_type::s3;
  with.s3.access_key = "id";
  with.s3.secret_key = secret{"secret key"};
  with.s3.bucket = "b";
  with.s3.server_address = "h:1";
  with.s3.insecure = true;
  return with;
}

using pairs = std::vector<std::pair<std::string, std::string>>;

std::string path_of(const signed_request& x) {
  return x.url.substr(0, x.url.find('?'));
}

} // namespace

TEST_CASE("an object's name tells whose cache it is") {
  cache_config with;
  CHECK_EQ(cache_object(with, owner, "k/e", false),
           "runner/ABCDEFGHI/project/7/k/e");
  CHECK_EQ(cache_object(with, owner, "abcd", true),
           "runner/ABCDEFGHI/project/7/ab/abcd");
  with.path = "/pre/fix/";
  CHECK_EQ(cache_object(with, owner, "k", false),
           "pre/fix/runner/ABCDEFGHI/project/7/k");
  with.shared = true;
  CHECK_EQ(cache_object(with, owner, "k", false), "pre/fix/project/7/k");
}

TEST_CASE("restoring asks for the object and its alternate, both ways") {
  auto key = make_cache_key("key", false);
  auto got = sign_restore(s3(), owner, key, false, then);
  const std::string begin = "http://h:1/b/runner/ABCDEFGHI/project/7/";
  CHECK_EQ(path_of(got.main), begin + "key");
  CHECK_EQ(path_of(got.check), begin + "key");
  CHECK_NE(got.main.url, got.check.url);
  auto other = begin + key.alternate.substr(0, 2) + '/' + key.alternate;
  CHECK_EQ(path_of(got.alternate), other);
  CHECK_EQ(path_of(got.alternate_check), other);
  CHECK(got.main.headers.empty());
  key = make_cache_key("../..", true);
  got = sign_restore(s3(), owner, key, true, then);
  CHECK_EQ(path_of(got.main),
           begin + key.stored.substr(0, 2) + '/' + key.stored);
  CHECK_EQ(got.alternate.url, ""); // no such key without hashing
}

TEST_CASE("a cache is sent with the key that people know and as configured") {
  auto key = make_cache_key("k  \xc3\xa9 ", true);
  auto with = s3();
  auto got = sign_archive(with, owner, key, true, then);
  CHECK_EQ(got.main.headers, pairs{{"x-amz-meta-cachekey", "k %20%C3%A9%20"}});
  CHECK_EQ(path_of(got.main), path_of(got.check));
  CHECK_EQ(got.alternate.url, "");
  with.s3.encryption = "AES256";
  with.s3.encryption_key = "not for this kind";
  key = make_cache_key("k", false);
  CHECK_EQ(sign_archive(with, owner, key, false, then).main.headers,
           pairs{{"x-amz-meta-cachekey", "k"},
                 {"x-amz-server-side-encryption", "AES256"}});
  with.s3.encryption = "aws:kms:dsse";
  with.s3.encryption_key = "arn";
  CHECK_EQ(sign_archive(with, owner, key, false, then).main.headers,
           pairs{{"x-amz-meta-cachekey", "k"},
                 {"x-amz-server-side-encryption", "aws:kms:dsse"},
                 {"x-amz-server-side-encryption-aws-kms-key-id", "arn"}});
  with.type = cache_type::azure;
  with.azure.account = "a";
  with.azure.account_key = secret{"YQ=="};
  CHECK_EQ(sign_archive(with, owner, key, false, then).main.headers,
           pairs{{"x-ms-blob-type", "BlockBlob"}, {"x-ms-meta-cachekey", "k"}});
}

TEST_CASE("local caches have no requests") {
  auto key = make_cache_key("k", false);
  CHECK_EQ(sign_restore({}, owner, key, false, then).main.url, "");
  CHECK_EQ(sign_archive({}, owner, key, false, then).main.url, "");
}
