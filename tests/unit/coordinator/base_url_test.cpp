#include "actors/coordinator/api_client.hpp"
#include "actors/coordinator/base_url.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("the API's address follows from the runner's url") {
  struct row {
    const char* url;
    const char* origin; ///< null: cannot be used
    const char* path;
  };
  const row rows[] = {
    {"https://gitlab.example.com", "https://gitlab.example.com", "/api/v4/"},
    {"https://gitlab.example.com/", "https://gitlab.example.com", "/api/v4/"},
    {"http://host:8080//", "http://host:8080", "/api/v4/"},
    {"http://host/ci", "http://host", "/api/v4/"},
    {"http://host/ci/", "http://host", "/api/v4/"},
    {"http://host/ci/ci", "http://host", "/ci/api/v4/"},
    {"https://host/gitlab", "https://host", "/gitlab/api/v4/"},
    {"https://host/gitlab/ci/", "https://host", "/gitlab/api/v4/"},
    {"https://host/magic", "https://host", "/magic/api/v4/"},
    {" https://host:443/ ", "https://host", "/api/v4/"},
    {"http://host:443", "http://host:443", "/api/v4/"},
    {"HTTP://host", "http://host", "/api/v4/"},
    {"http://[::1]:8080/x", "http://[::1]:8080", "/x/api/v4/"},
    {"https://[fe80::a]", "https://[fe80::a]", "/api/v4/"},
    {"http://user:pa%40ss@host/", "http://host", "/api/v4/"},
    {"gitlab.example.com", nullptr, ""},
    {"ftp://host", nullptr, ""},
    {"http://", nullptr, ""},
    {"http://host:0", nullptr, ""},
    {"http://host:70000", nullptr, ""},
    {"http://host:port", nullptr, ""},
    {"http://[::1", nullptr, ""},
    {"http://a b/", nullptr, ""},
    {"", nullptr, ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.url);
    auto api = api_url(r.url);
    REQUIRE_EQ(api.has_value(), r.origin != nullptr);
    if (!api) {
      CHECK_EQ(api.error().code, coordinator_errc::rejected);
      continue;
    }
    CHECK_EQ(origin_text(*api), r.origin);
    CHECK_EQ(api->path, r.path);
  }
  auto with_user = api_url("http://us%65r:pa%40ss@host/");
  CHECK_EQ(with_user->user, "user");
  CHECK_EQ(with_user->password, "pa@ss");
}

TEST_CASE("a proxy is used as the environment says") {
  struct row {
    const char* what;
    const char* url;
    proxy_environment env;
    const char* expected; ///< empty: directly; null: an error
  };
  const row rows[] = {
    {"none", "http://host", {}, ""},
    {"http",
     "http://host",
     {"http://p:3128", "http://q:1", ""},
     "http://p:3128"},
    {"https",
     "https://host",
     {"http://p:3128", "http://q:1", ""},
     "http://q:1"},
    {"no scheme", "http://host", {"p:3128", "", ""}, "http://p:3128"},
    {"loopback name", "http://localhost:80", {"http://p", "", ""}, ""},
    {"loopback v4", "http://127.1.2.3", {"http://p", "", ""}, ""},
    {"loopback v6", "http://[::1]", {"http://p", "", ""}, ""},
    {"all excluded", "http://host", {"http://p", "", "*"}, ""},
    {"name", "http://host.example", {"http://p", "", "x, host.example"}, ""},
    {"subdomain", "http://a.example", {"http://p", "", "example"}, ""},
    {"only subdomains",
     "http://example",
     {"http://p", "", ".example"},
     "http://p"},
    {"star", "http://a.example", {"http://p", "", "*.example"}, ""},
    {"other name",
     "http://notexample",
     {"http://p", "", "example"},
     "http://p"},
    {"letter case", "http://HOST", {"http://p", "", "host"}, ""},
    {"port", "http://host:81", {"http://p", "", "host:81"}, ""},
    {"other port", "http://host:82", {"http://p", "", "host:81"}, "http://p"},
    {"address", "http://10.1.2.3", {"http://p", "", "10.1.2.3"}, ""},
    {"network", "http://10.1.2.3", {"http://p", "", "10.1.0.0/16"}, ""},
    {"other network",
     "http://10.2.2.3",
     {"http://p", "", "10.1.0.0/16"},
     "http://p"},
    {"v6 network", "http://[fd00::5]", {"http://p", "", "fd00::/8"}, ""},
    {"v6 address", "http://[fd00::5]", {"http://p", "", "fd00::5"}, ""},
    {"nonsense in the list",
     "http://h",
     {"http://p", "", "a/b,:,[,10.0.0.0/99"},
     "http://p"},
    {"cannot be used", "http://h", {"socks5://p", "", ""}, nullptr},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto proxy = proxy_for(*parse_url(r.url), r.env);
    REQUIRE_EQ(proxy.has_value(), r.expected != nullptr);
    if (proxy)
      CHECK_EQ(*proxy ? origin_text(**proxy) : "", r.expected);
  }
}

TEST_CASE("the end of a range is the number after the dash") {
  CHECK_EQ(parse_range_end("0-1534"), 1534);
  CHECK_EQ(parse_range_end("0-"), 0);
  CHECK_EQ(parse_range_end(""), 0);
  CHECK_EQ(parse_range_end("bytes"), 0);
  CHECK_EQ(parse_range_end("0--5"), 0);
  CHECK_EQ(parse_range_end("0-99999999999999999999"), 0);
}

TEST_CASE("the server's wish to wait is understood") {
  struct row {
    const char* reset_time;
    const char* retry_after;
    std::chrono::milliseconds expected;
  };
  constexpr int64_t now = 1'136'214'240; // Mon, 02 Jan 2006 15:04:00 GMT
  const row rows[] = {
    {"", "", 0s},
    {"", "30", 30s},
    {"", " 7 ", 7s},
    {"", "-1", 0s},
    {"", "1.5", 0s},
    {"", "Mon, 02 Jan 2006 15:04:05 GMT", 0s},
    {"", "99999999", 24h},
    {"Mon, 02 Jan 2006 15:04:05 GMT", "30", 5s},
    {"Mon, 02 Jan 2006 15:03:05 GMT", "30", 30s},
    {"Mon, 02 Foo 2006 15:04:05 GMT", "30", 30s},
    {"nonsense", "", 0s},
    {"x, 2", "3", 3s},
  };
  for (const auto& r : rows) {
    CAPTURE(r.reset_time);
    CAPTURE(r.retry_after);
    CHECK_EQ(parse_retry_after(r.reset_time, r.retry_after, now), r.expected);
  }
}
