#include "tests/e2e/helper_commands/run.hpp"

#include <chrono>
#include <ctime>
#include <doctest/doctest.h>
#include <map>

using namespace muster::test;

namespace {

std::string http_time(std::time_t when) {
  char text[64];
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

/// A bucket: keeps what is put, by path without query.
class bucket {
public:
  bucket() {
    server.on_request([this](const seen_request& what, httplib::Response& to) {
      auto path = what.path.substr(0, what.path.find('?'));
      auto found = objects.find(path);
      if (what.method == "PUT") {
        objects[path] = {what.body, std::time(nullptr)};
      } else if (found == objects.end()) {
        to.status = 404;
      } else {
        to.set_header("Last-Modified", http_time(found->second.second));
        to.set_header("X-Amz-Meta-Cachekey", "the \"key\"");
        to.set_content(found->second.first, "application/octet-stream");
      }
    });
  }

  std::string url(const std::string& path) const {
    return server.url() + path + "?X-Amz-Signature=hidden";
  }

  size_t count(const std::string& method) const {
    size_t n = 0;
    for (const auto& x : server.seen())
      n += x.method == method;
    return n;
  }

  store server;
  std::map<std::string, std::pair<std::string, std::time_t>> objects;
};

void age(const fs::path& path, std::chrono::seconds by) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - by);
}

} // namespace

TEST_CASE("a cache is archived, uploaded, downloaded and extracted") {
  for (const auto* format : {"zip", "tarzstd", "zipzstd"}) {
    scratch here;
    bucket remote;
    CAPTURE(format);
    write_file("vendor/lib", "library");
    auto put
      = run_helper({"cache-archiver", "--file", "../cache/key/cache.zip",
                    "--path", "vendor", "--metadata", R"({"cachekey":"key"})",
                    "--compression-format", format, "--timeout", "10"},
                   {"MUSTER_CACHE_URL=" + remote.url("/key"),
                    "MUSTER_CACHE_HEADERS=Content-Type: application/x-cache\n"
                    "x-amz-meta-cachekey: key"});
    CAPTURE(put.err);
    REQUIRE_EQ(put.status, 0);
    CHECK(
      has(put.err, "Uploading cache.zip to " + remote.server.url() + "/key"));
    CHECK_FALSE(has(put.err, "hidden"));
    CHECK_EQ(read_file("../cache/key/metadata.json"), R"({"cachekey":"key"})");
    auto seen = remote.server.seen();
    REQUIRE_EQ(seen.size(), 1);
    CHECK_EQ(seen[0].header("Content-Type"), "application/x-cache");
    CHECK_EQ(seen[0].header("x-amz-meta-cachekey"), "key");
    CHECK_EQ(seen[0].header("Content-Length"),
             std::to_string(fs::file_size("../cache/key/cache.zip")));
    CHECK_EQ(read_file("../cache/key/cache.zip"), seen[0].body);

    fs::create_directory("../fresh");
    fs::current_path("../fresh");
    auto get = run_helper({"cache-extractor", "--file", "../c2/key/cache.zip"},
                          {"MUSTER_CACHE_URL=" + remote.url("/key")});
    CAPTURE(get.err);
    REQUIRE_EQ(get.status, 0);
    CHECK(has(get.err,
              "Downloading cache.zip from " + remote.server.url() + "/key"));
    CHECK_FALSE(has(get.err, "hidden"));
    CHECK_EQ(read_file("vendor/lib"), "library");
    CHECK_EQ(read_file("../c2/key/metadata.json"),
             R"({"cachekey":"the \"key\""})");

    // The local file has the object's time, so that it is not fetched again.
    fs::remove_all("vendor");
    auto again
      = run_helper({"cache-extractor", "--file", "../c2/key/cache.zip"},
                   {"MUSTER_CACHE_URL=" + remote.url("/key")});
    CHECK_EQ(again.status, 0);
    CHECK(has(again.err, "cache.zip is up to date"));
    CHECK_EQ(read_file("vendor/lib"), "library");
  }
}

TEST_CASE("an archive is made again only when a file is newer") {
  scratch here;
  bucket remote;
  write_file("a", "1");
  age("a", std::chrono::hours{2});
  std::vector<std::string> words{"cache-archiver",  "--file", "../c/cache.zip",
                                 "--path",          "a",      "--url",
                                 remote.url("/key")};
  REQUIRE_EQ(run_helper(words).status, 0);
  auto same = run_helper(words);
  CHECK_EQ(same.status, 0);
  CHECK(has(same.err, "Archive is up to date!"));
  CHECK_EQ(remote.count("PUT"), 1);
  age("../c/cache.zip", std::chrono::hours{3});
  auto changed = run_helper(words);
  CHECK_EQ(changed.status, 0);
  CHECK_FALSE(has(changed.err, "up to date"));
  CHECK_EQ(remote.count("PUT"), 2);
}

TEST_CASE("with another key an archive that the store has lost goes up again") {
  scratch here;
  bucket remote;
  write_file("a", "1");
  age("a", std::chrono::hours{2});
  REQUIRE_EQ(run_helper({"cache-archiver", "--file", "../other/cache.zip",
                         "--path", "a"})
               .status,
             0);
  std::vector<std::string> words{"cache-archiver",
                                 "--file",
                                 "../c/cache.zip",
                                 "--alternate-file",
                                 "../other/cache.zip",
                                 "--path",
                                 "a",
                                 "--url",
                                 remote.url("/key"),
                                 "--check-url",
                                 remote.url("/key")};
  auto lost = run_helper(words);
  CAPTURE(lost.err);
  CHECK_EQ(lost.status, 0);
  CHECK_EQ(remote.count("PUT"), 1);
  auto there = run_helper(words);
  CHECK(has(there.err, "Archive is up to date!"));
  CHECK_EQ(remote.count("PUT"), 1);
}

TEST_CASE("the newer object of both keys is taken") {
  scratch here;
  bucket remote;
  auto put = [&remote](const std::string& key, const std::string& text) {
    write_file("a", text);
    REQUIRE_EQ(run_helper({"cache-archiver", "--file", "../" + key + ".zip",
                           "--path", "a", "--url", remote.url("/" + key)})
                 .status,
               0);
  };
  put("main", "main");
  put("other", "other");
  auto get = [&remote] {
    fs::remove("a");
    fs::remove("../local.zip");
    return run_helper({"cache-extractor", "--file", "../local.zip", "--url",
                       remote.url("/main"), "--head-url", remote.url("/main"),
                       "--alternate-url", remote.url("/other"),
                       "--alternate-head-url", remote.url("/other")});
  };
  remote.objects["/main"].second -= 100;
  CHECK_EQ(get().status, 0);
  CHECK_EQ(read_file("a"), "other");
  remote.objects["/main"].second += 200;
  CHECK_EQ(get().status, 0);
  CHECK_EQ(read_file("a"), "main");
  remote.objects.erase("/main");
  CHECK_EQ(get().status, 0);
  CHECK_EQ(read_file("a"), "other");
  remote.objects.clear();
  auto none = get();
  CHECK_EQ(none.status, 1);
  CHECK(has(none.err, "file does not exist"));
}

TEST_CASE("each answer of a store has its reaction") {
  struct row {
    std::vector<int> statuses;
    int status;
    size_t requests;
    const char* text;
  };
  const row rows[] = {
    {{500, 503}, 0, 3, "Retrying..."},
    {{500, 500, 500, 500}, 1, 3, "received: 500"},
    {{403}, 1, 1, "received: 403"},
    {{400}, 1, 1, "received: 400"},
  };
  for (const auto& r : rows) {
    scratch here;
    bucket remote;
    remote.server.fail_first(r.statuses);
    write_file("a", "1");
    auto put
      = run_helper({"cache-archiver", "--file", "../cache.zip", "--path", "a",
                    "--url", remote.url("/key"), "--retry-time", "1ms"});
    CAPTURE(put.err);
    CHECK_EQ(put.status, r.status);
    CHECK_EQ(remote.count("PUT"), r.requests);
    CHECK(has(put.err, r.text));
    if (r.status != 0)
      REQUIRE_EQ(run_helper({"cache-archiver", "--file", "../c2.zip", "--path",
                             "a", "--url", remote.url("/key")})
                   .status,
                 0);
    fs::remove("a");
    remote.server.fail_first(r.statuses);
    auto get = run_helper({"cache-extractor", "--file", "../c3.zip", "--url",
                           remote.url("/key"), "--retry-time", "1ms"});
    CAPTURE(get.err);
    CHECK_EQ(get.status, r.status);
    CHECK_EQ(remote.count("GET"), r.requests);
    CHECK(has(get.err, r.text));
    CHECK_EQ(fs::exists("a"), r.status == 0);
  }
}

TEST_CASE("a cache that is not there is told and fails") {
  scratch here;
  bucket remote;
  auto remote_one = run_helper(
    {"cache-extractor", "--file", "../c.zip", "--url", remote.url("/none")});
  CHECK_EQ(remote_one.status, 1);
  CHECK(has(remote_one.err, "file does not exist"));
  CHECK_EQ(remote.count("GET"), 1);
  auto local = run_helper({"cache-extractor", "--file", "../c.zip"});
  CHECK_EQ(local.status, 1);
  CHECK(has(local.err, "No URL provided, cache will not be downloaded"));
  CHECK(has(local.err, "file does not exist"));
}

TEST_CASE("nothing to cache is no failure; bad arguments are") {
  scratch here;
  auto none
    = run_helper({"cache-archiver", "--file", "../c.zip", "--path", "none"});
  CHECK_EQ(none.status, 0);
  CHECK(has(none.err, "No files to cache."));
  CHECK_FALSE(fs::exists("../c.zip"));
  auto no_file = run_helper({"cache-archiver", "--path", "none"});
  CHECK_EQ(no_file.status, 1);
  CHECK(has(no_file.err, "Missing --file"));
  CHECK_EQ(run_helper({"cache-extractor"}).status, 1);
}

TEST_CASE("an archive over the limit stays local") {
  scratch here;
  bucket remote;
  write_file("a", "1");
  auto big = run_helper({"cache-archiver", "--file", "../c.zip", "--path", "a"},
                        {"CACHE_MAX_UPLOADED_ARCHIVE_SIZE=10",
                         "MUSTER_CACHE_URL=" + remote.url("/key")});
  CHECK_EQ(big.status, 0);
  CHECK(has(big.err, "is too big (Limit is set to 10)"));
  CHECK_EQ(remote.count("PUT"), 0);
  CHECK(fs::exists("../c.zip"));
}

TEST_CASE("a URL may have a user and a password") {
  scratch here;
  bucket remote;
  write_file("a", "1");
  auto port = std::to_string(remote.server.port());
  auto put
    = run_helper({"cache-archiver", "--file", "../c.zip", "--path", "a"},
                 {"MUSTER_CACHE_URL=http://user:hidden@127.0.0.1:" + port});
  CHECK_EQ(put.status, 0);
  CHECK_FALSE(has(put.err, "hidden"));
  CHECK_EQ(remote.server.seen().at(0).header("Authorization"),
           "Basic dXNlcjpoaWRkZW4=");
}

TEST_CASE("without a URL caches stay local") {
  scratch here;
  write_file("a", "1");
  auto put
    = run_helper({"cache-archiver", "--file", "../c/cache.zip", "--path", "a"});
  CHECK_EQ(put.status, 0);
  CHECK(has(put.err, "No URL provided, cache will not be uploaded"));
  fs::remove("a");
  auto get = run_helper({"cache-extractor", "--file", "../c/cache.zip"});
  CHECK_EQ(get.status, 0);
  CHECK_EQ(read_file("a"), "1");
}

TEST_CASE("Azure takes the signature of the env file") {
  scratch here;
  bucket remote;
  write_file("a", "1");
  write_file("../env",
             "AZURE_STORAGE_ACCOUNT=account\nAZURE_STORAGE_DOMAIN="
               + remote.server.url()
               + "\nAZURE_STORAGE_SAS_TOKEN='sv=2021&sig=hid%2Fden'\n");
  auto put = run_helper({"cache-archiver", "--file", "../c.zip", "--path", "a",
                         "--gocloud-url", "azblob://box/some/key", "--env-file",
                         "../env"});
  CAPTURE(put.err);
  CHECK_EQ(put.status, 0);
  CHECK_FALSE(has(put.err, "hid%2Fden"));
  REQUIRE_EQ(remote.server.seen().size(), 1);
  auto seen = remote.server.seen()[0];
  CHECK_EQ(seen.path, "/account/box/some/key?sv=2021&sig=hid%2Fden");
  CHECK_EQ(seen.header("x-ms-blob-type"), "BlockBlob");
  fs::remove("a");
  fs::remove("../c.zip");
  auto get
    = run_helper({"cache-extractor", "--file", "../c.zip", "--gocloud-url",
                  "azblob://box/some/key", "--env-file", "../env"});
  CHECK_EQ(get.status, 0);
  CHECK_EQ(read_file("a"), "1");
}

TEST_CASE("S3 takes temporary credentials of the env file") {
  scratch here;
  bucket remote;
  write_file("a", "1");
  write_file("../env", "AWS_ACCESS_KEY_ID=AKID\n"
                       "AWS_SECRET_ACCESS_KEY=hidden-secret\n"
                       "AWS_SESSION_TOKEN=hidden-token\n");
  auto url = "s3://box/some/key?region=eu-west-1&use_path_style=true&endpoint="
             + remote.server.url();
  auto put = run_helper({"cache-archiver", "--file", "../c.zip", "--path", "a",
                         "--gocloud-url", url, "--env-file", "../env"});
  CAPTURE(put.err);
  CHECK_EQ(put.status, 0);
  CHECK_FALSE(has(put.err, "hidden"));
  REQUIRE_EQ(remote.server.seen().size(), 1);
  auto seen = remote.server.seen()[0];
  CHECK_EQ(seen.path, "/box/some/key");
  CHECK_EQ(seen.header("x-amz-security-token"), "hidden-token");
  CHECK(has(seen.header("Authorization"), "AWS4-HMAC-SHA256 Credential=AKID/"));
  CHECK(has(seen.header("Authorization"), "/eu-west-1/s3/aws4_request, "));
  auto without = run_helper({"cache-archiver", "--file", "../d.zip", "--path",
                             "a", "--gocloud-url", url});
  CHECK_EQ(without.status, 1);
  CHECK(has(without.err, "AWS_ACCESS_KEY_ID"));
  auto other = run_helper({"cache-archiver", "--file", "../e.zip", "--path",
                           "a", "--gocloud-url", "gs://box/key"});
  CHECK_EQ(other.status, 1);
  CHECK(has(other.err, "gs://"));
}
