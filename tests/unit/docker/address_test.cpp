#include "executors/docker/address.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <map>

using namespace muster::docker;

TEST_CASE("addresses are read as DOCKER_HOST has them") {
  struct row {
    const char* text;
    const char* expected; ///< empty: refused
  };
  const row rows[] = {
    {"unix:///var/run/docker.sock", "unix:///var/run/docker.sock"},
    {"tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"},
    {"tcp://[::1]:2375", "tcp://::1:2375"},
    {"http://engine:80/", "tcp://engine:80"},
    {"unix://docker.sock", ""},
    {"unix://", ""},
    {"tcp://host", ""},
    {"tcp://:2375", ""},
    {"tcp://host:0", ""},
    {"tcp://host:99999", ""},
    {"tcp://host:23x", ""},
    {"ssh://user@host", ""},
    {"npipe:////./pipe/docker_engine", ""},
    {"/var/run/docker.sock", ""},
    {"", ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto x = parse_address(r.text);
    CHECK_EQ(x.has_value(), *r.expected != '\0');
    if (x)
      CHECK_EQ(to_string(*x), r.expected);
    else
      CHECK_NE(x.error().text.find("set `host` in [runners.docker]"),
               std::string::npos);
  }
}

TEST_CASE("the login user's Engine is that of docker's own rules") {
  namespace fs = std::filesystem;
  char name[] = "/tmp/muster-context-XXXXXX";
  REQUIRE_NE(::mkdtemp(name), nullptr);
  fs::path home = name;
  auto meta = home / ".docker/contexts/meta/aaaa";
  fs::create_directories(meta);
  std::ofstream{meta / "meta.json"}
    << R"({"Name":"rootless","Endpoints":{"docker":{"Host":"unix:///run/user/1/docker.sock"}}})";
  fs::create_directories(home / ".docker/contexts/meta/bbbb");
  std::ofstream{home / ".docker/contexts/meta/bbbb/meta.json"} << "{ broken";
  std::map<std::string, std::string> variables{{"HOME", home}};
  auto address = [&variables] {
    return login_address(
      [&variables](const std::string& name) -> std::optional<std::string> {
        auto found = variables.find(name);
        return found != variables.end() ? std::optional{found->second}
                                        : std::nullopt;
      });
  };
  CHECK_EQ(address(), "unix:///var/run/docker.sock");
  std::ofstream{home / ".docker/config.json"}
    << R"({"currentContext":"rootless"})";
  CHECK_EQ(address(), "unix:///run/user/1/docker.sock");
  variables["DOCKER_CONTEXT"] = "default";
  CHECK_EQ(address(), "unix:///var/run/docker.sock");
  variables["DOCKER_CONTEXT"] = "unknown";
  CHECK_EQ(address(), "unix:///var/run/docker.sock");
  variables["DOCKER_CONTEXT"] = "rootless";
  CHECK_EQ(address(), "unix:///run/user/1/docker.sock");
  variables["DOCKER_HOST"] = "tcp://1.2.3.4:2375";
  CHECK_EQ(address(), "tcp://1.2.3.4:2375");
  fs::remove_all(home);
}

TEST_CASE("an Engine that cannot be reached is told with what to do") {
  char name[] = "/tmp/muster-dial-XXXXXX";
  REQUIRE_NE(::mkdtemp(name), nullptr);
  auto missing = std::string{name} + "/docker.sock";
  auto x = make_socket_dialer({missing, "", 0})->dial();
  REQUIRE_FALSE(x.has_value());
  CHECK_EQ(x.error().code, engine_errc::unreachable);
  CHECK_NE(x.error().text.find(missing), std::string::npos);
  CHECK_NE(x.error().text.find("is a Docker Engine installed"),
           std::string::npos);
  std::ofstream{missing} << "";
  x = make_socket_dialer({missing, "", 0})->dial();
  REQUIRE_FALSE(x.has_value());
  CHECK_NE(x.error().text.find("is not running"), std::string::npos);
  x = make_socket_dialer({std::string(200, 'x'), "", 0})->dial();
  REQUIRE_FALSE(x.has_value());
  CHECK_NE(x.error().text.find("longer than 107"), std::string::npos);
  std::filesystem::remove_all(name);
}
