#include "actors/replay/replay.hpp"

#include "actors/group/group.hpp"
#include "actors/recorder/words.hpp"
#include "actors/replay/normal_text.hpp"
#include "actors/replay/players.hpp"
#include "actors/replay/recorded_config.hpp"
#include "actors/replay/revive.hpp"
#include "actors/replay/snapshot.hpp"
#include "actors/replay/stand_in.hpp"
#include "actors/virtual_time.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster {

namespace {

using namespace std::chrono_literals;

/// The replay's clock when the run begins: zero is "never" to actors.
constexpr time_point beginning{1h};
/// What was sent again must be recorded by then, while its receiver lives.
constexpr auto patience = 60s;

constexpr std::string_view group_end = "/group";
constexpr std::string_view instance_part = "/group/instance:";

bool is_group(const std::string& role) {
  return role.ends_with(group_end);
}

/// Groups, instances and slots.
bool runs_again(const std::string& role) {
  return is_group(role) || role.find(instance_part) != std::string::npos;
}

constexpr std::string_view slot_part = "/slot:";

bool is_slot(const std::string& role) {
  auto at = role.rfind(slot_part);
  return at != std::string::npos
         && role.find('/', at + slot_part.size()) == std::string::npos;
}

/// The names that clouds give to instances may have slashes.
std::string parent_of(const std::string& role) {
  auto instance = role.find(instance_part);
  if (instance != std::string::npos && !is_slot(role))
    return role.substr(0, instance + group_end.size());
  return role.substr(0, role.rfind('/'));
}

bool is_instance(const std::string& role) {
  return role.find(instance_part) != std::string::npos && !is_slot(role);
}

/// `runner:a/group` -> `a`.
std::string runner_of(const std::string& role) {
  constexpr std::string_view begin = "runner:";
  auto name = parent_of(role);
  return name.starts_with(begin) ? name.substr(begin.size()) : name;
}

} // namespace

class replay::world final : public delivery {
public:
  explicit world(replay_options options)
    : options_(std::move(options)),
      edge_(std::make_shared<edges>()) {
    edge_->unix_us = [this] { return unix_us_; };
    former_door_ = std::exchange(the_delivery, this);
  }

  world(const world&) = delete;
  world& operator=(const world&) = delete;

  ~world() override {
    let_go();
    the_delivery = former_door_;
  }

  bool take(const record& x) {
    if (report.diverged)
      return false;
    ++report.records;
    last_ = &x;
    if (x.kind != record_kind::state && !states_.empty())
      restore_all();
    if (x.kind != record_kind::gap)
      pass_time(x);
    switch (x.kind) {
      case record_kind::born:
        born_again(x);
        break;
      case record_kind::ended:
        ended_again(x);
        break;
      case record_kind::handled:
        handle(x);
        break;
      case record_kind::sent:
        compare_sent(x);
        break;
      case record_kind::note:
        compare_note(x);
        break;
      case record_kind::gap:
        begin_anew(fmt::format("record {}: {} records are missing", x.number,
                               x.missing));
        break;
      case record_kind::state:
        bring_in(x);
        break;
    }
    look_for_overdue();
    return !report.diverged;
  }

  // -- the door ---------------------------------------------------------------

  bool hold(caf::actor_control_block* to,
            caf::mailbox_element_ptr& what) override {
    if (lets_pass_)
      return false;
    if (collects_timers_) {
      if (auto* x = players_.by_actor(to->id()))
        x->timers.push_back({timer_due_, normal_text(what->content())});
      return true;
    }
    // The recording tells who hears of whose end, and when.
    if (!what->content().match_elements<caf::down_msg>())
      caught(to->id(), *what);
    return true;
  }

  void handling(const caf::local_actor& /*self*/,
                const caf::mailbox_element& /*what*/) override {
  }

  void born(const caf::strong_actor_ptr& who, const std::string& role,
            caf::actor_id parent, state_text show) override {
    const auto* above = players_.by_actor(parent);
    auto name = above == nullptr ? role : above->who.role + "/" + role;
    if (auto* known = players_.by_actor(who->id())) {
      known->who.role = std::move(name);
      known->show = show;
      return;
    }
    actor_again made;
    made.who.role = std::move(name);
    made.handle = caf::actor_cast<caf::actor>(who);
    made.runs = show != nullptr;
    made.show = show;
    players_.add(std::move(made));
    if (show != nullptr)
      ++report.actors;
  }

  void ended(const caf::local_actor& self, const caf::error& /*why*/) override {
    if (auto* x = players_.by_actor(self.id()))
      x->has_ended = true;
  }

  void sent(const caf::local_actor& /*to*/,
            const caf::mailbox_element& /*what*/) override {
  }

  void note(const caf::local_actor& self, const caf::message& what) override {
    if (auto* x = players_.by_actor(self.id()))
      x->notes.push_back(normal_text(what.content()));
  }

  replay_report report;

private:
  using pair = std::pair<caf::actor_id, caf::actor_id>;

  struct line {
    std::deque<sent_again> waiting;
    /// Something was equal: what comes first now was sent in the replay. Before
    /// that a message may be on its way since before the snapshot.
    bool is_settled = false;
  };

  // -- the actors' system -----------------------------------------------------

  caf::scheduler::test_coordinator& scheduler() {
    return time_.scheduler();
  }

  caf::detail::test_actor_clock& clock() {
    return scheduler().clock();
  }

  /// Has one actor handle what it has; others wait.
  bool run(const caf::actor& who) {
    auto& all = scheduler();
    if (!all.prioritize(who))
      return false;
    all.run_once();
    collect_timers();
    return true;
  }

  /// Timers come when the recording says so, and not by the clock.
  void collect_timers() {
    auto& x = clock();
    auto now = x.current_time;
    collects_timers_ = true;
    while (x.has_pending_timeout()) {
      timer_due_ = x.schedule().begin()->first;
      x.trigger_timeout();
    }
    collects_timers_ = false;
    x.current_time = now;
  }

  void pass_time(const record& x) {
    if (!std::exchange(is_anew_, false) && x.at > at_)
      report.span += x.at - at_;
    at_ = x.at;
    clock().current_time = beginning + x.at;
    unix_us_ = x.unix_us;
  }

  /// All actors end.
  void let_go() {
    lets_pass_ = true;
    players_.for_each([](actor_again& x) {
      caf::anon_send_exit(x.handle, caf::exit_reason::kill);
    });
    scheduler().run();
    while (clock().has_pending_timeout())
      clock().trigger_timeout();
    scheduler().run();
    players_.clear();
    lines_.clear();
    orders_.clear();
    next_look_ = {};
    is_anew_ = true;
    lets_pass_ = false;
  }

  void begin_anew(const std::string& why) {
    let_go();
    if (report.actors > 0)
      ++report.restarts;
    remark(why + ": what ran again before begins anew at the next snapshot");
  }

  void remark(std::string text) {
    constexpr size_t remarks_max = 20;
    if (report.remarks.size() < remarks_max)
      report.remarks.push_back(std::move(text));
  }

  // -- who is who -------------------------------------------------------------

  caf::actor make_stand_in() {
    return time_.sys.spawn<stand_in, caf::lazy_init>(
      [this](const caf::local_actor& to, caf::mailbox_element_ptr what) {
        if (!lets_pass_ && !collects_timers_)
          caught(to.id(), *what);
      });
  }

  actor_again& add_stand_in(const player& who) {
    actor_again made;
    made.who = who;
    made.handle = make_stand_in();
    return players_.add(std::move(made));
  }

  /// Whoever has the role now.
  caf::actor handle_of(const std::string& role) {
    if (auto* x = players_.by_role(role))
      return x->handle;
    return add_stand_in({role, 0, 0}).handle;
  }

  void born_again(const record& x) {
    if (!runs_again(x.to.role)) {
      auto* known = players_.by_role(x.to.role);
      if (known != nullptr && known->who.number == 0)
        players_.bind(*known, x.to);
      else
        add_stand_in(x.to);
      return;
    }
    if (is_group(x.to.role) && !make_group(x))
      return;
    auto* made = find_unbound(x.to.role);
    while (made == nullptr && run_unborn())
      made = find_unbound(x.to.role);
    if (made != nullptr) {
      players_.bind(*made, x.to);
      return;
    }
    auto* parent = players_.by_number(x.from.number);
    if (parent == nullptr)
      parent = players_.by_role(parent_of(x.to.role));
    if (parent == nullptr || !parent->runs) {
      ++report.skipped; // its group began before the recording does
      add_stand_in(x.to);
      return;
    }
    differ(*parent, "it starts " + to_string(x.to), "");
  }

  /// An actor that has told its role and is not known by a number.
  actor_again* find_unbound(const std::string& role) {
    auto* x = players_.by_role(role);
    return x != nullptr && x->runs && x->who.number == 0 ? x : nullptr;
  }

  /// Has one that was spawned and did nothing yet begin.
  bool run_unborn() {
    auto& jobs = scheduler().jobs;
    if (jobs.empty())
      return false;
    scheduler().run_once();
    collect_timers();
    return true;
  }

  bool make_group(const record& x) {
    auto runner = runners_.find(runner_of(x.to.role));
    if (runner == runners_.end() || !runner->second->autoscaler) {
      remark(fmt::format("{} does not run again: its configuration is not in "
                         "the recording",
                         to_string(x.to)));
      add_stand_in(x.to);
      return false;
    }
    group_setup with;
    with.role = x.to.role;
    with.runner = runner->second;
    with.make_provider = provider_maker();
    with.parent
      = caf::actor_cast<group_parent_actor>(handle_of(parent_of(x.to.role)));
    with.dialer = caf::actor_cast<dialer_actor>(handle_of("dialer"));
    with.journal = caf::actor_cast<journal_actor>(handle_of("journal"));
    with.edge = edge_;
    auto orders = std::make_shared<newest<group_orders>>();
    orders_[x.to.role] = orders;
    with.orders = orders;
    auto made = spawn_group(time_.sys, std::move(with));
    run(caf::actor_cast<caf::actor>(made));
    return true;
  }

  start_provider_actor provider_maker() {
    return [this](caf::local_actor*, const provider_parent_actor& parent) {
      auto made = make_stand_in();
      plays_edge(made, "provider", parent.address());
      return caf::actor_cast<provider_actor>(made);
    };
  }

  void ended_again(const record& x) {
    auto* who = players_.by_number(x.to.number);
    if (who == nullptr)
      return;
    who->is_over = true;
    if (!who->runs)
      return;
    // Nobody knew it any more: here the replay does.
    auto is_forgotten
      = x.what.match_elements<exit_told>()
        && x.what.get_as<exit_told>(0).why == caf::exit_reason::unreachable;
    if (!who->has_ended && !is_forgotten)
      differ(*who, "it ends: " + words_of(x), "");
    for (auto& row : lines_)
      if (row.first.second == who->handle.id())
        row.second.waiting.clear(); // nobody is there to handle it
  }

  // -- messages ---------------------------------------------------------------

  void handle(const record& x) {
    if (x.type == "config_in_force")
      return;
    auto* to = players_.by_number(x.to.number);
    auto* from = players_.by_number(x.from.number);
    if (to == nullptr) {
      ++report.skipped;
      return;
    }
    caf::message what = x.what;
    auto is_own = from != nullptr && from->runs && x.type != "peer_down"
                  && x.type != "exit_told";
    if (is_own && x.is_timer)
      compare_timer(x, *from);
    else if (is_own && !compare(x, *from, *to, what))
      return;
    if (!to->runs)
      return;
    if (to->has_ended) {
      differ(*to, "it handles " + words_of(x), "it has ended");
      return;
    }
    deliver(x, from, *to, std::move(what));
  }

  void deliver(const record& x, const actor_again* from, actor_again& to,
               caf::message what) {
    if (what.empty()) {
      unreadable(x);
      ++report.skipped;
      return;
    }
    if (x.type == "peer_down")
      what = down_of(what.get_as<peer_down>(0));
    else if (x.type == "exit_told")
      what = caf::make_message(
        caf::exit_msg{caf::actor_addr{}, what.get_as<exit_told>(0).why});
    else
      revive(what, [this](const std::string& role) { return handle_of(role); });
    // What it remarked before has been compared by now.
    if (!to.notes.empty()) {
      differ(to, "", "remark: " + to.notes.front());
      return;
    }
    caf::strong_actor_ptr sender;
    if (from != nullptr)
      sender = caf::actor_cast<caf::strong_actor_ptr>(from->handle);
    lets_pass_ = true;
    caf::actor_cast<caf::abstract_actor*>(to.handle)->enqueue(
      std::move(sender), caf::make_message_id(), std::move(what), nullptr);
    lets_pass_ = false;
    run(to.handle);
    ++report.handled;
  }

  void unreadable(const record& x) {
    remark(fmt::format("record {}: {}", x.number, x.problem));
  }

  caf::message down_of(const peer_down& x) {
    auto* who = players_.by_role(x.who.role);
    auto address = who == nullptr ? caf::actor_addr{} : who->handle.address();
    return caf::make_message(caf::down_msg{address, x.why});
  }

  /// Something was sent in the replay.
  void caught(caf::actor_id to, const caf::mailbox_element& what) {
    auto from = what.sender ? what.sender->id() : caf::invalid_actor_id;
    const auto* sender = players_.by_actor(from);
    if (sender == nullptr || !sender->runs)
      return;
    lines_[{from, to}].waiting.push_back({normal_text(what.content()),
                                          whole(what), clock().current_time,
                                          report.records});
  }

  static caf::message whole(const caf::mailbox_element& what) {
    return caf::message::copy(what.content());
  }

  /// Whether it is what was sent in the replay; then with the handles of that.
  bool compare(const record& x, actor_again& from, const actor_again& to,
               caf::message& what) {
    auto& line = lines_[{from.handle.id(), to.handle.id()}];
    if (x.what.empty()) { // what was sent here stands for it
      unreadable(x);
      if (!line.waiting.empty()) {
        what = line.waiting.front().what;
        line.waiting.pop_front();
      }
      return true;
    }
    auto recorded = normal_text(x.what.content());
    if (!line.waiting.empty() && line.waiting.front().text == recorded) {
      what = line.waiting.front().what;
      line.waiting.pop_front();
      line.is_settled = true;
      ++report.compared;
      return true;
    }
    if (from.from_snapshot && !line.is_settled)
      return true; // it was on its way then
    differ(from, fmt::format("to {}: {}", to_string(x.to), recorded),
           line.waiting.empty() ? ""
                                : fmt::format("to {}: {}", to_string(x.to),
                                              line.waiting.front().text));
    return false;
  }

  void compare_timer(const record& x, actor_again& who) {
    auto now = clock().current_time;
    if (x.what.empty()) {
      std::erase_if(who.timers, [now](const auto& t) { return t.due <= now; });
      return;
    }
    auto recorded = normal_text(x.what.content());
    auto found
      = std::find_if(who.timers.begin(), who.timers.end(), [&](const auto& t) {
          return t.text == recorded && t.due <= now;
        });
    if (found != who.timers.end()) {
      who.timers.erase(found);
      ++report.compared;
    } else if (!who.from_snapshot) {
      differ(who, "it had set a timer for now: " + recorded, "");
    }
  }

  void compare_sent(const record& x) {
    auto* from = players_.by_number(x.from.number);
    if (from == nullptr || !from->runs)
      return;
    auto* to = players_.by_number(x.to.number);
    if (to == nullptr)
      return;
    caf::message ignored;
    compare(x, *from, *to, ignored);
  }

  void compare_note(const record& x) {
    if (x.what.match_elements<config_in_force>()) {
      runners_ = runners_of(x.what.get_as<config_in_force>(0), runners_);
      for (const auto& [role, to] : orders_)
        if (auto found = runners_.find(runner_of(role));
            found != runners_.end())
          to->give(std::make_shared<const group_orders>(
            group_orders{found->second, provider_maker()}));
      return;
    }
    if (x.what.match_elements<run_begun>()) {
      if (report.actors > 0)
        begin_anew("another run begins");
      return;
    }
    auto* who = players_.by_number(x.to.number);
    if (who == nullptr || !who->runs)
      return;
    auto recorded
      = x.what.empty() ? std::string{} : normal_text(x.what.content());
    auto replayed = who->notes.empty() ? "" : who->notes.front();
    if (!who->notes.empty())
      who->notes.pop_front();
    if (x.what.empty())
      unreadable(x);
    else if (recorded == replayed)
      ++report.compared;
    else
      differ(*who, "remark: " + recorded,
             replayed.empty() ? "" : "remark: " + replayed);
  }

  // -- snapshots --------------------------------------------------------------

  void bring_in(const record& x) {
    if (runs_again(x.to.role))
      states_.push_back(x);
    else
      add_stand_in(x.to);
  }

  /// Groups, then their instances, then their slots.
  void restore_all() {
    auto all = std::exchange(states_, {});
    auto depth = [](const record& x) {
      return is_group(x.to.role) ? 0 : is_instance(x.to.role) ? 1 : 2;
    };
    std::stable_sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
      return depth(a) < depth(b);
    });
    for (const auto& x : all)
      if (!restore(x)) {
        remark(fmt::format("{} does not run again: the recording begins in the "
                           "middle of its life, and its state there cannot be "
                           "read",
                           to_string(x.to)));
        if (auto* half = players_.by_number(x.to.number)) {
          half->runs = false;
          half->show = nullptr;
          --report.actors;
        } else {
          add_stand_in(x.to);
        }
      }
    // What they did while they were made is none of their decisions.
    lines_.clear();
    players_.for_each([](actor_again& x) {
      x.timers.clear();
      x.notes.clear();
    });
  }

  bool restore(const record& x) {
    if (!x.what.match_elements<actor_state>())
      return false;
    snapshot_reader from{
      x.what.get_as<actor_state>(0).bytes, beginning + x.at,
      [this](uint64_t number, const std::string& role) {
        auto* known = players_.by_number(static_cast<uint32_t>(number));
        return known != nullptr ? known->handle : handle_of(role);
      }};
    if (!from.is_there())
      return false;
    clock().current_time = beginning + x.at;
    unix_us_ = x.unix_us;
    if (is_group(x.to.role))
      return restore_group(x, from);
    auto* parent = players_.by_role(parent_of(x.to.role));
    if (parent == nullptr || !parent->runs)
      return false;
    if (is_instance(x.to.role))
      return restore_instance(x, from, *parent);
    auto* made = find_unbound(x.to.role);
    if (made == nullptr)
      return false;
    bind_restored(*made, x);
    return from.get(state_of<slot_state, slot_actor>(*made));
  }

  void bind_restored(actor_again& made, const record& x) {
    players_.bind(made, x.to);
    made.from_snapshot = true;
  }

  bool restore_group(const record& x, snapshot_reader& from) {
    auto* provider = players_.by_role(x.to.role + "/provider");
    if (!make_group(x))
      return true; // that was told
    auto* made = find_unbound(x.to.role);
    if (made == nullptr)
      return false;
    bind_restored(*made, x);
    auto& state = state_of<group_state, group_actor>(*made);
    auto has_provider = false;
    if (!from.get(state, has_provider))
      return false;
    state.provider = nullptr;
    if (has_provider && provider != nullptr)
      state.provider = caf::actor_cast<provider_actor>(provider->handle);
    if (provider != nullptr)
      players_.bind(*provider, player{provider->who});
    return true;
  }

  bool restore_instance(const record& x, snapshot_reader& from,
                        actor_again& parent) {
    instance_snapshot about;
    if (!from.get(about))
      return false;
    instance_setup with;
    with.role = x.to.role;
    with.group = about.group;
    with.id = about.id;
    with.options = about.options;
    with.parent = caf::actor_cast<instance_parent_actor>(parent.handle);
    with.provider = caf::actor_cast<provider_gate_actor>(parent.handle);
    with.dialer = caf::actor_cast<dialer_actor>(handle_of("dialer"));
    with.journal = caf::actor_cast<journal_actor>(handle_of("journal"));
    auto actor = spawn_instance(time_.sys, std::move(with));
    run(caf::actor_cast<caf::actor>(actor));
    while (run_unborn()) { // its slots
    }
    auto* made = find_unbound(x.to.role);
    if (made == nullptr)
      return false;
    bind_restored(*made, x);
    state_of<group_state, group_actor>(parent).actors[about.id] = actor;
    return from.get(state_of<instance_state, instance_actor>(*made));
  }

  template <class State, class Handle>
  static State& state_of(const actor_again& x) {
    return dynamic_cast<stateful<State, traced<Handle>>&>(
             *caf::actor_cast<caf::abstract_actor*>(x.handle))
      .state;
  }

  // -- differences ------------------------------------------------------------

  void look_for_overdue() {
    if (clock().current_time < next_look_ || report.diverged)
      return;
    next_look_ = clock().current_time + patience / 4;
    for (auto& [who, line] : lines_) {
      if (line.waiting.empty()
          || line.waiting.front().at + patience > clock().current_time)
        continue;
      auto* from = players_.by_actor(who.first);
      auto* to = players_.by_actor(who.second);
      if (to == nullptr || to->is_over || to->who.number == 0
          || from == nullptr) {
        line.waiting.clear(); // it went to somebody who was not there any more
        continue;
      }
      differ(*from, "",
             fmt::format("to {}, at record {}: {}", to_string(to->who),
                         line.waiting.front().record,
                         line.waiting.front().text));
      return;
    }
  }

  void differ(const actor_again& who, std::string recorded,
              std::string replayed) {
    if (report.diverged || !concerns(who.who.role))
      return;
    divergence x{*last_, to_string(who.who), std::move(recorded),
                 std::move(replayed)};
    if (who.show != nullptr && !who.has_ended)
      x.state = who.show(dynamic_cast<caf::local_actor&>(
        *caf::actor_cast<caf::abstract_actor*>(who.handle)));
    report.diverged = std::move(x);
  }

  bool concerns(const std::string& role) const {
    const auto& wanted = options_.role;
    return wanted.empty() || role == wanted || role.starts_with(wanted + "/");
  }

  replay_options options_;
  virtual_time time_;
  delivery* former_door_ = nullptr;
  std::shared_ptr<edges> edge_;
  int64_t unix_us_ = 0;
  recorded_runners runners_;
  std::map<std::string, std::shared_ptr<newest<group_orders>>> orders_;
  players players_;
  std::map<pair, line> lines_;
  bool lets_pass_ = false;
  bool collects_timers_ = false;
  time_point timer_due_;
  time_point next_look_;
  const record* last_ = nullptr; ///< the one being taken
  std::chrono::nanoseconds at_{0};
  bool is_anew_ = true;        ///< no time has passed since the run or a gap
  std::vector<record> states_; ///< of a snapshot that is being read
};

replay::replay(replay_options options)
  : world_(std::make_unique<world>(std::move(options))) {
}

replay::~replay() = default;

bool replay::take(const record& x) {
  return world_->take(x);
}

const replay_report& replay::report() const {
  return world_->report;
}

} // namespace muster
