#include "actors/group/group.hpp"
#include "tests/support/virtual_system.hpp"
#include "tools/muster/explain/teller.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// Hands what the door shows to a story, as a recorder and its reader do.
class telling_door : public delivery {
public:
  explicit telling_door(explain::filter what)
    : teller(std::move(what)),
      outer_(std::exchange(the_delivery, this)) {
  }

  ~telling_door() override {
    the_delivery = outer_;
  }

  bool hold(caf::actor_control_block*, caf::mailbox_element_ptr&) override {
    return false;
  }

  void born(const caf::strong_actor_ptr& who, const std::string& role,
            caf::actor_id parent, state_text) override {
    roles_[who->id()] = parent == 0 ? role : roles_[parent] + "/" + role;
  }

  void handling(const caf::local_actor& self,
                const caf::mailbox_element& what) override {
    take(record_kind::handled, self, what.copy_content_to_message());
  }

  void note(const caf::local_actor& self, const caf::message& what) override {
    take(record_kind::note, self, what);
  }

  explain::teller teller;

private:
  void take(record_kind kind, const caf::local_actor& self, caf::message what) {
    record x;
    x.number = ++number_;
    x.at = the_handler.now.time_since_epoch();
    x.unix_us
      = 1'790'000'000'000'000
        + std::chrono::duration_cast<std::chrono::microseconds>(x.at).count();
    x.kind = kind;
    x.to.role = roles_[self.id()];
    x.what = std::move(what);
    teller.take(x);
  }

  std::map<caf::actor_id, std::string> roles_;
  uint64_t number_ = 0;
  delivery* outer_;
};

} // namespace

TEST_CASE("what a group and its instances do becomes an instance's story") {
  explain::filter about;
  about.instance = "i-1";
  telling_door door{about};
  test::virtual_system world;
  runner_config cfg;
  cfg.name = "r";
  cfg.token = secret{"glrt-abc"};
  cfg.autoscaler.emplace();
  cfg.autoscaler->max_instances = 5;
  cfg.autoscaler->policies.emplace_back().idle_time = 60s;
  auto runner = world.spawn_probe<group_parent_actor>();
  auto dialer = world.spawn_probe<dialer_actor>();
  auto journal = world.spawn_probe<journal_actor>();
  test::probe<provider_actor> provider;
  group_setup setup;
  setup.role = "runner:r/group";
  setup.runner = std::make_shared<const runner_config>(cfg);
  setup.make_provider = [&](caf::local_actor*, const provider_parent_actor&) {
    provider = world.spawn_probe_now<provider_actor>();
    return provider.handle;
  };
  setup.parent = runner.handle;
  setup.dialer = dialer.handle;
  setup.journal = journal.handle;
  auto edge = std::make_shared<edges>();
  edge->unix_us = [] { return int64_t{1'790'000'000'000'000}; };
  setup.edge = edge;
  auto it = world.take(spawn_group(world.sys, setup));
  provider_ready ready;
  ready.group = "cloud-group";
  ready.max_size = 100;
  world.send(it, ready);
  world.send(it, known_instances{"cloud-group", {}, {}});
  std::vector<cloud_instance> cloud;
  auto list = [&] {
    world.run_for(2s);
    world.send(it, listing{provider.last<list_instances>().number, cloud, {}});
  };
  list();
  acquisition_key key{"a"};
  world.send(it, reserve{key});
  auto job = world.spawn_probe<acquirer_actor>();
  world.send(it, acquire{key,
                         3'600'000,
                         {"job", caf::actor_cast<caf::actor>(job.handle)},
                         false});
  world.send(it, increased{1, 1, {}});
  world.run_for(20s);
  cloud.push_back({instance_id{"i-1"}, cloud_state::running});
  list();
  auto ask = provider.last<get_connect_info>();
  instance_id id{"i-1"};
  world.run_for(3s);
  world.send(as<provider_asker_actor>(ask.asker),
             connect_info_found{id, {}, {}});
  world.send(as<host_key_asker_actor>(ask.asker), host_key_found{id, "", {}});
  world.send(it, unreserve{key}); // nobody needs it any more
  world.send(as<dial_asker_actor>(ask.asker), dialed{id, "key", {}});
  world.run_for(70s);
  auto story = door.teller.finish();
  REQUIRE_EQ(story.instances.size(), 1);
  const auto& x = story.instances[0];
  CHECK_EQ(x.group, "runner:r/group");
  CHECK_EQ(x.made_because, "1 job waits for a slot; there is no instance");
  REQUIRE(x.asked);
  REQUIRE(x.running);
  REQUIRE(x.dialed);
  REQUIRE(x.ready);
  CHECK_EQ(x.running->us - x.asked->us, 22'000'000);
  CHECK_EQ(x.ready->us - x.running->us, 3'000'000);
  CHECK_NE(x.retired_because.find("idle for idle_time"), std::string::npos);
  auto told = [&x](const std::string& part) {
    return std::ranges::any_of(x.told.all(), [&part](const auto& y) {
      return y.text.find(part) != std::string::npos;
    });
  };
  CHECK(told("kept: 1 too many is kept, since idle_time is 1 min"));
  CHECK_EQ(story.rules.at(decision_rule::pending), 1);
  CHECK_EQ(story.rules.at(decision_rule::max_idle_time), 1);
}
