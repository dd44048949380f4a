#include "providers/fleeting/registry/challenge.hpp"
#include "providers/fleeting/registry/manifest.hpp"
#include "providers/fleeting/registry/tags.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <string>
#include <vector>

using namespace muster;
using namespace muster::fleeting;

namespace {

std::string digest(char digit) {
  return "sha256:" + std::string(64, digit);
}

std::string descriptor_of(char digit, const std::string& more = "") {
  return fmt::format(R"({{"mediaType":"m","digest":"{}","size":7{}}})",
                     digest(digit), more);
}

constexpr auto index_type = "application/vnd.oci.image.index.v1+json";
constexpr auto image_type = "application/vnd.oci.image.manifest.v1+json";

} // namespace

TEST_CASE("challenges are read from a header") {
  using map = std::map<std::string, std::string>;
  struct row {
    const char* header;
    std::vector<std::pair<std::string, map>> expected;
  };
  const row rows[] = {
    {R"(Bearer realm="https://a.example/token",service="r",scope="a:b:pull,push")",
     {{"bearer",
       {{"realm", "https://a.example/token"},
        {"service", "r"},
        {"scope", "a:b:pull,push"}}}}},
    {R"(Basic realm="a \"b\"")", {{"basic", {{"realm", "a \"b\""}}}}},
    {R"(basic realm=x , BEARER Realm = y)",
     {{"basic", {{"realm", "x"}}}, {"bearer", {{"realm", "y"}}}}},
    {"Negotiate", {{"negotiate", {}}}},
    {"Basic realm=\"never closed", {{"basic", {{"realm", "never closed"}}}}},
    {"Basic realm=\"\\", {{"basic", {{"realm", "\\"}}}}},
    {"realm=\"of nothing\"", {}},
    {"\"\"\"=,,\x01;=", {}},
    {"", {}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.header);
    auto found = parse_challenges(r.header);
    REQUIRE_EQ(found.size(), r.expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      CHECK_EQ(found[i].scheme, r.expected[i].first);
      CHECK((found[i].parameters == r.expected[i].second));
    }
  }
}

TEST_CASE("the next page of a list is where the header says") {
  struct row {
    const char* header;
    const char* expected;
  };
  const row rows[] = {
    {R"(</v2/a/tags/list?n=2&last=1.0.0>; rel="next")",
     "/v2/a/tags/list?n=2&last=1.0.0"},
    {R"(</first>; rel="first", </next>; rel="next")", "/next"},
    {"</next>; rel=next", "/next"},
    {R"(</last>; rel="last")", ""},
    {"</next", ""},
    {"next", ""},
    {"", ""},
  };
  for (const auto& r : rows)
    CHECK_EQ(next_page(r.header), r.expected);
}

TEST_CASE("the highest version that a tag means is found in a list") {
  std::vector<std::string> tags{"latest", "1",     "1.2",        "1.2.0",
                                "1.10.0", "1.9.3", "2.0.0-rc.1", "v3.0.0",
                                "edge",   "0.9.0"};
  struct row {
    const char* tag;
    const char* expected;
  };
  const row rows[] = {
    {"", "1.10.0"},   {"latest", "1.10.0"}, {"1", "1.10.0"},
    {"1.2", "1.2.0"}, {"1.9.3", "1.9.3"},   {"2.0.0-rc.1", "2.0.0-rc.1"},
    {"2", "none"},    {"0", "0.9.0"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.tag);
    auto constraint = parse_constraint(r.tag);
    REQUIRE(constraint);
    CHECK_EQ(highest_tag(tags, *constraint).value_or("none"), r.expected);
  }
}

TEST_CASE("a list of tags is read whatever it is") {
  auto tags = parse_tags(R"({"name":"a","tags":["1.0.0",7,"latest"]})");
  REQUIRE(tags);
  CHECK_EQ(tags->size(), 2);
  CHECK(parse_tags(R"({"name":"a","tags":null})").value().empty());
  for (const auto* body : {"", "[]", "{}", "{\"tags\"", "<html>", "\xff"})
    CHECK_MESSAGE(!parse_tags(body), body);
}

TEST_CASE("manifests and indexes are told apart") {
  auto index = fmt::format(
    R"({{"manifests":[{}]}})",
    descriptor_of('a', R"(,"platform":{"os":"linux","architecture":"arm64"})"));
  auto image = fmt::format(
    R"({{"config":{},"layers":[{},{}],"annotations":{{"v":"1.0.0"}}}})",
    descriptor_of('c'), descriptor_of('1'),
    descriptor_of('2',
                  R"(,"annotations":{"com.gitlab.fleeting.layer":"1.0.0"})"));
  SUBCASE("by the type of the answer, or by what they have") {
    for (const auto* type :
         {index_type,
          "application/vnd.docker.distribution.manifest.list.v2+json",
          "text/plain", ""}) {
      auto read = parse_manifest(index, type);
      REQUIRE(read);
      const auto* got = std::get_if<image_index>(&*read);
      REQUIRE(got != nullptr);
      REQUIRE_EQ(got->entries.size(), 1);
      CHECK_EQ(got->entries[0].what.digest, digest('a'));
      CHECK_EQ(to_string(got->entries[0].with), "linux/arm64");
    }
    for (const auto* type :
         {image_type, "application/vnd.docker.distribution.manifest.v2+json",
          ""}) {
      auto read = parse_manifest(image, type);
      REQUIRE(read);
      const auto* got = std::get_if<image_manifest>(&*read);
      REQUIRE(got != nullptr);
      CHECK_EQ(got->config.digest, digest('c'));
      REQUIRE_EQ(got->layers.size(), 2);
      CHECK_EQ(got->layers[1].size_bytes, 7);
      CHECK_EQ(got->layers[1].annotations.at("com.gitlab.fleeting.layer"),
               "1.0.0");
      CHECK_EQ(got->annotations.at("v"), "1.0.0");
    }
  }
  SUBCASE("one is not taken for the other") {
    CHECK(!parse_manifest(index, image_type));
    CHECK(!parse_manifest(image, index_type));
  }
}

TEST_CASE("foreign manifests are refused or read, and no more") {
  const std::string bodies[] = {
    "",
    "[]",
    "7",
    "{}",
    "<html>",
    "\xff\xfe",
    std::string(1 << 20, '['),
    R"({"manifests":7})",
    R"({"manifests":[7]})",
    R"({"manifests":[{}]})",
    R"({"manifests":[{"digest":"sha256:zz","size":1}]})",
    fmt::format(R"({{"manifests":[{{"digest":"{}","size":-1}}]}})",
                digest('a')),
    fmt::format(R"({{"manifests":[{{"digest":"{}"}}]}})", digest('a')),
    R"({"layers":[]})",
    R"({"config":{},"layers":[]})",
    fmt::format(R"({{"config":{},"layers":[7]}})", descriptor_of('c')),
    R"({"schemaVersion":1,"fsLayers":[]})",
  };
  for (const auto& body : bodies) {
    auto read = parse_manifest(body, "");
    CHECK_MESSAGE(!read, body.substr(0, 80));
  }
  std::string many;
  for (int i = 0; i < 1001; ++i)
    many += (i == 0 ? "" : ",") + descriptor_of('a');
  CHECK(!parse_manifest("{\"manifests\":[" + many + "]}", ""));
  // A platform that is none is one that nobody has.
  auto odd = parse_manifest(
    "{\"manifests\":[" + descriptor_of('a', R"(,"platform":[1])") + "]}", "");
  REQUIRE(odd);
  CHECK(!choose_image(std::get<image_index>(*odd), {"linux", "amd64", ""}));
}

TEST_CASE("the image for this machine is chosen") {
  image_index index;
  auto add = [&index](const platform& with, char digit) {
    index.entries.push_back({{"m", digest(digit), 1, {}}, with});
  };
  add({"unknown", "unknown", ""}, '0');
  add({"windows", "amd64", ""}, '1');
  add({"linux", "amd64", "v3"}, '2');
  add({"linux", "amd64", ""}, '3');
  add({"linux", "arm", "v5"}, '5');
  add({"linux", "arm", "v6"}, '6');
  add({"linux", "arm", "v7"}, '7');
  add({"linux", "arm64", "v8"}, '8');
  struct row {
    platform host;
    char expected; ///< 0: none
  };
  const row rows[] = {
    {{"linux", "amd64", ""}, '3'}, {{"linux", "arm", "v7"}, '7'},
    {{"linux", "arm", "v6"}, '6'}, {{"linux", "arm", "v8"}, '7'},
    {{"linux", "arm64", ""}, '8'}, {{"linux", "s390x", ""}, 0},
    {{"freebsd", "amd64", ""}, 0},
  };
  for (const auto& r : rows) {
    CAPTURE(to_string(r.host));
    auto chosen = choose_image(index, r.host);
    REQUIRE_EQ(chosen.has_value(), r.expected != 0);
    if (chosen)
      CHECK_EQ(chosen->digest, digest(r.expected));
    else
      CHECK_EQ(chosen.error().text,
               "it has no image for " + to_string(r.host)
                 + ", only for windows/amd64, linux/amd64/v3, linux/amd64, "
                   "linux/arm/v5, linux/arm/v6, linux/arm/v7, linux/arm64/v8");
  }
  CHECK_EQ(platform_of_host().os, "linux");
}

TEST_CASE("the config of an image says platform and version") {
  auto read = parse_image_facts(
    R"({"os":"linux","architecture":"arm","variant":"v7","config":{"Env":
       ["PATH=/bin",7,"FLEETING_PLUGIN_PKG_VERSION=1.2.3"]}})");
  REQUIRE(read);
  CHECK_EQ(to_string(read->with), "linux/arm/v7");
  CHECK_EQ(read->version, "1.2.3");
  for (const auto* body :
       {"{}", R"({"config":7,"os":[]})", R"({"config":{"Env":"x"}})"}) {
    auto odd = parse_image_facts(body);
    REQUIRE_MESSAGE(odd, body);
    CHECK(odd->version.empty());
  }
  CHECK(!parse_image_facts("[]"));
}
