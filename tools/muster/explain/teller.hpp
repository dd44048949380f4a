#pragma once

#include "actors/recorder/record.hpp"
#include "messages/type_ids.hpp"
#include "tools/muster/explain/story.hpp"
#include "tools/muster/explain/timeline.hpp"

#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace muster::explain {

/// Which actor a role is: `runner:a/group/instance:i-1`.
struct place {
  enum class kind : uint8_t {
    other,
    manager,
    runner,
    coordinator,
    group,
    provider,
    instance,
    job,
  };

  kind what = kind::other;
  std::string_view runner;   ///< `runner:a`; empty: none
  std::string_view instance; ///< its id

  static place of(std::string_view role);
};

/// Whether a runner's role, and the cloud's id of its group, are what somebody
/// means who asks for `wanted`; the group's role will do, too.
bool is_group(std::string_view wanted, std::string_view runner,
              std::string_view id);

/// Makes a story of a recording, record by record, in bounded memory: it keeps
/// what the filter asks for, and of the rest what that may depend on. No files,
/// no clock.
class teller {
public:
  /// So many of each kind are kept; of the rest, those that are over go first.
  static constexpr size_t kept = 20'000;

  explicit teller(filter what);

  void take(const record& x);

  /// What there is to tell, by time.
  report finish();

private:
  struct ask_for_more {
    int64_t us = 0;
    std::string why;
  };

  struct runner_view {
    timeline hunt_for_jobs;
    int permits_wanted = 0;
    int permits_held = 0;
    std::set<std::string> asking; ///< keys of requests that are at GitLab
    bool refused = false;
    std::string refusal;
    std::string held_back; ///< growth, by the last decision
    std::deque<ask_for_more> increases;
  };

  using instance_key = std::pair<std::string, std::string>;

  stamp stamp_of(const record& x);
  bool wants_group(std::string_view runner) const;
  bool is_recent(const stamp& x) const;
  void problem(const stamp& at, std::string_view runner, std::string text);

  void take_note(const record& x, const stamp& at);
  void take_sent(const record& x, const stamp& at);
  void take_handled(const record& x, const stamp& at);
  void take_ended(const record& x, const stamp& at);
  void begin_run(const stamp& at, const run_begun& x);

  // -- runners: teller_runner.cpp --
  bool take_hunt(const record& x, const place& to, const stamp& at);
  void take_permit_request(const stamp& at, const runner_id& runner);
  void hunts(const stamp& at, runner_view& x);
  void take_offer(const stamp& at, const place& to, const job_offer& x);
  void take_left(const stamp& at, const place& to, const left_jobs& x);

  // -- jobs: teller_job.cpp --
  bool take_job(const record& x, const place& to, const stamp& at);
  job_story* job_of(const acquisition_key& key);
  job_story* job_in(const std::string& role);
  job_story* add_job(const acquisition_key& key, int64_t job,
                     std::string_view runner);
  void explain_queue(job_story& x);
  void take_slot(const stamp& at, job_story& x, const acquired& what);
  void split_slot_wait(job_story& x, const instance_story* where);
  void take_begin(const stamp& at, job_story& x);
  void forget_old_jobs();

  // -- instances: teller_instance.cpp --
  void take_decision(const stamp& at, const place& by, const decision_note& x);
  void take_refusal(const stamp& at, const place& by, const refusal_note& x);
  void take_instance(const stamp& at, const place& by, const instance_note& x);
  void take_found(const stamp& at, const place& by, const instance_note& x);
  void take_status(const stamp& at, const place& by, const instance_status& x);
  bool take_preparation(const record& x, const place& to, const stamp& at);
  bool take_answer(const record& x, const place& to, const stamp& at);
  void take_removal(const stamp& at, const place& by, const decrease& x);
  instance_story& instance(std::string_view runner, std::string_view id);
  void tell(instance_story& whose, const stamp& at, std::string text);
  void keep(const decision_line& x);
  void forget_old_instances();

  filter filter_;
  report report_;
  std::map<std::string, runner_view, std::less<>> runners_;
  std::map<std::string, job_story> jobs_;        ///< by key
  std::map<std::string, std::string> job_roles_; ///< role -> key
  std::map<instance_key, instance_story> instances_;
  std::optional<int64_t> base_us_; ///< of the run
};

/// The message, if it is one of this type.
template <class Message>
const Message* get(const caf::message& x) {
  return x.match_elements<Message>() ? &x.get_as<Message>(0) : nullptr;
}

} // namespace muster::explain
