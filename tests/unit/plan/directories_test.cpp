#include "executors/plan/directories.hpp"
#include "executors/plan/url.hpp"
#include "executors/shells/posix.hpp"

#include <doctest/doctest.h>

using namespace muster;

namespace {

directory_facts facts_of(std::string builds_dir, std::string repo_url) {
  directory_facts facts;
  facts.builds_dir = std::move(builds_dir);
  facts.cache_dir = "cache";
  facts.repo_url = std::move(repo_url);
  facts.project_id = 7;
  facts.short_token = "ABCDEFGHI";
  facts.concurrent_project_id = 3;
  return facts;
}

/// The mark written as `~`.
std::string readable(std::string path) {
  if (path.starts_with(posix::login_mark))
    path.replace(0, posix::login_mark.size(), "~");
  return path;
}

} // namespace

TEST_CASE("a project's folder follows the URL of its repository") {
  struct row {
    const char* what;
    const char* builds_dir;
    const char* repo_url;
    const char* expected;
  };
  const row rows[] = {
    {"absolute", "/b", "https://u:p@git.example.com/group/demo.git",
     "/b/ABCDEFGHI/3/group/demo"},
    {"relative", "builds", "https://git.example.com/group/sub/demo.git",
     "~/builds/ABCDEFGHI/3/group/sub/demo"},
    {"below a base path", "/b", "http://h:8080/gitlab/g/demo.git",
     "/b/ABCDEFGHI/3/gitlab/g/demo"},
    {"no .git", "/b/", "https://h/g/demo", "/b/ABCDEFGHI/3/g/demo"},
    {"not clean", "/b/../c", "https://h//g/./demo.git",
     "/c/ABCDEFGHI/3/g/demo"},
    {"encoded", "/b", "https://h/g/a%20b.git", "/b/ABCDEFGHI/3/g/a b"},
    {"leaves the root", "/b", "https://h/g/%2e%2e..x.git",
     "/b/ABCDEFGHI/3/project-7"},
    {"no host", "/b", "file:///srv/demo.git", "/b/ABCDEFGHI/3/project-7"},
    {"a path", "/b", "/srv/demo.git", "/b/ABCDEFGHI/3/project-7"},
    {"nothing", "/b", "", "/b/ABCDEFGHI/3/project-7"},
    {"only a host", "/b", "https://h", "/b/ABCDEFGHI/3/project-7"},
    {"line end", "/b", "https://h/a%0ab", "/b/ABCDEFGHI/3/project-7"},
    {"broken encoding", "/b", "https://h/a%zz", "/b/ABCDEFGHI/3/project-7"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto dirs = lay_out(facts_of(r.builds_dir, r.repo_url));
    REQUIRE(dirs);
    CHECK_EQ(readable(dirs->project), r.expected);
    CHECK_EQ(dirs->temp, dirs->project + ".tmp");
  }
}

TEST_CASE("a job without sources has a folder of its own") {
  auto facts = facts_of("/b", "https://h/g/p.git");
  facts.empty_strategy = true;
  CHECK_EQ(lay_out(facts)->project, "/b/ABCDEFGHI/3/g/p-empty");
  CHECK_EQ(lay_out(facts)->temp, "/b/ABCDEFGHI/3/g/p-empty.tmp");
}

TEST_CASE("GIT_CLONE_PATH is taken only below the builds directory") {
  auto mark = std::string{posix::login_mark};
  struct row {
    const char* what;
    std::string builds_dir;
    std::string path;
    std::string expected; ///< empty: refused
  };
  const row rows[] = {
    {"below", "/b", "/b/x/y", "/b/x/y"},
    {"cleaned", "/b", "/b/x/../y/", "/b/y"},
    {"the root itself", "/b", "/b", ""},
    {"outside", "/b", "/etc", ""},
    {"climbing out", "/b", "/b/../etc", ""},
    {"a sibling with the same start", "/b", "/bx/y", ""},
    {"relative to an absolute root", "/b", "x", ""},
    {"relative root", "builds", mark + "/builds/x", "~/builds/x"},
    {"both relative", "builds", "builds/x", "~/builds/x"},
    {"climbing out of a relative root", "builds", "builds/../../x", ""},
    {"climbing over the login directory", "builds", mark + "/../builds/x", ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto facts = facts_of(r.builds_dir, "https://h/g/p.git");
    facts.clone_path = r.path;
    facts.clone_path_allowed = true;
    auto dirs = lay_out(facts);
    CHECK_EQ(dirs.has_value(), !r.expected.empty());
    if (dirs)
      CHECK_EQ(readable(dirs->project), r.expected);
    else
      CHECK_EQ(dirs.error().code, job_errc::configuration_error);
  }
}

TEST_CASE("GIT_CLONE_PATH is refused unless the runner allows it") {
  auto facts = facts_of("/b", "https://h/g/p.git");
  facts.clone_path = "/b/x";
  auto dirs = lay_out(facts);
  REQUIRE_FALSE(dirs);
  CHECK_EQ(dirs.error().code, job_errc::configuration_error);
  CHECK(dirs.error().text.find("custom_build_dir") != std::string::npos);
}

TEST_CASE("an empty builds directory is refused") {
  auto dirs = lay_out(facts_of("", "https://h/g/p.git"));
  REQUIRE_FALSE(dirs);
  CHECK_EQ(dirs.error().code, job_errc::configuration_error);
}

TEST_CASE("paths below the login directory are told without it") {
  auto mark = std::string{posix::login_mark};
  CHECK_EQ(from_login(mark + "/builds/x.tmp"), "builds/x.tmp");
  CHECK_EQ(from_login("/b/x.tmp"), "/b/x.tmp");
  CHECK_EQ(from_login(mark), ".");
}

TEST_CASE("a URL comes apart and loses its password") {
  auto url = parse_git_url("HTTPS://user:p@ss@Host:8443/a/b.git?x=1#y");
  REQUIRE(url);
  CHECK_EQ(url->scheme, "https");
  CHECK_EQ(url->user_info, "user:p@ss");
  CHECK_EQ(url->host, "Host:8443");
  CHECK_EQ(url->path, "/a/b.git");
  CHECK_EQ(url->base(), "https://Host:8443");
  CHECK_EQ(without_credentials("http://gitlab-ci-token:T@[::1]:80/a"),
           "http://[::1]:80/a");
  for (auto no_url : {"git@host:a/b.git", "/srv/a.git", "://x", ""}) {
    CHECK_FALSE(parse_git_url(no_url));
    CHECK_EQ(without_credentials(no_url), no_url);
  }
}

TEST_CASE("caches lie below the cache folder, whoever's job it is") {
  struct row {
    const char* cache_dir;
    const char* repo_url;
    const char* expected;
  };
  const row rows[] = {
    {"cache", "https://h/g/demo.git", "~/cache/g/demo"},
    {"/var/cache/ci/", "https://h/g/demo.git", "/var/cache/ci/g/demo"},
    {"cache", "/srv/demo.git", "~/cache/project-7"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.cache_dir);
    auto facts = facts_of("builds", r.repo_url);
    facts.cache_dir = r.cache_dir;
    CHECK_EQ(readable(lay_out(facts)->cache), r.expected);
    facts.clone_path = std::string{posix::login_mark} + "/builds/x";
    facts.clone_path_allowed = true;
    CHECK_EQ(readable(lay_out(facts)->cache), r.expected);
  }
  auto facts = facts_of("builds", "https://h/g/demo.git");
  facts.cache_dir.clear();
  CHECK_EQ(lay_out(facts).error().code, job_errc::configuration_error);
}

TEST_CASE("where no other job can work, the folder is the project's alone") {
  auto facts = facts_of("builds", "https://h/g/demo.git");
  facts.shared = false;
  auto dirs = lay_out(facts);
  CHECK_EQ(readable(dirs->project), "~/builds/g/demo");
  CHECK_EQ(readable(dirs->temp), "~/builds/g/demo.tmp");
}
