#include "providers/fleeting/lookup.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

using namespace muster;
using namespace muster::fleeting;

namespace {

namespace fs = std::filesystem;

/// A folder with plugins; the working directory while it lives.
class place {
public:
  place() : before_(fs::current_path()) {
    auto name = (fs::temp_directory_path() / "muster-lookup.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    fs::current_path(path_);
    where.plugin_dir = (path_ / "plugins").string();
    where.path = {"", (path_ / "empty").string(), (path_ / "bin").string()};
  }

  ~place() {
    fs::current_path(before_);
    fs::remove_all(path_);
  }

  place(const place&) = delete;
  place& operator=(const place&) = delete;

  void program(const std::string& path, bool executable = true) const {
    auto file = path_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream{file} << "#!/bin/sh\n";
    fs::permissions(file, fs::perms{executable ? 0755U : 0644U});
  }

  void install(const std::string& repository,
               const std::string& version) const {
    program("plugins/" + repository + "/" + version + "/plugin");
  }

  std::string path(const std::string& name) const {
    return (path_ / name).string();
  }

  /// What it finds, or the message.
  std::string find(const std::string& name) const {
    auto found = find_plugin(name, where);
    return found ? *found : found.error().text;
  }

  lookup_places where;

private:
  fs::path before_;
  fs::path path_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

#define DIGEST                                                                 \
  "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

constexpr auto aws = "registry.gitlab.com/gitlab-org/fleeting/plugins/aws";

} // namespace

TEST_CASE("names are completed to references") {
  struct row {
    const char* name;
    const char* repository;
    const char* tag;
    const char* digest = "";
  };
  const row rows[] = {
    {"aws", aws, ""},
    {"aws:latest", aws, "latest"},
    {"aws:1.2", aws, "1.2"},
    {"group/project/x", "registry.gitlab.com/group/project/x", ""},
    {"group/x:1", "registry.gitlab.com/group/x", "1"},
    {"r.example.com/x:1.0.0-rc.1", "r.example.com/x", "1.0.0-rc.1"},
    {"r.example.com:5000/x", "r.example.com:5000/x", ""},
    {"r.example.com:5000/x:1", "r.example.com:5000/x", "1"},
    {"localhost:5000/x", "localhost:5000/x", ""},
    {"localhost/x", "registry.gitlab.com/localhost/x", ""},
    {"aws@" DIGEST, aws, "", DIGEST},
    {"r.example.com:5000/x:1.2@" DIGEST, "r.example.com:5000/x", "1.2", DIGEST},
  };
  for (const auto& r : rows) {
    CAPTURE(r.name);
    auto parsed = parse_reference(r.name);
    REQUIRE(parsed);
    CHECK_EQ(parsed->repository, r.repository);
    CHECK_EQ(parsed->tag, r.tag);
    CHECK_EQ(parsed->digest, r.digest);
  }
  for (const auto* name :
       {"aws@sha256:0123", "aws@", "@" DIGEST, "aws:", "a//b", "", "/", "a/"})
    CHECK_MESSAGE(!parse_reference(name), name);
}

TEST_CASE("repositories are escaped as Go's module paths are") {
  CHECK_EQ(escape_repository("r.example.com/Group/aWS").value_or(""),
           "r.example.com/!group/a!w!s");
  CHECK_EQ(escape_repository("r.example.com:5000/X").value_or(""),
           "r.example.com:5000/!x");
  auto colon = escape_repository("r.example.com/x:5000");
  REQUIRE(!colon);
  CHECK(has(colon.error().text, "invalid char ':'"));
  for (const auto* text :
       {"r:x/a", "r:/a", "r:123456/a", "r:1", "r:1/", "r:1/../a", ":1/a",
        "a/../b", "..", "a//b", "a/.hidden", "a b", "a\xc3\xa4", "a!b", ""})
    CHECK_MESSAGE(!escape_repository(text), text);
}

TEST_CASE("the highest installed version that the tag allows is taken") {
  place x;
  for (const auto* version :
       {"1.0.0", "1.1.0", "1.9.0", "1.10.2", "2.0.0-rc.1"})
    x.install(aws, version);
  fs::create_directories(x.path("plugins/") + aws + "/not-a-version");
  auto at = [&x](const std::string& version) {
    return x.where.plugin_dir + "/" + aws + "/" + version + "/plugin";
  };
  for (const auto* name : {"aws", "aws:latest", "aws:1", aws})
    CHECK_EQ(x.find(name), at("1.10.2"));
  CHECK_EQ(x.find("aws:1.1"), at("1.1.0"));
  CHECK_EQ(x.find("aws:1.9"), at("1.9.0"));
  CHECK_EQ(x.find("aws:2.0.0-rc.1"), at("2.0.0-rc.1"));
  for (const auto* name : {"aws:2", "aws:3"}) {
    CHECK(has(x.find(name), "plugin not found"));
    CHECK(has(x.find(name), "1.10.2")); // what there is
  }
  CHECK(has(x.find("aws:1.x"), "parsing constraint"));
}

TEST_CASE("what is pinned to a digest is that, and nothing else is") {
  place x;
  x.install(aws, "1.0.0");
  CHECK(has(x.find("aws@" DIGEST), "is not installed"));
  x.install(aws, digest_folder(DIGEST));
  auto pinned
    = x.where.plugin_dir + "/" + aws + "/" + digest_folder(DIGEST) + "/plugin";
  CHECK_EQ(x.find("aws@" DIGEST), pinned);
  CHECK_EQ(x.find("aws:1.0@" DIGEST), pinned);
  CHECK(has(x.find("aws"), "/1.0.0/plugin"));
  CHECK(has(x.find("aws:x@" DIGEST), "parsing constraint"));
}

TEST_CASE("capitals of a version are escaped in its folder") {
  place x;
  x.install(aws, "1.0.0-!r!c.1");
  CHECK(has(x.find("aws:1.0.0-RC.1"), "/1.0.0-!r!c.1/plugin"));
}

TEST_CASE("where a plugin comes from is told by its name") {
  place x;
  x.program("here");
  struct row {
    const char* name;
    plugin_origin expected;
  };
  const row rows[] = {
    {"here", plugin_origin::file},
    {"/none", plugin_origin::file},
    {"../none", plugin_origin::file},
    {"fleeting-plugin-aws", plugin_origin::path},
    {"fleeting-plugin-aws:1", plugin_origin::registry},
    {"fleeting-plugin-aws@" DIGEST, plugin_origin::registry},
    {"aws", plugin_origin::registry},
    {"r.example.com/x", plugin_origin::registry},
  };
  for (const auto& r : rows)
    CHECK_MESSAGE((origin_of(r.name) == r.expected), r.name);
}

TEST_CASE("what is not installed is told how to install it") {
  place x;
  auto found = find_plugin("aws", x.where);
  REQUIRE(!found);
  CHECK_EQ(found.error().code, provider_errc::not_available);
  for (const auto* part :
       {"plugin \"aws\" is not installed", "`muster fleeting install`",
        "gitlab-org/fleeting/plugins/aws", "write the path"})
    CHECK_MESSAGE(has(found.error().text, part), found.error().text);
  x.install(aws, "1.0.0");
  fs::permissions(x.where.plugin_dir + "/" + aws + "/1.0.0/plugin",
                  fs::perms::owner_read);
  CHECK(has(x.find("aws"), "chmod +x"));
  fs::remove(x.where.plugin_dir + "/" + aws + "/1.0.0/plugin");
  CHECK(has(x.find("aws"), "install it again"));
}

TEST_CASE("a file wins, if it is a program") {
  place x;
  x.install(aws, "1.0.0");
  x.program("aws");
  CHECK_EQ(x.find("aws"), "./aws");
  fs::remove(x.path("aws"));
  fs::create_directory(x.path("aws")); // the peer would take it
  CHECK(has(x.find("aws"), "/1.0.0/plugin"));
  x.program("some/program");
  CHECK_EQ(x.find("some/program"), "some/program");
  CHECK_EQ(x.find(x.path("some/program")), x.path("some/program"));
  x.program("data", false);
  for (const auto& name : {std::string{"data"}, x.path("data")})
    CHECK(has(x.find(name), "is not executable"));
  CHECK(has(x.find("/none/here"), "there is no such file"));
  CHECK(has(x.find("./none"), "there is no such file"));
  CHECK(has(x.find(x.path("some")), "it is a folder"));
}

TEST_CASE("names that begin like a program's are searched for on PATH") {
  place x;
  CHECK(has(x.find("fleeting-plugin-aws"), "is in no folder of PATH"));
  x.program("empty/fleeting-plugin-aws", false);
  CHECK(has(x.find("fleeting-plugin-aws"), "is not executable"));
  x.program("bin/fleeting-plugin-aws");
  CHECK_EQ(x.find("fleeting-plugin-aws"), x.path("bin/fleeting-plugin-aws"));
  CHECK(has(x.find("fleeting-plugin-aws:1"), "is not installed"));
}
