#include "actors/instance/instance.hpp"
#include "actors/slot/slot.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>
#include <map>

using namespace muster;

namespace {

/// Writes down what the door shows, and takes the place of any other.
class watching_door : public delivery {
public:
  watching_door() : outer_(std::exchange(the_delivery, this)) {
  }

  ~watching_door() override {
    the_delivery = outer_;
  }

  bool hold(caf::actor_control_block*, caf::mailbox_element_ptr&) override {
    return false;
  }

  void handling(const caf::local_actor& self,
                const caf::mailbox_element& what) override {
    lines.push_back(roles[self.id()] + (the_handler.is_timer ? " timer " : " ")
                    + caf::to_string(what.content()));
    CHECK_EQ(the_handler.self, &self);
  }

  void born(const caf::strong_actor_ptr& who, const std::string& role,
            caf::actor_id parent, state_text show) override {
    roles[who->id()] = parent == 0 ? role : roles[parent] + "/" + role;
    lines.push_back(roles[who->id()] + " born");
    shows[who->id()] = show;
  }

  void ended(const caf::local_actor& self, const caf::error& why) override {
    lines.push_back(roles[self.id()] + " ended "
                    + (why == caf::exit_reason::kill ? "by kill" : "else"));
  }

  void sent(const caf::local_actor& to,
            const caf::mailbox_element& what) override {
    lines.push_back("to " + roles[to.id()] + " "
                    + caf::to_string(what.content()));
  }

  void note(const caf::local_actor& self, const caf::message& what) override {
    lines.push_back(roles[self.id()] + " notes " + caf::to_string(what));
  }

  bool has(const std::string& line) const {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  }

  std::vector<std::string> lines;
  std::map<caf::actor_id, std::string> roles;
  std::map<caf::actor_id, state_text> shows;

private:
  delivery* outer_;
};

struct waiter_state {
  int seen = 0;
  const char* name = "waiter";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, waiter_state& x) {
  return f(caf::meta::type_name("waiter_state"), x.seen);
}

using waiter_actor
  = caf::typed_actor<caf::reacts_to<decide>, caf::reacts_to<list_tick>>;

/// Posts itself something at once and has the clock send it the same later.
waiter_actor::behavior_type waiter(self_ptr<waiter_actor, waiter_state> self,
                                   const std::function<list_instances()>& asks,
                                   const provider_actor& edge) {
  plays(self, "waiter");
  self->send(edge, asks());
  return {
    [self](const decide& x) {
      ++self->state.seen;
      note(self, decide{x.number + 100});
    },
    [self](const list_tick& x) {
      send_later(self, self->now() + std::chrono::seconds(1),
                 decide{x.number + 1});
      self->send(self, decide{x.number});
    },
  };
}

provider_actor::behavior_type
deaf(watched_ptr<provider_actor, waiter_state> /*self*/) {
  return {
    [](const start_provider&) {},   [](const list_instances&) {},
    [](const increase&) {},         [](const decrease&) {},
    [](const get_connect_info&) {}, [](const heartbeat&) {},
  };
}

} // namespace

TEST_CASE("the door sees what an actor handles, and tells timers from posts") {
  watching_door door;
  test::virtual_system world;
  auto edge = world.spawn(deaf);
  plays_edge(edge, "edge");
  auto asks = [] { return list_instances{7}; };
  auto actor = world.spawn(waiter, asks, edge);
  world.send(actor, list_tick{5});
  world.run_for(std::chrono::seconds(1));
  CHECK_EQ(door.lines,
           std::vector<std::string>{
             "edge born", "waiter born", "to edge (list_instances(7))",
             "waiter (list_tick(5))", "waiter (decide(5))",
             "waiter notes (decide(105))", "waiter timer (decide(6))",
             "waiter notes (decide(106))"});
  auto id = actor.id();
  auto* self = caf::actor_cast<caf::abstract_actor*>(actor);
  CHECK_EQ(door.shows[id](dynamic_cast<caf::local_actor&>(*self)),
           "waiter_state(2)");
  CHECK_FALSE(static_cast<bool>(door.shows[edge.id()]));
  world.stop(actor);
  world.stop(edge);
  CHECK(door.has("waiter ended by kill"));
  CHECK(door.has("edge ended by kill"));
}

TEST_CASE("what has no role of its own gets one below its parent's") {
  watching_door door;
  test::virtual_system world;
  auto parent = world.spawn_probe<slot_parent_actor>();
  door.roles[parent.handle.id()] = "instance:i-1";
  auto slot = world.take(spawn_slot(world.sys, parent.handle, 3));
  CHECK(door.has("instance:i-1/slot:3 born"));
  CHECK(the_handler.self == nullptr);
}
