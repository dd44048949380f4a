#include "executors/helper/progress.hpp"

#include <algorithm>
#include <utility>

namespace muster::progress {

namespace {

using std::chrono::milliseconds;

/// No time of a plan is taken for longer, so that adding times cannot overflow.
constexpr milliseconds time_max = std::chrono::hours{24 * 3'650};

milliseconds bounded(int64_t ms) {
  return std::clamp(milliseconds{ms}, milliseconds{0}, time_max);
}

/// A number of milliseconds as people read it: `90 s`, `1.5 s`.
std::string seconds_text(milliseconds time) {
  auto whole = std::to_string(time.count() / 1'000);
  if (auto tenths = time.count() % 1'000 / 100; tenths != 0)
    whole += "." + std::to_string(tenths);
  return whole + " s";
}

std::optional<time_point> job_deadline(const job_plan& plan) {
  if (plan.timeout_ms <= 0)
    return std::nullopt;
  return bounded(plan.timeout_ms);
}

/// When the job's own time ends the current stage; cleaning up has its own.
std::optional<time_point> job_deadline_here(const job_plan& plan,
                                            const state& st) {
  if (plan.stages[st.stage].phase == stage_phase::cleanup)
    return std::nullopt;
  return job_deadline(plan);
}

bool is_over(const std::optional<time_point>& deadline, time_point now) {
  return deadline && now >= *deadline;
}

struct stepper {
  const job_plan& plan;
  state& st;
  time_point now;
  std::vector<action> actions;

  const stage_plan& stage() const {
    return plan.stages[st.stage];
  }

  // -- events -----------------------------------------------------------------

  void operator()(const plan_taken&) {
    if (st.phase == phase::not_begun)
      begin_from(0);
  }

  void operator()(const script_over& x) {
    switch (st.phase) {
      case phase::stopping:
      case phase::killing:
        conclude(st.stop_reason, x.exit_code, st.stop_text);
        break;
      case phase::preparing:
        if (x.exit_code == 0)
          start_main();
        else
          conclude(plan_outcome::failed, x.exit_code, "");
        break;
      case phase::running:
        conclude(x.exit_code == 0 ? plan_outcome::success
                                  : plan_outcome::failed,
                 x.exit_code, "");
        break;
      default:
        break;
    }
  }

  void operator()(const script_broken& x) {
    if (st.phase == phase::stopping || st.phase == phase::killing)
      conclude(st.stop_reason, 0, st.stop_text + "; " + x.text);
    else if (st.phase == phase::preparing || st.phase == phase::running)
      conclude(x.outcome, 0, x.text);
  }

  void operator()(const cancel_wanted& x) {
    if (st.phase == phase::not_begun || st.phase == phase::over)
      return;
    auto where = stage().phase;
    if (where == stage_phase::cleanup)
      return;
    if (x.mode == cancel_mode::now) {
      st.aborted = true;
      stop(plan_outcome::canceled, grace_hurried, "canceled");
    } else if (where != stage_phase::after && where != stage_phase::archive) {
      st.aborted = st.aborted || where != stage_phase::step;
      stop(plan_outcome::canceled, grace_graceful, "canceled");
    }
  }

  void operator()(const tick&) {
    switch (st.phase) {
      case phase::pausing:
        if (!stop_if_late() && now >= st.wake)
          begin_attempt();
        break;
      case phase::preparing:
      case phase::running:
        stop_if_late();
        break;
      case phase::stopping:
        if (now >= st.wake) {
          st.phase = phase::killing;
          actions.emplace_back(kill_script{});
        }
        break;
      default:
        break;
    }
  }

  // -- ending a script --------------------------------------------------------

  bool stop_if_late() {
    bool job_late = is_over(job_deadline_here(plan, st), now);
    if (!job_late && !is_over(st.stage_deadline, now))
      return false;
    st.aborted = st.aborted || job_late;
    stop(plan_outcome::timed_out, grace_hurried,
         job_late ? job_late_text() : stage_late_text());
    return true;
  }

  /// Ends the current stage for `reason`. A script that is being stopped
  /// already keeps its first reason, but may have to hurry now.
  void stop(plan_outcome reason, time_point grace, std::string text) {
    if (st.phase == phase::pausing) {
      judge(reason, 0, std::move(text));
      begin_from(st.stage + 1);
    } else if (st.phase == phase::stopping) {
      st.wake = std::min(st.wake, now + grace);
    } else if (st.phase == phase::preparing || st.phase == phase::running) {
      st.stop_reason = reason;
      st.stop_text = std::move(text);
      st.phase = phase::stopping;
      st.wake = now + grace;
      actions.emplace_back(terminate_script{});
    }
  }

  std::string job_late_text() const {
    return "timed out: the job's time of "
           + seconds_text(bounded(plan.timeout_ms)) + " is over";
  }

  std::string stage_late_text() const {
    if (stage().phase == stage_phase::step && st.steps_deadline
        && st.stage_deadline == st.steps_deadline)
      return "timed out: the steps' time of "
             + seconds_text(bounded(plan.steps_timeout_ms)) + " is over";
    auto time = stage().timeout_ms > 0 ? bounded(stage().timeout_ms)
                                       : milliseconds{cleanup_time};
    return "timed out: the stage's time of " + seconds_text(time) + " is over";
  }

  // -- the end of a try, a stage, a job ---------------------------------------

  void conclude(plan_outcome outcome, int32_t exit_code, std::string text) {
    if (!st.quiet)
      actions.emplace_back(
        note_ended{st.stage, st.attempt, outcome, exit_code, text});
    if (outcome == plan_outcome::failed && may_retry()) {
      pause();
      return;
    }
    if (outcome != plan_outcome::success)
      judge(outcome, exit_code, std::move(text));
    begin_from(st.stage + 1);
  }

  bool may_retry() const {
    auto tries = std::clamp(stage().attempts_max, 1, 10);
    return !st.aborted && st.attempt < static_cast<uint32_t>(tries);
  }

  void pause() {
    auto most = bounded(stage().retry_pause_max_ms);
    auto length = std::min(bounded(stage().retry_pause_ms), most);
    for (uint32_t i = 1; i < st.attempt && length < most; ++i)
      length = std::min(2 * length, most);
    ++st.attempt;
    st.phase = phase::pausing;
    st.wake = now + length;
    if (length == milliseconds{0})
      begin_attempt();
  }

  /// What the end of a stage means for the job.
  void judge(plan_outcome outcome, int32_t exit_code, std::string text) {
    if (stage().phase == stage_phase::cleanup)
      return;
    bool of_job = st.aborted || is_of_system(outcome)
                  || outcome == plan_outcome::canceled;
    if (is_of_system(outcome) || stage().phase == stage_phase::prepare
        || (stage().phase == stage_phase::sources
            && outcome == plan_outcome::timed_out))
      st.aborted = true;
    if (!of_job && !stage().failure_counts
        && stage().phase != stage_phase::prepare)
      return;
    st.failed = st.failed || stage().phase != stage_phase::archive;
    if (overrules(outcome, of_job))
      st.verdict = {outcome, st.stage, exit_code, std::move(text)};
  }

  /// The first failure stands; only what ends the whole job outranks a failed
  /// script before it.
  bool overrules(plan_outcome outcome, bool of_job) const {
    auto standing = st.verdict.outcome;
    if (standing == plan_outcome::success)
      return true;
    return of_job && standing == plan_outcome::failed
           && outcome != plan_outcome::failed;
  }

  // -- the next stage ---------------------------------------------------------

  bool due(const stage_plan& next) const {
    if (st.aborted)
      return next.condition == stage_condition::always
             && next.phase == stage_phase::cleanup;
    switch (next.condition) {
      case stage_condition::on_success:
        return !st.failed;
      case stage_condition::on_failure:
        return st.failed;
      case stage_condition::after_steps:
        return st.steps_begun;
      case stage_condition::always:
        return true;
    }
    return false;
  }

  /// Begins the first stage from `index` on that is due.
  void begin_from(size_t index) {
    for (; index < plan.stages.size(); ++index) {
      const auto& next = plan.stages[index];
      if (!due(next))
        continue;
      st.stage = static_cast<uint32_t>(index);
      if (is_over(job_deadline_here(plan, st), now)) {
        st.aborted = true;
        judge(plan_outcome::timed_out, 0, job_late_text());
        continue;
      }
      begin_stage();
      if (!is_over(st.stage_deadline, now)) {
        begin_attempt();
        return;
      }
      judge(plan_outcome::timed_out, 0, stage_late_text());
    }
    st.phase = phase::over;
    actions.emplace_back(st.verdict);
  }

  void begin_stage() {
    auto time = bounded(stage().timeout_ms);
    if (time == milliseconds{0} && stage().phase == stage_phase::cleanup)
      time = cleanup_time;
    st.stage_deadline.reset();
    if (time > milliseconds{0})
      st.stage_deadline = now + time;
    if (stage().phase == stage_phase::step)
      begin_step();
    st.attempt = 1;
    st.quiet = st.aborted;
  }

  /// All steps share a time, which runs from the first on.
  void begin_step() {
    st.steps_begun = true;
    if (!st.steps_deadline && plan.steps_timeout_ms > 0)
      st.steps_deadline = now + bounded(plan.steps_timeout_ms);
    if (st.steps_deadline
        && (!st.stage_deadline || *st.steps_deadline < *st.stage_deadline))
      st.stage_deadline = st.steps_deadline;
  }

  void begin_attempt() {
    if (!st.quiet)
      actions.emplace_back(note_begun{st.stage, st.attempt});
    if (st.attempt == 1 || stage().before_retry.empty()) {
      start_main();
      return;
    }
    st.phase = phase::preparing;
    actions.emplace_back(start_script{st.stage, true, st.quiet, job_status()});
  }

  void start_main() {
    st.phase = phase::running;
    actions.emplace_back(start_script{st.stage, false, st.quiet, job_status()});
  }

  std::string job_status() const {
    if (!stage().status_variable)
      return "";
    if (!st.failed)
      return stage().phase < stage_phase::after ? "running" : "success";
    switch (st.verdict.outcome) {
      case plan_outcome::canceled:
        return "canceled";
      case plan_outcome::timed_out:
        return "timedout";
      default:
        return "failed";
    }
  }
};

} // namespace

std::vector<action> step(const job_plan& plan, state& st, const event& what,
                         time_point now) {
  stepper s{plan, st, now, {}};
  std::visit(s, what);
  return std::move(s.actions);
}

bool is_of_system(plan_outcome x) {
  return x >= plan_outcome::broken;
}

bool is_stopping(const state& st) {
  return st.phase == phase::stopping || st.phase == phase::killing;
}

std::optional<time_point> wake_at(const job_plan& plan, const state& st) {
  std::optional<time_point> earliest;
  auto consider = [&earliest](const std::optional<time_point>& moment) {
    if (moment && (!earliest || *moment < *earliest))
      earliest = moment;
  };
  switch (st.phase) {
    case phase::stopping:
      return st.wake;
    case phase::pausing:
      consider(st.wake);
      [[fallthrough]];
    case phase::preparing:
    case phase::running:
      consider(st.stage_deadline);
      consider(job_deadline_here(plan, st));
      return earliest;
    default:
      return std::nullopt;
  }
}

} // namespace muster::progress
