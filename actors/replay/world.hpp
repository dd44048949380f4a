#pragma once

#include "actors/coordinator/coordinator.hpp"
#include "actors/group/group.hpp"
#include "actors/replay/players.hpp"
#include "actors/replay/recorded_config.hpp"
#include "actors/replay/replay.hpp"
#include "actors/runner/runner.hpp"
#include "actors/virtual_time.hpp"

#include <caf/all.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace muster {

class snapshot_reader;

/// The actors that run again, and those who stand in for the others.
class replay::world final : public delivery {
public:
  explicit world(replay_options options);

  world(const world&) = delete;
  world& operator=(const world&) = delete;

  ~world() override;

  /// The next record; returns false once something came out otherwise.
  bool take(const record& x);

  void end_at(const record& last);

  // -- the door ---------------------------------------------------------------

  bool hold(caf::actor_control_block* to,
            caf::mailbox_element_ptr& what) override;

  void handling(const caf::local_actor& /*self*/,
                const caf::mailbox_element& /*what*/) override;

  void born(const caf::strong_actor_ptr& who, const std::string& role,
            caf::actor_id parent, state_text show) override;

  void ended(const caf::local_actor& self, const caf::error& /*why*/) override;

  void sent(const caf::local_actor& /*to*/,
            const caf::mailbox_element& /*what*/) override;

  void note(const caf::local_actor& self, const caf::message& what) override;

  replay_report report;

private:
  /// To whom, and from whom.
  using pair = std::pair<caf::actor_id, caf::actor_id>;

  struct line {
    std::deque<sent_again> waiting;
    /// Something was equal: what comes first now was sent in the replay. Before
    /// that a message may be on its way since before the snapshot.
    bool is_settled = false;
  };

  /// A job that was started, and has not remarked its plan yet.
  struct unborn {
    std::string role;
    std::string key;
    caf::actor handle;
    time_point at;
  };

  // -- the actors' system -----------------------------------------------------

  caf::scheduler::test_coordinator& scheduler();
  caf::detail::test_actor_clock& clock();

  /// Has one actor handle what it has; others wait.
  bool run(const caf::actor& who);

  /// Timers come when the recording says so, and not by the clock.
  void collect_timers();
  void pass_time(const record& x);

  /// All actors end.
  void let_go();
  void begin_anew();
  void remark(std::string text);

  // -- who is who -------------------------------------------------------------

  caf::actor make_stand_in();
  actor_again& add_stand_in(const player& who);

  /// Whoever has the role now.
  caf::actor handle_of(const std::string& role);
  void born_again(const record& x);

  /// An actor that has told its role and is not known by a number.
  actor_again* find_unbound(const std::string& role);

  /// Has one that was spawned and did nothing yet begin; jobs wait for their
  /// plans.
  bool run_unborn();

  // -- runners and jobs -------------------------------------------------------

  void make_runner(const record& x, const runner_begun& about);

  /// One that has just remarked how it begins.
  void begin_again(const caf::actor& who, const player& as);
  void make_job(const record& x, const job_planned& outline);
  make_http_worker worker_maker();
  void give_orders(const std::string& role, uint64_t clients);
  void no_config(const record& x);

  // -- groups -----------------------------------------------------------------

  bool make_group(const record& x);
  start_provider_actor provider_maker();
  void ended_again(const record& x);

  // -- messages ---------------------------------------------------------------

  void handle(const record& x);
  void deliver(const record& x, const actor_again* from, actor_again& to,
               caf::message what);

  /// What was recorded, with those who have the roles now.
  caf::message revived(const record& x);
  void unreadable(const record& x);
  caf::message down_of(const peer_down& x);

  /// Something was sent in the replay.
  void caught(caf::actor_id to, caf::mailbox_element& what);

  /// Whether it is what was sent in the replay; then with the handles of that.
  bool compare(const record& x, actor_again& from, const actor_again& to,
               caf::message& what);

  /// The first one of a line is recorded now.
  sent_again take_first(const pair& between, line& from);

  /// It is as recorded, and has handles.
  void take_over(const sent_again& x, const actor_again& from,
                 caf::message& what);

  /// Whether it was to be sent to somebody else by now.
  bool is_late(const comparable& recorded, const actor_again& from,
               const actor_again& to, caf::message& what);
  void compare_timer(const record& x, actor_again& who);
  void compare_sent(const record& x);
  void compare_note(const record& x);

  // -- snapshots --------------------------------------------------------------

  void bring_in(const record& x);

  /// Groups, then their instances, then their slots.
  void restore_all();
  bool restore(const record& x);
  void bind_restored(actor_again& made, const record& x);
  bool restore_group(const record& x, snapshot_reader& from);
  bool restore_instance(const record& x, snapshot_reader& from,
                        actor_again& parent);

  // -- what only the replay does ----------------------------------------------

  /// Before something is handled: what was sent to edges and remarked by then
  /// has been recorded.
  void look_for_unrecorded();

  /// Once in a while: what should have been handled long ago.
  void look_for_overdue();

  /// What was sent to somebody who ends, so long ago that it would have been
  /// handled.
  void look_for_unhandled_by(const actor_again& who);

  /// Whether a message or a timer of that moment could still be under way.
  bool is_under_way(time_point since) const;
  /// Runners and jobs that are played by the recording.
  void count_played();
  void differ_about(const pair& between, const sent_again& what);
  void differ_about_timer(const actor_again& who,
                          const actor_again::timer& what);
  void forget_lines_to(caf::actor_id who);

  // -- differences ------------------------------------------------------------

  void differ(const actor_again& who, std::string recorded,
              std::string replayed);
  void count_equal(const actor_again& who);
  bool concerns(const std::string& role) const;

  replay_options options_;
  virtual_time time_;
  delivery* former_door_ = nullptr;
  std::shared_ptr<edges> edge_;
  int64_t unix_us_ = 0;
  recorded_config config_;
  std::map<std::string, std::shared_ptr<newest<group_orders>>> orders_;
  players players_;
  std::map<std::string, std::shared_ptr<newest<runner_orders>>> runner_orders_;
  std::map<uint32_t, record> births_; ///< of jobs that tell their plan next
  std::vector<unborn> unborn_;        ///< jobs that were started, likewise
  std::map<std::string, job_planned> outlines_; ///< by the keys of jobs
  std::map<pair, line> lines_;
  std::map<pair, line> late_; ///< to be sent to others at a moment
  /// What is in the lines to somebody, by its number, and who has sent it: it
  /// is handled in this order.
  std::map<caf::actor_id, std::map<uint64_t, caf::actor_id>> orders_of_sending_;
  uint64_t sent_ = 0;          ///< number of the last one
  std::vector<pair> to_edges_; ///< what was sent there is recorded next
  std::vector<caf::actor_id> remarking_;            ///< likewise
  std::multimap<time_point, caf::actor_id> alarms_; ///< set, by whom
  std::chrono::nanoseconds longest_way_{
    0}; ///< from being sent to being handled
  bool is_run_over_ = false;
  bool lets_pass_ = false;
  bool collects_timers_ = false;
  time_point timer_due_;
  time_point next_look_;
  const record* last_ = nullptr; ///< the one being taken
  std::chrono::nanoseconds at_{0};
  bool is_anew_ = true;        ///< no time has passed since the run or a gap
  std::vector<record> states_; ///< of a snapshot that is being read
};

/// The replay's clock when the run begins: zero is "never" to actors.
inline constexpr time_point replay_begins{std::chrono::hours{1}};

} // namespace muster
