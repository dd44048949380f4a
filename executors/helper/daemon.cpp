#include "executors/helper/daemon.hpp"

#include "executors/helper/daemonize.hpp"
#include "executors/helper/leftover.hpp"
#include "executors/helper/signals.hpp"
#include "executors/helper/supervisor.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr size_t guests_max = 256;
constexpr size_t key_size_max = 1'024;
constexpr auto hello_patience = 30s;
constexpr auto frame_patience = 60s; ///< for the rest of a frame
/// Beyond the supervisor's own, which removes containers for up to 5 minutes.
constexpr auto clean_patience = 330s;
constexpr auto sweep_patience = 5s;
constexpr auto orphan_patience = 10s;
constexpr auto kill_interval = 10ms;

uint64_t fnv1a(const std::string& text, uint64_t hash) {
  for (char c : text) {
    hash ^= static_cast<uint8_t>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

/// Returns the name of a job's files without its ending. Keys may hold any
/// byte; a supervisor compares the whole key.
std::string job_name(const std::string& key) {
  constexpr uint64_t basis = 0xcbf29ce484222325;
  char name[33];
  std::snprintf(name, sizeof(name), "%016lx%016lx",
                static_cast<unsigned long>(fnv1a(key, basis)),
                static_cast<unsigned long>(fnv1a(key, ~basis)));
  return name;
}

std::string job_path(const std::string& key) {
  return "jobs/" + job_name(key);
}

std::string leftover_path(const std::string& key) {
  return "containers/" + job_name(key);
}

std::string socket_path(const std::string& key) {
  return job_path(key) + ".sock";
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

bool any_job() {
  bool found = false;
  if (auto* folder = ::opendir("jobs"); folder != nullptr) {
    while (const auto* entry = ::readdir(folder))
      found = found || entry->d_name[0] != '.';
    ::closedir(folder);
  }
  return found;
}

void log_line(const std::string& text) {
  char time[32];
  auto now = std::time(nullptr);
  std::tm parts{};
  std::strftime(time, sizeof(time), "%FT%TZ", ::gmtime_r(&now, &parts));
  ::dprintf(STDERR_FILENO, "%s %s\n", time, text.c_str());
}

std::string death_text(const std::string& key) {
  return "the supervisor of the job " + key
         + " died; what became of its script is not known";
}

} // namespace

daemon::daemon(serve_options options, unique_fd listener)
  : options_(std::move(options)),
    listener_(std::move(listener)),
    signals_(watch_signals({SIGCHLD, SIGTERM, SIGINT})),
    last_use_(steady_clock::now()) {
}

int daemon::run() {
  while (stay()) {
    wait();
    kill_orphans();
    advance_relays();
    advance_sweeps();
    check_deadlines();
  }
  ::unlink("socket");
  return 0;
}

bool daemon::stay() {
  auto now = steady_clock::now();
  if (!guests_.empty() || !relays_.empty() || !sweeps_.empty())
    last_use_ = now;
  if (stopping_)
    return false;
  if (options_.idle_exit == 0s || now < last_use_ + options_.idle_exit)
    return true;
  if (any_job())
    last_use_ = now;
  return last_use_ == now;
}

int daemon::timeout() {
  auto until = steady_clock::now() + 60s;
  auto consider
    = [&until](steady_time moment) { until = std::min(until, moment); };
  for (const auto& x : guests_)
    if (x.deadline)
      consider(*x.deadline);
  for (const auto& x : relays_)
    consider(x.deadline);
  auto is_at_work = [](const sweep& x) { return x.cleaner == -1; };
  if (orphans_until_ || std::any_of(sweeps_.begin(), sweeps_.end(), is_at_work))
    consider(steady_clock::now() + kill_interval);
  for (const auto& x : sweeps_)
    consider(x.deadline);
  if (options_.idle_exit > 0s)
    consider(last_use_ + options_.idle_exit);
  return poll_timeout(until - steady_clock::now());
}

void daemon::wait() {
  bool room = guests_.size() < guests_max;
  std::vector<pollfd> polled;
  polled.push_back({signals_.get(), POLLIN, 0});
  polled.push_back({listener_.get(), static_cast<short>(room ? POLLIN : 0), 0});
  for (const auto& x : guests_)
    polled.push_back({x.link.fd(), x.link.events(), 0});
  for (const auto& x : relays_)
    polled.push_back({x.link.fd(), x.link.events(), 0});
  if (::poll(polled.data(), polled.size(), timeout()) <= 0)
    return;
  if (polled[0].revents != 0)
    handle_signals();
  for (size_t i = 0; i < guests_.size(); ++i)
    handle(guests_[i], polled[2 + i].revents);
  if (polled[1].revents != 0)
    accept_guests();
}

void daemon::handle_signals() {
  for (int signal : take_signals(signals_))
    stopping_ = stopping_ || signal != SIGCHLD;
  reap_children();
}

/// A supervisor leaves with 0 once its job was cleaned. One that did not may
/// have left processes: as a subreaper this process has become their parent.
void daemon::reap_children() {
  while (auto child = reap()) {
    auto known = supervisors_.find(child->pid);
    if (known == supervisors_.end()) {
      for (auto& x : sweeps_)
        if (x.cleaner == child->pid)
          x.cleaner = -1;
      continue;
    }
    if (child->exit_code != 0) {
      log_line(death_text(known->second) + "; it ended with "
               + std::to_string(child->exit_code));
      orphans_until_ = steady_clock::now() + orphan_patience;
    }
    supervisors_.erase(known);
  }
}

void daemon::kill_orphans() {
  if (!orphans_until_)
    return;
  std::vector<pid_t> spared;
  for (const auto& [pid, key] : supervisors_)
    spared.push_back(pid);
  for (const auto& x : sweeps_)
    spared.push_back(x.cleaner);
  auto orphans = descendants(spared);
  signal_all(orphans, SIGKILL);
  reap_children();
  bool late = steady_clock::now() >= *orphans_until_;
  if (late && !orphans.empty())
    log_line("processes cannot be killed: " + describe(orphans));
  if (late || orphans.empty())
    orphans_until_.reset();
}

void daemon::accept_guests() {
  while (guests_.size() < guests_max) {
    auto fd = accept_from(listener_);
    if (!fd)
      return;
    guests_.emplace_back(connection{std::move(fd)}, ++guests_seen_);
    guests_.back().deadline = steady_clock::now() + hello_patience;
  }
}

void daemon::handle(guest& x, short revents) {
  if ((revents & POLLOUT) != 0)
    x.link.flush();
  if ((revents & POLLIN) != 0) {
    x.link.receive();
    while (auto frame = x.link.next())
      std::visit([this, &x](auto& what) { obey(x, what); }, *frame);
    if (x.greeted) {
      x.deadline.reset();
      if (x.link.mid_frame())
        x.deadline = steady_clock::now() + frame_patience;
    }
  } else if ((revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
    x.link.drop();
  }
}

void daemon::check_deadlines() {
  auto now = steady_clock::now();
  auto waits = [this](uint64_t number) {
    auto for_it = [number](const auto& x) { return x.guest == number; };
    return std::any_of(relays_.begin(), relays_.end(), for_it)
           || std::any_of(sweeps_.begin(), sweeps_.end(), for_it);
  };
  auto gone = [now, &waits](const guest& x) {
    return !x.link.usable() || (x.deadline && now >= *x.deadline)
           || (x.link.read_closed() && x.link.drained() && !waits(x.number));
  };
  guests_.erase(std::remove_if(guests_.begin(), guests_.end(), gone),
                guests_.end());
}

// -- what a manager says ------------------------------------------------------

void daemon::obey(guest& x, const frames::hello& what) {
  if (what.version <= frames::version) {
    x.greeted = true;
    x.link.send(frames::welcome{frames::version, options_.build});
    return;
  }
  x.link.send(frames::refused{
    "", helper_errc::version_refused,
    "this helper (" + options_.build + ") speaks version "
      + std::to_string(frames::version) + ", the manager version "
      + std::to_string(what.version) + ": put a newer muster-helper here"});
  x.link.close_when_drained();
}

void daemon::obey(guest& x, frames::run& what) {
  const auto& key = what.plan.key;
  if (!x.greeted) {
    obey(x, frames::pong{});
  } else if (key.empty() || key.size() > key_size_max
             || key.find('\0') != std::string::npos) {
    x.link.send(
      frames::refused{key.substr(0, key_size_max), helper_errc::failed,
                      "a job's key has 1 to 1024 bytes and none of them is 0"});
  } else if (auto path = socket_path(key); exists(path)) {
    hand_over(x, {key, 0});
  } else {
    start_job(x, std::move(what.plan), path);
  }
}

void daemon::obey(guest& x, frames::run_v1& what) {
  frames::run same{std::move(what.plan)};
  obey(x, same);
}

void daemon::obey(guest& x, frames::run_containers& what) {
  frames::run same{std::move(what.plan)};
  obey(x, same);
}

void daemon::obey(guest& x, const frames::attach& what) {
  if (!x.greeted)
    obey(x, frames::pong{});
  else
    hand_over(x, what);
}

void daemon::obey(guest& x, const frames::cancel& what) {
  if (!x.greeted) {
    obey(x, frames::pong{});
    return;
  }
  auto supervisor = connect_to(socket_path(what.key));
  if (supervisor)
    connection{std::move(*supervisor)}.send(what);
  else
    x.link.send(
      frames::refused{what.key, supervisor.error().code,
                      "there is no job " + what.key + " here to cancel"});
}

void daemon::obey(guest& x, const frames::clean& what) {
  if (!x.greeted) {
    obey(x, frames::pong{});
    return;
  }
  auto now = steady_clock::now();
  auto path = socket_path(what.key);
  auto supervisor = connect_to(path);
  if (supervisor) {
    relays_.push_back({connection{std::move(*supervisor)}, x.number, what.key,
                       now + clean_patience});
    relays_.back().link.send(what);
  } else {
    sweeps_.push_back({x.number, what.key, exists(path), now + sweep_patience});
  }
}

void daemon::obey(guest& x, const frames::ping&) {
  if (x.greeted)
    x.link.send(frames::pong{});
  else
    obey(x, frames::pong{});
}

template <class Other>
void daemon::obey(guest& x, const Other&) {
  x.link.send(frames::refused{"", helper_errc::bad_frame,
                              "a manager says hello first, and only what a "
                              "manager may say"});
  x.link.close_when_drained();
}

// -- jobs ---------------------------------------------------------------------

void daemon::start_job(guest& x, job_plan plan, const std::string& path) {
  auto taken_at = steady_clock::now();
  auto key = plan.key;
  auto refuse = [&x, &key](std::string text) {
    x.link.send(frames::refused{key, helper_errc::failed, std::move(text)});
  };
  auto listener = listen_at(path);
  if (!listener) {
    refuse(listener.error().text);
    return;
  }
  if (plan.containers)
    if (auto kept = write_leftover(leftover_path(key), plan); !kept) {
      ::unlink(path.c_str());
      refuse(kept.error().text);
      return;
    }
  auto pid = ::fork();
  if (pid == 0) {
    close_all_but({listener->get(), x.link.fd()});
    supervisor_settings settings;
    settings.job = {std::move(plan), options_.home, job_path(key) + ".spool",
                    options_.spool_max_bytes, taken_at};
    settings.socket_path = path;
    settings.leftover_path = leftover_path(key);
    settings.build = options_.build;
    ::_exit(
      supervise(std::move(settings), std::move(*listener), std::move(x.link)));
  }
  if (pid < 0) {
    auto error = errno;
    ::unlink(path.c_str());
    refuse(std::string{"no process for the job: "} + std::strerror(error));
    return;
  }
  supervisors_[pid] = key;
  x.link.drop();
}

/// Passes a guest on to the supervisor of a job, with all that it said from
/// `what` on.
void daemon::hand_over(guest& x, const frames::attach& what) {
  auto refuse = [&x, &what](helper_errc code, std::string text) {
    x.link.send(frames::refused{what.key, code, std::move(text)});
  };
  auto path = socket_path(what.key);
  auto supervisor = connect_to(path);
  if (!supervisor) {
    bool died
      = supervisor.error().code == helper_errc::unknown_key && exists(path);
    refuse(supervisor.error().code,
           died ? death_text(what.key)
                : "there is no job " + what.key
                    + " here: it was never run, it was cleaned, or something "
                      "has ended muster-helper's process for it");
    return;
  }
  auto bytes = frames::encode(what).append(x.link.unread());
  if (x.link.drained() && send_with_fd(*supervisor, bytes, x.link.fd()))
    x.link.drop();
  else
    refuse(helper_errc::failed,
           "the connection cannot be passed on to the job: connect anew");
}

void daemon::advance_relays() {
  auto now = steady_clock::now();
  auto over = [this, now](relay& x) {
    x.link.flush();
    x.link.receive();
    frames::cleaned answer{x.key, false, ""};
    auto frame = x.link.next();
    if (frame && std::holds_alternative<frames::cleaned>(*frame))
      answer = std::get<frames::cleaned>(*frame);
    else if (frame && std::holds_alternative<frames::refused>(*frame))
      answer.text = std::get<frames::refused>(*frame).text;
    else if (now >= x.deadline)
      answer.text = "the supervisor of the job " + x.key + " does not answer";
    else if (x.link.usable() && !x.link.read_closed())
      return false;
    else { // it was dying when it was asked
      sweeps_.push_back(
        {x.guest, x.key, exists(socket_path(x.key)), now + sweep_patience});
      return true;
    }
    answer_clean(x.guest, std::move(answer));
    return true;
  };
  relays_.erase(std::remove_if(relays_.begin(), relays_.end(), over),
                relays_.end());
}

/// What has left a job's supervisor behind is found by its environment alone:
/// enough to kill it, not to prove that nothing else is left. Of containers it
/// is proof: nothing of the job ran anywhere else.
void daemon::advance_sweeps() {
  auto now = steady_clock::now();
  auto over = [this, now](sweep& x) {
    if (x.cleaner != -1 && now < x.deadline)
      return false;
    auto left = processes_with("MUSTER_JOB_KEY=" + x.key);
    signal_all(left, SIGKILL);
    if ((!left.empty() || orphans_until_) && now < x.deadline)
      return false;
    if (left.empty() && remove_containers(x))
      return false;
    if (x.cleaner != -1) // late: what is asked for anew starts one of its own
      signal_all({x.cleaner}, SIGKILL);
    answer_clean(x.guest, verdict_of(x, left));
    return true;
  };
  sweeps_.erase(std::remove_if(sweeps_.begin(), sweeps_.end(), over),
                sweeps_.end());
}

/// Starts to remove what a dead supervisor's job has made at an Engine; false
/// if there is nothing, or that has been done.
bool daemon::remove_containers(sweep& x) {
  if (!x.died || x.containers)
    return false;
  auto plan = read_leftover(leftover_path(x.key));
  if (!plan)
    return false;
  auto made = container_work::make(*plan);
  if (!made)
    return false;
  // Without the job's mark, by which its processes are killed.
  auto started
    = made->start_clean({options_.home, environment_without_job()}, true);
  if (!started)
    return false;
  x.containers = std::move(*made);
  x.cleaner = started->shell;
  x.deadline = steady_clock::now() + clean_patience;
  return true;
}

frames::cleaned daemon::verdict_of(const sweep& x,
                                   const std::vector<pid_t>& left) {
  if (!left.empty())
    return {x.key, false, "processes cannot be killed: " + describe(left)};
  if (!x.died)
    return {x.key, true, ""};
  auto said = x.containers ? x.containers->result_of_last() : std::nullopt;
  if (!x.containers)
    return {x.key, false, death_text(x.key) + ", nor what it has left"};
  if (!said || said->outcome != plan_outcome::success)
    return {x.key, false,
            death_text(x.key) + ", and its containers cannot be removed: "
              + (said ? said->text : "what removes them was ended")};
  ::unlink(leftover_path(x.key).c_str());
  ::unlink(socket_path(x.key).c_str());
  return {x.key, true, ""};
}

void daemon::answer_clean(uint64_t guest_number, frames::cleaned answer) {
  for (auto& x : guests_)
    if (x.number == guest_number)
      x.link.send(answer);
}

} // namespace muster::helper
