#include "executors/docker/images.hpp"

#include "executors/docker/prepare.hpp"
#include "tests/support/scripted_engine.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::docker;
using namespace muster::test;

namespace {

constexpr const char* described
  = R"({"Id":"sha256:1111","RepoDigests":["ruby@sha256:2222"],"Os":"linux","Architecture":"amd64","Config":{}})";

image_request request(std::vector<pull_policy> policies) {
  image_request x;
  x.name = "registry:5000/group/ruby:3.1";
  x.policies = std::move(policies);
  return x;
}

image_pace quick() {
  image_pace x;
  x.pause_min = x.pause_max = std::chrono::milliseconds{1};
  return x;
}

bool is_pull(const std::string& line) {
  return line.find("/images/create") != std::string::npos;
}

size_t count_pulls(const scripted_engine& at) {
  size_t count = 0;
  for (const auto& x : at.requests())
    count += is_pull(x) ? 1 : 0;
  return count;
}

} // namespace

TEST_CASE("an image's name says what to pull") {
  struct row {
    const char* text;
    const char* repository;
    const char* tag;
  };
  const row rows[] = {
    {"ruby", "ruby", "latest"},
    {"ruby:3.1", "ruby", "3.1"},
    {"localhost:5000/ruby", "localhost:5000/ruby", "latest"},
    {"localhost:5000/a/ruby:3", "localhost:5000/a/ruby", "3"},
    {"ruby@sha256:abc", "ruby", "sha256:abc"},
    {"h:5/ruby:3@sha256:abc", "h:5/ruby", "sha256:abc"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto x = parse_image_name(r.text);
    CHECK_EQ(x.repository, r.repository);
    CHECK_EQ(x.tag, r.tag);
  }
}

TEST_CASE("a pull's error decides how the job ends") {
  struct row {
    const char* text;
    plan_outcome expected;
  };
  const row rows[] = {
    {"Get \"https://r/v2/\": dial tcp: lookup r: no such host",
     plan_outcome::dependency_failed},
    {"net/http: TLS handshake timeout", plan_outcome::dependency_failed},
    {"read: Connection reset by peer", plan_outcome::dependency_failed},
    {"manifest for ruby:9 not found: manifest unknown",
     plan_outcome::misconfigured},
    {"pull access denied for x, repository does not exist",
     plan_outcome::misconfigured},
    {"unauthorized: authentication required", plan_outcome::misconfigured},
    {"no space left on device", plan_outcome::image_missing},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(static_cast<int>(pull_failure(r.text)),
             static_cast<int>(r.expected));
  }
}

TEST_CASE("each policy asks for no more than it needs") {
  struct row {
    pull_policy policy;
    bool there;
    size_t pulls;
    bool works;
  };
  const row rows[] = {
    {pull_policy::always, true, 1, true},
    {pull_policy::always, false, 1, true},
    {pull_policy::if_not_present, true, 0, true},
    {pull_policy::if_not_present, false, 1, true},
    {pull_policy::never, true, 0, true},
    {pull_policy::never, false, 0, false},
  };
  for (const auto& r : rows) {
    bool there = r.there;
    scripted_engine engine{[&there](const std::string& line) {
      if (is_pull(line)) {
        there = true;
        return answer_of("200 OK", "{\"status\":\"Pulling\"}\n");
      }
      return there ? answer_of("200 OK", described)
                   : answer_of("404 Not Found", R"({"message":"no image"})");
    }};
    auto at = engine.api();
    auto got = image_source{at, quick()}.get(request({r.policy}));
    CHECK_EQ(got.has_value(), r.works);
    CHECK_EQ(count_pulls(engine), r.pulls);
    if (got)
      CHECK_EQ(got->reference(), "ruby@sha256:2222");
    else
      CHECK_EQ(static_cast<int>(got.error().code),
               static_cast<int>(plan_outcome::misconfigured));
  }
}

TEST_CASE("a look-up that fails is made again, unless there is no such image") {
  struct row {
    const char* what;
    std::string first; ///< answer; the next ones describe the image
    bool works;
  };
  const row rows[] = {
    {"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", true},
    {"nothing", "", true},
    {"no such image", answer_of("404 Not Found", R"({"message":"no"})"), false},
    {"a fault", answer_of("500 Internal Server Error", "{}"), true},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    int asked = 0;
    scripted_engine engine{[&](const std::string&) {
      return asked++ == 0 ? r.first : answer_of("200 OK", described);
    }};
    auto at = engine.api();
    auto got = image_source{at, quick()}.get(request({pull_policy::never}));
    CHECK_EQ(got.has_value(), r.works);
    CHECK_EQ(engine.requests().size(), r.works ? 2 : 1);
  }
}

TEST_CASE("credentials go with the pull, as a header and nowhere else") {
  scripted_engine engine{[](const std::string& line) {
    return answer_of("200 OK", is_pull(line) ? "" : described);
  }};
  auto at = engine.api();
  auto what = request({pull_policy::always});
  what.auth = secret{"c2VjcmV0"};
  REQUIRE(image_source(at, quick()).get(what).has_value());
  auto requests = engine.requests();
  REQUIRE_EQ(requests.size(), 2);
  CHECK_NE(requests[0].find("X-Registry-Auth: c2VjcmV0\r\n"),
           std::string::npos);
  CHECK_NE(requests[0].find("fromImage=registry%3A5000%2Fgroup%2Fruby&tag=3.1"),
           std::string::npos);
  CHECK_EQ(requests[1].find("c2VjcmV0"), std::string::npos);
}

TEST_CASE("what a network does to a pull is tried again, a refusal is not") {
  struct row {
    const char* what;
    std::string answer;
    size_t pulls;
    plan_outcome expected;
  };
  const row rows[] = {
    {"a registry out of order",
     answer_of("200 OK", "{\"status\":\"Pulling\"}\n{\"error\":\"dial tcp: i/o "
                         "timeout\"}\n"),
     3, plan_outcome::dependency_failed},
    {"half a JSON", answer_of("200 OK", "{\"status\":\"Pul"), 3,
     plan_outcome::dependency_failed},
    {"cut off in the middle",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":", 3,
     plan_outcome::dependency_failed},
    {"garbage", "\1\2\3 no HTTP at all\r\n\r\n", 3,
     plan_outcome::dependency_failed},
    {"a refusal of the registry",
     answer_of("404 Not Found", R"({"message":"manifest unknown"})"), 1,
     plan_outcome::misconfigured},
    {"a disk that is full",
     answer_of("200 OK", "{\"errorDetail\":{\"message\":\"no space left on "
                         "device\"}}\n"),
     1, plan_outcome::image_missing},
    {"a 500 of the Engine",
     answer_of("500 Internal Server Error", R"({"message":"it broke"})"), 1,
     plan_outcome::image_missing},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    scripted_engine engine{[&r](const std::string&) { return r.answer; }};
    auto at = engine.api();
    auto got = image_source{at, quick()}.get(request({pull_policy::always}));
    REQUIRE_FALSE(got.has_value());
    CHECK_EQ(count_pulls(engine), r.pulls);
    CHECK_EQ(static_cast<int>(got.error().code), static_cast<int>(r.expected));
  }
}

TEST_CASE("policies are tried in their order, the last error stands") {
  scripted_engine engine{[](const std::string& line) {
    return is_pull(line)
             ? answer_of("500 Internal Server Error", R"({"message":"bad"})")
             : answer_of("404 Not Found", R"({"message":"no such image"})");
  }};
  auto at = engine.api();
  auto got = image_source{at, quick()}.get(
    request({pull_policy::always, pull_policy::never}));
  REQUIRE_FALSE(got.has_value());
  CHECK_NE(got.error().text.find("its pull policy is never"),
           std::string::npos);
  CHECK_EQ(engine.requests().size(), 2);
}

TEST_CASE("a helper image that is there is not pulled, whatever the policy") {
  scripted_engine engine{
    [](const std::string&) { return answer_of("200 OK", described); }};
  auto at = engine.api();
  auto what = request({pull_policy::always});
  what.kept = true;
  REQUIRE(image_source(at, quick()).get(what).has_value());
  CHECK_EQ(count_pulls(engine), 0);
}

TEST_CASE("a description that is none of an image is no image") {
  for (const char* body :
       {"[]", "null", "\"text\"", "{}", R"({"Id":5})", "", "{\"Id\":\"x"}) {
    CAPTURE(body);
    scripted_engine engine{
      [body](const std::string&) { return answer_of("200 OK", body); }};
    auto at = engine.api();
    auto got = image_source{at, quick()}.get(request({pull_policy::never}));
    REQUIRE_FALSE(got.has_value());
    CHECK_EQ(static_cast<int>(got.error().code),
             static_cast<int>(plan_outcome::broken));
  }
}

TEST_CASE("a helper image is named for the machine as GitLab does") {
  CHECK_EQ(with_architecture("h:{arch}-v1", "amd64"), "h:x86_64-v1");
  CHECK_EQ(with_architecture("h:{arch}-v1", "x86_64"), "h:x86_64-v1");
  CHECK_EQ(with_architecture("h:{arch}", "aarch64"), "h:arm64");
  CHECK_EQ(with_architecture("h:{arch}", "armv7l"), "h:arm");
  CHECK_EQ(with_architecture("h:{arch}", "s390x"), "h:s390x");
  CHECK_EQ(with_architecture("h:own", "amd64"), "h:own");
}
