#include "actors/instance/instance.hpp"

#include "actors/slot/slot.hpp"
#include "executors/shells/posix.hpp"

#include <algorithm>
#include <memory>

namespace muster {

namespace {

using self_t = self_ptr<instance_actor, instance_state>;

/// Carries out what the lifecycle decided.
struct performer {
  self_t self;
  const instance_setup& setup;
  const instance_life::event& what;

  instance_state& st() const {
    return self->state;
  }

  peer me() const {
    return peer_of(setup.role, self);
  }

  void operator()(const instance_life::ask_connect_info&) const {
    self->send(setup.provider, get_connect_info{setup.id, me()});
  }

  void operator()(const instance_life::ask_host_key&) const {
    self->send(setup.journal, read_host_key{setup.group, setup.id, me()});
  }

  void operator()(const instance_life::start_dial&) const {
    auto info = st().info;
    std::string advice;
    if (const auto* pinned = std::get_if<host_key_found>(&what)) {
      info.host_key = pinned->host_key;
      advice = "; if it was installed anew: muster known-hosts forget "
               + posix::quote(setup.id.value);
    }
    self->send(setup.dialer,
               dial{setup.id, std::move(info), setup.options.failure_threshold,
                    me(), std::move(advice),
                    setup.options.engine_host.has_value(),
                    setup.options.engine_host.value_or("")});
  }

  void operator()(const instance_life::renew_dial&) const {
    const auto& found = std::get<connect_info_found>(what);
    self->send(setup.dialer, renew_info{setup.id, found.info, found.why});
  }

  void operator()(const instance_life::start_sweep& x) const {
    for (const auto& key : x.keys)
      self->send(setup.dialer,
                 end_leftovers{setup.id, key, me(),
                               setup.options.clean_timeout.count()});
  }

  void operator()(const instance_life::check_alive&) const {
    run("exit 0", std::chrono::seconds{10});
  }

  void run(const std::string& command,
           std::chrono::milliseconds timeout) const {
    self->send(setup.dialer,
               run_command{setup.id, command, timeout.count(), me()});
  }

  void operator()(const instance_life::start_command&) const {
    run(setup.options.ready_command, setup.options.command_timeout);
  }

  void operator()(const instance_life::look_for_image&) const {
    run_helper(image_words(), std::chrono::minutes{1}, "");
  }

  void operator()(const instance_life::load_image&) const {
    auto fields = setup.log_fields;
    fields.emplace_back("instance", setup.id.value);
    fields.emplace_back("image", setup.options.image.name);
    log::info("loading the helper image", fields);
    auto words = image_words();
    words.emplace_back("--load");
    run_helper(words, setup.options.image_timeout, setup.options.image.path);
  }

  std::vector<std::string> image_words() const {
    const auto& image = setup.options.image;
    std::vector<std::string> words{"container-image", "--name", image.name};
    const auto& host = setup.options.engine_host;
    if (host && !host->empty())
      words.insert(words.end(), {"--host", *host});
    return words;
  }

  void run_helper(const std::vector<std::string>& words,
                  std::chrono::milliseconds timeout,
                  const std::string& input_file) const {
    self->send(setup.dialer,
               run_command{setup.id, posix::quote(words), timeout.count(), me(),
                           true, input_file});
  }

  void operator()(const instance_life::ask_heartbeat&) const {
    self->send(setup.provider, heartbeat{setup.id, me()});
  }

  void operator()(const instance_life::forward_occupy& x) const {
    st().holders[x.what.key] = x.what.holder;
    self->send(st().slots[static_cast<size_t>(x.what.slot)],
               occupy_slot{x.what.key, x.what.holder});
  }

  void operator()(const instance_life::answer_occupy& x) const {
    peer slot_peer;
    if (x.accepted) {
      slot_peer = {
        setup.role + "/slot:" + std::to_string(x.slot),
        caf::actor_cast<caf::actor>(st().slots[static_cast<size_t>(x.slot)])};
      // Written before anybody hears of the slot.
      self->send(setup.journal, write_leftover{setup.group, setup.id, x.key});
    }
    st().holders.erase(x.key);
    self->send(setup.parent,
               slot_occupied{setup.id, x.key, x.slot, x.accepted, slot_peer,
                             st().info.internal_address,
                             st().info.external_address});
  }

  void operator()(const instance_life::arm_timer& x) const {
    send_later(self, x.at, instance_timer{x.version});
  }

  void operator()(const instance_life::tell_ready&) const {
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      self->now() - st().running_since);
    auto fields = setup.log_fields;
    fields.emplace_back("instance", setup.id.value);
    fields.emplace_back("took", std::to_string(took.count()) + "ms");
    log::info("ready", fields);
  }

  void operator()(const instance_life::tell_status&) const {
    const auto& life = st().life;
    self->send(setup.parent,
               instance_status{setup.id, life.phase, life.slots, life.use_count,
                               life.failures, life.reason, ++st().version,
                               life.failed, life.last_problem});
  }

  void operator()(const instance_life::hang_up_connection&) const {
    self->send(setup.dialer, hang_up{setup.id});
  }

  void operator()(const instance_life::tell_problem& x) const {
    auto fields = setup.log_fields;
    fields.emplace_back("instance", setup.id.value);
    fields.emplace_back("err", x.text);
    log::warning("instance is not ready yet, trying again", fields);
  }

  void operator()(const instance_life::leave& x) const {
    const auto& reason = st().life.reason;
    self->quit(x.expected
                 ? error_of(instance_errc::retired, reason)
                 : error_of(instance_errc::removed_externally, reason));
  }
};

instance_actor::behavior_type behave(self_t self, instance_setup given) {
  plays(self, given.role);
  auto setup = std::make_shared<const instance_setup>(std::move(given));
  auto& st = self->state;
  st.setup = setup;
  st.life = instance_life::initial(setup->options, setup->use_count,
                                   setup->leftovers);
  auto act = [self, setup](const instance_life::event& what) {
    auto steps = instance_life::step(self->state.life, setup->options, what,
                                     self->now());
    for (const auto& step : steps)
      std::visit(performer{self, *setup, what}, step);
  };
  self->monitor(setup->parent);
  for (int32_t i = 0; i < setup->options.capacity; ++i) {
    st.slots.push_back(
      spawn_slot(self, caf::actor_cast<slot_parent_actor>(self), i));
    st.slot_versions.push_back(0);
    self->monitor(st.slots.back());
  }
  self->set_down_handler(
    // Of a slot, too: who has it knows, and claims it from the next actor.
    [self](const caf::down_msg& x) { self->quit(x.reason); });
  for (const auto& x : setup->claims)
    act(instance_life::claimed{x});
  return {
    [self, act](const provider_state& x) {
      if (x.state == cloud_state::running
          && self->state.running_since == time_point{})
        self->state.running_since = self->now();
      act(x);
    },
    [act](const removed_from_cloud& x) { act(x); },
    [act](const occupy& x) { act(x); },
    [act](const retire& x) { act(x); },
    [act](const instance_timer& x) { act(x); },
    [self, act](const slot_status& x) {
      auto& versions = self->state.slot_versions;
      auto index = static_cast<size_t>(x.slot);
      if (index >= versions.size() || x.version <= versions[index])
        return;
      versions[index] = x.version;
      act(x);
    },
    [self, setup](const clean_slot& x) {
      self->send(setup->dialer,
                 end_leftovers{setup->id, x.key, peer_of(setup->role, self),
                               setup->options.clean_timeout.count()});
    },
    [self, act](const connect_info_found& x) {
      if (!x.why)
        self->state.info = x.info;
      act(x);
    },
    [act](const host_key_found& x) { act(x); },
    [act](const info_wanted& x) { act(x); },
    [act](const heartbeat_answered& x) { act(x); },
    [self, act, setup](const dialed& x) {
      if (!x.why)
        self->send(setup->journal,
                   write_instance{setup->group, setup->id,
                                  instance_life::uses(self->state.life), 0,
                                  x.host_key, 0, ""});
      act(x);
    },
    [act](const connection_health& x) { act(x); },
    [act](const command_ended& x) { act(x); },
    [self, act, setup](const leftovers_ended& x) {
      const auto& st = self->state;
      if (x.clean)
        self->send(setup->journal,
                   forget_leftover{setup->group, setup->id, x.key});
      for (size_t i = 0; i < st.slots.size(); ++i)
        if (st.life.slots[i].key == x.key)
          self->send(st.slots[i], slot_cleaned{x.key, x.clean});
      act(x);
    },
  };
}

} // namespace

instance_actor spawn_instance(const spawner& at, instance_setup setup) {
  return at.spawn(behave, std::move(setup));
}

} // namespace muster
