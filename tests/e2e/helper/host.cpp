#include "tests/e2e/helper/host.hpp"

#include "executors/helper/connection.hpp"
#include "executors/helper/processes.hpp"
#include "executors/helper/remove_tree.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace muster::test {

namespace {

using helper::unique_fd;
using std::chrono::steady_clock;

int left_until(steady_clock::time_point deadline) {
  auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

std::string drain(int fd) {
  std::string text;
  char piece[65536];
  for (;;) {
    auto n = ::read(fd, piece, sizeof(piece));
    if (n <= 0)
      return text;
    text.append(piece, static_cast<size_t>(n));
  }
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

unique_fd scratch_file() {
  char name[] = "/tmp/muster-helper-out-XXXXXX";
  unique_fd fd{::mkostemp(name, O_CLOEXEC)};
  ::unlink(name);
  return fd;
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> result;
  auto* folder = ::opendir("/proc");
  while (const auto* entry = ::readdir(folder))
    if (auto pid = std::atoi(entry->d_name); pid > 0)
      result.push_back(pid);
  ::closedir(folder);
  return result;
}

/// State letter and parent of a process.
std::pair<char, pid_t> stat_of(pid_t pid) {
  auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  auto close = text.rfind(')');
  if (close == std::string::npos || close + 4 > text.size())
    return {'X', 0};
  return {text[close + 2], std::atoi(text.c_str() + close + 4)};
}

} // namespace

command_result run_command(const std::vector<std::string>& arguments,
                           const std::string& input,
                           const std::vector<std::string>& environment) {
  auto in = scratch_file();
  auto out = scratch_file();
  auto err = scratch_file();
  REQUIRE_EQ(::write(in.get(), input.data(), input.size()),
             static_cast<ssize_t>(input.size()));
  ::lseek(in.get(), 0, SEEK_SET);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.get(), 2);
  auto argument_copies = arguments;
  std::vector<std::string> variables = environment;
  if (variables.empty())
    for (char** entry = environ; *entry != nullptr; ++entry)
      variables.emplace_back(*entry);
  pid_t pid = -1;
  REQUIRE_EQ(::posix_spawn(&pid, arguments[0].c_str(), &actions, nullptr,
                           pointers(argument_copies).data(),
                           pointers(variables).data()),
             0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  bool ended
    = eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; });
  if (!ended) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, &status, 0);
  }
  ::lseek(out.get(), 0, SEEK_SET);
  ::lseek(err.get(), 0, SEEK_SET);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          drain(out.get()), drain(err.get())};
}

bool eventually(const std::function<bool()>& holds) {
  auto deadline = steady_clock::now() + patience;
  while (!holds()) {
    if (steady_clock::now() >= deadline)
      return false;
    std::this_thread::sleep_for(milliseconds{2});
  }
  return true;
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> result;
  for (auto pid : all_pids())
    if (auto [state, above] = stat_of(pid); above == parent && state != 'Z')
      result.push_back(pid);
  return result;
}

std::vector<pid_t> processes_of(const std::string& key) {
  return helper::processes_with("MUSTER_JOB_KEY=" + key);
}

bool is_alive(pid_t pid) {
  auto state = stat_of(pid).first;
  return state != 'X' && state != 'Z';
}

milliseconds processor_time_of(pid_t pid) {
  constexpr int user_time = 11; // fields behind the state
  auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields{text.substr(text.rfind(')') + 1)};
  std::string passed_over;
  for (int i = 0; i < user_time; ++i)
    fields >> passed_over;
  int64_t user = 0;
  int64_t system = 0;
  fields >> user >> system;
  return milliseconds{(user + system) * 1'000 / ::sysconf(_SC_CLK_TCK)};
}

std::string read_file(const std::string& path) {
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  return fd ? drain(fd.get()) : "";
}

wire::wire(const std::string& socket, bool says_hello) {
  auto connected = helper::connect_to(socket);
  REQUIRE_MESSAGE(connected.has_value(), socket);
  fd_ = std::move(*connected);
  if (!says_hello)
    return;
  send(frames::hello{});
  CHECK_EQ(expect<frames::welcome>().version, frames::version);
}

void wire::send(const frames::frame& x) {
  send_bytes(frames::encode(x));
}

void wire::send_bytes(std::string_view bytes) {
  auto deadline = steady_clock::now() + patience;
  while (!bytes.empty()) {
    auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    REQUIRE_EQ(errno, EAGAIN);
    pollfd ready{fd_.get(), POLLOUT, 0};
    REQUIRE_GT(::poll(&ready, 1, left_until(deadline)), 0);
  }
}

std::optional<frames::frame> wire::next(milliseconds within) {
  auto deadline = steady_clock::now() + within;
  for (;;) {
    auto x = decoder_.next();
    REQUIRE(x.has_value());
    if (*x)
      return **x;
    pollfd ready{fd_.get(), POLLIN, 0};
    if (::poll(&ready, 1, left_until(deadline)) <= 0)
      return std::nullopt;
    char piece[65536];
    auto n = ::recv(fd_.get(), piece, sizeof(piece), 0);
    if (n <= 0)
      return std::nullopt;
    received_bytes_ += static_cast<size_t>(n);
    decoder_.feed({piece, static_cast<size_t>(n)});
  }
}

std::vector<frames::stage_ended> job_log::stages() const {
  std::vector<frames::stage_ended> result;
  for (const auto& x : records)
    if (const auto* ended = std::get_if<frames::stage_ended>(&x))
      result.push_back(*ended);
  return result;
}

uint64_t record_of(const frames::frame& x) {
  if (const auto* begun = std::get_if<frames::stage_begun>(&x))
    return begun->record;
  if (const auto* output = std::get_if<frames::output>(&x))
    return output->record;
  if (const auto* ended = std::get_if<frames::stage_ended>(&x))
    return ended->record;
  return std::get<frames::job_ended>(x).record;
}

job_log collect(wire& from, const std::function<bool(const job_log&)>& done) {
  job_log log;
  while (!log.end && !(done && done(log))) {
    auto x = from.next(3 * patience); // some waits of the helper take as long
    if (!x)
      break;
    if (const auto* output = std::get_if<frames::output>(&*x))
      (output->stream == frames::output_stream::out ? log.out : log.err)
        += output->bytes;
    if (const auto* ended = std::get_if<frames::job_ended>(&*x))
      log.end = *ended;
    log.records.push_back(std::move(*x));
  }
  return log;
}

host::host(std::vector<std::string> options,
           std::vector<std::string> environment)
  : options_(std::move(options)),
    environment_(std::move(environment)) {
  char name[] = "/tmp/muster-helper-XXXXXX";
  REQUIRE_NE(::mkdtemp(name), nullptr);
  folder_ = name;
  ::mkdir(home().c_str(), S_IRWXU);
  auto started = serve();
  REQUIRE_EQ(started.err, "");
  REQUIRE_EQ(started.out, "ready " + socket() + "\n");
  REQUIRE_EQ(started.exit_code, 0);
}

host::~host() {
  auto jobs = supervisors();
  if (auto pid = daemon(); pid > 0)
    ::kill(pid, SIGKILL);
  for (auto pid : jobs)
    ::kill(pid, SIGTERM);
  for (const auto& key : keys_)
    for (auto pid : processes_of(key))
      ::kill(pid, SIGKILL);
  eventually(
    [&jobs] { return std::none_of(jobs.begin(), jobs.end(), is_alive); });
  CHECK(helper::remove_tree("/root", folder_).has_value());
}

command_result host::serve() {
  std::vector<std::string> arguments{MUSTER_HELPER, "serve",  "--dir",
                                     state(),       "--home", home()};
  arguments.insert(arguments.end(), options_.begin(), options_.end());
  return run_command(arguments, "", environment_);
}

/// The daemon is who has the lock.
pid_t host::daemon() const {
  unique_fd fd{::open((state() + "/lock").c_str(), O_RDWR | O_CLOEXEC)};
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (!fd || ::fcntl(fd.get(), F_GETLK, &whole) != 0 || whole.l_type == F_UNLCK)
    return -1;
  return whole.l_pid;
}

/// A supervisor keeps the daemon's command line, also when it has lost it.
std::vector<pid_t> host::supervisors() const {
  std::vector<pid_t> result;
  auto own = daemon();
  for (auto pid : all_pids()) {
    auto line = read_file("/proc/" + std::to_string(pid) + "/cmdline");
    if (pid != own && line.find(state()) != std::string::npos
        && line.find("serve") != std::string::npos && is_alive(pid))
      result.push_back(pid);
  }
  return result;
}

wire host::run(const job_plan& plan) {
  keys_.push_back(plan.key);
  auto to = connect();
  to.send(frames::run_of(plan));
  CHECK_EQ(to.expect<frames::accepted>().key, plan.key);
  return to;
}

frames::cleaned host::clean(const std::string& key) {
  auto to = connect();
  to.send(frames::clean{key});
  return to.expect<frames::cleaned>();
}

stage_plan step(std::string script) {
  return stage_of(stage_phase::step, std::move(script),
                  stage_condition::on_success);
}

stage_plan stage_of(stage_phase phase, std::string script,
                    stage_condition condition) {
  stage_plan stage;
  stage.name = "step_script";
  stage.phase = phase;
  stage.script = std::move(script);
  stage.condition = condition;
  return stage;
}

job_plan plan_of(std::string key, std::vector<stage_plan> stages) {
  job_plan plan;
  plan.key = std::move(key);
  plan.stages = std::move(stages);
  return plan;
}

} // namespace muster::test
