#include "providers/fleeting/connect.hpp"

#include <cstdint>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::fleeting;
using namespace std::chrono_literals;

namespace {

connect_answer told_by_plugin() {
  connect_answer x;
  x.how.username = "u";
  x.how.key = "KEY";
  x.internal_address = "10.0.0.1";
  x.external_address = "203.0.113.1";
  return x;
}

std::string host_and_port(const connect_answer& told,
                          const connector_config& operators) {
  auto info = connect_info_from("i-1", told, operators, {});
  return info ? info->host + " " + std::to_string(info->port)
              : info.error().text;
}

} // namespace

TEST_CASE("the plugin's word comes first, then the operator's") {
  connector_config operators;
  operators.os = "linux";
  operators.arch = "amd64";
  operators.username = "operator";
  operators.password = secret{"pw"};
  operators.keepalive = 20s;
  operators.timeout = 3min;
  auto told = told_by_plugin();
  told.how.os = "freebsd";
  told.how.timeout = 90s;
  told.expires_at = 1'800'000'000;
  auto info = connect_info_from("i-1", told, operators, secret{"THEIRS"});
  REQUIRE(info);
  CHECK_EQ(info->instance, "i-1");
  CHECK_EQ(info->os, "freebsd");
  CHECK_EQ(info->arch, "amd64");
  CHECK_EQ(info->username, "u");
  CHECK_EQ(info->password.reveal(), "pw");
  CHECK_EQ(info->key.reveal(), "KEY");
  CHECK_EQ(info->internal_address, "10.0.0.1");
  CHECK_EQ(info->external_address, "203.0.113.1");
  CHECK_EQ(info->keepalive_ms, 20'000);
  CHECK_EQ(info->timeout_ms, 90'000);
  CHECK_EQ(info->expires_at, 1'800'000'000);
  told.how = {};
  info = connect_info_from("i-1", told, operators, secret{"THEIRS"});
  REQUIRE(info);
  CHECK_EQ(info->username, "operator");
  CHECK_EQ(info->key.reveal(), "THEIRS");
}

TEST_CASE("an address is the internal one unless the other is preferred") {
  connector_config internal;
  connector_config external;
  external.use_external_addr = true;
  auto told = told_by_plugin();
  CHECK_EQ(host_and_port(told, internal), "10.0.0.1 22");
  CHECK_EQ(host_and_port(told, external), "203.0.113.1 22");
  told.external_address.clear();
  CHECK_EQ(host_and_port(told, external), "10.0.0.1 22");
  told = told_by_plugin();
  told.internal_address.clear();
  CHECK_EQ(host_and_port(told, external), "203.0.113.1 22");
  CHECK_NE(host_and_port(told, internal).find("use_external_addr = true"),
           std::string::npos);
  told.external_address.clear();
  CHECK_NE(host_and_port(told, external).find("it has no address"),
           std::string::npos);
}

TEST_CASE(
  "a port in the address wins, then the plugin's, then the operator's") {
  struct row {
    const char* address;
    int64_t plugins;
    int operators;
    const char* expected;
  };
  const row rows[] = {
    {"h", 0, 0, "h 22"},
    {"h", 0, 2222, "h 2222"},
    {"h", 2022, 2222, "h 2022"},
    {"h:1022", 2022, 2222, "h 1022"},
    {"fe80::1", 0, 0, "fe80::1 22"},
    {"[fe80::1]", 0, 0, "fe80::1 22"},
    {"[fe80::1]:1022", 0, 0, "fe80::1 1022"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.address);
    auto told = told_by_plugin();
    told.internal_address = r.address;
    told.how.protocol_port = r.plugins;
    connector_config operators;
    operators.protocol_port = r.operators;
    CHECK_EQ(host_and_port(told, operators), r.expected);
  }
}

TEST_CASE("what cannot be dialed is said in words") {
  auto says = [](const connect_answer& told, const char* part) {
    auto text = host_and_port(told, {});
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
    CHECK_NE(text.find("i-1"), std::string::npos);
  };
  for (const auto* address : {":22", "h:", "h:0", "h:70000", "h:x", "[::1",
                              "[]", "[::1]x", "a b", "a\nb", "h:-1"}) {
    auto told = told_by_plugin();
    told.internal_address = address;
    says(told, "is none");
  }
  auto told = told_by_plugin();
  told.how.protocol = "winrm";
  says(told, "winrm is not supported");
  told = told_by_plugin();
  told.how.protocol_port = INT64_MAX;
  says(told, "is none");
  told = told_by_plugin();
  told.how.username.clear();
  says(told, "it names no user");
}

TEST_CASE("times that mean nothing do not become any") {
  auto told = told_by_plugin();
  told.how.keepalive = std::chrono::nanoseconds{INT64_MIN};
  told.how.timeout = std::chrono::nanoseconds{INT64_MAX};
  told.expires_at = -5;
  auto info = connect_info_from("i-1", told, {}, {});
  REQUIRE(info);
  CHECK_EQ(info->keepalive_ms, 30'000);
  CHECK_EQ(info->timeout_ms, 30LL * 24 * 3600 * 1000);
  CHECK_EQ(info->expires_at, 0);
}

TEST_CASE("the plugin is told what the operator says") {
  connector_config operators;
  operators.username = "u";
  operators.password = secret{"pw"};
  operators.use_static_credentials = true;
  operators.protocol_port = 2222;
  auto told = settings_of(operators, secret{"KEY"});
  CHECK_EQ(told.username, "u");
  CHECK_EQ(told.password, "pw");
  CHECK_EQ(told.key, "KEY");
  CHECK(told.use_static_credentials);
  CHECK_EQ(told.keepalive, 30s);
  CHECK_EQ(told.timeout, 10min);
  CHECK_EQ(told.protocol_port, 2222);
}
