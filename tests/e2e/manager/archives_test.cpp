// Artifacts and caches through the whole: GitLab, manager, instance, helper.

#include "tests/e2e/manager/world.hpp"

#include <doctest/doctest.h>

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
