#include "tests/e2e/manager/world.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <vector>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A way in which GitLab fails.
struct failure_kind {
  std::string name;
  fault_kind kind;
  int status = 0; ///< of the answer, or 0 if it has none
};

const std::vector<failure_kind> kinds = {
  {"401", fault_kind::status, 401},     {"500", fault_kind::status, 500},
  {"429", fault_kind::status, 429},     {"garbage", fault_kind::garbage, 0},
  {"half a body", fault_kind::half, 0}, {"empty", fault_kind::empty, 0},
  {"nothing", fault_kind::close, 0},    {"reset", fault_kind::reset, 0},
  {"answer lost", fault_kind::lost, 0},
};

/// Prints now and again, so that its log goes out in several pieces, and counts
/// its runs in a file of the instance.
constexpr auto chatty = "echo ran >> /tmp/runs; for i in 1 2 3; do "
                        "echo \"line $i of 3\"; sleep 0.7; done";

json chatty_job() {
  return {{"script", chatty}, {"variables", {{"GIT_STRATEGY", "none"}}}};
}

/// The chatty job ran to its end, and all of its log is there once.
void check_whole(world& x, int64_t id) {
  auto job = x.ended(id);
  auto log = x.log(id);
  CAPTURE(log);
  CHECK_EQ(job.state, job_state::success);
  for (const auto* line :
       {"\nline 1 of 3", "\nline 2 of 3", "\nline 3 of 3", "Job succeeded"})
    CHECK_EQ(count_of(line, log), 1);
}

} // namespace

TEST_CASE("a GitLab that fails when asked for jobs is asked again") {
  world::settings how;
  how.accept_within = 5s; // a job whose offer was lost comes again
  world x{how};
  auto kinds_here = kinds;
  kinds_here.push_back({"403", fault_kind::status, 403});
  kinds_here.push_back({"404", fault_kind::status, 404});
  auto failures_told = [&x] {
    size_t count = 0;
    for (const auto& line : x.manager->lines())
      count += line.value("msg", "").starts_with("Checking for jobs... f");
    return count;
  };
  for (const auto& kind : kinds_here) {
    CAPTURE(kind.name);
    auto before = failures_told();
    auto rule = x.gitlab.fail_with({.at = endpoint::request,
                                    .kind = kind.kind,
                                    .count = 1,
                                    .state = {},
                                    .status = kind.status});
    CHECK(x.serves_a_job()); // maybe by a request that waited already
    CHECK(x.serves_a_job());
    CHECK(eventually([&] { return failures_told() > before; }));
    if (kind.status != 0)
      CHECK(
        x.manager->says("Checking for jobs... f", {{"status", kind.status}}));
    CHECK_EQ(x.gitlab.faults().remove(rule), 1);
  }
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("no job's log or result is lost when GitLab fails for a while") {
  struct fault_place {
    const char* name;
    endpoint at;
    const char* state; ///< of an update
  };
  constexpr fault_place places[] = {
    {"acceptance", endpoint::update, "running"},
    {"trace", endpoint::trace, ""},
    {"result", endpoint::update, "final"},
  };
  world::settings how;
  how.start = false;
  how.manager.concurrent = how.manager.capacity = 30;
  world x{how};
  std::map<int64_t, std::string> jobs;
  for (const auto& place : places)
    for (const auto& kind : kinds) {
      // A 2xx counts here whatever its body is (reference/job-api, section 4).
      if (kind.kind == fault_kind::garbage || kind.kind == fault_kind::empty)
        continue;
      auto id = x.enqueue(chatty_job());
      jobs[id] = fmt::format("{} for {}", kind.name, place.name);
      x.gitlab.fail_with({.at = place.at,
                          .kind = kind.kind,
                          .count = 2,
                          .job = id,
                          .state = place.state,
                          .status = kind.status});
    }
  x.start_manager();
  for (const auto& [id, what] : jobs) {
    CAPTURE(what);
    check_whole(x, id);
    auto at_trace = contains(what, "for trace");
    CHECK(x.manager->says(at_trace ? "Appending trace to coordinator... failed"
                                   : "Submitting job to coordinator... failed",
                          {{"job", id}}));
  }
  for (const auto& rule : x.gitlab.faults().list())
    CHECK_MESSAGE(rule.hits >= 1, jobs[rule.job]);
  auto last = x.enqueue_script("echo \"RUNS=$(wc -l < /tmp/runs)\"");
  CHECK_EQ(x.ended(last).state, job_state::success);
  CHECK_EQ(x.printed(last, "RUNS"), std::to_string(jobs.size()));
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("a job that GitLab does not know any more is given up, no other") {
  world::settings how;
  how.start = false;
  world x{how};
  struct row {
    std::string what;
    endpoint at;
    const char* state;
    int status;
    bool runs; ///< the script may begin
  };
  const row rows[] = {
    {"acceptance is answered 404", endpoint::update, "running", 404, false},
    {"acceptance is answered 403", endpoint::update, "running", 403, false},
    {"a patch is answered 403", endpoint::trace, "", 403, true},
  };
  auto mark_of = [](const row& r) {
    return fmt::format("61.08{}{}", r.status, r.runs ? 1 : 0);
  };
  auto fail = [&x](int64_t id, endpoint at, const char* state, int status) {
    x.gitlab.fail_with({.at = at,
                        .kind = fault_kind::status,
                        .count = 1,
                        .job = id,
                        .state = state,
                        .status = status});
  };
  std::vector<int64_t> ids;
  for (const auto& r : rows) {
    ids.push_back(x.enqueue_script(
      fmt::format("touch /tmp/{0}; echo begun; sleep {0}", mark_of(r))));
    fail(ids.back(), r.at, r.state, r.status);
  }
  // A 404 for a patch alone is no order to stop; for the result it is.
  auto last = x.enqueue(chatty_job());
  fail(last, endpoint::trace, "", 404);
  fail(last, endpoint::update, "final", 404);
  x.start_manager();
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto& r = rows[i];
    CAPTURE(r.what);
    CHECK(x.manager->says(r.runs ? "Appending trace to coordinator... failed"
                                 : "Submitting job to coordinator... failed",
                          {{"job", ids[i]}, {"status", r.status}}));
    CHECK(eventually([&] { return processes_with(mark_of(r)).empty(); }));
    auto next = x.enqueue_script(
      fmt::format("echo \"RAN=$(ls /tmp | grep -c '^{}$')\"", mark_of(r)));
    CHECK_EQ(x.ended(next).state, job_state::success);
    if (!r.runs)
      CHECK_EQ(x.printed(next, "RAN"), "0");
  }
  CHECK(x.manager->says("Submitting job to coordinator... failed",
                        {{"job", last}, {"status", 404}}));
  CHECK(x.manager->says("GitLab wants no result of the job", {{"job", last}}));
  CHECK(contains(x.log(last), "Job succeeded"));
  CHECK_EQ(x.stop_manager(), 0);
  x.check_rules();
}

TEST_CASE("a manager interrupted while GitLab is away keeps the result") {
  world x;
  auto id = x.enqueue_script("echo begun; sleep 0.5; exit 6");
  REQUIRE(x.shows(id, "\nbegun"));
  auto rule = x.gitlab.fail_with({.at = endpoint::update,
                                  .kind = fault_kind::status,
                                  .job = id,
                                  .state = {}});
  CHECK(
    x.manager->says("Submitting job to coordinator... failed", {{"job", id}}));
  x.manager->kill();
  x.start_manager();
  CHECK(x.manager->says("an earlier manager left a result", {{"job", id}}));
  x.gitlab.faults().remove(rule);
  auto job = x.ended(id);
  CHECK_EQ(job.state, job_state::failed);
  CHECK_EQ(job.exit_code, 6);
  CHECK_EQ(job.failure_reason, "script_failure");
  CHECK(x.serves_a_job());
}
