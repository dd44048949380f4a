// Caches with the real helper: local ones, and ones in a real store.

#include "tests/e2e/plan/each_shell.hpp"
#include "tests/support/s3_server.hpp"

#include <filesystem>

using namespace muster;
using namespace muster::test;

namespace {

/// A place with the real helper.
struct instance {
  workplace place;
  std::string shell = "bash";

  plan_run run(const job_payload& job, const runner_config& config) {
    return carry_out(plan_of(job, config).plan, shell, place,
                     {{"MUSTER_HELPER", MUSTER_HELPER}});
  }
};

job_payload cached_job(const instance& at, std::vector<std::string> commands) {
  auto job = job_at(at.place, std::move(commands));
  job.name = "build";
  job.caches = {{.key = "k \xc3\xa9", .paths = {"lib"}}};
  set(job, "GIT_STRATEGY", "none");
  return job;
}

/// One store for all tests of this file: it takes seconds to start.
struct store {
  workplace place;
  s3_server server{place.root() + "/store"};

  runner_config config() const {
    runner_config out;
    out.url = "http://127.0.0.1:1";
    out.cache.type = cache_type::s3;
    out.cache.s3.server_address = server.address();
    out.cache.s3.insecure = true;
    out.cache.s3.access_key = s3_server::access_key;
    out.cache.s3.secret_key = secret{s3_server::secret_key};
    out.cache.s3.bucket = s3_server::bucket;
    return out;
  }
};

store& the_store() {
  static store one;
  return one;
}

const std::vector<std::string> fill{"mkdir -p lib", "echo kept >lib/x"};
const std::vector<std::string> look{"cat lib/x"};

std::string output(const plan_run& run, const std::string& stage) {
  return run.of(stage).out + run.of(stage).err;
}

} // namespace

TEST_CASE("a local cache is there for the next job in another folder") {
  for (const auto* shell : {"bash", "dash"}) {
    CAPTURE(shell);
    instance x;
    x.shell = shell;
    auto kept = x.run(cached_job(x, fill), {});
    CAPTURE(output(kept, "archive_cache"));
    CHECK(has(kept.of("archive_cache").out, notice("Created cache")));
    x.place.prepare("rm -rf home/" + project);
    auto got = x.run(cached_job(x, look), {});
    CAPTURE(output(got, "restore_cache"));
    CHECK_EQ(got.status, "success");
    CHECK(
      has(got.of("restore_cache").out, notice("Successfully extracted cache")));
  }
}

TEST_CASE("a cache in a store comes back on another instance") {
  const auto config = the_store().config();
  for (auto hashed : {"false", "true"}) {
    CAPTURE(hashed);
    instance first;
    auto job = cached_job(first, fill);
    job.project_id = *hashed == 't' ? 1 : 2;
    set(job, "FF_HASH_CACHE_KEYS", hashed);
    auto kept = first.run(job, config);
    CAPTURE(output(kept, "archive_cache"));
    CHECK(has(kept.of("archive_cache").out, notice("Created cache")));
    // In either mode: the other one's is the alternate.
    for (auto later : {"false", "true"}) {
      CAPTURE(later);
      instance other;
      auto next = cached_job(other, look);
      next.project_id = job.project_id;
      set(next, "FF_HASH_CACHE_KEYS", later);
      auto got = other.run(next, config);
      CAPTURE(output(got, "restore_cache"));
      CHECK_EQ(got.status, "success");
      CHECK(has(got.of("restore_cache").out,
                notice("Successfully extracted cache")));
    }
    instance stranger;
    auto next = cached_job(stranger, look);
    next.project_id = 99;
    auto got = stranger.run(next, config);
    CHECK_EQ(got.status, "failed"); // `cat` of nothing
    CHECK(has(got.of("restore_cache").out, "Failed to extract cache"));
  }
}

TEST_CASE("with a wrong key nothing comes back, and the job goes on") {
  auto config = the_store().config();
  config.cache.s3.secret_key = secret{"another"};
  instance x;
  auto got = x.run(cached_job(x, fill), config);
  CAPTURE(output(got, "restore_cache"));
  CAPTURE(output(got, "archive_cache"));
  CHECK_EQ(got.status, "success");
  CHECK(has(got.of("restore_cache").out, "Failed to extract cache"));
  CHECK(has(got.of("archive_cache").out, "Failed to create cache"));
}

TEST_CASE("what a store is asked with is in no output, traced or not") {
  const auto config = the_store().config();
  for (auto traced : {"false", "true"}) {
    CAPTURE(traced);
    instance x;
    auto job = cached_job(x, fill);
    job.project_id = 3;
    set(job, "CI_DEBUG_TRACE", traced);
    auto got = x.run(job, config);
    CHECK_EQ(got.status, "success");
    for (const auto& stage : got.stages)
      for (const auto* part : {"X-Amz-Signature=", s3_server::secret_key})
        CHECK_FALSE(has(stage.result.out + stage.result.err, part));
    auto plan = plan_of(job, config);
    size_t signatures = 0;
    for (const auto& phrase : plan.mask_phrases)
      signatures += has(phrase, "X-Amz-Signature=");
    CHECK_EQ(signatures, 5); // asking for the object is the same both times
  }
}
