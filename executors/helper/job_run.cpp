#include "executors/helper/job_run.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr size_t piece_bytes = 64u << 10;
constexpr size_t visit_bytes = 256u << 10; ///< read from a pipe at a time
constexpr size_t rest_bytes = 2u << 20;    ///< read from a pipe at its end

/// How long a background process may hold a script's pipes after its shell.
constexpr auto pipe_grace = 2s;

/// After this a process that was killed and is still there counts as
/// unkillable: it hangs in the kernel or belongs to another user.
constexpr auto kill_patience = 10s;

constexpr const char* search_path_default = "/usr/local/bin:/usr/bin:/bin";

/// Kills follow quickly at first, so that what forks faster than it is found
/// loses the race, and slowly when it is not about a race any more.
steady_clock::duration kill_interval(steady_clock::duration since) {
  if (since < 1s)
    return 5ms;
  return since < kill_patience ? 100ms : steady_clock::duration{5s};
}

bool names(const char* entry, std::string_view name) {
  return std::string_view{entry}.substr(0, name.size() + 1)
         == std::string{name} + "=";
}

std::string joined(std::initializer_list<std::string> texts) {
  std::string result;
  for (const auto& text : texts)
    if (!text.empty())
      result += (result.empty() ? "" : "; ") + text;
  return result;
}

} // namespace

job_run::job_run(job_settings settings)
  : settings_(std::move(settings)),
    spool_(settings_.spool_path, settings_.spool_bound_bytes) {
}

void job_run::begin() {
  happen(progress::plan_taken{});
}

void job_run::cancel(cancel_mode mode) {
  happen(progress::cancel_wanted{mode});
}

void job_run::abandon() {
  abandoned_ = true;
  verdict_.reset();
  script_.reset();
  pipes_.clear();
  begin_killing();
}

/// What an action brings about at once (a shell that cannot be started) waits
/// until the actions before it are done.
void job_run::happen(progress::event what) {
  if (abandoned_)
    return;
  events_.push_back(std::move(what));
  if (deciding_)
    return;
  deciding_ = true;
  while (!events_.empty() && !abandoned_) {
    auto next = std::move(events_.front());
    events_.pop_front();
    for (const auto& todo : progress::step(settings_.plan, progress_, next,
                                           time(steady_clock::now())))
      std::visit([this](const auto& x) { act(x); }, todo);
  }
  deciding_ = false;
}

void job_run::act(const progress::note_begun& x) {
  spool_.append(frames::stage_begun{0, time(steady_clock::now()).count(),
                                    x.stage, x.attempt});
}

void job_run::act(const progress::note_ended& x) {
  spool_.append(frames::stage_ended{0, time(steady_clock::now()).count(),
                                    x.stage, x.attempt, x.outcome, x.exit_code,
                                    x.text});
}

void job_run::act(const progress::start_script& x) {
  quiet_ = x.quiet;
  if (!find_environment())
    return;
  const auto& stage = settings_.plan.stages[x.stage];
  const auto& text = x.before_retry ? stage.before_retry : stage.script;
  script_request request{shell_, settings_.home, text, environment_};
  if (!x.job_status.empty())
    request.environment.push_back("CI_JOB_STATUS=" + x.job_status);
  auto started = start_script(request);
  if (!started) {
    happen(progress::script_broken{started.error().text});
    return;
  }
  pipes_.push_back({std::move(started->out), frames::output_stream::out, true});
  pipes_.push_back({std::move(started->err), frames::output_stream::err, true});
  script_ = current_script{std::move(*started), std::nullopt, {}};
}

/// Looks for the shell once; says so to `progress` when there is none.
bool job_run::find_environment() {
  if (!shell_.empty())
    return true;
  const char* path = std::getenv("PATH");
  auto found = find_shell(settings_.plan.shell, settings_.home,
                          path != nullptr ? path : search_path_default);
  if (!found) {
    happen(progress::script_broken{found.error().text});
    return false;
  }
  shell_ = std::move(*found);
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!names(*entry, "CI_JOB_STATUS") && !names(*entry, "MUSTER_JOB_KEY"))
      environment_.emplace_back(*entry);
  environment_.push_back("MUSTER_JOB_KEY=" + settings_.plan.key);
  return true;
}

/// A stopped process takes SIGTERM only when it goes on.
void job_run::act(const progress::terminate_script&) {
  auto processes = descendants();
  signal_all(processes, SIGTERM);
  signal_all(processes, SIGCONT);
}

void job_run::act(const progress::kill_script&) {
  begin_killing();
}

void job_run::act(const progress::finish& x) {
  verdict_ = x;
  if (has_children())
    begin_killing();
  check_end();
}

void job_run::begin_killing() {
  killing_since_ = next_kill_ = steady_clock::now();
  kill_on(next_kill_);
}

void job_run::kill_on(steady_time now) {
  if (!killing_since_ || now < next_kill_)
    return;
  if (!has_children()) {
    killing_since_.reset();
    return;
  }
  signal_all(descendants(), SIGKILL);
  next_kill_ = now + kill_interval(now - *killing_since_);
}

void job_run::add_to(std::vector<pollfd>& polled) const {
  for (const auto& pipe : pipes_)
    polled.push_back({pipe.fd.get(), POLLIN, 0});
}

void job_run::handle(const pollfd& ready) {
  if (ready.revents == 0)
    return;
  auto is_ready
    = [&ready](const output_pipe& x) { return x.fd.get() == ready.fd; };
  auto pipe = std::find_if(pipes_.begin(), pipes_.end(), is_ready);
  if (pipe != pipes_.end() && !drain(*pipe, visit_bytes))
    pipes_.erase(pipe);
}

/// Reads what is there up to a bound; returns false at the pipe's end.
bool job_run::drain(output_pipe& pipe, size_t bytes_max) {
  char data[piece_bytes];
  for (size_t done = 0; done < bytes_max;) {
    auto n = ::read(pipe.fd.get(), data, sizeof(data));
    if (n < 0)
      return errno == EAGAIN || errno == EINTR;
    if (n == 0)
      return false;
    done += static_cast<size_t>(n);
    if (!quiet_)
      spool_.append_output(time(steady_clock::now()).count(), pipe.stream,
                           {data, static_cast<size_t>(n)});
    if (static_cast<size_t>(n) < sizeof(data) && bytes_max == visit_bytes)
      return true;
  }
  return true;
}

void job_run::advance() {
  reap_all();
  auto now = steady_clock::now();
  auto due = progress::wake_at(settings_.plan, progress_);
  if (due && time(now) >= *due)
    happen(progress::tick{});
  check_script(now);
  kill_on(now);
  check_end();
}

void job_run::reap_all() {
  while (auto child = reap())
    if (script_ && child->pid == script_->process.shell) {
      script_->exit_code = child->exit_code;
      script_->exited_at = steady_clock::now();
    }
}

/// A script that ends by itself is over with its shell and its pipes; one that
/// is being stopped, when no process of the job is left.
void job_run::check_script(steady_time now) {
  if (!script_)
    return;
  if (!progress::is_stopping(progress_)) {
    bool open = std::any_of(pipes_.begin(), pipes_.end(),
                            [](const output_pipe& x) { return x.current; });
    if (script_->exit_code && (!open || now >= script_->exited_at + pipe_grace))
      end_script();
  } else if (!has_children()) {
    end_script();
  } else if (killing_since_ && now >= *killing_since_ + kill_patience) {
    auto left = describe(descendants());
    killing_since_.reset();
    script_.reset();
    happen(progress::script_broken{"processes cannot be killed: " + left});
  }
}

void job_run::end_script() {
  auto is_at_end
    = [this](output_pipe& x) { return x.current && !drain(x, rest_bytes); };
  pipes_.erase(std::remove_if(pipes_.begin(), pipes_.end(), is_at_end),
               pipes_.end());
  for (auto& pipe : pipes_)
    pipe.current = false;
  auto exit_code = script_->exit_code.value_or(progress::killed_exit_code);
  script_.reset();
  killing_since_.reset();
  happen(progress::script_over{exit_code});
}

void job_run::check_end() {
  if (!verdict_)
    return;
  if (!has_children())
    note_job_ended("");
  else if (killing_since_
           && steady_clock::now() >= *killing_since_ + kill_patience)
    note_job_ended("processes cannot be killed: " + describe(descendants()));
}

void job_run::note_job_ended(std::string trouble) {
  for (auto& pipe : pipes_)
    drain(pipe, rest_bytes);
  pipes_.clear();
  auto verdict = *std::exchange(verdict_, std::nullopt);
  auto text = joined({verdict.text, spool_.loss_text(), std::move(trouble)});
  spool_.append(frames::job_ended{
    0, time(steady_clock::now()).count(), verdict.outcome, verdict.stage,
    verdict.exit_code, spool_.dropped_bytes(), std::move(text)});
  ended_ = true;
}

std::optional<steady_time> job_run::wake_at() const {
  std::optional<steady_time> earliest;
  auto consider = [&earliest](steady_time moment) {
    if (!earliest || moment < *earliest)
      earliest = moment;
  };
  if (auto due = progress::wake_at(settings_.plan, progress_);
      due && !abandoned_)
    consider(settings_.taken_at + *due);
  if (script_ && script_->exit_code && !progress::is_stopping(progress_))
    consider(script_->exited_at + pipe_grace);
  if (killing_since_)
    consider(next_kill_);
  return earliest;
}

progress::time_point job_run::time(steady_time now) const {
  return duration_cast<microseconds>(now - settings_.taken_at);
}

} // namespace muster::helper
