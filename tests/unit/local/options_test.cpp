#include "providers/local/options.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;
using local::parse_options;

TEST_CASE("without a plugin_config every option has its default") {
  for (const auto* text : {"", "null", "{}"}) {
    CAPTURE(text);
    auto options = parse_options(text);
    REQUIRE(options.has_value());
    CHECK_EQ(options->name, "local");
    CHECK_EQ(options->boot_delay, 0ms);
    CHECK_EQ(options->boot_timeout, 5min);
    CHECK_EQ(options->max_size, 4'294'967'295);
    CHECK(options->user_data.empty());
    CHECK(options->sshd_options.empty());
    CHECK(options->sockets.empty());
  }
}

TEST_CASE("every option of a plugin_config is taken") {
  auto options = parse_options(R"({
    "name": "pool-1", "boot_delay": "1m0.5s", "boot_timeout": "20s",
    "max_size": 7, "user_data": "echo hello\n",
    "sshd_options": ["MaxSessions 1", "Banner none"],
    "sockets": ["/run/docker.sock"]})");
  REQUIRE(options.has_value());
  CHECK_EQ(options->name, "pool-1");
  CHECK_EQ(options->boot_delay, 60'500ms);
  CHECK_EQ(options->boot_timeout, 20s);
  CHECK_EQ(options->max_size, 7);
  CHECK_EQ(options->user_data, "echo hello\n");
  CHECK(options->sshd_options
        == std::vector<std::string>{"MaxSessions 1", "Banner none"});
  CHECK(options->sockets == std::vector<std::string>{"/run/docker.sock"});
}

TEST_CASE("a delay that is no whole number of milliseconds is not cut short") {
  CHECK_EQ(parse_options(R"({"boot_delay": "1ns"})")->boot_delay, 1ms);
}

TEST_CASE("a max_size of 0 is no limit") {
  CHECK_EQ(parse_options(R"({"max_size": 0})")->max_size, local::no_limit);
}

TEST_CASE("an option that cannot be used is refused and named") {
  struct row {
    const char* json;
    const char* named;
  };
  const row rows[] = {
    {R"({"boot_dealy": "1s"})", "boot_dealy"},
    {R"({"boot_dealy": "1s"})", "boot_delay, boot_timeout, max_size, name"},
    {R"({"Name": "x"})", "Name"},
    {R"({"name": 1})", "name"},
    {R"({"name": ""})", "name"},
    {R"({"name": "../x"})", "name"},
    {R"({"name": "a/b"})", "name"},
    {R"({"name": ".hidden"})", "name"},
    {R"({"boot_delay": 20})", "boot_delay"},
    {R"({"boot_delay": "20"})", "boot_delay"},
    {R"({"boot_delay": "-1s"})", "boot_delay"},
    {R"({"max_size": -1})", "max_size"},
    {R"({"max_size": 1.5})", "max_size"},
    {R"({"max_size": 4294967296})", "max_size"},
    {R"({"max_size": 18446744073709551615})", "max_size"},
    {R"({"max_size": "3"})", "max_size"},
    {R"({"user_data": ["x"]})", "user_data"},
    {R"({"sshd_options": "MaxSessions 1"})", "sshd_options"},
    {R"({"sshd_options": [1]})", "sshd_options"},
    {R"({"sshd_options": ["a\nb"]})", "sshd_options"},
    {R"({"sockets": "/run/docker.sock"})", "sockets"},
    {R"({"sockets": ["run/docker.sock"]})", "absolute"},
    {R"([])", "table"},
    {R"("x")", "table"},
    {R"({"name": )", "JSON"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.json);
    auto options = parse_options(r.json);
    REQUIRE_FALSE(options.has_value());
    CHECK_EQ(options.error().code, provider_errc::bad_config);
    CHECK_NE(options.error().text.find(r.named), std::string::npos);
    CHECK_EQ(options.error().text.find('\n'), std::string::npos);
  }
}
