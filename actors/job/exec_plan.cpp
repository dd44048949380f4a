#include "actors/job/exec_plan.hpp"

#include "actors/job/stream_ids.hpp"
#include "executors/shells/remote.hpp"
#include "messages/errors.hpp"

#include <caf/all.hpp>
#include <chrono>
#include <mutex>
#include <utility>

namespace muster {

namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

/// How long a background process may hold a script's output after its shell.
constexpr auto output_grace = 2s;
constexpr auto sweep_timeout = 60s;

} // namespace

/// The records of the job as they are made: by the sinks of its scripts in the
/// transport's thread, and by the job's actor between them.
class exec_tape {
public:
  exec_tape(std::shared_ptr<job_recorder> to, uint64_t stream)
    : to_(std::move(to)),
      stream_(stream),
      began_(std::chrono::steady_clock::now()) {
    to_->begin_stream(stream_);
  }

  size_t wanted() const {
    return to_->wanted();
  }

  /// Whose output is taken from now on; 0: nobody's.
  void listen_to(stream_id script) {
    std::lock_guard guard{mutex_};
    script_ = script;
  }

  void output(stream_id script, frames::output_stream to,
              std::string_view bytes) {
    std::lock_guard guard{mutex_};
    if (script == script_ && !bytes.empty())
      take(frames::output{0, 0, to, std::string{bytes}});
  }

  /// Any record, or an answer that is none.
  template <class Frame>
  void note(Frame x) {
    std::lock_guard guard{mutex_};
    take(std::move(x));
  }

private:
  template <class Frame>
  void take(Frame x) {
    if constexpr (requires { x.record; }) {
      auto since = std::chrono::steady_clock::now() - began_;
      x.record = records_++;
      x.time_us = std::chrono::duration_cast<microseconds>(since).count();
    }
    to_->take(stream_, frames::frame{std::move(x)});
  }

  std::mutex mutex_;
  std::shared_ptr<job_recorder> to_;
  uint64_t stream_;
  std::chrono::steady_clock::time_point began_;
  stream_id script_ = 0;
  uint64_t records_ = 0;
};

namespace {

/// What a script prints, and how it ends.
class script_sink : public stream_sink {
public:
  script_sink(std::shared_ptr<exec_tape> tape, stream_id script,
              std::string token, script_listener_actor to)
    : tape_(std::move(tape)),
      script_(script),
      filter_(std::move(token)),
      to_(std::move(to)) {
  }

  void opened() override {
  }

  size_t wanted() override {
    return tape_->wanted();
  }

  void data(std::string_view bytes) override {
    tape_->output(script_, frames::output_stream::out, bytes);
  }

  void error_data(std::string_view bytes) override {
    auto known = filter_.exit_code().has_value();
    tape_->output(script_, frames::output_stream::err, filter_.feed(bytes));
    if (!known && filter_.exit_code())
      caf::anon_send(
        to_, script_ended{script_, true, *filter_.exit_code(), false, {}});
  }

  void exited(int code) override {
    code_ = code;
  }

  void closed(const connection_failure& why) override {
    tape_->output(script_, frames::output_stream::err, filter_.close());
    auto code = filter_.exit_code() ? filter_.exit_code() : code_;
    caf::anon_send(to_, script_ended{script_, code.has_value(),
                                     code.value_or(0), true, error_of(why)});
  }

private:
  std::shared_ptr<exec_tape> tape_;
  stream_id script_;
  remote::exit_filter filter_;
  script_listener_actor to_;
  std::optional<int32_t> code_;
};

} // namespace

exec_plan::exec_plan(job_plan plan, surroundings with, time_point now)
  : plan_(std::move(plan)),
    with_(std::move(with)),
    began_(now),
    tape_(std::make_shared<exec_tape>(with_.recorder, with_.stream)) {
}

exec_plan::~exec_plan() {
  tape_->listen_to(0);
  if (script_)
    with_.wire->close_stream(script_->stream);
}

void exec_plan::begin(time_point now) {
  tape_->note(frames::accepted{plan_.key});
  happen(progress::plan_taken{}, now);
}

void exec_plan::cancel(cancel_mode mode, time_point now) {
  happen(progress::cancel_wanted{mode}, now);
}

void exec_plan::tick(time_point now) {
  auto due = progress::wake_at(plan_, progress_);
  if (due && now >= began_ + *due)
    happen(progress::tick{}, now);
  if (script_ && script_->exit_code && !progress::is_stopping(progress_)
      && now >= script_->exited_at + output_grace)
    end_script(std::nullopt, now);
}

std::optional<time_point> exec_plan::wake_at() const {
  std::optional<time_point> earliest;
  if (auto due = progress::wake_at(plan_, progress_); due && !over_)
    earliest = began_ + *due;
  if (script_ && script_->exit_code && !progress::is_stopping(progress_)) {
    auto grace = script_->exited_at + output_grace;
    earliest = earliest ? std::min(*earliest, grace) : grace;
  }
  return earliest;
}

void exec_plan::happen(progress::event what, time_point now) {
  events_.push_back(std::move(what));
  if (deciding_)
    return;
  deciding_ = true;
  while (!events_.empty() && !over_) {
    auto next = std::move(events_.front());
    events_.pop_front();
    auto at = std::chrono::duration_cast<microseconds>(now - began_);
    for (const auto& todo : progress::step(plan_, progress_, next, at))
      std::visit([this](const auto& x) { act(x); }, todo);
  }
  deciding_ = false;
}

// -- what is to be done -------------------------------------------------------

void exec_plan::act(const progress::note_begun& x) {
  tape_->note(frames::stage_begun{0, 0, x.stage, x.attempt});
}

void exec_plan::act(const progress::note_ended& x) {
  tape_->note(frames::stage_ended{0, 0, x.stage, x.attempt, x.outcome,
                                  x.exit_code, x.text});
}

void exec_plan::act(const progress::start_script& x) {
  const auto& stage = plan_.stages[x.stage];
  auto id = next_stream_id();
  auto token = "muster-exit-" + std::to_string(id);
  *with_.wire_stream = id;
  script_ = current_script{id, std::nullopt, {}};
  tape_->listen_to(x.quiet ? 0 : id);
  with_.wire->open_command(
    with_.connection, id,
    {remote::script_command({plan_.key, plan_.shell, x.job_status, token}),
     x.before_retry ? stage.before_retry : stage.script, true},
    std::make_shared<script_sink>(tape_, id, token, with_.to));
}

void exec_plan::act(const progress::terminate_script&) {
  with_.wire->exec(with_.connection,
                   {remote::terminate_command(plan_.key), "", sweep_timeout},
                   [](const auto&) {}); // what is left is killed later
}

void exec_plan::act(const progress::kill_script&) {
  sweep(sweep_purpose::stop);
}

void exec_plan::act(const progress::finish& x) {
  verdict_ = x;
  sweep(sweep_purpose::finish);
}

/// Kills all processes of the job.
void exec_plan::sweep(sweep_purpose why) {
  if (sweeping_ != sweep_purpose::none)
    return;
  sweeping_ = why;
  with_.wire->exec(with_.connection,
                   {remote::sweep_command(plan_.key, ""), "", sweep_timeout},
                   [number = ++sweeps_, to = with_.to](const auto& x) {
                     processes_swept answer{number, false, "", {}};
                     if (x) {
                       auto read = remote::read_sweep(x->output);
                       answer.clean = read.clean;
                       answer.text = read.text;
                     } else {
                       answer.why = error_of(x.error());
                     }
                     caf::anon_send(to, std::move(answer));
                   });
}

// -- what has happened --------------------------------------------------------

void exec_plan::take(const script_ended& x, time_point now) {
  if (over_ || !script_ || x.script != script_->stream)
    return;
  if (x.has_code && !script_->exit_code) {
    script_->exit_code = x.exit_code;
    script_->exited_at = now;
  }
  if (progress::is_stopping(progress_))
    sweep(sweep_purpose::stop); // others of the job may be there yet
  else if (x.is_closed && script_->exit_code)
    end_script(std::nullopt, now);
  else if (x.is_closed)
    lose(x.why);
}

void exec_plan::take(const processes_swept& x, time_point now) {
  if (over_ || x.number != sweeps_)
    return;
  auto purpose = std::exchange(sweeping_, sweep_purpose::none);
  if (x.why) {
    lose(x.why);
  } else if (purpose == sweep_purpose::stop) {
    end_script(x.clean ? std::nullopt : std::optional{x.text}, now);
  } else {
    over_ = true;
    tape_->listen_to(0);
    auto text = verdict_.text;
    if (!x.clean)
      text += (text.empty() ? "" : "; ") + x.text;
    tape_->note(frames::job_ended{0, 0, verdict_.outcome, verdict_.stage,
                                  verdict_.exit_code, 0, text});
  }
}

/// The script is over, by itself or by force; or it cannot be ended.
void exec_plan::end_script(std::optional<std::string> trouble, time_point now) {
  tape_->listen_to(0);
  auto code = progress::killed_exit_code;
  if (script_) {
    code = script_->exit_code.value_or(code);
    with_.wire->close_stream(script_->stream);
  }
  script_.reset();
  if (trouble)
    happen(progress::script_broken{std::move(*trouble)}, now);
  else
    happen(progress::script_over{code}, now);
}

void exec_plan::lose(const caf::error& why) {
  over_ = true;
  script_.reset();
  tape_->listen_to(0);
  tape_->note(frames::refused{plan_.key, helper_errc::failed, text_of(why)});
}

} // namespace muster
