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

/// For removing containers. Engines stop some of them slowly.
constexpr auto cleaner_patience = 5min;
constexpr auto kill_pause = 1s; ///< until it is killed once more

constexpr const char* search_path_default = "/usr/local/bin:/usr/bin:/bin";

/// Kills follow quickly at first, so that what forks faster than it is found
/// loses the race, and slowly when it is not about a race any more.
steady_clock::duration kill_interval(steady_clock::duration since) {
  if (since < 1s)
    return 5ms;
  return since < kill_patience ? 100ms : steady_clock::duration{5s};
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
  if (!settings_.plan.containers)
    containers_trouble_ = "";
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
                                    clipped(x.text)});
}

void job_run::act(const progress::start_script& x) {
  quiet_ = x.quiet;
  find_environment();
  bool in_containers
    = settings_.plan.stages[x.stage].place != stage_place::host;
  auto started = in_containers ? start_in_containers(x) : start(x);
  if (!started) {
    happen(progress::script_broken{started.error().text});
    return;
  }
  pipes_.push_back({std::move(started->out), frames::output_stream::out, true});
  pipes_.push_back({std::move(started->err), frames::output_stream::err, true});
  script_
    = current_script{std::move(*started), in_containers, std::nullopt, {}};
}

result<running_script, helper_errc>
job_run::start(const progress::start_script& x) {
  if (auto found = find_shell_once(); !found)
    return tl::unexpected{found.error()};
  const auto& stage = settings_.plan.stages[x.stage];
  const auto& text = x.before_retry ? stage.before_retry : stage.script;
  script_request request{shell_, settings_.home, text, environment_};
  if (!x.job_status.empty())
    request.environment.push_back("CI_JOB_STATUS=" + x.job_status);
  return start_script(request);
}

result<running_script, helper_errc>
job_run::start_in_containers(const progress::start_script& x) {
  if (!settings_.plan.containers)
    return fail(helper_errc::failed,
                "the plan has a stage in a container, and no containers");
  if (!containers_) {
    auto made = container_work::make(settings_.plan);
    if (!made)
      return tl::unexpected{made.error()};
    containers_ = std::move(*made);
  }
  return containers_->start_stage(x.stage, x.before_retry, x.job_status,
                                  {settings_.home, environment_});
}

/// Looks for the shell once.
result<void, helper_errc> job_run::find_shell_once() {
  if (!shell_.empty())
    return {};
  const char* path = std::getenv("PATH");
  auto found = find_shell(settings_.plan.shell, settings_.home,
                          path != nullptr ? path : search_path_default);
  if (!found)
    return tl::unexpected{found.error()};
  shell_ = std::move(*found);
  return {};
}

void job_run::find_environment() {
  if (!environment_.empty())
    return;
  environment_ = environment_without_job();
  environment_.push_back("MUSTER_JOB_KEY=" + settings_.plan.key);
}

/// Services log beside all stages, so that belongs to none of them.
void job_run::follow_services() {
  auto started = containers_->start_logs({settings_.home, environment_});
  if (!started)
    return;
  pipes_.push_back(
    {std::move(started->out), frames::output_stream::out, false});
  pipes_.push_back(
    {std::move(started->err), frames::output_stream::err, false});
}

void job_run::clean_containers() {
  if (cleaner_)
    return;
  containers_trouble_.reset();
  killing_since_.reset();
  if (!containers_) {
    containers_trouble_ = ""; // no stage ever came to need an Engine
    return;
  }
  auto started = containers_->start_clean({settings_.home, environment_});
  if (!started) {
    containers_trouble_ = started.error().text;
    return;
  }
  cleaner_
    = cleaner{std::move(*started), steady_clock::now() + cleaner_patience};
}

void job_run::end_cleaner(int32_t exit_code) {
  cleaner_.reset();
  auto said = containers_->result_of_last();
  containers_trouble_ = said ? said->text
                             : "what removes the job's containers ended with "
                                 + std::to_string(exit_code)
                                 + " before it had said how it went";
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
  if (cleaner_ && now >= cleaner_->until) {
    signal_all({cleaner_->process.shell}, SIGKILL);
    cleaner_->until = now + kill_pause; // its end comes when it has one
  }
  check_end();
}

void job_run::reap_all() {
  while (auto child = reap()) {
    if (script_ && child->pid == script_->process.shell) {
      script_->exit_code = child->exit_code;
      script_->exited_at = steady_clock::now();
    } else if (cleaner_ && child->pid == cleaner_->process.shell) {
      end_cleaner(child->exit_code);
    }
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
  bool in_containers = script_->in_containers;
  script_.reset();
  killing_since_.reset();
  if (in_containers)
    end_stage_in_containers(exit_code);
  else
    happen(progress::script_over{exit_code});
}

void job_run::end_stage_in_containers(int32_t exit_code) {
  auto said = containers_->result_of_last();
  bool services
    = settings_.plan.stages[progress_.stage].place == stage_place::engine
      && settings_.plan.containers->services_logs;
  if (said && progress::is_of_system(said->outcome))
    happen(progress::script_broken{said->text, said->outcome});
  else if (!said && !progress::is_stopping(progress_))
    happen(progress::script_broken{"what carried out the stage ended with "
                                   + std::to_string(exit_code)
                                   + " before it had said how it went"});
  else {
    if (said && said->outcome == plan_outcome::success && services)
      follow_services();
    happen(progress::script_over{said ? said->exit_code : exit_code});
  }
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
  auto text = joined({clipped(std::move(verdict.text)), spool_.loss_text(),
                      clipped(std::move(trouble))});
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
  if (cleaner_)
    consider(cleaner_->until);
  return earliest;
}

progress::time_point job_run::time(steady_time now) const {
  return duration_cast<microseconds>(now - settings_.taken_at);
}

} // namespace muster::helper
