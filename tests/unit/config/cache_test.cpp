#include "config/load.hpp"
#include "tests/support/test_key.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <unistd.h>

using namespace muster;

namespace {

const std::string head = R"(concurrent = 10
[[runners]]
url = "https://gitlab.example.com"
token = "glrt-abc"
executor = "instance"
[runners.autoscaler]
plugin = "local"
[runners.cache]
)";

/// The same within a string.
std::string key_in_json() {
  std::string out;
  for (char c : std::string_view{test::private_key})
    out += c == '\n' ? std::string{"\\n"} : std::string{c};
  return out;
}

using variables = std::map<std::string, std::string>;

loaded_config load(const std::string& cache,
                   const variables& environment = {}) {
  load_options options;
  options.mode = check_mode::strict;
  options.state_dir = "/state";
  options.variable
    = [environment](const std::string& name) -> std::optional<std::string> {
    auto found = environment.find(name);
    if (found == environment.end())
      return std::nullopt;
    return found->second;
  };
  return parse_config(head + cache, "config.toml", options);
}

const cache_config& cache_of(const loaded_config& x) {
  REQUIRE_EQ(x.value.runners.size(), 1);
  return x.value.runners[0].cache;
}

std::string said(const loaded_config& x) {
  std::string out;
  for (const auto& d : x.diagnostics)
    if (d.level > severity::notice)
      out += d.key_path + ": " + d.message + '\n';
  return out;
}

const std::string s3 = R"(Type = "s3"
[runners.cache.s3]
)";
const std::string s3_keys = R"(ServerAddress = "h:9000"
AccessKey = "id"
SecretKey = "very secret"
)";
const std::string bucket = "BucketName = \"b\"\n";
const std::string gcs = R"(Type = "gcs"
[runners.cache.gcs]
BucketName = "b"
)";
const std::string azure = R"(Type = "azure"
[runners.cache.azure]
ContainerName = "c"
)";

} // namespace

TEST_CASE("without a type caches are local") {
  auto x = load("Path = \"a//b/\"\nShared = true\n"
                "MaxUploadedArchiveSize = 5000000000\n");
  CHECK_EQ(said(x), "");
  CHECK_EQ(cache_of(x).type, cache_type::local);
  CHECK_EQ(cache_of(x).path, "a/b");
  CHECK(cache_of(x).shared);
  CHECK_EQ(cache_of(x).uploaded_max_bytes, 5'000'000'000);
}

TEST_CASE("all of an S3 store's keys are read") {
  auto x = load(s3 + s3_keys + bucket + R"(SessionToken = "tok"
BucketLocation = "eu-west-1"
Insecure = true
AuthenticationType = "access-key"
ServerSideEncryption = "KMS"
ServerSideEncryptionKeyID = "arn"
DualStack = false
PathStyle = true
Accelerate = true
)");
  CHECK_EQ(said(x), "");
  const auto& cache = cache_of(x);
  CHECK_EQ(cache.type, cache_type::s3);
  CHECK_EQ(cache.s3.server_address, "h:9000");
  CHECK_EQ(cache.s3.access_key, "id");
  CHECK_EQ(cache.s3.secret_key.reveal(), "very secret");
  CHECK_EQ(cache.s3.session_token.reveal(), "tok");
  CHECK_EQ(cache.s3.bucket, "b");
  CHECK_EQ(cache.s3.region, "eu-west-1");
  CHECK(cache.s3.insecure);
  CHECK_EQ(cache.s3.encryption, "aws:kms");
  CHECK_EQ(cache.s3.encryption_key, "arn");
  CHECK_FALSE(cache.s3.dual_stack);
  CHECK_EQ(cache.s3.path_style, std::optional{true});
  CHECK(cache.s3.accelerate);
}

TEST_CASE("an S3 store has the documented defaults") {
  auto x = load(s3 + s3_keys + bucket);
  const auto& store = cache_of(x).s3;
  CHECK_EQ(store.region, "us-east-1");
  CHECK_FALSE(store.insecure);
  CHECK(store.dual_stack);
  CHECK_EQ(store.path_style, std::nullopt);
  CHECK_EQ(store.encryption, "");
}

TEST_CASE("a scheme before an S3 server's address is understood") {
  auto x = load(s3 + bucket + R"(ServerAddress = "http://h:9000/"
AccessKey = "id"
SecretKey = "s"
)");
  CHECK_EQ(cache_of(x).s3.server_address, "h:9000");
  CHECK(cache_of(x).s3.insecure);
}

TEST_CASE("the machine's credentials for S3 come from the environment") {
  const variables environment{{"AWS_ACCESS_KEY_ID", "env"},
                              {"AWS_SECRET_ACCESS_KEY", "its secret"},
                              {"AWS_SESSION_TOKEN", "tok"}};
  auto x = load(s3 + bucket, environment);
  CHECK_EQ(said(x), "");
  CHECK_EQ(cache_of(x).s3.access_key, "env");
  CHECK_EQ(cache_of(x).s3.secret_key.reveal(), "its secret");
  CHECK_EQ(cache_of(x).s3.session_token.reveal(), "tok");
  x = load(s3 + s3_keys + bucket, environment);
  CHECK_EQ(cache_of(x).s3.access_key, "id");
  x = load(s3 + s3_keys + bucket + "AuthenticationType = \"iam\"\n",
           environment);
  CHECK_EQ(cache_of(x).s3.access_key, "env");
}

TEST_CASE("a store that cannot be used is told, and caches are local") {
  struct row {
    const char* what;
    std::string text;
    const char* said;
  };
  const auto usable = s3 + s3_keys + bucket;
  const row rows[] = {
    {"type", "Type = \"S4\"\n", "runners.cache.Type: unknown Type \"S4\""},
    {"no table", "Type = \"s3\"\n", "takes a table [runners.cache.s3]"},
    {"no bucket", s3 + s3_keys,
     "runners.cache.s3.BucketName: BucketName is missing"},
    {"role", usable + "RoleARN = \"arn:x\"\n", "RoleARN is not supported"},
    {"upload role", usable + "UploadRoleARN = \"arn:x\"\n",
     "UploadRoleARN is not supported"},
    {"no keys", s3 + bucket, "credentials of the machine's own role (iam)"},
    {"half of the keys",
     s3 + bucket + "AccessKey = \"id\"\nAuthenticationType = \"access-key\"\n",
     "takes AccessKey and SecretKey"},
    {"authentication", usable + "AuthenticationType = \"x\"\n",
     "unknown AuthenticationType"},
    {"encryption", usable + "ServerSideEncryption = \"x\"\n",
     "unknown ServerSideEncryption"},
    {"address",
     s3 + bucket
       + "ServerAddress = \"h/path\"\nAccessKey = \"id\"\nSecretKey = \"s\"\n",
     "is not a host"},
    {"no account of Google's", gcs,
     "the machine's own service account is not supported"},
    {"no file of Google's", gcs + "CredentialsFile = \"/nowhere/x.json\"\n",
     "runners.cache.gcs.CredentialsFile: "},
    {"no key of Google's", gcs + "AccessID = \"a\"\nPrivateKey = \"KEY\"\n",
     "PrivateKey is not an RSA key in PEM"},
    {"no account of Azure's", azure, "AccountName is missing"},
    {"managed identity", azure + "AccountName = \"a\"\n",
     "managed identity is not supported"},
    {"no key of Azure's",
     azure + "AccountName = \"a\"\nAccountKey = \"not base64!\"\n",
     "AccountKey is not base64"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto x = load(r.text);
    CAPTURE(said(x));
    CHECK_NE(said(x).find(r.said), std::string::npos);
    CHECK_NE(said(x).find("caches stay on their instances"), std::string::npos);
    CHECK_EQ(cache_of(x).type, cache_type::local);
    CHECK_FALSE(x.passed); // strict
    for (const auto& d : x.diagnostics)
      for (const auto* hidden : {"very secret", "not base64!"})
        CHECK_EQ(format_diagnostic(d, x.source).find(hidden),
                 std::string::npos);
  }
}

TEST_CASE("a prefix cannot lead elsewhere") {
  auto x = load("Path = \"../a/./b\"\n");
  CHECK_EQ(cache_of(x).path, "a/b");
  CHECK_NE(said(x).find("parts that lead elsewhere"), std::string::npos);
}

TEST_CASE("Google's credentials come from a file, or from the configuration") {
  char name[] = "/tmp/muster-gcs-XXXXXX";
  auto fd = ::mkstemp(name);
  REQUIRE_GE(fd, 0);
  ::close(fd);
  auto write
    = [&name](const std::string& text) { std::ofstream{name} << text; };
  const auto file
    = gcs + "CredentialsFile = \"" + name + "\"\nAccessID = \"not this\"\n";
  write(
    R"({"type": "service_account", "client_email": "ci@x", "private_key": ")"
    + key_in_json() + "\"}");
  auto x = load(file);
  CHECK_EQ(said(x), "");
  CHECK_EQ(cache_of(x).type, cache_type::gcs);
  CHECK_EQ(cache_of(x).gcs.access_id, "ci@x");
  CHECK_EQ(cache_of(x).gcs.private_key.reveal(), test::private_key);
  CHECK_EQ(cache_of(x).gcs.universe_domain, "googleapis.com");
  for (const auto* bad :
       {"", "[]", R"({"type": "authorized_user"})",
        R"({"type": "service_account"})",
        R"({"type": "service_account", "client_email": "a"})"}) {
    CAPTURE(bad);
    write(bad);
    CHECK_EQ(cache_of(load(file)).type, cache_type::local);
  }
  std::filesystem::remove(name);
  x = load(gcs + "AccessID = \"a\"\nUniverseDomain = \"example.org\"\n"
           + "PrivateKey = '''\n" + test::private_key + "'''\n");
  CHECK_EQ(said(x), "");
  CHECK_EQ(cache_of(x).gcs.private_key.reveal(), test::private_key);
  CHECK_EQ(cache_of(x).gcs.universe_domain, "example.org");
  x = load(gcs + "AccessID = \"a\"\nPrivateKey = '" + key_in_json() + "'\n");
  CHECK_EQ(cache_of(x).gcs.private_key.reveal(), test::private_key);
}

TEST_CASE("all of an Azure store's keys are read") {
  auto x = load(azure + "AccountName = \"a\"\nAccountKey = \"a2V5\"\n");
  CHECK_EQ(said(x), "");
  CHECK_EQ(cache_of(x).type, cache_type::azure);
  CHECK_EQ(cache_of(x).azure.account, "a");
  CHECK_EQ(cache_of(x).azure.account_key.reveal(), "a2V5");
  CHECK_EQ(cache_of(x).azure.container, "c");
  CHECK_EQ(cache_of(x).azure.storage_domain, "blob.core.windows.net");
}
