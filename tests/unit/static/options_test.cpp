#include "providers/static/options.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

given::options parsed(const char* json) {
  auto read = given::parse_options(json);
  REQUIRE_MESSAGE(read, read.error().text);
  return *read;
}

std::string complaint(const std::string& json) {
  auto read = given::parse_options(json);
  REQUIRE_FALSE(read);
  CHECK_EQ(read.error().code, provider_errc::bad_config);
  return read.error().text;
}

} // namespace

TEST_CASE("hosts are texts or tables") {
  auto x = parsed(R"({"name": "rack", "hosts": [
    "10.0.0.5", "ci@build.example.com:2222", "[::1]:22",
    {"name": "big", "address": "10.0.0.6", "port": 2200, "username": "root",
     "password": "p", "key_path": "/k", "key_passphrase": "s",
     "host_key": "ssh-ed25519 AAAA", "external_addr": "1.2.3.4", "os": "linux",
     "arch": "amd64", "keepalive": "20s", "timeout": "1m"}]})");
  CHECK_EQ(x.name, "rack");
  REQUIRE_EQ(x.hosts.size(), 4);
  CHECK_EQ(x.hosts[0].id, "10.0.0.5");
  CHECK_EQ(x.hosts[0].internal_address, "10.0.0.5");
  CHECK_EQ(x.hosts[1].id, "build.example.com:2222");
  CHECK_EQ(x.hosts[1].username, "ci");
  CHECK_EQ(x.hosts[2].internal_address, "[::1]:22");
  const auto& big = x.hosts[3];
  CHECK_EQ(big.id, "big");
  CHECK_EQ(big.internal_address, "10.0.0.6");
  CHECK_EQ(big.external_address, "1.2.3.4");
  CHECK_EQ(big.port, 2200);
  CHECK_EQ(big.username, "root");
  CHECK_EQ(big.password.reveal(), "p");
  CHECK_EQ(big.key_path, "/k");
  CHECK_EQ(big.key_passphrase.reveal(), "s");
  CHECK_EQ(big.host_key, "ssh-ed25519 AAAA");
  CHECK_EQ(big.keepalive, 20s);
  CHECK_EQ(big.timeout, 1min);
}

TEST_CASE("the configuration of GitLab's static plugin is understood") {
  // All values as texts, names in any case, what is unknown without effect.
  auto x = parsed(R"({"instances": {"local": {
    "username": "root", "Password": "secret", "timeout": "1m",
    "external_addr": "127.0.0.1:2201", "Internal_Addr": "127.0.0.1:2202",
    "protocol_port": "23", "use_static_credentials": true, "more": [1],
    "key": "LS0tLS1CRUdJTiBLRVktLS0tLQ=="},
    "other": {"internal_addr": "h", "keepalive": 5000000000, "os": null}}})");
  CHECK_EQ(x.name, "static");
  REQUIRE_EQ(x.hosts.size(), 2);
  CHECK_EQ(x.hosts[0].id, "local");
  CHECK_EQ(x.hosts[0].password.reveal(), "secret");
  CHECK_EQ(x.hosts[0].internal_address, "127.0.0.1:2202");
  CHECK_EQ(x.hosts[0].external_address, "127.0.0.1:2201");
  CHECK_EQ(x.hosts[0].port, 23);
  CHECK(x.hosts[0].key.reveal().starts_with("-----BEGIN KEY-----"));
  CHECK_EQ(x.hosts[0].timeout, 1min);
  CHECK_EQ(x.hosts[1].keepalive, 5s);
}

TEST_CASE("what cannot work is named, and no secret with it") {
  struct row {
    const char* json;
    const char* says;
  };
  const row rows[] = {
    {"null", "it has no hosts"},
    {"[]", "must be a table"},
    {"{", "not valid JSON"},
    {R"({"hosts": []})", "it has no hosts"},
    {R"({"host": []})", "known keys: hosts, instances, name"},
    {R"({"hosts": "a"})", "hosts must be a list"},
    {R"({"hosts": [5]})", "entry 1: must be a table, or"},
    {R"({"hosts": [""]})", "entry 1: must be \"[user@]address[:port]\""},
    {R"({"hosts": ["h:99999"]})", "entry 1: must have a port from 1 to 65535"},
    {R"({"hosts": ["h:0"]})", "entry 1: must have a port from 1 to 65535"},
    {R"({"hosts": ["h:"]})", "entry 1: must have a port from 1 to 65535"},
    {R"({"hosts": ["u@[::1]:70000"]})", "must have a port from 1 to 65535"},
    {R"({"hosts": ["a:b:c"]})", "in brackets"},
    {R"({"hosts": ["[::1"]})", "in brackets"},
    {R"({"hosts": ["two hosts"]})", "must be \""},
    {R"({"hosts": ["a.example.com/path"]})", "must be \""},
    {R"({"hosts": ["[::1]22"]})", "in brackets"},
    {R"({"hosts": ["a", {"address": "h:0"}]})",
     "entry 2: address must have a port from 1 to 65535"},
    {R"({"hosts": [{"address": "h:99999", "port": 22}]})",
     "address must have a port from 1 to 65535"},
    {R"({"hosts": [{"address": "[::1"}]})",
     "address must be \"address[:port]\""},
    {R"({"hosts": [{"address": "a:b:c"}]})", "in brackets"},
    {R"({"hosts": [{"address": "u@h"}]})",
     "address must be without a user: write that as username"},
    {R"({"hosts": [{"address": "h", "external_addr": "h:"}]})",
     "external_addr must have a port from 1 to 65535"},
    {R"({"instances": {"a": {"internal_addr": "h:0"}}})",
     "instances.a: internal_addr must have a port from 1 to 65535"},
    {R"({"instances": {"a": {"External_Addr": "a:b:c"}}})",
     "instances.a: External_Addr must be"},
    {R"({"hosts": [{"address": "a", "port": 0}]})", "port must be a port"},
    {R"({"hosts": ["a", {"nmae": "b"}]})", "entry 2: nmae is not known"},
    {R"({"hosts": [{"name": "b"}]})", "entry 1: has no address"},
    {R"({"hosts": ["a", "x@a"]})", "two hosts are called a"},
    {R"({"hosts": [{"address": "a", "port": 70000}]})", "port must be a port"},
    {R"({"hosts": [{"address": "a", "port": -1}]})", "port must be a port"},
    {R"({"hosts": [{"address": "a\nb"}]})", "address must be one line"},
    {R"({"hosts": [{"address": "a", "protocol": "winrm"}]})",
     "protocol \"winrm\" is not supported yet"},
    {R"({"hosts": [{"address": "a", "protocol": "telnet"}]})",
     "protocol must be \"ssh\""},
    {R"({"hosts": [{"address": "a", "os": "Windows"}]})",
     "\"windows\" is not supported yet"},
    {R"({"hosts": [{"address": "a", "timeout": "soon"}]})", "timeout "},
    {R"({"hosts": [{"address": "a", "password": ["hush"]}]})",
     "password must be a string"},
    {R"({"instances": {"a": {"password": ["hush"], "internal_addr": "x"}}})",
     "instances.a: password must be a string"},
    {R"({"instances": {"a": {}}})", "instances.a: has no address"},
    {R"({"instances": {"a": 1}})", "instances.a: must be a table"},
    {R"({"instances": {"a": {"internal_addr": "x", "protocol": "winrm"}}})",
     "not supported yet"},
    {R"({"name": "../x", "hosts": ["a"]})", "name must be 1 to 64"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.json);
    auto text = complaint(r.json);
    CAPTURE(text);
    CHECK_NE(text.find(r.says), std::string::npos);
    CHECK_EQ(text.find("hush"), std::string::npos);
    CHECK_EQ(text.find('\n'), std::string::npos);
  }
}
