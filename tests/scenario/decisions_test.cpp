#include "actors/group/group.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// Keeps what actors remark.
class note_keeper : public delivery {
public:
  note_keeper() : outer_(std::exchange(the_delivery, this)) {
  }

  ~note_keeper() override {
    the_delivery = outer_;
  }

  bool hold(caf::actor_control_block*, caf::mailbox_element_ptr&) override {
    return false;
  }

  void handling(const caf::local_actor&, const caf::mailbox_element&) override {
  }

  void note(const caf::local_actor&, const caf::message& what) override {
    all.push_back(what);
  }

  template <class Message>
  std::vector<Message> of() const {
    std::vector<Message> found;
    for (const auto& x : all)
      if (x.match_elements<Message>())
        found.push_back(x.get_as<Message>(0));
    return found;
  }

  std::vector<caf::message> all;

private:
  delivery* outer_;
};

/// Counts decisions by their rule.
struct counting_metrics : group_metrics {
  std::map<decision_rule, int> decisions;

  void decided(decision_rule x) override {
    ++decisions[x];
  }
};

/// A group whose provider, dialer and journal the test plays; all its remarks
/// are kept.
struct fixture {
  note_keeper notes;
  test::virtual_system world;
  runner_config cfg;
  test::probe<group_parent_actor> runner
    = world.spawn_probe<group_parent_actor>();
  test::probe<dialer_actor> dialer = world.spawn_probe<dialer_actor>();
  test::probe<journal_actor> journal = world.spawn_probe<journal_actor>();
  test::probe<provider_actor> provider;
  std::shared_ptr<counting_metrics> counts
    = std::make_shared<counting_metrics>();
  group_actor it;
  std::vector<cloud_instance> cloud;

  fixture() {
    cfg.name = "r";
    cfg.token = secret{"glrt-abc"};
    cfg.autoscaler.emplace();
    cfg.autoscaler->max_instances = 5;
    policy_config policy;
    policy.periods = {"* * * * *"};
    policy.idle_time = 60s;
    cfg.autoscaler->policies.push_back(policy);
  }

  autoscaler_config& scaler() {
    return *cfg.autoscaler;
  }

  void begin(std::vector<known_instance> known = {}) {
    group_setup setup;
    setup.role = "group";
    setup.runner = std::make_shared<const runner_config>(cfg);
    setup.make_provider
      = [this](caf::local_actor*, const provider_parent_actor&) {
          provider = world.spawn_probe_now<provider_actor>();
          return provider.handle;
        };
    setup.parent = runner.handle;
    setup.dialer = dialer.handle;
    setup.journal = journal.handle;
    setup.metrics = counts;
    auto shared = std::make_shared<edges>();
    shared->unix_us = [] { return int64_t{1'790'000'000'000'000}; };
    setup.edge = shared;
    it = world.take(spawn_group(world.sys, setup));
    provider_ready ready;
    ready.group = "cloud-group";
    ready.max_size = 100;
    world.send(it, ready);
    world.send(it, known_instances{"cloud-group", std::move(known), {}});
    list();
  }

  /// Answers the listing that is out.
  void list() {
    world.run_for(2s);
    world.send(it, listing{provider.last<list_instances>().number, cloud, {}});
  }

  void boots(const char* id) {
    cloud.push_back({instance_id{id}, cloud_state::running});
    list();
    connect(id);
  }

  void connect(const char* id) {
    auto ask = provider.last<get_connect_info>();
    world.send(as<provider_asker_actor>(ask.asker),
               connect_info_found{instance_id{id}, {}, {}});
    world.send(as<host_key_asker_actor>(ask.asker),
               host_key_found{instance_id{id}, "", {}});
    world.send(as<dial_asker_actor>(ask.asker),
               dialed{instance_id{id}, "key", {}});
  }

  bool reserves(const char* key) {
    world.send(it, reserve{acquisition_key{key}});
    return !runner.last<reserved>().why;
  }

  test::probe<acquirer_actor> acquires(const char* key) {
    auto job = world.spawn_probe<acquirer_actor>();
    world.send(it, acquire{acquisition_key{key},
                           3'600'000,
                           {"job", caf::actor_cast<caf::actor>(job.handle)},
                           false});
    return job;
  }

  /// The last decision that did something.
  decision_note last_act() const {
    decision_note out;
    for (const auto& x : notes.of<decision_note>())
      if (x.acts())
        out = x;
    return out;
  }

  /// What became of an instance, the last time that it was told so.
  std::optional<instance_note> last_of(const char* id,
                                       instance_event what) const {
    std::optional<instance_note> out;
    for (const auto& x : notes.of<instance_note>())
      if (x.instance.value == id && x.what == what)
        out = x;
    return out;
  }
};

} // namespace

TEST_CASE("a decision to grow is noted with its rule, policy and numbers") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a");
  auto act = f.last_act();
  CHECK_EQ(act.rule, decision_rule::pending);
  CHECK_EQ(act.asked, 1);
  CHECK_EQ(act.pending, 1);
  CHECK_EQ(act.policy, 0);
  CHECK_EQ(act.periods, "* * * * *");
  CHECK_EQ(act.max_instances, 5);
  CHECK_EQ(f.counts->decisions[decision_rule::pending], 1);
}

TEST_CASE("an instance's way is noted from the request to its end") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a");
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  auto found = f.last_of("i-1", instance_event::found);
  REQUIRE(found);
  CHECK_EQ(found->cause, instance_cause::requested);
  CHECK_EQ(found->since_ms, 2000);
  CHECK(f.last_of("i-1", instance_event::ready));
  f.world.send(f.it, unreserve{acquisition_key{"a"}});
  f.cloud.clear();
  for (int i = 0; i < 6; ++i) {
    f.world.run_for(1min);
    f.list();
  }
  auto gone = f.last_of("i-1", instance_event::gone);
  REQUIRE(gone);
  CHECK_EQ(gone->rule, decision_rule::removed_outside);
  CHECK_EQ(f.counts->decisions[decision_rule::removed_outside], 1);
}

TEST_CASE("what is kept for its idle time is noted, and then its removal") {
  fixture f;
  f.cloud.push_back({instance_id{"i-5"}, cloud_state::running});
  known_instance known;
  known.instance = instance_id{"i-5"};
  f.begin({known});
  f.connect("i-5");
  auto found = f.last_of("i-5", instance_event::found);
  REQUIRE(found);
  CHECK_EQ(found->cause, instance_cause::preexisted);
  auto kept = f.notes.of<decision_note>().back();
  CHECK_EQ(kept.rule, decision_rule::surplus);
  CHECK_FALSE(kept.acts());
  REQUIRE_EQ(kept.not_taken.size(), 1);
  CHECK_EQ(kept.not_taken[0].rule, decision_rule::idle_time);
  f.world.run_for(70s);
  CHECK_EQ(f.last_act().cordoned,
           std::vector<cordon_note>{
             {instance_id{"i-5"}, decision_rule::max_idle_time}});
  CHECK_EQ(f.provider.count<decrease>(), 1);
  CHECK(f.last_of("i-5", instance_event::retired));
  CHECK_EQ(f.counts->decisions[decision_rule::idle_time], 1);
  CHECK_EQ(f.counts->decisions[decision_rule::max_idle_time], 1);
}

TEST_CASE("slots that are to be free are the rule of a growth") {
  fixture f;
  f.scaler().policies[0].idle_count = 1;
  f.begin();
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  f.reserves("a");
  auto a = f.acquires("a"); // a second instance for the idle count
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-2");
  CHECK_EQ(f.last_act().rule, decision_rule::idle_count);
  CHECK_EQ(f.counts->decisions[decision_rule::idle_count], 2);
}

TEST_CASE("growth that the provider refuses, and a limit, are options left") {
  fixture f;
  f.scaler().max_instances = 1;
  f.begin();
  CHECK(f.reserves("a"));
  CHECK_FALSE(f.reserves("b"));
  auto refused = f.notes.of<refusal_note>();
  REQUIRE_EQ(refused.size(), 1);
  CHECK_EQ(refused[0].rule, decision_rule::no_capacity);
  CHECK_EQ(refused[0].max_instances, 1);
  CHECK_EQ(refused[0].reserved, 1);
  CHECK_FALSE(f.reserves("b")); // the same again: nothing new
  CHECK_EQ(f.notes.of<refusal_note>().size(), 1);
  auto a = f.acquires("a");
  f.world.send(
    f.it,
    increased{1, 0, error_of(provider_errc::call_failed, "out of quota")});
  auto last = f.notes.of<decision_note>().back();
  REQUIRE_EQ(last.not_taken.size(), 1);
  CHECK_EQ(last.not_taken[0].rule, decision_rule::provider_refused);
  CHECK_GT(last.not_taken[0].for_ms, 0);
  CHECK_EQ(f.counts->decisions[decision_rule::provider_refused], 1);
}

TEST_CASE("a request that never appears is noted when it is given up") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a");
  f.world.send(f.it, increased{1, 1, {}});
  f.world.run_for(11min);
  CHECK(f.notes.of<request_note>().empty()); // nobody has looked
  f.list();
  auto lost = f.notes.of<request_note>();
  REQUIRE_EQ(lost.size(), 1);
  CHECK_EQ(lost[0].given_up, 1);
  CHECK_EQ(f.counts->decisions[decision_rule::request_expired], 1);
}

TEST_CASE("an instance that nobody knows is refused with that rule") {
  fixture f;
  f.cloud.push_back({instance_id{"i-9"}, cloud_state::running});
  f.begin();
  auto refused = f.last_of("i-9", instance_event::refused);
  REQUIRE(refused);
  CHECK_EQ(refused->rule, decision_rule::unknown_instance);
  CHECK_EQ(refused->cause, instance_cause::preexisted);
  CHECK_EQ(f.counts->decisions[decision_rule::unknown_instance], 1);
}

TEST_CASE("under constant load nothing more is noted") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a");
  f.world.send(f.it, increased{1, 1, {}});
  f.boots("i-1");
  f.list();
  auto before = f.notes.all.size();
  for (int i = 0; i < 20; ++i) {
    f.world.run_for(1min);
    f.list();
  }
  CHECK_EQ(f.notes.all.size(), before);
}

TEST_CASE("a waiting job is told its place, the boot and how long it takes") {
  fixture f;
  f.begin();
  f.reserves("a");
  auto a = f.acquires("a");
  f.world.send(f.it, increased{1, 1, {}});
  f.world.run_for(20s);
  f.boots("i-1"); // 22 s after the request
  REQUIRE_EQ(a.count<acquire_waits>(), 1);
  f.reserves("b");
  f.reserves("c");
  auto b = f.acquires("b");
  auto c = f.acquires("c");
  f.world.send(f.it, increased{2, 2, {}});
  f.cloud.push_back({instance_id{"i-2"}, cloud_state::creating});
  f.list();
  f.world.run_for(9s);
  REQUIRE_EQ(b.count<acquire_waits>(), 1);
  CHECK_EQ(b.last<acquire_waits>().text,
           "waiting for a slot: 1st in line; i-2 booting for 10 s, usually "
           "22 s (and 1 more)");
  CHECK_EQ(c.last<acquire_waits>().text,
           "waiting for a slot: 2nd in line; an instance asked for 10 s ago, "
           "usually 22 s (and 1 more)");
}
