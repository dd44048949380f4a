#include "tools/muster/fleeting/docker_config.hpp"

#include "executors/cache/digest.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>

using namespace muster;
using namespace muster::fleeting;

namespace {

std::string auths(const std::string& key, const std::string& value) {
  return fmt::format(R"({{"auths":{{"{}":{}}}}})", key, value);
}

std::string auth(const std::string& pair) {
  return fmt::format(R"({{"auth":"{}"}})", base64_of(pair));
}

} // namespace

TEST_CASE("a registry's user is found in Docker's file") {
  struct row {
    std::string text;
    const char* registry;
    const char* name;
    const char* password;
  };
  const row rows[] = {
    {auths("r.example.com", auth("me:pass:word")), "r.example.com", "me",
     "pass:word"},
    {auths("r.example.com:5000", auth("me:p")), "r.example.com:5000", "me",
     "p"},
    {auths("r.example.com:5000", auth("me:p")), "r.example.com", "", ""},
    {auths("https://r.example.com/v1/", auth("me:p")), "r.example.com", "me",
     "p"},
    {auths("https://index.docker.io/v1/", auth("me:p")), "docker.io", "me",
     "p"},
    {auths("r.example.com", R"({"username":"me","password":"p"})"),
     "r.example.com", "me", "p"},
    {auths("r.example.com", auth(std::string{"me:p\0", 5})), "r.example.com",
     "me", "p"},
    {auths("r.example.com", "{}"), "r.example.com", "", ""},
    {auths("r.example.com", "7"), "r.example.com", "", ""},
    {R"({"auths":[]})", "r.example.com", "", ""},
    {"{}", "r.example.com", "", ""},
    {"", "r.example.com", "", ""},
    {" \n", "r.example.com", "", ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto found = find_entry(r.text, r.registry);
    REQUIRE(found);
    CHECK_EQ(found->user.name, r.name);
    CHECK_EQ(found->user.password.reveal(), r.password);
    CHECK_EQ(found->user.is_known(), *r.name != '\0');
    CHECK(found->helper.empty());
  }
  auto token = find_entry(auths("r.example.com", R"({"identitytoken":"t"})"),
                          "r.example.com");
  REQUIRE(token);
  CHECK(token->user.is_known());
  CHECK_EQ(token->user.identity_token.reveal(), "t");
}

TEST_CASE("the credential helper of a registry is found") {
  const auto* text = R"({"credsStore":"pass",
    "credHelpers":{"r.example.com":"gcloud"}})";
  CHECK_EQ(find_entry(text, "r.example.com").value().helper, "gcloud");
  CHECK_EQ(find_entry(text, "s.example.com").value().helper, "pass");
}

TEST_CASE("a file of Docker's that is none is refused, without its secrets") {
  const std::string texts[] = {
    "[]", "{", "auths = 1", auths("r.example.com", R"({"auth":"%%%hidden"})"),
    auths("r.example.com", auth("hidden"))};
  for (const auto& text : texts) {
    auto found = find_entry(text, "r.example.com");
    REQUIRE_MESSAGE(!found, text);
    CHECK_EQ(found.error().text.find("hidden"), std::string::npos);
  }
}

TEST_CASE("a user is added to Docker's file, and all else stays") {
  registry_user me{"me", secret{"p\xc3\xa4ss"}, {}};
  auto made = with_entry("", "r.example.com", me);
  REQUIRE(made);
  auto read = find_entry(*made, "r.example.com");
  REQUIRE(read);
  CHECK_EQ(read->user.name, "me");
  CHECK_EQ(read->user.password.reveal(), "p\xc3\xa4ss");
  auto more = with_entry(R"({"detachKeys":"ctrl-x","auths":{"a.example":{}}})",
                         "docker.io", me);
  REQUIRE(more);
  for (const auto* part : {"\"detachKeys\": \"ctrl-x\"", "\"a.example\": {}",
                           "\"https://index.docker.io/v1/\": {"})
    CHECK_MESSAGE(more->find(part) != std::string::npos, *more);
  auto other = with_entry(*made, "r.example.com", {"you", secret{"q"}, {}});
  CHECK_EQ(find_entry(other.value(), "r.example.com").value().user.name, "you");
  CHECK(!with_entry("[]", "r.example.com", me));
  CHECK(!with_entry(R"({"auths":7})", "r.example.com", me));
}

TEST_CASE("a credential helper is spoken with in JSON") {
  CHECK_EQ(helper_request("docker.io", {"me", secret{"p\"q"}, {}}),
           R"({"ServerURL":"https://index.docker.io/v1/","Username":"me",)"
           R"("Secret":"p\"q"})");
  auto user = parse_helper_answer(R"({"Username":"me","Secret":"p"})");
  REQUIRE(user);
  CHECK_EQ(user->name, "me");
  CHECK_EQ(user->password.reveal(), "p");
  auto token = parse_helper_answer(R"({"Username":"<token>","Secret":"t"})");
  REQUIRE(token);
  CHECK(token->name.empty());
  CHECK_EQ(token->identity_token.reveal(), "t");
  CHECK(!parse_helper_answer("no JSON"));
}
