#include "executors/docker/containers.hpp"

#include "tests/support/scripted_engine.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::docker;
using namespace muster::test;

namespace {

engine speaking(const std::string& version) {
  return {nullptr, version, true};
}

container_request request(const json& body) {
  container_request x;
  x.name = "c";
  x.body = secret{body.dump()};
  return x;
}

json body_of(const json& wanted, const create_facts& facts,
             const std::string& version = "1.41") {
  auto x = create_body(request(wanted), facts, speaking(version));
  REQUIRE(x.has_value());
  return *x;
}

} // namespace

TEST_CASE("a container's body gets what only the instance knows") {
  auto x
    = body_of({{"Env", {"A=b"}}, {"HostConfig", {{"ExtraHosts", {"x:1"}}}}},
              {"sha256:1", "", {"db:10.0.0.2"}, {"build"}, ""});
  CHECK_EQ(x["Image"], "sha256:1");
  CHECK_EQ(x["Env"], json({"A=b"}));
  CHECK_EQ(x["HostConfig"]["ExtraHosts"], json({"x:1", "db:10.0.0.2"}));
  CHECK_FALSE(x.contains("NetworkingConfig"));
}

TEST_CASE("aliases are for networks that have names") {
  create_facts facts{"i", "", {}, {"build", "c"}, ""};
  auto aliases = json({"build", "c"});
  auto named = json{{"HostConfig", {{"NetworkMode", "net"}}}};
  for (const char* version : {"1.41", "1.44"}) {
    auto x = body_of(named, facts, version);
    CHECK_EQ(x["NetworkingConfig"]["EndpointsConfig"]["net"]["Aliases"],
             aliases);
  }
  auto x = body_of(json::object(), facts, "1.44");
  CHECK_EQ(x["NetworkingConfig"]["EndpointsConfig"]["default"], json::object());
  facts.network = "job-net";
  x = body_of(named, facts);
  CHECK_EQ(x["HostConfig"]["NetworkMode"], "job-net");
  CHECK_EQ(x["NetworkingConfig"]["EndpointsConfig"]["job-net"]["Aliases"],
           aliases);
}

TEST_CASE("a container in another one's network has no endpoint and no hosts") {
  create_facts facts{"i", "", {"db:10.0.0.2"}, {"build"}, ""};
  auto x = body_of({{"HostConfig", {{"NetworkMode", "container:abc"}}}}, facts,
                   "1.44");
  CHECK_FALSE(x.contains("NetworkingConfig"));
  CHECK_EQ(x["HostConfig"]["ExtraHosts"], json::array());
}

TEST_CASE("a MAC address stands where the version of the API has it") {
  create_facts facts{"i", "", {}, {"build"}, ""};
  constexpr const char* mac = "92:d0:c6:0a:29:33";
  auto wanted = [mac](const char* network) {
    return json{{"HostConfig", {{"NetworkMode", network}}},
                {"NetworkingConfig",
                 {{"EndpointsConfig", {{network, {{"MacAddress", mac}}}}}}}};
  };
  auto x = body_of(wanted("default"), facts, "1.44");
  CHECK_EQ(x["NetworkingConfig"]["EndpointsConfig"]["default"],
           json({{"MacAddress", mac}}));
  CHECK_FALSE(
    body_of(wanted("default"), facts, "1.43").contains("NetworkingConfig"));
  x = body_of(wanted("net"), facts, "1.43");
  CHECK_EQ(x["NetworkingConfig"]["EndpointsConfig"]["net"],
           json({{"Aliases", {"build"}}}));
}

TEST_CASE("aliases that the manager chose stay, in whichever network") {
  create_facts facts{"i", "", {}, {"build"}, "job-net"};
  auto x = body_of({{"NetworkingConfig",
                     {{"EndpointsConfig", {{"old", {{"Aliases", {"own"}}}}}}}}},
                   facts);
  CHECK_EQ(x["NetworkingConfig"]["EndpointsConfig"],
           json({{"job-net", {{"Aliases", {"own"}}}}}));
}

TEST_CASE("a body that is no JSON is the manager's fault, and not shown") {
  container_request what;
  what.name = "c";
  what.body = secret{"{secret"};
  auto x = create_body(what, {}, speaking("1.41"));
  REQUIRE_FALSE(x.has_value());
  CHECK_EQ(x.error().text.find("secret"), std::string::npos);
}

TEST_CASE("a container in the way of a name goes first") {
  bool gone = false;
  scripted_engine engine{[&gone](const std::string& line) {
    if (line.rfind("DELETE", 0) == 0) {
      gone = true;
      return answer_of("204 No Content", "");
    }
    return gone ? answer_of("201 Created", R"({"Id":"new"})")
                : answer_of("409 Conflict", R"({"message":"name in use"})");
  }};
  auto id = create_container(engine.api(), "c", json::object(), "");
  REQUIRE(id.has_value());
  CHECK_EQ(*id, "new");
  CHECK_EQ(engine.requests().size(), 3);
}

TEST_CASE("what the configuration wants wrongly is refused at once, in the "
          "Engine's words") {
  scripted_engine engine{[](const std::string&) {
    return answer_of("400 Bad Request",
                     R"({"message":"invalid CPU set\nfor real"})");
  }};
  auto id = create_container(engine.api(), "c", json::object(), "");
  REQUIRE_FALSE(id.has_value());
  CHECK_EQ(static_cast<int>(id.error().code),
           static_cast<int>(plan_outcome::misconfigured));
  CHECK_NE(id.error().text.find("invalid CPU set for real"), std::string::npos);
  CHECK_EQ(engine.requests().size(), 1);
}

TEST_CASE("a removal that another one does is waited for") {
  int asked = 0;
  scripted_engine engine{[&asked](const std::string&) {
    return ++asked < 3 ? answer_of("409 Conflict", R"({"message":"removal of "
      "container c is already in progress"})")
                       : answer_of("404 Not Found", "{}");
  }};
  CHECK(remove_container(engine.api(), "c", true).has_value());
  CHECK_EQ(engine.requests().size(), 3);
  CHECK_EQ(engine.requests()[0].find("DELETE /v1.41/containers/c?force=1&v=1 "),
           0);
}
