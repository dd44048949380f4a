#include "actors/job/recorder.hpp"

#include "executors/plan/trace_text.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

namespace muster {

namespace {

/// Output that comes before it is asked for packed [bytes]: most jobs print
/// less, and packing has a price at both ends.
constexpr size_t unpacked_max = 64u << 10;

/// Less credit than this is not worth a turn [bytes].
constexpr size_t credit_min = 512;

/// Its section was begun before there was an instance.
bool is_preparation(const stage_text& stage) {
  return stage.name == prepare_executor_stage;
}

} // namespace

job_recorder::job_recorder(std::shared_ptr<trace_buffer> log,
                           std::vector<stage_text> stages, bool sections,
                           int64_t base_us, stream_listener_actor to,
                           std::weak_ptr<job_metrics> told,
                           std::function<int64_t()> unix_us)
  : log_(std::move(log)),
    stages_(std::move(stages)),
    sections_(sections),
    base_us_(base_us),
    to_(std::move(to)),
    told_(std::move(told)),
    unix_us_(std::move(unix_us)),
    preparing_(!stages_.empty() && is_preparation(stages_.front())) {
}

void job_recorder::begin_stream(uint64_t number) {
  if (number > newest_)
    stream_ = newest_ = number;
}

bool job_recorder::take(uint64_t stream, const frames::frame& x) {
  if (stream != stream_ || ended_)
    return false;
  if (std::holds_alternative<frames::accepted>(x)) {
    caf::anon_send(to_, plan_accepted{stream});
  } else if (const auto* no = std::get_if<frames::refused>(&x)) {
    lost(true, error_of(no->code, no->text));
    return false;
  } else if (const auto* begun = std::get_if<frames::stage_begun>(&x)) {
    if (is_next(begun->record))
      stage_begun(*begun);
  } else if (const auto* out = std::get_if<frames::output>(&x)) {
    if (is_next(out->record))
      log_->append(source_of(*out), at(out->time_us), out->bytes);
  } else if (const auto* done = std::get_if<frames::stage_ended>(&x)) {
    if (is_next(done->record))
      stage_ended(*done);
  } else if (const auto* end = std::get_if<frames::job_ended>(&x)) {
    if (is_next(end->record))
      job_ended(*end);
  }
  return fits_;
}

/// What prepares containers speaks for the manager.
trace_source job_recorder::source_of(const frames::output& x) const {
  if (preparing_)
    return trace_source::manager_body;
  return x.stream == frames::output_stream::err ? trace_source::job_err
                                                : trace_source::job_out;
}

bool job_recorder::is_next(uint64_t record) {
  if (record > next_record_) {
    fits_ = false; // a hole: ask for the records again from where we are
    lost(false, error_of(helper_errc::bad_frame,
                         "records of the job are missing in its stream"));
    return false;
  }
  if (record < next_record_)
    return false; // seen before
  ++next_record_;
  return true;
}

int64_t job_recorder::at(int64_t time_us) const {
  return base_us_ + time_us;
}

void job_recorder::body(int64_t time_us, const std::string& text) {
  log_->append(trace_source::manager_body, at(time_us), text);
}

void job_recorder::begin_section(int64_t time_us, const std::string& name) {
  if (sections_)
    body(time_us, trace_text::section_start(at(time_us) / 1'000'000, name));
}

void job_recorder::end_section(int64_t time_us, const std::string& name) {
  if (sections_)
    body(time_us, trace_text::section_end(at(time_us) / 1'000'000, name));
}

/// Each try is a section of its own, as with GitLab Runner. What the second try
/// of the sources deletes first is not told apart by the records: its heading
/// stands before that try's.
void job_recorder::stage_begun(const frames::stage_begun& x) {
  if (x.stage >= stages_.size())
    return;
  body(x.time_us, std::exchange(due_, {}));
  const auto& stage = stages_[x.stage];
  if (!is_preparation(stage)) // told when the job began
    tell_stage(x);
  if (x.attempt > 1)
    body(x.time_us, trace_text::retrying());
  if (x.attempt == 2 && stage.name == "get_sources") {
    begin_section(x.time_us, "clear_worktree");
    body(x.time_us, trace_text::heading(trace_text::clearing_worktree()));
    end_section(x.time_us, "clear_worktree");
  }
  if (x.attempt == 1 && !stage.before.empty())
    body(x.time_us, stage.before);
  if (is_preparation(stage))
    return;
  begin_section(x.time_us, stage.name);
  body(x.time_us, trace_text::heading(stage.heading));
}

/// A record may be old: streams break, and other managers begin anew. Clocks of
/// the wall jump, so that one may also seem to be of the future.
void job_recorder::tell_stage(const frames::stage_begun& x) const {
  auto to = told_.lock();
  if (!to)
    return;
  auto ago = unix_us_ ? unix_us_() - at(x.time_us) : 0;
  to->stage_begun(stages_[x.stage].name,
                  std::chrono::microseconds{std::max<int64_t>(ago, 0)});
}

void job_recorder::stage_ended(const frames::stage_ended& x) {
  log_->end_stage(at(x.time_us));
  if (x.stage >= stages_.size())
    return;
  const auto& stage = stages_[x.stage];
  if (!is_preparation(stage) || leave_preparing())
    end_section(x.time_us, stage.name);
  auto again = x.outcome == plan_outcome::failed
               && x.attempt < static_cast<uint32_t>(stage.attempts_max);
  if (!again)
    explain(stage, x);
}

/// What is only true if the job goes on is said when another stage begins:
/// cancelled at once or out of the job's own time, no other leaves a record.
void job_recorder::explain(const stage_text& stage,
                           const frames::stage_ended& x) {
  if (x.outcome == plan_outcome::timed_out)
    body(x.time_us, trace_text::stage_out_of_time(stage.name));
  else if (x.outcome == plan_outcome::canceled
           && stage.phase == stage_phase::step)
    due_ = trace_text::canceled_externally();
  if (stage.phase != stage_phase::after || stage.failure_counts)
    return;
  if (x.outcome == plan_outcome::failed)
    body(x.time_us, trace_text::after_script_failed(trace_text::script_exited(
                      x.exit_code, stage.in_container)));
  else if (x.outcome == plan_outcome::timed_out)
    due_ = trace_text::after_script_failed("context deadline exceeded");
}

void job_recorder::job_ended(const frames::job_ended& x) {
  ended_ = true;
  plan_ended message{stream_,     x.outcome,       "",
                     x.exit_code, x.dropped_bytes, x.text};
  if (x.stage < stages_.size())
    message.stage = stages_[x.stage].name;
  caf::anon_send(to_, std::move(message));
}

void job_recorder::stream_closed(uint64_t stream,
                                 const connection_failure& why) {
  if (stream == stream_ && !ended_)
    lost(false, error_of(why));
}

void job_recorder::broken(uint64_t stream, const failure<helper_errc>& why) {
  if (stream == stream_ && !ended_)
    lost(false, error_of(why));
}

void job_recorder::lost(bool refused, caf::error why) {
  auto stream = std::exchange(stream_, 0);
  fits_ = true;
  caf::anon_send(to_,
                 stream_lost{stream, next_record_, refused, std::move(why)});
}

job_stream::job_stream(std::shared_ptr<job_recorder> to, uint64_t number,
                       std::function<void()> ask_to_pack)
  : to_(std::move(to)),
    number_(number),
    ask_to_pack_(std::move(ask_to_pack)) {
}

void job_stream::opened() {
  to_->begin_stream(number_);
}

/// What comes packed is more than it seems.
size_t job_stream::wanted() {
  if (dead_)
    return 64 << 10;
  auto room = to_->wanted();
  return std::min(room, std::max(room / decoder_.expansion(), credit_min));
}

void job_stream::data(std::string_view bytes) {
  if (dead_)
    return;
  decoder_.feed(bytes);
  received_bytes_ += bytes.size();
  if (ask_to_pack_ && received_bytes_ > unpacked_max
      && helper_version_ >= frames::version_packs)
    std::exchange(ask_to_pack_, nullptr)();
  for (;;) {
    auto next = decoder_.next();
    if (!next) {
      dead_ = true;
      to_->broken(number_, next.error());
      return;
    }
    if (!*next)
      return;
    if (const auto* helper = std::get_if<frames::welcome>(&**next))
      helper_version_ = helper->version;
    if (!to_->take(number_, **next)) {
      dead_ = true;
      return;
    }
  }
}

void job_stream::closed(const connection_failure& why) {
  if (!dead_) {
    dead_ = true;
    to_->begin_stream(number_); // a stream that never opened ends here too
    to_->stream_closed(number_, why);
  }
}

} // namespace muster
