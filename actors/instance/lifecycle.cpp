#include "actors/instance/lifecycle.hpp"

#include "messages/errors.hpp"

#include <algorithm>
#include <utility>

namespace muster::instance_life {

namespace {

using actions = std::vector<action>;
using namespace std::chrono_literals;

constexpr auto retry_pause = 2s;
/// Between questions for connect info, which the cloud may limit.
constexpr auto retry_pause_max = 30s;
/// After so many failed heartbeats an instance is given up, and the pauses
/// between them: a cloud that limits calls, or has a fault, refuses some for a
/// moment. One that has jobs is not lost to that: as a broken connection alone,
/// it has ten seconds.
constexpr int32_t dead_looks_max = 2;
constexpr int32_t dead_looks_max_busy = 3;
constexpr auto next_look = 2s;
constexpr auto next_look_busy = 5s;
/// Of the helper's command that looks for an image: it is not there.
constexpr int32_t image_missing_code = 3;
/// A problem that stays the same is told again after this.
constexpr auto tell_again = 1min;

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

  /// It goes since it does not work.
  actions fail(const std::string& reason) {
    if (!leaving())
      st.failed = true;
    return drain(reason);
  }

  /// Draining until no slot is taken, then deleting.
  actions drain(const std::string& reason) {
    if (leaving())
      return {};
    st.phase = instance_phase::draining;
    st.reason = reason;
    st.step = preparation::none;
    ++st.timer;
    return settle(refuse(std::exchange(st.checking, {})));
  }

  actions refuse(const std::vector<occupy>& waiting) {
    actions out;
    for (const auto& one : waiting) {
      st.promised[static_cast<size_t>(one.slot)] = {};
      out.emplace_back(answer_occupy{one.key, one.slot, false});
    }
    return out;
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
    // Why it was draining is why it is gone, for the jobs that were left.
    auto was = st.phase == instance_phase::draining ? st.reason : "";
    st.phase = instance_phase::gone;
    if (!expected)
      st.reason = was.empty() ? reason : was + "; " + reason;
    return {hang_up_connection{}, tell_status{}, leave{expected}};
  }

  actions begin(preparation what, action how) {
    st.step = what;
    // A try to connect may take all of the time: it tells then why it failed.
    auto grace = what == preparation::dial ? 1s : 0s;
    return {std::move(how), arm_timer{st.prepare_by + grace, ++st.timer}};
  }

  /// Tries the present step of the preparation again after a pause.
  actions again(const std::string& problem) {
    auto is_new = st.last_problem != problem;
    st.last_problem = problem;
    auto pause = std::min<time_point::duration>(
      retry_pause_max, retry_pause * (1 << std::min(st.refusals, 5)));
    if (now + pause >= st.prepare_by)
      return fail(give_up());
    actions out;
    if (st.told_problem != problem || now >= st.told_at + tell_again) {
      st.told_problem = problem;
      st.told_at = now;
      out.emplace_back(tell_problem{problem});
    }
    if (is_new)
      out.emplace_back(tell_status{});
    out.emplace_back(arm_timer{now + pause, ++st.timer});
    return out;
  }

  std::string give_up() const {
    const char* what = "did not become ready";
    if (st.step >= preparation::connect_info && st.step <= preparation::dial)
      what = "instance connection preparation failed";
    else if (st.step >= preparation::sweep && st.step < preparation::done)
      what = "instance ready up preparation failed";
    auto problem = st.last_problem.empty() ? std::string{"no answer in time"}
                                           : st.last_problem;
    return std::string{what} + ": " + problem;
  }

  actions ready() {
    st.step = preparation::done;
    st.phase = instance_phase::ready;
    st.last_problem.clear();
    ++st.timer;
    return {tell_ready{}, tell_status{}};
  }

  actions after_dial() {
    st.last_problem.clear();
    return sweep();
  }

  actions sweep() {
    return st.leftovers.empty()
             ? after_sweep()
             : begin(preparation::sweep, start_sweep{st.leftovers});
  }

  actions after_sweep() {
    if (opts.ready_command.empty())
      return after_command();
    return begin(preparation::command, start_command{});
  }

  // Some ready commands wait for the Engine: the image comes behind them.
  actions after_command() {
    st.last_problem.clear();
    if (opts.image.path.empty())
      return ready();
    return begin(preparation::image, look_for_image{});
  }

  /// The answer to `look_for_image` or `load_image`.
  actions image_ended(const command_ended& x) {
    if (!x.why && x.exit_code == 0)
      return ready();
    if (st.step == preparation::image && !x.why
        && x.exit_code == image_missing_code)
      return begin(preparation::image_load, load_image{});
    st.step = preparation::image;
    return again("helper image " + opts.image.path + ": "
                 + (x.why ? text_of(x.why) : problem_of(x)));
  }

  static std::string problem_of(const command_ended& x) {
    return "exit code " + std::to_string(x.exit_code)
           + (x.error_output.empty() ? "" : ": " + x.error_output);
  }

  /// The answer to `check_alive`.
  actions checked(const command_ended& x) {
    // It is asked again when the connection is there again; if that is given
    // up, the instance is, too.
    if (st.is_cut_off)
      return {};
    auto waiting = std::exchange(st.checking, {});
    if (waiting.empty())
      return {};
    auto alive = !x.why && x.exit_code == 0;
    actions out;
    if (alive)
      for (const auto& one : waiting)
        out.emplace_back(forward_occupy{one});
    else
      out = refuse(waiting);
    actions more;
    if (alive) {
      st.failures = 0;
      more = settle({});
    } else {
      st.last_problem
        = x.why ? text_of(x.why) : "exit code " + std::to_string(x.exit_code);
      auto reason
        = "instance is unhealthy: its heartbeat failed: " + st.last_problem;
      more = ++st.failures >= opts.failure_threshold && !leaving()
               ? fail(reason)
               : settle({});
    }
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  action ask_alive() {
    st.asked_heartbeat = true;
    st.heartbeat_asked = now;
    return ask_heartbeat{};
  }

  /// One that never runs must not take the place of one that would.
  actions await_boot() {
    if (st.phase != instance_phase::creating || st.prepare_by != time_point{})
      return {};
    st.prepare_by = now + opts.boot_timeout;
    return {arm_timer{st.prepare_by, ++st.timer}};
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
        return await_boot();
    }
  }

  actions operator()(const removed_from_cloud& x) {
    return leave_now(x.reason);
  }

  actions operator()(const connect_info_found& x) {
    if (st.step != preparation::connect_info)
      return std::exchange(st.renewing, false) ? actions{renew_dial{}}
                                               : actions{};
    st.renewing = false;
    if (x.why) {
      auto out = again(text_of(x.why));
      ++st.refusals;
      return out;
    }
    st.refusals = 0;
    if (x.info.timeout_ms > 0) // a provider may want less than the whole
      st.prepare_by = std::min(
        st.prepare_by, now + std::chrono::milliseconds{x.info.timeout_ms});
    if (!x.info.host_key.empty())
      return begin(preparation::dial, start_dial{});
    return begin(preparation::host_key, ask_host_key{});
  }

  actions operator()(const host_key_found& x) {
    if (st.step != preparation::host_key)
      return {};
    if (x.why) // a pin that is not known must not be passed over
      return again(text_of(x.why));
    return begin(preparation::dial, start_dial{});
  }

  actions operator()(const info_wanted&) {
    if (st.phase == instance_phase::gone
        || st.step == preparation::connect_info)
      return {};
    st.renewing = true;
    return {ask_connect_info{}};
  }

  actions operator()(const dialed& x) {
    if (st.step == preparation::done) // by another connection's actor
      return (*this)(connection_health{x.instance, !x.why, st.failures,
                                       static_cast<bool>(x.why), x.why});
    if (st.step != preparation::dial)
      return {};
    if (x.why) {
      st.last_problem = text_of(x.why);
      return fail(give_up());
    }
    return after_dial();
  }

  actions operator()(const leftovers_ended& x) {
    auto ours = std::find(st.leftovers.begin(), st.leftovers.end(), x.key)
                != st.leftovers.end();
    if (st.step != preparation::sweep || !ours)
      return {};
    if (!x.clean)
      return again("what the earlier job " + x.key.value
                   + " left cannot be ended: " + x.text);
    std::erase(st.leftovers, x.key);
    return st.leftovers.empty() ? after_sweep() : actions{};
  }

  actions operator()(const command_ended& x) {
    if (st.step == preparation::image || st.step == preparation::image_load)
      return image_ended(x);
    if (st.step != preparation::command)
      return checked(x);
    if (!x.why && x.exit_code == 0)
      return after_command();
    return again("ready command: " + (x.why ? text_of(x.why) : problem_of(x)));
  }

  actions operator()(const connection_health& x) {
    // A machine that is coming up refuses connections for a while; and one that
    // was up has its time, however quickly tries to connect fail.
    auto most = x.given_up ? x.failures : opts.failure_threshold - 1;
    if (st.step == preparation::done || x.up)
      st.failures = x.up ? 0 : std::min(x.failures, most);
    st.is_cut_off = !x.up;
    st.last_problem = x.up ? "" : text_of(x.why);
    auto asked = st.asked_heartbeat && now < st.heartbeat_asked + 30s;
    if (x.up) {
      st.dead_looks = 0;
      return st.checking.empty() ? actions{tell_status{}}
                                 : actions{tell_status{}, check_alive{}};
    }
    // One failed dial is asked about at once: a machine that is gone shall be
    // known within seconds, not after the sixth missed listing.
    actions out{tell_status{}};
    if (!asked)
      out.emplace_back(ask_alive());
    if (!x.given_up)
      return out;
    auto more = fail("instance is unhealthy: " + st.last_problem);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  actions operator()(const heartbeat_answered& x) {
    if (!st.asked_heartbeat)
      return {};
    st.asked_heartbeat = false;
    if (!x.why) { // alive: only the connection is broken
      st.dead_looks = 0;
      return {};
    }
    auto is_certain = is(x.why, provider_errc::not_found);
    auto looks_max = busy() ? dead_looks_max_busy : dead_looks_max;
    if (!is_certain && ++st.dead_looks < looks_max) {
      // While it prepares itself the next failed dial asks again.
      if (st.step != preparation::done && st.step != preparation::none)
        return {};
      return {
        arm_timer{now + (busy() ? next_look_busy : next_look), ++st.timer}};
    }
    st.failed = true;
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
    if (!opts.heartbeat)
      return {forward_occupy{x}};
    st.checking.push_back(x);
    return st.checking.size() == 1 && !st.is_cut_off ? actions{check_alive{}}
                                                     : actions{};
  }

  actions operator()(const claimed& x) {
    auto index = static_cast<size_t>(x.what.slot);
    if (x.what.slot < 0 || index >= st.slots.size())
      return {answer_occupy{x.what.key, x.what.slot, false}};
    st.promised[index] = x.what.key;
    return {forward_occupy{x.what}};
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
      if (accepted && st.phase == instance_phase::ready)
        return out; // which tells the same
    }
    if (x.phase == slot_phase::unusable && !leaving()) {
      auto more = fail("a slot could not be proven clean after its job");
      out.insert(out.end(), more.begin(), more.end());
      return out;
    }
    return settle(std::move(out));
  }

  actions operator()(const instance_timer& x) {
    if (x.version != st.timer)
      return {};
    if (st.phase == instance_phase::creating)
      return fail("it did not run within "
                  + std::to_string(opts.boot_timeout / 1min) + " minutes");
    if (st.step == preparation::done || st.step == preparation::none)
      return st.dead_looks > 0 && !st.asked_heartbeat ? actions{ask_alive()}
                                                      : actions{};
    if (now >= st.prepare_by)
      return fail(give_up());
    switch (st.step) {
      case preparation::connect_info:
      case preparation::host_key:
        return begin(preparation::connect_info, ask_connect_info{});
      case preparation::sweep:
        return sweep();
      case preparation::command:
        return begin(preparation::command, start_command{});
      case preparation::image:
        return begin(preparation::image, look_for_image{});
      default:
        return {};
    }
  }
};

} // namespace

state initial(const options& opts, int32_t use_count,
              std::vector<acquisition_key> leftovers) {
  state st;
  st.leftovers = std::move(leftovers);
  st.slots.resize(static_cast<size_t>(opts.capacity));
  st.promised.resize(static_cast<size_t>(opts.capacity));
  st.use_count = use_count;
  return st;
}

int32_t uses(const state& st) {
  auto promised = std::ranges::count_if(
    st.promised, [](const auto& key) { return !key.empty(); });
  return st.use_count + static_cast<int32_t>(promised);
}

std::vector<action> step(state& st, const options& opts, const event& what,
                         time_point now) {
  if (st.phase == instance_phase::gone)
    return {};
  return std::visit(stepper{st, opts, now}, what);
}

} // namespace muster::instance_life
