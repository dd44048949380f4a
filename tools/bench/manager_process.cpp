#include "tools/bench/manager_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// The child, between fork and exec: calls that are safe there alone.
[[noreturn]] void become(char* const* arguments, int log) {
  prctl(PR_SET_PDEATHSIG, SIGPWR);
  setpgid(0, 0); // ^C is for us: the manager is stopped when it is time
  auto null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv(arguments[0], arguments);
  _exit(127);
}

} // namespace

manager_process::~manager_process() {
  stop(20s);
}

result<void, bench_errc> manager_process::start(const std::string& program,
                                                const std::string& config_path,
                                                const std::string& log_path) {
  if (access(program.c_str(), X_OK) != 0)
    return fail(bench_errc::cannot_start,
                fmt::format("there is no program {}; build it, or name its "
                            "build folder with --build",
                            program));
  auto log
    = open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  std::array<std::string, 4> words{program, "run", "--config", config_path};
  std::array<char*, 5> arguments{};
  for (size_t i = 0; i < words.size(); ++i)
    arguments[i] = words[i].data();
  started_at_ = steady_clock::now();
  pid_ = log < 0 ? -1 : fork();
  if (pid_ == 0)
    become(arguments.data(), log);
  auto error = errno;
  close(log);
  if (pid_ < 0)
    return fail(
      bench_errc::cannot_start,
      fmt::format("{} cannot be started: {}", program, std::strerror(error)));
  return {};
}

bool manager_process::alive() {
  if (pid_ < 0)
    return false;
  if (waitpid(pid_, nullptr, WNOHANG) == 0)
    return true;
  pid_ = -1;
  return false;
}

bool manager_process::stop(std::chrono::milliseconds patience) {
  if (!alive())
    return true;
  kill(pid_, SIGTERM);
  auto until = steady_clock::now() + patience;
  while (alive()) {
    if (steady_clock::now() >= until) {
      kill_now();
      return false;
    }
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

void manager_process::kill_now() {
  if (pid_ < 0)
    return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::chrono::nanoseconds cpu_of(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (pid < 0 || clock_getcpuclockid(pid, &clock) != 0
      || clock_gettime(clock, &used) != 0)
    return {};
  return std::chrono::seconds{used.tv_sec}
         + std::chrono::nanoseconds{used.tv_nsec};
}

memory_use memory_of(pid_t pid) {
  memory_use out;
  std::ifstream in{fmt::format("/proc/{}/status", pid)};
  for (std::string word; in >> word;) {
    if (word == "VmRSS:")
      in >> out.resident;
    else if (word == "VmHWM:")
      in >> out.peak;
  }
  return out;
}

} // namespace muster::bench
