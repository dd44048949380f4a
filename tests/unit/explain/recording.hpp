#pragma once

#include "tools/muster/explain/render.hpp"
#include "tools/muster/explain/teller.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace muster::test {

/// A recording written by hand: records at a moment that moves on.
class hand_recording {
public:
  static constexpr int64_t begin_unix_us = 1'790'000'000'000'000;

  explicit hand_recording(explain::filter what = {})
    : teller_(std::move(what)) {
    note("", run_begun{"run", "1.0", "abc", 1});
    handled("runner:r", group_ready{"cloud-group"});
  }

  void after(std::chrono::milliseconds time) {
    at_ += time;
  }

  template <class Message>
  void note(const std::string& role, const Message& what) {
    take(record_kind::note, role, caf::make_message(what));
  }

  template <class Message>
  void handled(const std::string& role, const Message& what) {
    take(record_kind::handled, role, caf::make_message(what));
  }

  template <class Message>
  void sent(const std::string& role, const Message& what) {
    take(record_kind::sent, role, caf::make_message(what));
  }

  void ended(const std::string& role, const caf::error& why) {
    take(record_kind::ended, role, caf::make_message(exit_told{{}, why}));
  }

  void lost(uint64_t count) {
    record x = made(record_kind::gap, "");
    x.missing = count;
    teller_.take(x);
  }

  explain::report finish() {
    return teller_.finish();
  }

  // -- common ways --

  /// The runner gets a promise and asks GitLab.
  void asks(const std::string& key) {
    handled("manager", permit_request{runner_id{"r"}});
    handled("runner:r", permit{});
    handled("runner:r", reserved{acquisition_key{key}, {}});
    handled("runner:r/coordinator", request_job{acquisition_key{key}, {}});
  }

  void offers(const std::string& key, int64_t job, double queued_s) {
    job_offer offer;
    offer.key = acquisition_key{key};
    offer.jobs.resize(1);
    offer.jobs[0].id = job;
    offer.jobs[0].queue.waited_s = queued_s;
    handled("runner:r", offer);
  }

  void acquires(const std::string& key) {
    acquire what;
    what.key = acquisition_key{key};
    handled("runner:r/group", what);
  }

  void gets_slot(const std::string& key, int64_t job, const std::string& id) {
    acquired what;
    what.key = acquisition_key{key};
    what.instance = instance_id{id};
    handled(job_role(job), what);
  }

  void begins(const std::string& key, int64_t job) {
    stream_route route;
    route.key = acquisition_key{key};
    handled(job_role(job), route);
    after(std::chrono::milliseconds{200});
    handled(job_role(job), plan_accepted{1});
  }

  void ends(const std::string& key, int64_t job, bool success = true) {
    handled("runner:r", job_ended{acquisition_key{key}, job, success,
                                  success ? "" : "script_failure"});
  }

  /// The group asks for an instance.
  void grows() {
    decision_note x;
    x.rule = decision_rule::pending;
    x.required = x.unrestricted = x.asked = x.pending = 1;
    note("runner:r/group", x);
  }

  void appears(const std::string& id, std::chrono::milliseconds asked_ago,
               instance_cause cause = instance_cause::requested) {
    instance_note x;
    x.instance = instance_id{id};
    x.cause = cause;
    x.since_ms = asked_ago.count();
    note("runner:r/group", x);
  }

  void becomes_ready(const std::string& id) {
    instance_note x;
    x.instance = instance_id{id};
    x.what = instance_event::ready;
    note("runner:r/group", x);
  }

  static std::string job_role(int64_t job) {
    return "runner:r/job:" + std::to_string(job);
  }

  static std::string instance_role(const std::string& id) {
    return "runner:r/group/instance:" + id;
  }

private:
  record made(record_kind kind, const std::string& role) {
    record x;
    x.number = ++number_;
    x.at = at_;
    x.unix_us
      = begin_unix_us
        + std::chrono::duration_cast<std::chrono::microseconds>(at_).count();
    x.kind = kind;
    x.to.role = role;
    return x;
  }

  void take(record_kind kind, const std::string& role, caf::message what) {
    auto x = made(kind, role);
    x.what = std::move(what);
    teller_.take(x);
  }

  explain::teller teller_;
  std::chrono::nanoseconds at_{0};
  uint64_t number_ = 0;
};

} // namespace muster::test
