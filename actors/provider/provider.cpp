#include "actors/provider/provider.hpp"

#include "actors/traced.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

/// A plugin has a minute to start, and another to authenticate to its cloud.
/// Some make machines while they are asked for: to break that off would leave
/// half of one behind.
constexpr auto init_timeout = std::chrono::seconds{120};
constexpr auto list_timeout = std::chrono::seconds{60};
constexpr auto change_timeout = std::chrono::minutes{10};
constexpr auto connect_info_timeout = std::chrono::minutes{10};
constexpr auto heartbeat_timeout = std::chrono::seconds{10};

/// Instances that are asked about at a time. Most wait for a cloud; a thread is
/// cheap.
constexpr int askers_max = 64;

cloud_state state_of(provider_instance_state x) {
  switch (x) {
    case provider_instance_state::creating:
      return cloud_state::creating;
    case provider_instance_state::running:
      return cloud_state::running;
    case provider_instance_state::deleting:
      return cloud_state::deleting;
    case provider_instance_state::deleted:
      return cloud_state::deleted;
    case provider_instance_state::timeout:
      return cloud_state::timeout;
    case provider_instance_state::suspending:
      return cloud_state::suspending;
    case provider_instance_state::suspended:
      return cloud_state::suspended;
    case provider_instance_state::resuming:
      break;
  }
  return cloud_state::resuming;
}

using self_t = gauged_ptr<provider_actor, provider_edge_state>;

/// Asks the group and tells whoever wanted to know.
struct asker {
  instance_group& group;
  runner_metrics& metrics;

  void operator()(const get_connect_info& x) const {
    auto found = group.get_connect_info(x.instance.value,
                                        clock::now() + connect_info_timeout);
    metrics.called(provider_call::connect_info, found.has_value());
    connect_info_found answer{x.instance, {}, {}};
    if (found)
      answer.info = std::move(*found);
    else
      answer.why = error_of(found.error());
    tell(x.asker, std::move(answer));
  }

  void operator()(const heartbeat& x) const {
    auto alive
      = group.heartbeat(x.instance.value, clock::now() + heartbeat_timeout);
    metrics.called(provider_call::heartbeat, alive.has_value());
    heartbeat_answered answer{x.instance, {}};
    if (!alive)
      answer.why = error_of(alive.error());
    tell(x.asker, std::move(answer));
  }

private:
  template <class Answer>
  void tell(const peer& whom, Answer what) const {
    caf::anon_send(as<provider_asker_actor>(whom), std::move(what));
  }
};

bool is_same(const instance_question& a, const instance_question& b) {
  auto instance = [](const instance_question& x) {
    return std::visit([](const auto& y) { return y.instance; }, x);
  };
  return a.index() == b.index() && instance(a) == instance(b);
}

void start_askers(self_t self) {
  auto& st = self->state;
  for (; st.asking < askers_max && !st.waiting.empty(); ++st.asking) {
    auto ask = [group = st.group, metrics = st.metrics,
                what = std::move(st.waiting.front())](caf::event_based_actor*) {
      std::visit(asker{*group, *metrics}, what);
    };
    st.waiting.pop_front();
    self->monitor(self->spawn<caf::detached>(std::move(ask)));
  }
  st.questions->holds(st.waiting.size());
}

void ask(self_t self, instance_question what) {
  auto& st = self->state;
  if (!st.group->is_concurrent()) {
    std::visit(asker{*st.group, *st.metrics}, what);
    return;
  }
  auto same = [&what](const auto& x) { return is_same(x, what); };
  auto row = std::find_if(st.waiting.begin(), st.waiting.end(), same);
  if (row != st.waiting.end())
    *row = std::move(what); // the later one knows who wants to hear it
  else
    st.waiting.push_back(std::move(what));
  st.questions->holds(st.waiting.size());
  start_askers(self);
}

/// Ends this actor from another thread. It must not be kept alive by what it
/// owns itself.
void end_on_loss(self_t self) {
  self->state.group->on_loss([weak = caf::weak_actor_ptr{self->ctrl()}](
                               const failure<provider_errc>& why) {
    if (auto me = caf::actor_cast<caf::strong_actor_ptr>(weak))
      me->enqueue(
        nullptr, caf::make_message_id(),
        caf::make_message(caf::exit_msg{me->address(), error_of(why)}),
        nullptr);
  });
}

/// A call may be under way for minutes when the group has ended: this one
/// cannot hear of it meanwhile.
void cancel_with(const provider_parent_actor& parent,
                 const std::shared_ptr<instance_group>& group) {
  auto up = caf::actor_cast<caf::strong_actor_ptr>(parent);
  up->get()->attach_functor([weak = std::weak_ptr{group}] {
    if (auto found = weak.lock())
      found->cancel();
  });
}

} // namespace

start_provider_actor
provider_starter(make_instance_group make,
                 std::chrono::milliseconds shutdown_timeout,
                 std::shared_ptr<runner_metrics> metrics) {
  return [make = std::move(make), shutdown_timeout,
          metrics = std::move(metrics)](caf::local_actor* from,
                                        const provider_parent_actor& parent) {
    auto made = from->spawn<caf::detached>(provider, parent, make,
                                           shutdown_timeout, metrics);
    plays_edge(made, "provider", parent.address());
    return made;
  };
}

provider_actor::behavior_type
provider(self_t self, const provider_parent_actor& parent,
         make_instance_group make, std::chrono::milliseconds shutdown_timeout,
         std::shared_ptr<runner_metrics> metrics) {
  self->state.calls = metrics->queue(told_queue::provider_calls);
  self->state.questions = metrics->queue(told_queue::provider_questions);
  self->state.metrics = std::move(metrics);
  // Only as long as it lives: what it was asked then is nobody's any more.
  self->tell_depth([calls = std::weak_ptr{self->state.calls}](size_t depth) {
    if (auto to = calls.lock())
      to->holds(depth);
  });
  self->monitor(parent);
  self->set_down_handler(
    [self, shutdown_timeout, up = parent.address()](const caf::down_msg& x) {
      if (x.source == up) {
        self->state.group->shutdown(clock::now() + shutdown_timeout);
        self->quit(x.reason);
        return;
      }
      --self->state.asking;
      start_askers(self);
    });
  self->state.group = make();
  end_on_loss(self);
  cancel_with(parent, self->state.group);
  // A group that ends gives its handle back before this one hears of that: it
  // would be gone without having shut anything down. Its own handle goes with
  // its behavior, when it quits.
  auto me = caf::strong_actor_ptr{self->ctrl()};
  return {
    [self, parent, me](const start_provider&) {
      auto info = self->state.group->init(clock::now() + init_timeout);
      self->state.metrics->called(provider_call::init, info.has_value());
      provider_ready answer;
      if (info)
        answer = {info->id, info->max_size,   info->version,
                  {},       info->build_info, info->keeps_instances};
      else
        answer.why = error_of(info.error());
      self->send(parent, answer);
    },
    [self, parent](const list_instances& x) {
      auto found = self->state.group->update(clock::now() + list_timeout);
      self->state.metrics->called(provider_call::update, found.has_value());
      listing answer{x.number, {}, {}};
      if (found)
        for (auto& one : *found)
          answer.instances.push_back(
            {instance_id{std::move(one.id)}, state_of(one.state)});
      else
        answer.why = error_of(found.error());
      self->send(parent, std::move(answer));
    },
    [self, parent](const increase& x) {
      auto done
        = self->state.group->increase(x.count, clock::now() + change_timeout);
      self->state.metrics->called(provider_call::increase, done.has_value());
      increased answer{x.count, done ? *done : 0, {}};
      if (!done)
        answer.why = error_of(done.error());
      self->send(parent, std::move(answer));
    },
    [self, parent](const decrease& x) {
      auto names = [](const std::vector<instance_id>& from) {
        std::vector<std::string> out;
        for (const auto& one : from)
          out.push_back(one.value);
        return out;
      };
      auto ids = names(x.instances);
      if (!x.failed.empty())
        self->state.group->failed(names(x.failed));
      auto done
        = self->state.group->decrease(ids, clock::now() + change_timeout);
      self->state.metrics->called(provider_call::decrease, done.has_value());
      decreased answer{x.instances, {}, {}};
      if (done)
        for (auto& one : *done)
          answer.accepted.emplace_back(std::move(one));
      else
        answer.why = error_of(done.error());
      self->send(parent, std::move(answer));
    },
    [self](const get_connect_info& x) { ask(self, x); },
    [self](const heartbeat& x) { ask(self, x); },
  };
}

} // namespace muster
