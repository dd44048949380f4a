// Artifacts and caches through the whole: GitLab, manager, instance, helper.

#include "tests/e2e/manager/world.hpp"
#include "tests/support/s3_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const json no_git{{"GIT_STRATEGY", "empty"}};

} // namespace

TEST_CASE("what a job leaves reaches GitLab, and the job that depends on it") {
  world x;
  auto first = x.enqueue({{"script", {"mkdir out", "echo made >out/file"}},
                          {"artifacts", {{"paths", {"out"}}}},
                          {"variables", no_git}});
  CHECK_EQ(x.ended(first).state, job_state::success);
  CAPTURE(x.log(first));
  CHECK(contains(x.log(first), "Uploading artifacts for successful job"));
  CHECK(contains(x.log(first), "Uploading artifacts..."));
  CHECK_EQ(x.gitlab.job(first)->artifacts.size(), 1);
  auto next = x.enqueue({{"script", "echo \"GOT=$(cat out/file)\""},
                         {"dependencies", {first}},
                         {"variables", no_git}});
  CHECK_EQ(x.ended(next).state, job_state::success);
  CAPTURE(x.log(next));
  CHECK_EQ(x.printed(next, "GOT"), "made");
  CHECK(contains(x.log(next), "Downloading artifacts for "));
  CHECK_FALSE(contains(x.log(next), x.gitlab.job(first)->token));
  auto failing
    = x.enqueue({{"script", {"echo why >report", "exit 4"}},
                 {"artifacts", {{"paths", {"report"}}, {"when", "on_failure"}}},
                 {"variables", no_git}});
  auto ended = x.ended(failing);
  CHECK_EQ(ended.exit_code, 4);
  CHECK_EQ(x.gitlab.job(failing)->artifacts.size(), 1);
  CHECK(contains(x.log(failing), "Uploading artifacts for failed job"));
  x.check_rules();
}

TEST_CASE("a cache is there for the next job on the instance") {
  world x;
  json job{{"script",
            {"cat lib/kept || echo none", "mkdir -p lib", "echo it >lib/kept"}},
           {"cache", {{"key", "k-$CI_SERVER"}, {"paths", {"lib"}}}},
           {"variables", no_git}};
  auto first = x.enqueue(job);
  CHECK_EQ(x.ended(first).state, job_state::success);
  CAPTURE(x.log(first));
  CHECK(contains(x.log(first), "Checking cache for k-yes..."));
  CHECK(contains(x.log(first), "Failed to extract cache"));
  CHECK(contains(x.log(first), "\nnone"));
  CHECK(contains(x.log(first), "Created cache"));
  auto next = x.enqueue(job);
  CHECK_EQ(x.ended(next).state, job_state::success);
  CAPTURE(x.log(next));
  CHECK(contains(x.log(next), "Successfully extracted cache"));
  CHECK(contains(x.log(next), "\nit"));
  x.check_rules();
}

namespace {

/// A store, and a configuration that has its caches there.
struct stored_world {
  manager_folder store_folder;
  s3_server store{store_folder.path() / "store"};
  world x{settings()};

  world::settings settings() const {
    world::settings out;
    out.manager.file = {"log_level = \"debug\""};
    out.manager.runner = {
      "[runners.cache]",
      "Type = \"s3\"",
      "Path = \"e2e\"",
      "[runners.cache.s3]",
      fmt::format("ServerAddress = \"{}\"", store.address()),
      "Insecure = true",
      fmt::format("AccessKey = \"{}\"", s3_server::access_key),
      fmt::format("SecretKey = \"{}\"", s3_server::secret_key),
      fmt::format("BucketName = \"{}\"", s3_server::bucket),
    };
    return out;
  }

  json job(std::vector<std::string> script, const std::string& key,
           const std::string& policy = "pull-push") const {
    return {{"script", std::move(script)},
            {"cache", {{"key", key}, {"paths", {"lib"}}, {"policy", policy}}},
            {"variables", no_git}};
  }
};

/// Keeps what it sees of all processes of the instance, until the job ends.
constexpr auto spy
  = "(while :; do cat /proc/[0-9]*/environ "
    "/proc/[0-9]*/cmdline || :; sleep 0.02; done 2>/dev/null | "
    "tr '\\0' '\\n' >/tmp/spied) </dev/null "
    ">/dev/null 2>&1 &";

} // namespace

TEST_CASE("caches of the configuration's store come back where there is no "
          "file of them, and no key leaves the manager") {
  stored_world at;
  auto& x = at.x;
  auto first = x.enqueue(
    at.job({spy, "mkdir lib", "head -c 20000000 /dev/urandom >lib/big",
            "sha256sum <lib/big | sed 's/ .*//;s/^/SUM=/'"},
           "k"));
  CHECK_EQ(x.ended(first).state, job_state::success);
  CAPTURE(x.log(first));
  CHECK(contains(x.log(first), "Uploading cache.zip to http://"
                                 + at.store.address() + "/cache/e2e/runner/"));
  CHECK(contains(x.log(first), "Created cache"));
  auto spied = file_text(x.place.instance(x.instance_of(first)) / "tmp/spied");
  CHECK(contains(spied, "MUSTER_CACHE_URL=http://"));
  CHECK(contains(spied, "\ncache-archiver\n"));
  // The local file goes: the next job has the store alone.
  CHECK_EQ(x.ended(x.enqueue_script("rm -r $HOME/cache")).state,
           job_state::success);
  auto next = x.enqueue(
    at.job({"sha256sum <lib/big | sed 's/ .*//;s/^/SUM=/'"}, "k", "pull"));
  CHECK_EQ(x.ended(next).state, job_state::success);
  CAPTURE(x.log(next));
  CHECK(contains(x.log(next), "Downloading cache.zip from http://"));
  CHECK_EQ(x.printed(next, "SUM"), x.printed(first, "SUM"));
  auto other = x.enqueue(at.job({"ls lib || echo none"}, "other", "pull"));
  CHECK_EQ(x.ended(other).state, job_state::success);
  CHECK(contains(x.log(other), "\nnone"));
  for (const auto& text :
       {spied, x.log(first), x.log(next), x.log(other), x.manager->log()})
    CHECK_FALSE(contains(text, s3_server::secret_key));
  CHECK_EQ(
    run_shell(fmt::format("grep -rlF {} {} || true", s3_server::secret_key,
                          (x.place.state() / "local").string())),
    "");
  for (const auto& text :
       {x.log(first), x.log(next), x.log(other), x.manager->log()})
    CHECK_FALSE(contains(text, "X-Amz-Signature="));
  // No signed URL is in an argument, which every user may read.
  for (auto at = spied.find("X-Amz-Signature="); at != std::string::npos;
       at = spied.find("X-Amz-Signature=", at + 1)) {
    auto line = spied.rfind('\n', at) + 1;
    CHECK_EQ(spied.substr(line, 13), "MUSTER_CACHE_");
  }
  x.check_rules();
}

TEST_CASE("a store that is away costs caches, not jobs") {
  stored_world at;
  auto& x = at.x;
  at.store.stop();
  auto id = x.enqueue(at.job({"mkdir lib", "echo it >lib/kept"}, "k"));
  CHECK_EQ(x.ended(id).state, job_state::success);
  CAPTURE(x.log(id));
  CHECK(contains(x.log(id), "Failed to extract cache"));
  CHECK(contains(x.log(id), "Failed to create cache"));
  CHECK(contains(x.log(id), "onnection refused"));
  CHECK_FALSE(contains(x.log(id), "X-Amz-"));
  x.check_rules();
}
