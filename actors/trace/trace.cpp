#include "actors/trace/trace.hpp"

#include <memory>
#include <utility>

namespace muster {

namespace {

using self_t = self_ptr<trace_actor, trace_state>;

trace_flow::reply reply_of(const answer_info& x) {
  return {x.status, x.job_status, std::chrono::seconds{x.trace_interval_s},
          std::chrono::milliseconds{x.retry_after_ms}, x.text};
}

struct performer {
  self_t self;
  const trace_setup& setup;

  void patch(const trace_flow::send_patch& x) const {
    self->send(self->state.coordinator,
               patch_trace{setup.key, setup.job, setup.token, x.offset,
                           x.length_max, setup.debug_trace,
                           peer_of(setup.role, self), x.shift});
  }

  void operator()(const trace_flow::send_patch& x) const {
    self->state.patch_out = true;
    patch(x);
  }

  void operator()(const trace_flow::render&) const {
    patch({});
  }

  void operator()(const trace_flow::send_update& x) const {
    auto& st = self->state;
    update_job what;
    what.key = setup.key;
    what.job = setup.job;
    what.token = setup.token;
    what.asker = peer_of(setup.role, self);
    if (x.kind == trace_flow::update_kind::touch) {
      what.state = "running";
    } else {
      what.state = st.final.state;
      what.failure_reason = st.final.failure_reason;
      what.exit_code = st.final.exit_code;
    }
    if (x.kind != trace_flow::update_kind::final_unchecked) {
      what.checksum = st.checksum;
      what.size_bytes = st.size_bytes;
    }
    // After a restart GitLab may have more than was made here again.
    if (auto there = st.flow.offset + st.flow.shift;
        x.kind == trace_flow::update_kind::touch && there > st.size_bytes) {
      what.checksum = 0;
      what.size_bytes = there;
    }
    self->state.update_out = true;
    self->send(self->state.coordinator, std::move(what));
  }

  void operator()(const trace_flow::arm_timer& x) const {
    send_later(self, x.at, flush_tick{x.version});
  }

  void operator()(const trace_flow::canceling&) const {
    self->send(setup.parent, job_ordered{job_order::canceling});
  }

  void operator()(const trace_flow::aborted&) const {
    self->send(setup.parent, job_ordered{job_order::aborted});
  }

  void operator()(const trace_flow::flushed&) const {
  }

  void operator()(const trace_flow::confirmed&) const {
    self->send(setup.parent, trace_flushed{true, ""});
  }

  void operator()(const trace_flow::gone& x) const {
    self->send(setup.parent, trace_flushed{true, x.reason});
  }

  void operator()(const trace_flow::gave_up& x) const {
    self->send(setup.parent, trace_flushed{false, x.reason});
  }
};

} // namespace

void tell_failed_call(std::string_view call, const answer_info& x,
                      log::fields with) {
  if (x.text.empty())
    return;
  with.emplace_back("status", std::to_string(x.status));
  with.emplace_back("err", x.text);
  log::warning(std::string{call} + "... failed", with);
}

namespace {

trace_actor::behavior_type behave(self_t self, trace_setup given) {
  plays(self, given.role);
  auto setup = std::make_shared<const trace_setup>(std::move(given));
  self->monitor(setup->parent);
  self->set_down_handler(
    [self](const caf::down_msg& x) { self->quit(x.reason); });
  auto perform = [self, setup](const std::vector<trace_flow::action>& steps) {
    for (const auto& step : steps)
      std::visit(performer{self, *setup}, step);
  };
  auto act = [self, perform](const trace_flow::event& what) {
    perform(trace_flow::step(self->state.flow, what, self->now()));
  };
  self->state.coordinator = setup->coordinator;
  self->state.flow = trace_flow::begin(setup->settings, self->now());
  perform(trace_flow::start(self->state.flow, self->now()));
  return {
    [act](const trace_grew& x) {
      if (x.pressed)
        act(trace_flow::pressed{});
      else
        act(trace_flow::grew{});
    },
    [act](const flush_tick& x) { act(trace_flow::timer{x.version}); },
    [self, act, setup](const patch_result& x) {
      if (x.total_bytes >= 0) {
        self->state.size_bytes = x.total_bytes;
        self->state.checksum = x.checksum;
      }
      if (x.rendered_only)
        return;
      self->state.patch_out = false;
      // The question how much is there is answered so.
      auto is_answer = self->state.flow.probing && x.info.status == 416;
      if (!is_answer)
        tell_failed_call("Appending trace to coordinator", x.info,
                         setup->log_fields);
      act(trace_flow::patch_answered{reply_of(x.info), x.sent_bytes,
                                     x.range_end, x.total_bytes});
    },
    [self, act, setup](const update_result& x) {
      self->state.update_out = false;
      tell_failed_call("Submitting job to coordinator", x.info,
                       setup->log_fields);
      auto answer = reply_of(x.info);
      if (answer.status == 200 && x.state == self->state.final.state
          && answer.job_status == x.state)
        answer.job_status.clear(); // as it was told, by us
      act(trace_flow::update_answered{std::move(answer)});
    },
    [self, act](const finish& x) {
      self->state.final = x;
      act(trace_flow::finish{x.words_from});
    },
    [self, act](const coordinator_changed& x) {
      auto& st = self->state;
      st.coordinator = as<coordinator_actor>(x.coordinator);
      if (std::exchange(st.patch_out, false))
        act(trace_flow::patch_answered{});
      if (std::exchange(st.update_out, false))
        act(trace_flow::update_answered{});
    },
  };
}

} // namespace

trace_actor spawn_trace(const spawner& at, trace_setup setup) {
  return at.spawn(behave, std::move(setup));
}

} // namespace muster
