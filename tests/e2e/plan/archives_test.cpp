#include "tests/e2e/plan/each_shell.hpp"

using namespace muster;
using namespace muster::test;

namespace {

// Writes down how it is called, with what of its environment matters, and ends
// with the number in `exit-COMMAND`, if there is one.
constexpr auto stand_in = R"sh(#!/bin/sh
root=$(dirname "$0")
[ "$1" != --version ] || exit "$(cat "$root/exit-version" 2>/dev/null || echo 0)"
{
  printf '%s:' "$1"
  command=$1
  shift
  printf ' [%s]' "$@"
  for name in CI_SERVER_URL CI_JOB_TOKEN CACHE_METADATA CI_JOB_STATUS; do
    eval "value=\${$name-unset}"
    printf ' %s=%s' "$name" "$value"
  done
  printf ' in %s\n' "${PWD##*/}"
} >>"$root/calls"
echo "output of $command"
exit "$(cat "$root/exit-$command" 2>/dev/null || echo 0)"
)sh";

std::string warning(const std::string& text) {
  return "\x1b[0;33m" + text + "\x1b[0;m\n";
}

std::string error(const std::string& text) {
  return "\x1b[31;1m" + text + "\x1b[0;m\n";
}

/// A place with a helper that only notes its calls.
struct desk {
  workplace place;
  std::string shell;
  environment helper{{"MUSTER_HELPER", place.root() + "/helper"}};
  runner_config config;

  explicit desk(std::string shell_name) : shell(std::move(shell_name)) {
    config.url = "https://gitlab.example.com";
    place.prepare("cat >helper <<'E'\n" + std::string{stand_in}
                  + "E\nchmod +x helper");
  }

  plan_run run(const job_payload& job) {
    place.prepare("rm -f calls");
    return carry_out(plan_of(job, config).plan, shell, place, helper);
  }

  void fail(const std::string& command, int code = 1) const {
    place.prepare("echo " + std::to_string(code) + " >exit-" + command);
  }

  void succeed(const std::string& command) const {
    place.prepare("rm -f exit-" + command);
  }

  std::string calls() const {
    return place.prepare("cat calls 2>/dev/null || :");
  }

  std::string cache(const std::string& key) const {
    return place.home() + "/cache/project-7/" + key + "/cache.zip";
  }
};

/// Runs a test's body at a desk for each shell.
template <class Body>
void at_each_desk(Body body) {
  for (const std::string shell : {"bash", "dash"}) {
    CAPTURE(shell);
    desk x{shell};
    body(x);
  }
}

job_payload cached_job(const desk& at, job_cache cache,
                       std::vector<std::string> commands = {"true"}) {
  auto job = job_at(at.place, std::move(commands));
  job.name = "build";
  job.caches = {std::move(cache)};
  return job;
}

constexpr auto unset_cache_env
  = " CI_SERVER_URL=unset CI_JOB_TOKEN=unset CACHE_METADATA=";

} // namespace

TEST_CASE("a cache is restored before the steps and kept after them") {
  at_each_desk([](desk& x) {
    auto job
      = cached_job(x, {.key = "k-$WHO", .paths = {"lib", "it's $WHO/*", "-x"}});
    set(job, "WHO", "me");
    auto got = x.run(job);
    CHECK_EQ(got.status, "success");
    CHECK_EQ(got.of("restore_cache").out,
             notice("Checking cache for k-me...")
               + "output of cache-extractor\n"
               + notice("Successfully extracted cache"));
    CHECK_EQ(got.of("archive_cache").out, notice("Creating cache k-me...")
                                            + "output of cache-archiver\n"
                                            + notice("Created cache"));
    CHECK_FALSE(got.ran("archive_cache_on_failure"));
    auto calls = x.calls();
    CAPTURE(calls);
    CHECK(has(calls, "cache-extractor: [--file] [" + x.cache("k-me")
                       + "] [--timeout] [10]" + unset_cache_env
                       + "unset CI_JOB_STATUS=running in project-7\n"));
    CHECK(has(calls, "cache-archiver: [--file] [" + x.cache("k-me")
                       + "] [--alternate-file] ["));
    CHECK(has(calls, "] [--timeout] [10] [--path] [lib] [--path] [it's "
                     "$WHO/*] [--path=-x]"
                       + std::string{unset_cache_env}
                       + "{\"cachekey\":\"k-me\"} CI_JOB_STATUS=success in "
                         "project-7\n"));
  });
}

TEST_CASE("a cache that cannot be restored or kept is no failure") {
  at_each_desk([](desk& x) {
    x.fail("cache-extractor");
    x.fail("cache-archiver", 5);
    auto got
      = x.run(cached_job(x, {.key = "k", .untracked = true, .when = "always"}));
    CHECK_EQ(got.status, "success");
    CHECK_EQ(got.of("restore_cache").out,
             notice("Checking cache for k...") + "output of cache-extractor\n"
               + warning("Failed to extract cache"));
    CHECK_EQ(got.of("archive_cache").out,
             notice("Creating cache k...") + "output of cache-archiver\n"
               + warning("Failed to create cache"));
    CHECK(has(x.calls(), " [--untracked] "));
  });
}

TEST_CASE("one key after the other is tried until a cache is there") {
  at_each_desk([](desk& x) {
    x.fail("cache-extractor");
    auto job = cached_job(
      x,
      {.key = "first",
       .paths = {"lib", "../away", "$CI_PROJECT_DIR/a", "/tmp/not-mine"},
       .fallback_keys = {"second-$CI_SERVER", "../.."}},
      {"ls"});
    set(job, "CACHE_FALLBACK_KEY", "third");
    x.place.prepare("mkdir -p home/" + project
                    + "/lib/x; touch home/builds/ABCDEFGHI/0/away");
    set(job, "FF_CLEAN_UP_FAILED_CACHE_EXTRACT", "true");
    set(job, "GIT_STRATEGY", "none");
    auto got = x.run(job);
    auto failed = [](const std::string& key, const std::string& dir) {
      return notice("Checking cache for " + key + "...")
             + "output of cache-extractor\n"
             + warning("Failed to extract cache") + "Removing lib\nRemoving "
             + dir + "/a\n";
    };
    auto dir = x.place.home() + '/' + project;
    CHECK_EQ(got.of("restore_cache").out,
             warning("cache key \"../..\" could not be sanitized")
               + notice("Skipping cache extraction due to empty cache key")
               + failed("first", dir) + failed("second-yes", dir)
               + failed("third", dir));
    CHECK_FALSE(x.place.exists(project + "/lib"));
    CHECK(x.place.exists("builds/ABCDEFGHI/0/away"));
    x.succeed("cache-extractor");
    got = x.run(job);
    CHECK_EQ(count_of(got.of("restore_cache").out, "Checking cache for"), 1);
  });
}

TEST_CASE("a fallback key of protected branches is refused") {
  at_each_desk([](desk& x) {
    x.fail("cache-extractor");
    auto job = cached_job(x, {.key = "k", .paths = {"lib"}});
    set(job, "CACHE_FALLBACK_KEY", "main-protected. ");
    auto got = x.run(job);
    CHECK(has(got.of("restore_cache").out,
              warning("CACHE_FALLBACK_KEY \"main-protected. \" not allowed to "
                      "end in \"-protected\"")));
    CHECK_EQ(count_of(got.of("restore_cache").out, "Checking cache for"), 1);
  });
}

TEST_CASE("a policy decides which way a cache goes") {
  at_each_desk([](desk& x) {
    struct row {
      const char* policy;
      bool pulled;
      bool pushed;
    };
    const row rows[] = {{"", true, true},
                        {"pull-push", true, true},
                        {"pull", true, false},
                        {"push", false, true},
                        {"$POLICY", true, false}};
    for (const auto& r : rows) {
      CAPTURE(r.policy);
      auto job
        = cached_job(x, {.key = "k", .policy = r.policy, .paths = {"lib"}});
      set(job, "POLICY", "pull");
      auto got = x.run(job);
      CHECK_EQ(got.status, "success");
      CHECK_EQ(has(got.of("restore_cache").out, "Checking cache"), r.pulled);
      CHECK_EQ(got.of("restore_cache").out
                 == notice("Not downloading cache k due to policy"),
               !r.pulled);
      CHECK_EQ(has(got.of("archive_cache").out, "Creating cache"), r.pushed);
      CHECK_EQ(got.of("archive_cache").out
                 == notice("Not uploading cache k due to policy"),
               !r.pushed);
    }
    auto got
      = x.run(cached_job(x, {.key = "k", .policy = "get", .paths = {"lib"}}));
    CHECK_EQ(got.status, "failed");
    CHECK_EQ(got.of("restore_cache").exit_code, 1);
    CHECK_EQ(got.of("restore_cache").out,
             error("unknown cache policy get for k: expected pull, push or "
                   "pull-push"));
    CHECK_FALSE(got.ran("step_script"));
  });
}

TEST_CASE("how the job ended decides which caches are kept") {
  at_each_desk([](desk& x) {
    struct row {
      const char* when;
      bool on_success;
      bool on_failure;
    };
    const row rows[] = {{"", true, false},
                        {"on_success", true, false},
                        {"on_failure", false, true},
                        {"always", true, true},
                        {"never", false, false}};
    for (const auto& r : rows) {
      CAPTURE(r.when);
      auto cache = job_cache{.key = "k", .paths = {"lib"}, .when = r.when};
      auto good = x.run(cached_job(x, cache));
      CHECK_EQ(good.ran("archive_cache"), r.on_success);
      CHECK_FALSE(good.ran("archive_cache_on_failure"));
      auto bad = x.run(cached_job(x, cache, {"false"}));
      CHECK_EQ(bad.ran("archive_cache_on_failure"), r.on_failure);
      CHECK_FALSE(bad.ran("archive_cache"));
      if (r.on_failure)
        CHECK(has(x.calls(), " CI_JOB_STATUS=failed "));
    }
  });
}

TEST_CASE("a cache without a key, one without paths, and one that is hashed") {
  at_each_desk([](desk& x) {
    auto job = cached_job(x, {.paths = {"lib"}});
    auto got = x.run(job);
    CHECK(has(x.calls(), '[' + x.cache("build/main") + ']'));
    set(job, "FF_HASH_CACHE_KEYS", "true");
    got = x.run(job);
    CHECK(has(got.of("restore_cache").out,
              notice("Checking cache for build/main...")));
    CHECK_FALSE(has(x.calls(), "[--file] [" + x.cache("build/main") + ']'));
    CHECK(has(x.calls(), "[--alternate-file] [" + x.cache("build/main") + ']'));
    job.caches = {{.key = "k"}};
    got = x.run(job);
    CHECK_FALSE(got.ran("restore_cache"));
    CHECK_FALSE(got.ran("archive_cache"));
  });
}

TEST_CASE("artifacts are uploaded entry by entry, as the job ended") {
  at_each_desk([](desk& x) {
    auto job = job_at(x.place, {"true"});
    job.id = 42;
    job.artifacts = {
      {.name = "all of $CI_SERVER",
       .paths = {"out", "*.log"},
       .exclude = {"out/tmp"},
       .type = "archive",
       .format = "zip",
       .expire_in = "1 week"},
      {.paths = {"report.xml"},
       .when = "always",
       .type = "junit",
       .format = "gzip"},
      {.untracked = true, .when = "on_failure"},
      {.name = "nothing", .exclude = {"x"}},
    };
    auto got = x.run(job);
    CHECK_EQ(got.status, "success");
    auto each
      = notice("Uploading artifacts...") + "output of artifacts-uploader\n";
    CHECK_EQ(got.of("upload_artifacts_on_success").out, each + each);
    const std::string times
      = "[--timeout] [1h0m0s] [--response-header-timeout] [10m0s] ";
    const std::string who
      = " CI_SERVER_URL=https://gitlab.example.com "
        "CI_JOB_TOKEN=glcbt-64_secret-of-the-job CACHE_METADATA=unset ";
    CHECK_EQ(x.calls(),
             "artifacts-uploader: [--id] [42] " + times
               + "[--path] [out] [--path] [*.log] [--exclude] [out/tmp] "
                 "[--name] [all of $CI_SERVER] [--expire-in] [1 week] "
                 "[--artifact-format] [zip] [--artifact-type] [archive]"
               + who
               + "CI_JOB_STATUS=success in project-7\n"
                 "artifacts-uploader: [--id] [42] "
               + times
               + "[--path] [report.xml] [--artifact-format] [gzip] "
                 "[--artifact-type] [junit]"
               + who + "CI_JOB_STATUS=success in project-7\n");
    job.steps.front().script = {"exit 3"};
    got = x.run(job);
    CHECK_FALSE(got.ran("upload_artifacts_on_success"));
    CHECK_EQ(got.of("upload_artifacts_on_failure").out, each + each);
    CHECK(has(x.calls(), "[--untracked]"));
    CHECK_FALSE(has(x.calls(), "[out]"));
  });
}

TEST_CASE("an upload that fails fails the job and skips those after it") {
  at_each_desk([](desk& x) {
    x.fail("artifacts-uploader", 7);
    auto job = job_at(x.place, {"true"});
    job.artifacts = {{.paths = {"a"}}, {.paths = {"b"}}};
    auto got = x.run(job);
    CHECK_EQ(got.status, "failed");
    CHECK_EQ(got.of("upload_artifacts_on_success").exit_code, 7);
    CHECK_EQ(count_of(x.calls(), "artifacts-uploader"), 1);
    CHECK(got.ran("cleanup_file_variables"));
  });
}

TEST_CASE("the artifacts of earlier jobs come with these jobs' own tokens") {
  at_each_desk([](desk& x) {
    auto job = job_at(x.place, {"true"});
    job.dependencies = {
      {.id = 5, .token = secret{"glcbt-five"}, .name = "one", .file_name = "a"},
      {.id = 6, .token = secret{"glcbt-six"}, .name = "none"},
      {.id = 7, .token = secret{"t"}, .name = "t: [x y]", .file_name = "b"}};
    auto got = x.run(job);
    CHECK_EQ(got.status, "success");
    CHECK_EQ(got.of("download_artifacts").out,
             notice("Downloading artifacts for one (5)...")
               + "output of artifacts-downloader\n"
               + notice("Downloading artifacts for t: [x y] (7)...")
               + "output of artifacts-downloader\n");
    CHECK(has(x.calls(), "artifacts-downloader: [--id] [5] "
                         "CI_SERVER_URL=https://gitlab.example.com "
                         "CI_JOB_TOKEN=glcbt-five "));
    CHECK(has(x.calls(), "[--id] [7]"));
    x.fail("artifacts-downloader");
    got = x.run(job);
    CHECK_EQ(got.status, "failed");
    CHECK_EQ(count_of(x.calls(), "artifacts-downloader"), 1);
    CHECK_FALSE(got.ran("step_script"));
  });
}

TEST_CASE("without a helper the job runs and says what is missing") {
  at_each_desk([](desk& x) {
    auto job = cached_job(x, {.key = "k", .paths = {"lib"}});
    job.artifacts = {{.paths = {"a"}}};
    job.dependencies
      = {{.id = 5, .token = secret{"t"}, .name = "one", .file_name = "a"}};
    x.helper.clear();
    auto got = x.run(job);
    CHECK_EQ(got.status, "success");
    CHECK_EQ(got.of("restore_cache").out,
             warning("Missing gitlab-runner. Extracting cache is disabled."));
    CHECK_EQ(
      got.of("download_artifacts").out,
      warning("Missing gitlab-runner. Artifacts downloading is disabled."));
    CHECK_EQ(got.of("archive_cache").out,
             warning("Missing gitlab-runner. Creating cache is disabled."));
    CHECK_EQ(
      got.of("upload_artifacts_on_success").out,
      warning("Missing gitlab-runner. Uploading artifacts is disabled."));
  });
}

TEST_CASE("the peer's helper in PATH stands in, if it works") {
  at_each_desk([](desk& x) {
    auto job = job_at(x.place, {"true"});
    job.artifacts = {{.paths = {"a"}}};
    x.place.prepare("mkdir bin; ln -s ../helper bin/gitlab-runner; ln helper "
                    "bin/gitlab-runner-helper; echo 1 >bin/exit-version");
    x.helper = {{"PATH", x.place.root() + "/bin:/usr/bin:/bin"}};
    auto got = x.run(job);
    CHECK(has(got.of("upload_artifacts_on_success").out, "Missing"));
    x.place.prepare("rm bin/exit-version");
    got = x.run(job);
    CHECK(has(got.of("upload_artifacts_on_success").out,
              "output of artifacts-uploader"));
  });
}

TEST_CASE("a job's own variable does not choose the helper") {
  at_each_desk([](desk& x) {
    auto job = job_at(x.place, {"true"});
    job.artifacts = {{.paths = {"a"}}};
    set(job, "MUSTER_HELPER", "/nowhere");
    CHECK_EQ(x.run(job).status, "success");
    CHECK(has(x.calls(), "artifacts-uploader"));
  });
}

TEST_CASE("a traced stage does not show what its helper is given") {
  at_each_desk([](desk& x) {
    auto job = cached_job(x, {.key = "k", .paths = {"lib"}});
    job.dependencies = {{.id = 5,
                         .token = secret{"glcbt-of-another-job"},
                         .name = "one",
                         .file_name = "a"}};
    set(job, "CI_DEBUG_TRACE", "true");
    auto got = x.run(job);
    CHECK_EQ(got.status, "success");
    const auto& stage = got.of("download_artifacts");
    CHECK(has(stage.err, "+ "));
    CHECK_FALSE(has(stage.err, "glcbt-of-another-job"));
    CHECK_FALSE(has(got.of("archive_cache").err, "cachekey"));
    CHECK(has(x.calls(), "CI_JOB_TOKEN=glcbt-of-another-job"));
  });
}

TEST_CASE("the origin of a zip is told if the job wants it") {
  at_each_desk([](desk& x) {
    auto job = job_at(x.place, {"true"});
    job.name = "build it";
    job.artifacts
      = {{.paths = {"a"}, .format = "zip"}, {.paths = {"b"}, .format = "raw"}};
    set(job, "RUNNER_GENERATE_ARTIFACTS_METADATA", "true");
    set(job, "CI_RUNNER_ID", "17");
    set(job, "SECRET", "not told");
    x.config.name = "my runner";
    x.config.executor = "instance";
    CHECK_EQ(x.run(job).status, "success");
    auto calls = x.calls();
    CAPTURE(calls);
    CHECK_EQ(count_of(calls, "--generate-artifacts-metadata"), 1);
    CHECK(
      has(calls, "[--generate-artifacts-metadata] [--runner-id] [17] "
                 "[--repo-url] [file://"
                   + x.place.root() + "/origin] [--repo-digest] [" + job.git.sha
                   + "] [--job-name] [build it] [--executor-name] [instance] "
                     "[--runner-name] [my runner] [--schema-version] [unknown] "
                     "[--metadata-parameter] "
                     "[RUNNER_GENERATE_ARTIFACTS_METADATA] "
                     "[--metadata-parameter] [CI_RUNNER_ID] "
                     "[--metadata-parameter] [SECRET] [--started-at] [2"));
    CHECK_FALSE(has(calls, "not told"));
    auto at = calls.find("[--ended-at] [2");
    REQUIRE(at != std::string::npos);
    CHECK_EQ(calls[at + 33], 'Z');
  });
}
