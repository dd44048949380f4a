#include "actors/instance/lifecycle.hpp"

#include "messages/errors.hpp"

#include <algorithm>
#include <utility>

namespace muster::instance_life {

namespace {

using actions = std::vector<action>;
using namespace std::chrono_literals;

constexpr auto retry_pause = 2s;

/// Held or cleaning: something of a job may be alive there.
bool taken(const slot_report& x) {
  return x.phase == slot_phase::held || x.phase == slot_phase::cleaning;
}

struct stepper {
  state& st;
  const options& opts;
  time_point now;

  bool leaving() const {
    return st.phase >= instance_phase::draining;
  }

  bool busy() const {
    return std::any_of(st.slots.begin(), st.slots.end(), taken)
           || std::any_of(st.promised.begin(), st.promised.end(),
                          [](const auto& key) { return !key.empty(); });
  }

  /// Draining until no slot is taken, then deleting.
  actions drain(const std::string& reason) {
    if (leaving())
      return {};
    st.phase = instance_phase::draining;
    st.reason = reason;
    st.step = preparation::none;
    ++st.timer;
    return settle({});
  }

  actions settle(actions out) {
    if (st.phase == instance_phase::draining && !busy()) {
      st.phase = instance_phase::deleting;
      out.emplace_back(hang_up_connection{});
    }
    out.emplace_back(tell_status{});
    return out;
  }

  actions leave_now(const std::string& reason) {
    auto expected = st.phase == instance_phase::deleting;
    st.phase = instance_phase::gone;
    if (!expected)
      st.reason = reason;
    return {hang_up_connection{}, tell_status{}, leave{expected}};
  }

  actions begin(preparation what, action how) {
    st.step = what;
    return {std::move(how), arm_timer{st.prepare_by, ++st.timer}};
  }

  /// Tries the present step of the preparation again after a pause.
  actions again(const std::string& problem) {
    st.last_problem = problem;
    if (now + retry_pause >= st.prepare_by)
      return drain(give_up());
    return {tell_problem{problem}, arm_timer{now + retry_pause, ++st.timer}};
  }

  std::string give_up() const {
    const char* what = "did not become ready";
    if (st.step == preparation::connect_info || st.step == preparation::dial)
      what = "instance connection preparation failed";
    else if (st.step == preparation::command)
      what = "instance ready up preparation failed";
    auto problem = st.last_problem.empty() ? std::string{"no answer in time"}
                                           : st.last_problem;
    return std::string{what} + ": " + problem;
  }

  actions ready() {
    st.step = preparation::done;
    st.phase = instance_phase::ready;
    ++st.timer;
    return {tell_ready{}, tell_status{}};
  }

  actions after_dial() {
    if (opts.ready_command.empty())
      return ready();
    return begin(preparation::command, start_command{});
  }

  actions operator()(const provider_state& x) {
    switch (x.state) {
      case cloud_state::running:
        if (st.step == preparation::connect_info)
          return {ask_connect_info{}}; // the provider may be another one
        if (st.phase != instance_phase::creating)
          return {};
        st.phase = instance_phase::preparing;
        st.prepare_by = now + opts.prepare_timeout;
        {
          auto out = begin(preparation::connect_info, ask_connect_info{});
          out.emplace_back(tell_status{});
          return out;
        }
      case cloud_state::deleting:
        return drain("the cloud is removing the instance");
      case cloud_state::deleted:
        return leave_now("instance externally removed: the cloud reports it "
                         "deleted");
      case cloud_state::timeout:
        return leave_now("instance externally removed: the cloud reports that "
                         "it timed out");
      case cloud_state::suspending:
      case cloud_state::suspended:
        return drain("the cloud has suspended the instance");
      default:
        return {};
    }
  }

  actions operator()(const removed_from_cloud& x) {
    return leave_now(x.reason);
  }

  actions operator()(const connect_info_found& x) {
    if (st.step != preparation::connect_info)
      return {};
    if (x.why)
      return again(text_of(x.why));
    return begin(preparation::dial, start_dial{});
  }

  actions operator()(const dialed& x) {
    if (st.step != preparation::dial)
      return {};
    if (x.why) {
      st.last_problem = text_of(x.why);
      return drain(give_up());
    }
    return after_dial();
  }

  actions operator()(const command_ended& x) {
    if (st.step != preparation::command)
      return {};
    if (!x.why && x.exit_code == 0)
      return ready();
    if (x.why)
      return again("ready command: " + text_of(x.why));
    return again("ready command: exit code " + std::to_string(x.exit_code)
                 + (x.error_output.empty() ? "" : ": " + x.error_output));
  }

  actions operator()(const connection_health& x) {
    st.failures = x.up ? 0 : x.failures;
    st.last_problem = x.up ? "" : text_of(x.why);
    auto asked = st.asked_heartbeat && now < st.heartbeat_asked + 30s;
    if (x.up)
      return {tell_status{}};
    // One failed dial is asked about at once: a machine that is gone shall be
    // known within seconds, not after the sixth missed listing.
    actions out{tell_status{}};
    if (!asked) {
      st.asked_heartbeat = true;
      st.heartbeat_asked = now;
      out.emplace_back(ask_heartbeat{});
    }
    if (!x.given_up)
      return out;
    auto more = drain("instance is unhealthy: " + st.last_problem);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  actions operator()(const heartbeat_answered& x) {
    if (!st.asked_heartbeat)
      return {};
    st.asked_heartbeat = false;
    if (!x.why) // alive: only the connection is broken
      return {};
    return leave_now("instance externally removed: it does not answer ("
                     + st.last_problem
                     + ") and the cloud says: " + text_of(x.why));
  }

  actions operator()(const retire& x) {
    return drain(x.reason);
  }

  actions operator()(const occupy& x) {
    auto index = static_cast<size_t>(x.slot);
    auto fits = st.phase == instance_phase::ready && x.slot >= 0
                && index < st.slots.size()
                && st.slots[index].phase == slot_phase::free
                && st.promised[index].empty();
    if (!fits)
      return {answer_occupy{x.key, x.slot, false}};
    st.promised[index] = x.key;
    return {forward_occupy{x.slot}};
  }

  actions operator()(const claimed& x) {
    auto index = static_cast<size_t>(x.what.slot);
    if (x.what.slot < 0 || index >= st.slots.size())
      return {answer_occupy{x.what.key, x.what.slot, false}};
    st.promised[index] = x.what.key;
    --st.use_count; // it was counted when it began
    return {forward_occupy{x.what.slot}};
  }

  actions operator()(const slot_status& x) {
    auto index = static_cast<size_t>(x.slot);
    if (x.slot < 0 || index >= st.slots.size())
      return {};
    actions out;
    st.slots[index] = {x.phase, x.key};
    if (auto key = std::exchange(st.promised[index], {}); !key.empty()) {
      auto accepted = x.phase == slot_phase::held && x.key == key;
      if (accepted)
        ++st.use_count;
      out.emplace_back(answer_occupy{key, x.slot, accepted});
    }
    if (x.phase == slot_phase::unusable && !leaving()) {
      auto more = drain("a slot could not be proven clean after its job");
      out.insert(out.end(), more.begin(), more.end());
      return out;
    }
    return settle(std::move(out));
  }

  actions operator()(const slot_lost& x) {
    auto index = static_cast<size_t>(x.slot);
    if (index >= st.slots.size())
      return {};
    st.slots[index] = {slot_phase::unusable, st.slots[index].key};
    actions out;
    if (auto key = std::exchange(st.promised[index], {}); !key.empty())
      out.emplace_back(answer_occupy{key, x.slot, false});
    auto more = leaving() ? settle({}) : drain("a slot of the instance failed");
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  actions operator()(const instance_timer& x) {
    if (x.version != st.timer || leaving())
      return {};
    if (now >= st.prepare_by)
      return drain(give_up());
    switch (st.step) {
      case preparation::connect_info:
        return begin(preparation::connect_info, ask_connect_info{});
      case preparation::command:
        return begin(preparation::command, start_command{});
      default:
        return {};
    }
  }
};

} // namespace

state initial(const options& opts, int32_t use_count) {
  state st;
  st.slots.resize(static_cast<size_t>(opts.capacity));
  st.promised.resize(static_cast<size_t>(opts.capacity));
  st.use_count = use_count;
  return st;
}

std::vector<action> step(state& st, const options& opts, const event& what,
                         time_point now) {
  if (st.phase == instance_phase::gone)
    return {};
  return std::visit(stepper{st, opts, now}, what);
}

} // namespace muster::instance_life
