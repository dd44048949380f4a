#include "config/keys.hpp"

#include <doctest/doctest.h>
#include <set>
#include <string>

using namespace muster;

TEST_CASE("every key stands in a section that is known") {
  std::set<std::string_view> paths;
  for (const auto& key : known_keys()) {
    CAPTURE(std::string{key.path});
    CHECK(paths.insert(key.path).second);
    CHECK(!key.meaning.empty());
    auto section = section_of(key.path);
    if (section.empty())
      continue;
    const auto* parent = find_key(section);
    REQUIRE(parent != nullptr);
    CHECK((parent->type == key_type::section
           || parent->type == key_type::section_list));
  }
}

TEST_CASE("nothing is acted on in a section that is not") {
  for (const auto& key : known_keys())
    if (const auto* parent = find_key(section_of(key.path));
        parent != nullptr && parent->status != key_status::acted_on) {
      CAPTURE(std::string{key.path});
      CHECK_NE(key.status, key_status::acted_on);
    }
}

TEST_CASE("keys are found exactly, else in any letter case") {
  REQUIRE(find_key_in("", "Concurrent") != nullptr);
  CHECK_EQ(find_key_in("", "CONCURRENT")->path, "concurrent");
  CHECK_EQ(find_key_in("runners.cache", "type")->path, "runners.cache.Type");
  CHECK_EQ(find_key_in("runners.autoscaler.policy", "idle_cnt"), nullptr);
  CHECK_EQ(find_key_in("runners", "tls_ca_file"), nullptr);
  CHECK_EQ(section_header("runners.autoscaler.policy"),
           "[[runners.autoscaler.policy]]");
  CHECK_EQ(section_header("runners.docker"), "[runners.docker]");
}

TEST_CASE("names of secrets are recognised, names of files are not") {
  for (const auto* name :
       {"token", "Token", "password", "SecretKey", "AccessKey", "SessionToken",
        "PrivateKey", "AccountKey", "environment", "client_secret",
        "sentry_dsn", "registry_credentials"})
    CHECK(holds_secret(name));
  for (const auto* name :
       {"name", "url", "key_path", "credentials_file", "CredentialsFile",
        "token_expires_at", "use_static_credentials", "idle_count", "AccessID"})
    CHECK(!holds_secret(name));
}
