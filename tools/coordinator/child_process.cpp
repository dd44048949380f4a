#include "tools/coordinator/child_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

extern char** environ;

namespace muster::gitlab {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t piece_size = 64 * 1024;
constexpr size_t errors_max = 4096;

/// Puts `text` into a file in memory, so that a program can read it at its own
/// pace without anybody feeding it.
int memory_file(const char* name, const std::string& text) {
  int fd = memfd_create(name, MFD_CLOEXEC);
  size_t done = 0;
  while (fd >= 0 && done < text.size()) {
    auto count = write(fd, text.data() + done, text.size() - done);
    if (count < 0 && errno != EINTR) {
      close(fd);
      return -1;
    }
    done += count > 0 ? static_cast<size_t>(count) : 0;
  }
  if (fd >= 0)
    lseek(fd, 0, SEEK_SET);
  return fd;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const auto& x : texts)
    result.push_back(const_cast<char*>(x.c_str()));
  return result;
}

/// Spawns with the three given descriptors as its standard ones and no others.
int spawn(pid_t& pid, const std::vector<std::string>& arguments,
          const std::vector<std::string>& environment, int in, int out,
          int err) {
  auto argv = pointers(arguments);
  argv.push_back(nullptr);
  auto env = pointers(environment);
  for (auto** x = environ; *x != nullptr; ++x)
    env.push_back(*x);
  env.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(),
                           env.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

} // namespace

result<child_process, process_errc>
child_process::start(const std::vector<std::string>& arguments,
                     const std::string& input,
                     const std::vector<std::string>& environment) {
  child_process child;
  int in = memory_file("stdin", input);
  child.errors_ = memory_file("stderr", {});
  int ends[2] = {-1, -1};
  int error = 0;
  if (in < 0 || child.errors_ < 0 || pipe2(ends, O_CLOEXEC) != 0)
    error = errno;
  child.output_ = ends[0];
  if (error == 0)
    error
      = spawn(child.pid_, arguments, environment, in, ends[1], child.errors_);
  for (int fd : {in, ends[1]})
    if (fd >= 0)
      close(fd);
  if (error != 0) {
    child.pid_ = -1;
    return fail(process_errc::cannot_start,
                fmt::format("cannot start {}: {}", arguments.front(),
                            std::strerror(error)));
  }
  return child;
}

child_process::child_process(child_process&& other) noexcept
  : pid_(std::exchange(other.pid_, -1)),
    output_(std::exchange(other.output_, -1)),
    errors_(std::exchange(other.errors_, -1)) {
}

child_process::~child_process() {
  finish();
  for (int fd : {output_, errors_})
    if (fd >= 0)
      close(fd);
}

std::string child_process::read(steady_clock::time_point until,
                                const std::function<bool()>& wanted) {
  std::string piece(piece_size, '\0');
  while (steady_clock::now() < until && wanted()) {
    pollfd fd{output_, POLLIN, 0};
    if (poll(&fd, 1, 200) <= 0)
      continue;
    auto count = ::read(output_, piece.data(), piece.size());
    if (count < 0 && errno == EINTR)
      continue;
    piece.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return piece;
  }
  return {};
}

int child_process::finish() {
  if (pid_ < 0)
    return -1;
  if (output_ >= 0)
    close(std::exchange(output_, -1)); // a writer that goes on gets SIGPIPE
  // Left unreaped until its group was killed: its number stays its own so long.
  auto pid = std::exchange(pid_, -1);
  auto until = steady_clock::now() + milliseconds{500};
  siginfo_t info{};
  while (
    waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT)
      == 0
    && info.si_pid == 0 && steady_clock::now() < until)
    poll(nullptr, 0, 2);
  kill(-pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string child_process::errors() const {
  std::string result(errors_max, '\0');
  auto count = pread(errors_, result.data(), result.size(), 0);
  result.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return result;
}

result<std::string, process_errc>
run_program(const std::vector<std::string>& arguments, milliseconds timeout,
            size_t output_max) {
  auto child = child_process::start(arguments, {});
  if (!child)
    return tl::unexpected(child.error());
  auto until = steady_clock::now() + timeout;
  std::string output;
  while (output.size() < output_max) {
    auto piece = child->read(until, [] { return true; });
    if (piece.empty())
      break;
    output += piece;
  }
  bool late = steady_clock::now() >= until;
  auto status = child->finish();
  if (late)
    return fail(process_errc::timed_out,
                fmt::format("{} did not end within {} ms", arguments.front(),
                            timeout.count()));
  if (status != 0)
    return fail(process_errc::failed,
                fmt::format("{} ended with status {}: {}", arguments.front(),
                            status, child->errors()));
  return output;
}

} // namespace muster::gitlab
