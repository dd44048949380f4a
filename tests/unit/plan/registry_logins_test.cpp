#include "executors/plan/registry_logins.hpp"

#include "executors/cache/digest.hpp"

#include <doctest/doctest.h>
#include <map>
#include <nlohmann/json.hpp>

using namespace muster;
using json = nlohmann::json;

namespace {

/// What X-Registry-Auth says.
json auth_of(const registry_login& x) {
  auto text = x.auth.reveal();
  for (auto& c : text)
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  auto bytes = base64_decoded(text);
  REQUIRE(bytes);
  return json::parse(*bytes);
}

/// Programs that answer from a table of `NAME COMMAND INPUT`.
login_sources sources(const std::map<std::string, std::string>& answers = {}) {
  login_sources from;
  from.file_path = "/root/.docker/config.json";
  from.ask
    = [answers](const std::string& name, const std::string& command,
                const std::string& input) -> result<std::string, config_errc> {
    auto found = answers.find(name + ' ' + command + ' ' + input);
    if (found == answers.end())
      return fail(config_errc::not_valid, "credentials not found");
    return found->second;
  };
  return from;
}

struct collected {
  std::vector<registry_login> logins;
  std::vector<std::string> warnings;
};

collected collect(const login_sources& from, const job_payload& job = {}) {
  collected out;
  out.logins = collect_logins(from, job, out.warnings);
  return out;
}

} // namespace

TEST_CASE("the first source of logins for a registry counts") {
  auto from = sources();
  from.auth_config = R"({"auths": {"a.example.com": {"auth": ")"
                     + base64_of("u:p:q") + R"("}}})";
  from.file = R"({"auths": {
    "https://a.example.com/v2/": {"username": "no", "password": "no"},
    "b.example.com/g": {"username": "b", "password": "?>"}}})";
  job_payload job;
  job.credentials = {{"registry", "b.example.com/g", "no", secret{"no"}},
                     {"registry", "c.example.com", "job", secret{"token"}},
                     {"other", "d.example.com", "no", secret{"no"}}};
  auto found = collect(from, job);
  CHECK(found.warnings.empty());
  REQUIRE_EQ(found.logins.size(), 3);
  CHECK_EQ(found.logins[0].registry, "a.example.com");
  CHECK_EQ(found.logins[0].source, "$DOCKER_AUTH_CONFIG");
  CHECK_EQ(auth_of(found.logins[0]),
           json({{"username", "u"},
                 {"password", "p:q"},
                 {"serveraddress", "a.example.com"}}));
  CHECK_EQ(found.logins[1].registry, "b.example.com/g");
  CHECK_EQ(found.logins[1].source, "/root/.docker/config.json");
  CHECK_EQ(auth_of(found.logins[1])["password"], "?>");
  CHECK_EQ(found.logins[2].source, "job payload (GitLab Registry)");
  CHECK_EQ(auth_of(found.logins[2])["username"], "job");
}

TEST_CASE("programs know more than a file") {
  auto from = sources(
    {{"store list ", R"({"https://index.docker.io/v1/": "u", "x.com": "u"})"},
     {"store get https://index.docker.io/v1/",
      R"({"Username": "hub", "Secret": "s"})"},
     {"store get x.com", R"({"Username": "<token>", "Secret": "t"})"},
     {"own get y.com", R"({"Username": "y", "Secret": "own"})"}});
  from.file = R"({"auths": {"y.com": {"username": "y", "password": "file"},
                            "x.com": {}},
                  "credsStore": "store", "credHelpers": {"y.com": "own",
                  "nobody.com": "own"}})";
  auto found = collect(from);
  CHECK(found.warnings.empty());
  std::map<std::string, json> users;
  for (const auto& x : found.logins)
    users[x.registry] = auth_of(x);
  CHECK_EQ(users.size(), 3);
  CHECK_EQ(users["docker.io"]["username"], "hub");
  CHECK_EQ(users["x.com"]["identitytoken"], "t");
  CHECK(!users["x.com"].contains("username"));
  CHECK_EQ(users["y.com"]["password"], "own");
}

TEST_CASE("a program of one registry comes before the file's own entry") {
  auto from
    = sources({{"own get y.com", R"({"Username": "y", "Secret": "own"})"}});
  from.file = R"({"auths": {"https://y.com": {"username": "y",
                  "password": "file"}}, "credHelpers": {"y.com": "own"}})";
  auto found = collect(from);
  REQUIRE_EQ(found.logins.size(), 1);
  CHECK_EQ(auth_of(found.logins[0])["password"], "own");
  CHECK_EQ(auth_of(found.logins[0])["serveraddress"], "y.com");
}

TEST_CASE("the old form of the file has registries at its top") {
  auto from = sources();
  from.file = R"({"a.com": {"auth": ")" + base64_of("u:p") + R"("}})";
  auto found = collect(from);
  REQUIRE_EQ(found.logins.size(), 1);
  CHECK_EQ(auth_of(found.logins[0])["username"], "u");
}

TEST_CASE("what cannot be read is a warning, without what is secret in it") {
  job_payload job;
  job.credentials = {{"registry", "c.example.com", "job", secret{"token"}}};
  for (const auto* text :
       {"hunter2", "[\"hunter2\"]", R"({"credsStore": "bad", "auths": 1})",
        R"({"credHelpers": {"a": 5, "b": "bad"}, "auths": {"c": "hunter2"}})",
        R"({"auths": {"a": {"auth": "%%% hunter2"}}, "credHelpers": []})"}) {
    CAPTURE(text);
    auto from
      = sources({{"bad list ", "hunter2"}, {"bad get b", "[\"hunter2\"]"}});
    from.auth_config = text;
    auto found = collect(from, job);
    CHECK_LE(found.warnings.size(), 1);
    for (const auto& line : found.warnings)
      CHECK_EQ(line.find("hunter2"), std::string::npos);
    REQUIRE_EQ(found.logins.size(), 1);
    CHECK_EQ(found.logins[0].registry, "c.example.com");
  }
}
