#include "actors/job/lifecycle.hpp"

#include "executors/plan/trace_text.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace muster::job_life {

namespace {

using actions = std::vector<action>;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// GitLab's answer to the acceptance is waited for at most so long: an outage
/// there does not stop a job.
constexpr auto accept_timeout = 10s;
constexpr int accept_tries_max = 5;
/// For a first connection: the slot is on a ready instance, so it should be up.
constexpr auto route_timeout = 2min;
/// A helper that does not end an overdue job, or one that was cancelled as a
/// whole, is given up after this (reference/job-stages, section 3).
constexpr auto unwind_timeout = 5min;
/// The connection starts a helper anew that takes no stream; if that does not
/// help either, the job is no longer tried.
constexpr int untaken_max = 20;
/// The helper counts the job's time by its own clock, which may run faster.
constexpr auto clock_slack = 1s;

bool is_unwanted(const answer_info& x) {
  return x.status == 404 || x.status == 403 || x.job_status == "canceled"
         || x.job_status == "failed";
}

/// Nobody has seen the acceptance: GitLab would give the job away again after
/// a while.
bool is_unheard(const answer_info& x) {
  return x.status == 0 || x.retriable;
}

verdict canceled() {
  return {false, job_errc::job_canceled, 0, trace_text::canceled()};
}

/// By a signal to the manager.
verdict interrupted(const char* text) {
  return {false, job_errc::runner_interrupted, 0, text};
}

verdict system_failure(std::string text) {
  return {false, job_errc::runner_system_failure, 0, std::move(text)};
}

struct stepper {
  state& st;
  const options& opts;
  time_point now;

  bool over() const {
    return st.at >= phase::finishing;
  }

  verdict orphaned() const {
    return system_failure("its manager ended, and without muster-helper on "
                          "instance "
                          + st.instance + " nobody could go on with the job");
  }

  verdict job_timed_out() const {
    return {false, job_errc::job_execution_timeout, 0,
            "execution took longer than " + opts.job_timeout_text + " seconds"};
  }

  verdict prepare_timed_out() const {
    if (opts.prepare_timeout == 0ms)
      return job_timed_out();
    return {false, job_errc::job_execution_timeout, 0,
            "prepare timeout: exceeded timeout of "
              + opts.prepare_timeout_text};
  }

  /// A stage came to the end of a time of its own.
  verdict stage_timed_out(const std::string& stage) const {
    if (stage == "prepare_script" || stage == prepare_executor_stage)
      return prepare_timed_out();
    if (stage == "get_sources")
      return {false, job_errc::job_execution_timeout, 0,
              "get sources timeout: exceeded timeout of "
                + opts.get_sources_timeout_text};
    return script_timed_out();
  }

  verdict script_timed_out() const {
    return {false, job_errc::job_execution_timeout, 0,
            trace_text::script_timed_out()};
  }

  /// The helper has not taken the plan: no other clock than ours runs.
  bool preparing() const {
    return st.at < phase::running;
  }

  action arm(time_point at) {
    st.give_up = std::min(at, preparing() ? st.prepare_ends
                                          : st.job_ends + unwind_timeout);
    // However often the stream breaks meanwhile.
    if (st.ending && !over())
      st.give_up = std::min(st.give_up, st.unwound_by);
    return arm_timer{st.give_up, ++st.timer};
  }

  /// Decides the result: the slot is given back at once, GitLab is told then.
  actions end(verdict how) {
    st.result = std::move(how);
    st.at = phase::finishing;
    ++st.timer;
    actions out;
    if (st.stream_open)
      out.emplace_back(drop_stream{});
    st.stream_open = false;
    if (st.slot_held)
      out.emplace_back(vacate{});
    else
      out.emplace_back(give_back{});
    st.slot_held = false;
    if (st.dropped) {
      st.at = phase::done;
      out.emplace_back(leave{true, {}});
    } else if (!st.accepted) {
      st.held_back = true;
      out.emplace_back(arm(now + accept_timeout));
    } else {
      out.emplace_back(finish_trace{});
    }
    return out;
  }

  /// GitLab takes log and result from now on.
  actions finish_held_back() {
    st.accepted = true;
    st.held_back = false;
    return {finish_trace{}};
  }

  /// The job's time runs on while no manager is there. Wall clocks jump: it is
  /// never more than the whole of it.
  void begin_time(milliseconds used) {
    auto left = std::clamp(opts.job_timeout - used, 0ms, opts.job_timeout);
    st.job_ends = now + left;
    st.prepare_ends = opts.prepare_timeout > 0ms
                        ? std::min(now + opts.prepare_timeout, st.job_ends)
                        : st.job_ends;
  }

  actions operator()(const resumed& x) {
    begin_time(x.used);
    st.at = phase::running;
    st.accepted = true;
    st.plan_sent = true;
    st.slot_held = true;
    st.instance = x.instance;
    st.slot = x.slot;
    st.no_helper = x.no_helper;
    if (x.no_helper) // what it has left is ended when its slot is claimed
      return {arm(now + route_timeout)};
    return {ask_route{st.instance, opts.acquire_timeout},
            arm(now + opts.acquire_timeout + 5s)};
  }

  actions operator()(const started& x) {
    begin_time(x.used);
    return {tell_running{}, ask_slot{}, arm(now + opts.acquire_timeout + 5s)};
  }

  actions operator()(const plan_failed& x) {
    if (over())
      return {};
    st.job_ends = now + opts.job_timeout;
    auto out = end(x.how);
    out.insert(out.begin(), tell_running{});
    return out;
  }

  /// The server's wish, else doubling from 200 ms.
  milliseconds accept_pause(const answer_info& x) const {
    if (x.retry_after_ms > 0)
      return std::min<milliseconds>(milliseconds{x.retry_after_ms}, 1h);
    return 100ms * (1 << st.accept_tries);
  }

  actions operator()(const update_result& x) {
    if (st.accepted || (over() && !st.held_back))
      return {};
    if (is_unheard(x.info) && ++st.accept_tries < accept_tries_max)
      return {tell_running{accept_pause(x.info)}};
    if (st.held_back && !is_unwanted(x.info))
      return finish_held_back();
    st.accepted = true;
    if (is_unwanted(x.info)) {
      st.dropped = true;
      if (st.held_back) {
        st.at = phase::done;
        return {leave{true, {}}};
      }
      return st.plan_sent ? cancel(cancel_mode::now, canceled())
                          : end(canceled());
    }
    if (x.info.job_status == "canceling")
      return (*this)(job_ordered{job_order::canceling});
    return st.at == phase::accepting ? open() : actions{};
  }

  actions operator()(const acquired& x) {
    if (st.slot_held && !over()) { // the answer to a claim
      if (x.why)
        return (*this)(slot_gone{text_of(x.why)});
      if (x.instance.value != st.instance)
        return {};
      actions out{note_slot{}};
      if (st.no_helper && st.stream == 0) {
        auto more = end(orphaned());
        out.insert(out.end(), more.begin(), more.end());
      }
      return out;
    }
    if (st.at != phase::acquiring)
      return {};
    if (x.why) {
      auto text = is(x.why, capacity_errc::acquire_timed_out)
                    ? "unable to acquire instance within the configured "
                      "timeout of "
                        + opts.acquire_timeout_text
                        + ": context deadline exceeded. " + text_of(x.why)
                    : "unable to acquire instance: " + text_of(x.why);
      return end(system_failure(std::move(text)));
    }
    st.slot_held = true;
    st.instance = x.instance.value;
    st.slot = x.slot;
    st.at = phase::routing;
    return {note_slot{}, note_place{}, ask_route{st.instance, route_timeout},
            arm(now + route_timeout + 5s)};
  }

  actions operator()(const stream_route& x) {
    if (st.at == phase::running && !st.stream_open)
      return reattach(x);
    if (st.at != phase::routing && st.at != phase::sending)
      return {};
    if (x.why)
      return end(st.ending ? st.cancel_verdict
                           : system_failure(text_of(x.why)));
    if (st.at == phase::sending) // the stream broke before the helper answered
      return send();
    auto nowhere = !x.no_helper.empty() && x.engine.empty();
    if (opts.in_containers && nowhere)
      return end(system_failure("jobs in containers need muster-helper, and it "
                                "cannot run on instance "
                                + st.instance + ": " + x.no_helper));
    st.no_helper = nowhere;
    actions out{show_connected{}};
    st.at = phase::accepting;
    if (!st.accepted) {
      out.emplace_back(arm(now + accept_timeout));
      return out;
    }
    auto more = open();
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  actions reattach(const stream_route& x) {
    if (x.why && st.ending)
      return end(st.cancel_verdict);
    if (x.why)
      return end(
        system_failure("the connection to instance " + st.instance
                       + " was lost and did not come back: " + text_of(x.why)));
    st.stream_open = true;
    return {attach_stream{++st.stream, st.next_record},
            arm(st.job_ends + unwind_timeout)};
  }

  actions open() {
    st.at = phase::noting;
    return {note_start{}, arm(now + route_timeout)};
  }

  actions operator()(const job_start_written& x) {
    if (st.at != phase::noting)
      return {};
    if (x.why) // a later manager would run it a second time
      return end(system_failure("the job was not started, since that could not "
                                "be written down: "
                                + text_of(x.why)));
    return send();
  }

  actions send() {
    st.at = phase::sending;
    st.plan_sent = true;
    st.stream_open = true;
    auto left = [this](time_point until) {
      return std::chrono::ceil<milliseconds>(
        std::max<time_point::duration>(until - now, 1ms));
    };
    actions out{
      send_plan{++st.stream, left(st.job_ends), left(st.prepare_ends)}};
    // The helper may have the plan from the stream before, and run it: so that
    // it gets the cancel, the plan is sent again even now.
    if (st.ending)
      out.emplace_back(send_cancel{st.cancelled});
    out.emplace_back(arm(now + route_timeout));
    return out;
  }

  actions operator()(const plan_accepted& x) {
    if (x.stream != st.stream || over())
      return {};
    st.untaken = 0;
    actions out;
    if (std::exchange(st.at, phase::running) == phase::running)
      out.emplace_back(note_attached{});
    if (st.ending) // it may have been lost with the stream before
      out.emplace_back(send_cancel{st.cancelled});
    out.emplace_back(arm(st.job_ends + unwind_timeout));
    return out;
  }

  actions operator()(const stream_lost& x) {
    if (x.stream != st.stream || over() || !st.plan_sent)
      return {};
    st.stream_open = false;
    st.next_record = x.next_record;
    if (x.refused && st.no_helper)
      return end(system_failure("the connection to instance " + st.instance
                                + " was lost, and without muster-helper there "
                                  "the job cannot go on: "
                                + text_of(x.why)));
    if (x.refused)
      return end(system_failure("muster-helper on instance " + st.instance
                                + " lost the job: " + text_of(x.why)));
    if (++st.untaken > untaken_max)
      return end(system_failure("muster-helper on instance " + st.instance
                                + " takes no stream: " + text_of(x.why)));
    // The job goes on there; this manager looks for the way back.
    return {ask_route{st.instance, opts.acquire_timeout},
            arm(now + opts.acquire_timeout + 5s)};
  }

  actions operator()(const plan_ended& x) {
    if (x.stream != st.stream || over())
      return {};
    st.stream_open = true; // to be dropped in order
    auto out = end(verdict_of(x));
    if (x.dropped_bytes > 0)
      out.insert(out.begin(),
                 show_warning{fmt::format(
                   "{} bytes of output are missing here: the instance kept "
                   "no more of it while GitLab did not take it",
                   x.dropped_bytes)});
    return out;
  }

  verdict script_failed(const plan_ended& x) const {
    auto text = trace_text::script_exited(x.exit_code, opts.in_containers);
    if (x.stage == "prepare_script")
      text = trace_text::environment_failed(text);
    return {false, job_errc::script_failure, x.exit_code, std::move(text)};
  }

  verdict verdict_of(const plan_ended& x) const {
    switch (x.outcome) {
      case plan_outcome::success:
        return {true, {}, 0, ""};
      case plan_outcome::failed:
        return script_failed(x);
      case plan_outcome::timed_out:
        return now + clock_slack >= st.job_ends ? job_timed_out()
                                                : stage_timed_out(x.stage);
      case plan_outcome::canceled:
        // Not by this manager, but by one that ended meanwhile, which was
        // told to. If it was GitLab it knows, and takes no other result.
        return st.ending ? st.cancel_verdict
                         : interrupted("aborted: terminated");
      case plan_outcome::misconfigured:
        return {false, job_errc::configuration_error, 0, x.text};
      case plan_outcome::image_missing:
        return {false, job_errc::image_pull_failure, 0, x.text};
      case plan_outcome::dependency_failed:
        return {false, job_errc::runner_external_dependency_failure, 0, x.text};
      case plan_outcome::broken:
        break;
    }
    return system_failure("instance " + st.instance + ": " + x.text);
  }

  actions cancel(cancel_mode mode, const verdict& how) {
    if (over())
      return {};
    if (!st.plan_sent)
      return end(how);
    st.cancel_verdict = how;
    auto first = !std::exchange(st.ending, true);
    if (!first && mode == cancel_mode::graceful)
      return {};
    st.cancelled = mode;
    actions out;
    if (st.stream_open) // else it goes with the next one
      out.emplace_back(send_cancel{mode});
    // What follows on a graceful one, as after_script and uploads, has times of
    // its own, which the helper keeps.
    if (mode == cancel_mode::now) {
      st.unwound_by = std::min(st.unwound_by, now + unwind_timeout);
      out.emplace_back(arm(st.give_up));
    }
    return out;
  }

  actions operator()(const cancel_job& x) {
    verdict how = canceled();
    if (x.reason != cancel_reason::canceled)
      how = interrupted(x.reason == cancel_reason::interrupted_by_term
                          ? "aborted: terminated"
                          : "aborted: interrupt");
    return cancel(x.graceful ? cancel_mode::graceful : cancel_mode::now, how);
  }

  actions operator()(const job_ordered& x) {
    if (x.what == job_order::canceling)
      return cancel(cancel_mode::graceful, canceled());
    return cancel(cancel_mode::now, canceled());
  }

  actions operator()(const slot_gone& x) {
    if (over() || !st.slot_held)
      return {};
    st.slot_held = false;
    return end(
      system_failure("instance " + st.instance + " was lost: " + x.reason));
  }

  actions operator()(const slot_orphaned&) {
    if (over() || !st.slot_held)
      return {};
    return {claim_slot{}};
  }

  actions operator()(const group_replaced&) {
    if (st.at == phase::acquiring)
      return {ask_slot{true}};
    return (*this)(slot_orphaned{});
  }

  actions operator()(const trace_gone& x) {
    if (st.at == phase::done)
      return {};
    auto text = "the job's log failed: " + x.reason;
    // Output would be lost in silence.
    actions out;
    if (!over())
      out = end(system_failure(text));
    std::erase_if(out, [](const action& a) {
      return std::holds_alternative<finish_trace>(a);
    });
    st.at = phase::done;
    out.emplace_back(leave{false, std::move(text)});
    return out;
  }

  actions operator()(const job_timer& x) {
    if (x.version != st.timer)
      return {};
    if (st.held_back)
      return finish_held_back();
    if (over())
      return {};
    if (st.ending)
      return end(st.cancel_verdict);
    if (preparing() && now >= st.prepare_ends)
      return end(prepare_timed_out());
    if (st.at == phase::accepting) { // GitLab does not answer: run it
      st.accepted = true;
      return open();
    }
    if (st.no_helper && st.stream == 0)
      return end(orphaned());
    if (now >= st.job_ends)
      return end(job_timed_out());
    return end(system_failure(waited_in_vain()));
  }

  std::string waited_in_vain() const {
    switch (st.at) {
      case phase::acquiring:
        return "unable to acquire instance within the configured timeout of "
               + opts.acquire_timeout_text + ": the group did not answer";
      case phase::routing:
        return "no connection to instance " + st.instance + " within 2m0s";
      case phase::noting:
        return "the journal did not answer within 2m0s";
      case phase::sending:
        return "muster-helper on instance " + st.instance
               + " did not take the job within 2m0s";
      default:
        return "instance " + st.instance + " could not be reached again";
    }
  }

  actions operator()(const trace_flushed& x) {
    if (st.at != phase::finishing)
      return {};
    st.at = phase::done;
    return {leave{x.confirmed, x.text}};
  }
};

} // namespace

std::vector<action> step(state& st, const options& opts, const event& what,
                         time_point now) {
  if (st.at == phase::done)
    return {};
  return std::visit(stepper{st, opts, now}, what);
}

std::string reason_on_wire(job_errc reason,
                           const std::vector<std::string>& supported) {
  auto name = to_string(reason);
  if (reason == job_errc::script_failure
      || reason == job_errc::runner_system_failure
      || reason == job_errc::job_execution_timeout)
    return name;
  if (reason == job_errc::configuration_error)
    name = "runner_configuration_error";
  if (std::find(supported.begin(), supported.end(), name) != supported.end())
    return name;
  switch (reason) {
    case job_errc::configuration_error:
      return "script_failure";
    case job_errc::image_pull_failure:
    case job_errc::runner_external_dependency_failure:
      return "runner_system_failure";
    default:
      return "unknown_failure";
  }
}

} // namespace muster::job_life
