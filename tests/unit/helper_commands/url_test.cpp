#include "executors/helper/commands/server.hpp"
#include "executors/helper/http/client.hpp"
#include "executors/helper/http/response.hpp"
#include "executors/helper/http/url.hpp"

#include <doctest/doctest.h>
#include <map>

using namespace muster;
using namespace muster::helper;

TEST_CASE("URLs are taken apart") {
  struct row {
    const char* text;
    const char* shown; ///< nothing: it is no URL
    const char* target;
  };
  const row rows[] = {
    {"http://host", "http://host/", "/"},
    {"HTTPS://Host:443/a?b=c#d", "https://host/a", "/a?b=c"},
    {"https://user:pa%20ss@host:8443/a", "https://host:8443/a", "/a"},
    {"http://[::1]:80/x", "http://[::1]/x", "/x"},
    {"http://[::1]:8080", "http://[::1]:8080/", "/"},
    {"http://host?x=1", "http://host/", "/?x=1"},
    {"ftp://host", nullptr, ""},
    {"http://", nullptr, ""},
    {"http://host:0", nullptr, ""},
    {"http://host:99999", nullptr, ""},
    {"http://host/a b", nullptr, ""},
    {"http://host/a\r\nX: y", nullptr, ""},
    {"http://[::1", nullptr, ""},
    {"host/path", nullptr, ""},
    {"", nullptr, ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto read = parse_url(r.text);
    REQUIRE_EQ(read.has_value(), r.shown != nullptr);
    if (!read)
      continue;
    CHECK_EQ(shown(*read), r.shown);
    CHECK_EQ(read->target, r.target);
  }
  CHECK_EQ(parse_url("http://u:p%3Aw@h")->password, "p:w");
}

TEST_CASE("a location may be relative") {
  auto base = *parse_url("https://host:8443/a/b?c");
  struct row {
    const char* location;
    const char* expected;
  };
  const row rows[] = {
    {"http://other/x", "http://other/x"},
    {"//other/x", "https://other/x"},
    {"/x?y=http://z", "https://host:8443/x"},
    {"x", "https://host:8443/a/x"},
  };
  for (const auto& r : rows)
    CHECK_EQ(shown(*resolved(base, r.location)), r.expected);
}

TEST_CASE("a proxy is taken from the environment as Go does") {
  struct row {
    const char* to;
    std::map<std::string, std::string> variables;
    const char* proxy; ///< nothing: direct
  };
  const row rows[] = {
    {"http://a.example", {}, nullptr},
    {"http://a.example", {{"HTTP_PROXY", "http://p:1"}}, "http://p:1"},
    {"https://a.example", {{"HTTP_PROXY", "http://p:1"}}, nullptr},
    {"https://a.example", {{"https_proxy", "p:1"}}, "http://p:1"},
    {"http://localhost", {{"HTTP_PROXY", "http://p:1"}}, nullptr},
    {"http://127.0.0.9", {{"HTTP_PROXY", "http://p:1"}}, nullptr},
    {"http://[::1]", {{"HTTP_PROXY", "http://p:1"}}, nullptr},
    {"http://a.example",
     {{"HTTP_PROXY", "http://p:1"}, {"no_proxy", "b, a.example"}},
     nullptr},
    {"http://a.example",
     {{"HTTP_PROXY", "http://p:1"}, {"REQUEST_METHOD", "GET"}},
     nullptr},
  };
  for (const auto& r : rows) {
    CAPTURE(r.to);
    auto proxy = proxy_for(*parse_url(r.to), [&r](const std::string& name) {
      auto found = r.variables.find(name);
      return found == r.variables.end() ? "" : found->second;
    });
    CHECK(proxy
          == (r.proxy != nullptr ? std::optional<std::string>{r.proxy}
                                 : std::nullopt));
  }
}

TEST_CASE("NO_PROXY has names, addresses and blocks") {
  struct row {
    const char* to;
    const char* no_proxy;
    bool expected;
  };
  const row rows[] = {
    {"http://a.example", "*", true},
    {"http://a.example", "example", true},
    {"http://a.example", ".example", true},
    {"http://example", ".example", false},
    {"http://example", "*.example", false},
    {"http://a.example", "*.example", true},
    {"http://badexample", "example", false},
    {"http://A.Example", "a.EXAMPLE", true},
    {"http://a.example:8080", "a.example:8080", true},
    {"http://a.example:8081", "a.example:8080", false},
    {"http://10.1.2.3", "10.0.0.0/8", true},
    {"http://11.1.2.3", "10.0.0.0/8", false},
    {"http://10.1.2.3", "10.1.2.3", true},
    {"http://10.1.2.3", "10.1.2.3:80", true},
    {"http://[fd00::1]", "fd00::/8", true},
    {"http://[fd00::1]", "fd00::1", true},
    {"http://a.example", "10.0.0.0/8", false},
    {"http://10.1.2.3", "10.0.0.0/x", false},
    {"http://a.example", " , ,", false},
  };
  for (const auto& r : rows) {
    CAPTURE(r.to);
    CAPTURE(r.no_proxy);
    CHECK_EQ(is_excluded(*parse_url(r.to), r.no_proxy), r.expected);
  }
}

TEST_CASE("base64") {
  CHECK_EQ(base64_of(""), "");
  CHECK_EQ(base64_of("f"), "Zg==");
  CHECK_EQ(base64_of("fo"), "Zm8=");
  CHECK_EQ(base64_of("foo"), "Zm9v");
  CHECK_EQ(base64_of("user:pass"), "dXNlcjpwYXNz");
}

TEST_CASE("the artifacts' address is below the server's own path") {
  job_credentials job;
  job.job = 5;
  for (const auto* server : {"https://host/gitlab", "https://host/gitlab/",
                             "https://host/gitlab/ci"}) {
    job.server = server;
    auto to = artifacts_url(job, {{"a", ""}, {"b", "1 week&x"}});
    REQUIRE(to.has_value());
    CHECK_EQ(to->target, "/gitlab/api/v4/jobs/5/artifacts?b=1%20week%26x");
  }
}

TEST_CASE("what an error says is found in XML and JSON") {
  CHECK_EQ(explanation_in("<Error><Code>NoSuchKey</Code><Message>not\nthere"
                          "</Message></Error>"),
           "NoSuchKey: not there");
  CHECK_EQ(explanation_in(R"({"message":"403 Forbidden"})"), "403 Forbidden");
  CHECK_EQ(explanation_in(R"({"message":{"base":["x"]}})"), "");
  CHECK_EQ(explanation_in("<html>...</html>"), "");
  CHECK_EQ(explanation_in("<Error><Code>Cut"), "");
  CHECK_EQ(explanation_in("<Error><Message>" + std::string(1'000, 'x')
                          + "</Message></Error>")
             .size(),
           203);
}

TEST_CASE("answers are read in pieces of any size") {
  struct row {
    const char* text;
    int status; ///< 0: no head
    const char* body;
    bool whole;
  };
  const row rows[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 200, "abc", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
     200, "abc", true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", 200,
     "ab", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", 200,
     "", false},
    {"HTTP/1.0 200 OK\r\n\r\nabc", 200, "abc", true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"
     "Content-Length: 0\r\n\r\n",
     201, "", true},
    {"HTTP/1.1 204 \r\n\r\n", 204, "", true},
    {"", 0, "", false},
    {"HTTP/1.1 200 OK\r\nA: b", 0, "", false},
    {"SSH-2.0-OpenSSH_9.2\r\n", 0, "", false},
    {"HTTP/1.1 xyz\r\n\r\n", 0, "", false},
  };
  for (const auto& r : rows)
    for (size_t piece : {size_t{1}, size_t{5}, size_t{10'000}}) {
      CAPTURE(r.text);
      CAPTURE(piece);
      std::string_view left{r.text};
      auto fill = [&left, piece](char* to,
                                 size_t size) -> result<size_t, transfer_errc> {
        auto n = left.copy(to, std::min(size, piece));
        left.remove_prefix(n);
        return n;
      };
      response_reader reader{response_reader::body::expected};
      auto head = reader.read_head(fill);
      REQUIRE_EQ(head.has_value(), r.status != 0);
      if (!head)
        continue;
      CHECK_EQ(head->status, r.status);
      std::string body;
      char room[2];
      auto n = reader.read_body(room, sizeof(room), fill);
      for (; n && *n > 0; n = reader.read_body(room, sizeof(room), fill))
        body.append(room, *n);
      CHECK_EQ(n.has_value(), r.whole);
      CHECK_EQ(body, r.body);
    }
}

TEST_CASE("a head without end is given up") {
  response_reader reader{response_reader::body::expected};
  size_t given = 0;
  auto head = reader.read_head(
    [&given](char* to, size_t size) -> result<size_t, transfer_errc> {
      std::string_view text
        = given == 0 ? "HTTP/1.1 200 OK\r\n" : "A: bbbbb\r\n";
      auto n = text.copy(to, size);
      given += n;
      return n;
    });
  CHECK_FALSE(head.has_value());
  CHECK_LT(given, 1u << 20);
}
