#include "tools/coordinator/pipeline_order.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace muster::gitlab;

namespace {

order_node node(size_t stage, job_state state = job_state::created,
                run_when when = run_when::on_success) {
  order_node x;
  x.stage = stage;
  x.state = state;
  x.when = when;
  return x;
}

} // namespace

TEST_CASE("what follows an earlier stage depends on how it ended") {
  struct row {
    std::string what;
    job_state before;
    bool allowed;
    run_when when;
    job_state after;
  };
  using enum job_state;
  const row rows[] = {
    {"not ended", running, false, run_when::on_success, created},
    {"not ended, always", running, false, run_when::always, created},
    {"success", success, false, run_when::on_success, pending},
    {"success, on_failure", success, false, run_when::on_failure, skipped},
    {"failure", failed, false, run_when::on_success, skipped},
    {"failure, on_failure", failed, false, run_when::on_failure, pending},
    {"failure, always", failed, false, run_when::always, pending},
    {"allowed failure", failed, true, run_when::on_success, pending},
    {"allowed failure, on_failure", failed, true, run_when::on_failure,
     skipped},
    {"cancelled", canceled, false, run_when::on_success, skipped},
    {"skipped", skipped, false, run_when::on_success, pending},
    {"manual before", manual, false, run_when::on_success, pending},
    {"manual itself, too early", running, false, run_when::manual, created},
    {"manual itself", success, false, run_when::manual, manual},
    {"manual itself, failure", failed, false, run_when::manual, skipped},
    {"never", success, false, run_when::never, skipped},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    std::vector<order_node> jobs{node(0, r.before), node(1, created, r.when)};
    jobs[0].failure_allowed = r.allowed;
    auto started = advance(jobs);
    CHECK_EQ(jobs[1].state, r.after);
    CHECK_EQ(started.size(), r.after == pending ? 1 : 0);
  }
}

TEST_CASE("needs replace the order of stages") {
  std::vector<order_node> jobs{node(0, job_state::running),
                               node(0, job_state::success), node(2), node(2)};
  jobs[2].has_needs = true;
  jobs[2].needs = {1};
  jobs[3].has_needs = true; // needs: []
  CHECK_EQ(advance(jobs), std::vector<size_t>{2, 3});
}

TEST_CASE("who needs a skipped job is skipped, whatever the order") {
  std::vector<order_node> jobs{node(1), node(1), node(0, job_state::failed)};
  jobs[0].has_needs = true;
  jobs[0].needs = {1};
  CHECK(advance(jobs).empty());
  CHECK_EQ(jobs[0].state, job_state::skipped);
  CHECK_EQ(jobs[1].state, job_state::skipped);
}

TEST_CASE("what waits for a manual job is never run") {
  std::vector<order_node> jobs{node(0, job_state::manual), node(1), node(1)};
  jobs[1].when = run_when::always;
  SUBCASE("all of later stages, if it blocks") {
    jobs[0].blocks = true;
    CHECK(advance(jobs).empty());
    CHECK_EQ(jobs[1].state, job_state::skipped);
    CHECK_EQ(jobs[2].state, job_state::skipped);
  }
  SUBCASE("who needs it, in any case") {
    jobs[2].has_needs = true;
    jobs[2].needs = {0};
    CHECK_EQ(advance(jobs), std::vector<size_t>{1});
    CHECK_EQ(jobs[2].state, job_state::skipped);
  }
}

TEST_CASE("every state has its own name") {
  for (int i = 0; i <= static_cast<int>(job_state::manual); ++i) {
    auto state = static_cast<job_state>(i);
    CHECK(job_state_of(to_string(state)) == state);
  }
  CHECK_FALSE(job_state_of("unknown"));
}
