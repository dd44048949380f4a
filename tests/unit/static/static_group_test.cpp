#include "providers/static/static_group.hpp"

#include <cerrno>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

struct fixture {
  fs::path folder;
  connector_config connector;
  int keys_read = 0;

  fixture() {
    auto name = (fs::temp_directory_path() / "muster-static-XXXXXX").string();
    REQUIRE_NE(mkdtemp(name.data()), nullptr);
    folder = name;
    connector.username = "ci";
    connector.key_path = "/the/key";
  }

  ~fixture() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  static instance_group::deadline soon() {
    return std::chrono::steady_clock::now() + 30s;
  }

  /// Not begun yet.
  std::unique_ptr<static_group> make(const char* plugin_config) {
    auto options = given::parse_options(plugin_config);
    REQUIRE_MESSAGE(options, options.error().text);
    auto read
      = [this](const std::string& path,
               const secret& passphrase) -> result<secret, provider_errc> {
      ++keys_read;
      if (path == "/none")
        return fail(provider_errc::bad_config, "no such file");
      return secret{"key of " + path + " with " + passphrase.reveal()};
    };
    return std::make_unique<static_group>(*options, connector, folder.string(),
                                          read);
  }

  std::unique_ptr<static_group> begun(const char* plugin_config) {
    auto made = make(plugin_config);
    auto info = made->init(soon());
    REQUIRE_MESSAGE(info, info.error().text);
    return made;
  }

  static std::vector<std::string> listed(static_group& x) {
    std::vector<std::string> out;
    auto all = *x.update(soon());
    for (const auto& one : all) {
      CHECK_EQ(one.state, provider_instance_state::running);
      out.push_back(one.id);
    }
    return out;
  }

  std::string state_file() const {
    std::ifstream in{folder / "static" / "static.json"};
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
  }
};

using names = std::vector<std::string>;

} // namespace

TEST_CASE("instances are free hosts, and come back free") {
  fixture f;
  auto x = f.begun(R"({"hosts": ["a", "b", "c"]})");
  CHECK_EQ(f.listed(*x), names{});
  CHECK_EQ(x->increase(2, f.soon()), 2);
  CHECK_EQ(f.listed(*x), names{"a", "b"});
  CHECK_EQ(x->increase(5, f.soon()), 1);
  CHECK_EQ(x->increase(1, f.soon()), 0);
  CHECK_EQ(x->decrease({"b", "nobody"}, f.soon()), names{"b"});
  CHECK_EQ(f.listed(*x), names{"a", "c"});
  CHECK(x->heartbeat("a", f.soon()));
  CHECK_EQ(x->heartbeat("b", f.soon()).error().code, provider_errc::not_found);
  CHECK_EQ(x->get_connect_info("b", f.soon()).error().code,
           provider_errc::not_found);
}

TEST_CASE("a group is named, and has as many instances as there are hosts") {
  fixture f;
  auto x = f.make(R"({"name": "rack", "hosts": ["a", "b"]})");
  auto info = x->init(f.soon());
  REQUIRE(info);
  CHECK_EQ(info->id, "static/rack");
  CHECK_EQ(info->max_size, 2);
  CHECK(info->keeps_instances);
}

TEST_CASE("the next manager finds the hosts that are in use") {
  fixture f;
  f.begun(R"({"hosts": ["a", "b", "c"]})")->increase(2, f.soon());
  struct stat about = {};
  REQUIRE_EQ(stat((f.folder / "static" / "static.json").c_str(), &about), 0);
  CHECK_EQ(about.st_mode & 0777, 0600);
  SUBCASE("as they were") {
    auto next = f.begun(R"({"hosts": ["c", "b", "a"]})");
    CHECK_EQ(f.listed(*next), names{"b", "a"});
  }
  SUBCASE("those that are still in the list") {
    auto next = f.begun(R"({"hosts": ["b", "d"]})");
    CHECK_EQ(f.listed(*next), names{"b"});
  }
  SUBCASE("a damaged file is done without") {
    std::ofstream{f.folder / "static" / "static.json"} << "{\"used\": 5";
    auto next = f.begun(R"({"hosts": ["a"]})");
    CHECK_EQ(f.listed(*next), names{});
    CHECK_NE(f.state_file().find("\"version\": 1"), std::string::npos);
  }
  SUBCASE("a file of a newer version is refused") {
    std::ofstream{f.folder / "static" / "static.json"} << "{\"version\": 2}";
    auto next = f.make(R"({"hosts": ["a"]})");
    CHECK_EQ(next->init(f.soon()).error().code, provider_errc::bad_config);
  }
}

TEST_CASE("a disk that takes only the beginning is told as full") {
  fixture f;
  auto x = f.begun(R"({"hosts": ["a", "b", "c"]})");
  rlimit before{};
  REQUIRE_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit little{5, before.rlim_max};
  REQUIRE_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  errno = EAGAIN; // of whatever was before
  auto added = x->increase(1, f.soon());
  REQUIRE_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  REQUIRE_FALSE(added.has_value());
  CHECK_NE(added.error().text.find("No space left on device"),
           std::string::npos);
}

TEST_CASE("two groups do not share a name") {
  fixture f;
  auto first = f.begun(R"({"hosts": ["a"]})");
  auto second = f.make(R"({"hosts": ["b"]})");
  auto refused = second->init(std::chrono::steady_clock::now() + 100ms);
  REQUIRE_FALSE(refused);
  CHECK_NE(refused.error().text.find("another runner has the group \"static\""),
           std::string::npos);
  first.reset();
  CHECK(second->init(f.soon()));
}

TEST_CASE("a host that failed is named while it pauses") {
  fixture f;
  auto x = f.begun(R"({"hosts": ["a"]})");
  CHECK_EQ(x->increase(1, f.soon()), 1);
  x->failed({"a"});
  x->decrease({"a"}, f.soon());
  auto refused = x->increase(1, f.soon());
  REQUIRE_FALSE(refused);
  CHECK_EQ(refused.error().code, provider_errc::not_available);
  CHECK_NE(refused.error().text.find("(a)"), std::string::npos);
}

TEST_CASE("a host's own settings win, and its credentials stand alone") {
  fixture f;
  f.connector.password = secret{"group-password"};
  f.connector.key_passphrase = secret{"phrase"};
  f.connector.protocol_port = 2022;
  f.connector.keepalive = 40s;
  auto x = f.begun(R"({"hosts": [
    "plain", {"address": "pw", "password": "own"},
    {"address": "keyed", "key": "TEXT", "username": "root", "port": 99,
     "timeout": "1m", "host_key": "ssh-ed25519 AAAA"},
    {"address": "path", "key_path": "/other"},
    {"address": "same", "key_path": "/other", "key_passphrase": "mine"}]})");
  CHECK_EQ(f.keys_read, 3);
  REQUIRE_EQ(x->increase(5, f.soon()), 5);
  auto of = [&](const char* id) { return *x->get_connect_info(id, f.soon()); };
  auto plain = of("plain");
  CHECK_EQ(plain.host, "plain");
  CHECK_EQ(plain.port, 2022);
  CHECK_EQ(plain.username, "ci");
  CHECK_EQ(plain.key.reveal(), "key of /the/key with phrase");
  CHECK_EQ(plain.password.reveal(), "group-password");
  CHECK_EQ(plain.keepalive_ms, 40'000);
  CHECK_EQ(plain.timeout_ms, 600'000);
  CHECK(plain.host_key.empty());
  auto pw = of("pw");
  CHECK(pw.key.empty());
  CHECK_EQ(pw.password.reveal(), "own");
  auto keyed = of("keyed");
  CHECK_EQ(keyed.key.reveal(), "TEXT");
  CHECK(keyed.password.empty());
  CHECK_EQ(keyed.username, "root");
  CHECK_EQ(keyed.port, 99);
  CHECK_EQ(keyed.timeout_ms, 60'000);
  CHECK_EQ(keyed.host_key, "ssh-ed25519 AAAA");
  CHECK_EQ(of("path").key.reveal(), "key of /other with phrase");
  CHECK_EQ(of("same").key.reveal(), "key of /other with mine");
}

TEST_CASE("the address is the internal one unless the other is wanted") {
  fixture f;
  constexpr auto config = R"({"instances": {
    "both": {"internal_addr": "in", "external_addr": "out"},
    "in": {"internal_addr": "in"}, "out": {"external_addr": "out"}}})";
  bool external = false;
  SUBCASE("internal") {
  }
  SUBCASE("external") {
    external = true;
  }
  f.connector.use_external_addr = external;
  auto x = f.begun(config);
  x->increase(3, f.soon());
  CHECK_EQ(x->get_connect_info("both", f.soon())->host,
           external ? "out" : "in");
  CHECK_EQ(x->get_connect_info("in", f.soon())->host, "in");
  CHECK_EQ(x->get_connect_info("out", f.soon())->host, "out");
}

TEST_CASE("what keeps a host from being reached is said at the start") {
  fixture f;
  SUBCASE("no user") {
    f.connector.username = "";
    auto x = f.make(R"({"hosts": ["u@a", "b"]})");
    CHECK_NE(x->init(f.soon()).error().text.find("host b has no user name"),
             std::string::npos);
  }
  SUBCASE("no credential") {
    f.connector.key_path = "";
    auto x = f.make(R"({"hosts": ["b"]})");
    CHECK_NE(x->init(f.soon()).error().text.find("neither key nor password"),
             std::string::npos);
  }
  SUBCASE("a key that cannot be read") {
    f.connector.key_path = "/none";
    auto x = f.make(R"({"hosts": ["b"]})");
    CHECK_NE(x->init(f.soon()).error().text.find("host b: no such file"),
             std::string::npos);
  }
  SUBCASE("a state folder that cannot be written") {
    std::ofstream{f.folder / "static"} << "a file";
    auto x = f.make(R"({"hosts": ["b"]})");
    CHECK_EQ(x->init(f.soon()).error().code, provider_errc::not_available);
  }
}
