#include "providers/fleeting/process.hpp"

#include "providers/fleeting/handshake.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

extern char** environ;

namespace muster::fleeting {

namespace {

using std::chrono::steady_clock;

/// Longer ones are no handshake.
constexpr size_t line_max = 65'536;
/// What is still in the pipes of a process that ended; others may write on.
constexpr size_t last_read_max = size_t{1} << 20U;
/// How long the end of a killed process is waited for: one that the kernel does
/// not let go (a dead disk) must not keep us.
constexpr auto kill_patience = std::chrono::seconds{5};

class unique_fd {
public:
  explicit unique_fd(int fd = -1) : fd_(fd) {
  }
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {
  }
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~unique_fd() {
    reset();
  }

  int get() const {
    return fd_;
  }
  void reset() {
    if (fd_ >= 0)
      close(std::exchange(fd_, -1));
  }

private:
  int fd_;
};

bool make_pipe(unique_fd& to_read, unique_fd& to_write) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    return false;
  to_read = unique_fd{ends[0]};
  to_write = unique_fd{ends[1]};
  return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

/// All that the child uses, allocated before it exists.
struct child_data {
  const char* path = nullptr;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  pid_t parent = 0;
  int nothing = -1;
  int output = -1;
  int errors = -1;
  int status = -1; ///< takes the errno of what failed; closed by exec
};

// -- in the child: system calls only, since other threads may hold locks ------

[[noreturn]] void give_up(const child_data& my, int number) {
  [[maybe_unused]] auto sent = write(my.status, &number, sizeof number);
  _exit(127);
}

void close_from(int first) {
  if (syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U) == 0)
    return;
  rlimit limit{}; // kernels before 5.9
  getrlimit(RLIMIT_NOFILE, &limit);
  auto end = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 65'536));
  for (int fd = first; fd < end; ++fd)
    close(fd);
}

[[noreturn]] void become_plugin(const child_data& my) {
  // With the thread that keeps it, and so with the manager, however that ends.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != my.parent)
    _exit(127); // it has ended already
  for (int i = 1; i < NSIG; ++i)
    signal(i, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setpgid(0, 0);
  // 3 is the lowest that is not overwritten by what follows.
  constexpr int kept = 3;
  auto status = fcntl(my.status, F_DUPFD_CLOEXEC, 16);
  if (status < 0 || dup2(my.nothing, 0) < 0 || dup2(my.output, 1) < 0
      || dup2(my.errors, 2) < 0 || dup3(status, kept, O_CLOEXEC) < 0)
    give_up(my, errno);
  close_from(kept + 1);
  execve(my.path, my.arguments.data(), my.environment.data());
  int number = errno;
  [[maybe_unused]] auto sent = write(kept, &number, sizeof number);
  _exit(127);
}

// -- in the manager again -----------------------------------------------------

/// Without what the C library does on fork.
pid_t raw_clone() {
  return static_cast<pid_t>(
    syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (auto& x : texts)
    out.push_back(x.data());
  out.push_back(nullptr);
  return out;
}

process_end end_of(int status) {
  if (WIFSIGNALED(status))
    return {false, fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                               strsignal(WTERMSIG(status)))};
  return {WEXITSTATUS(status) == 0,
          fmt::format("exited with status {}", WEXITSTATUS(status))};
}

bool is_named(std::string_view entry, std::string_view name) {
  return entry.size() > name.size() && entry.starts_with(name)
         && entry[name.size()] == '=';
}

} // namespace

std::vector<std::string> plugin_environment(const std::string& socket_folder) {
  const std::vector<std::string> ours{
    fmt::format("{}={}", cookie_name, cookie_value),
    "PLUGIN_PROTOCOL_VERSIONS=0",
    "PLUGIN_MIN_PORT=10000",
    "PLUGIN_MAX_PORT=25000",
    "PLUGIN_UNIX_SOCKET_DIR=" + socket_folder,
  };
  constexpr std::array dropped{"PLUGIN_CLIENT_CERT", "PLUGIN_MULTIPLEX_GRPC",
                               "PLUGIN_UNIX_SOCKET_GROUP"};
  std::vector<std::string> out;
  for (auto** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text{*entry};
    auto is_ours = std::ranges::any_of(ours, [&text](const auto& x) {
      return is_named(text, std::string_view{x}.substr(0, x.find('=')));
    });
    auto is_dropped = std::ranges::any_of(
      dropped, [&text](const char* x) { return is_named(text, x); });
    if (!is_ours && !is_dropped)
      out.emplace_back(text);
  }
  out.insert(out.end(), ours.begin(), ours.end());
  return out;
}

struct plugin_process::keeper {
  plugin_command command;
  process_events events;

  mutable std::mutex mutex;
  std::condition_variable changed;
  pid_t pid = -1;        ///< -1: not started, or reaped
  bool unwanted = false; ///< to be killed, if need be before it is there
  std::optional<std::string> line;
  std::optional<process_end> end;
  std::string obstacle; ///< why it could not be started

  // The thread's own.
  unique_fd output;
  unique_fd errors;
  unique_fd status;
  unique_fd pid_fd;
  std::string output_text; ///< until the first line is whole
  bool has_line = false;

  void run() {
    auto how = launch() ? keep() : process_end{false, "did not start"};
    events.ended(how);
    events = {};
    {
      std::lock_guard guard{mutex};
      end = std::move(how);
    }
    changed.notify_all();
  }

  /// Returns false and sets `obstacle` if there is no process.
  bool launch() {
    unique_fd output_end;
    unique_fd errors_end;
    unique_fd status_end;
    unique_fd nothing{open("/dev/null", O_RDONLY | O_CLOEXEC)};
    if (nothing.get() < 0 || !make_pipe(output, output_end)
        || !make_pipe(errors, errors_end) || !make_pipe(status, status_end)) {
      set_obstacle(errno);
      return false;
    }
    std::vector<std::string> words{command.path};
    child_data child;
    child.path = command.path.c_str();
    child.arguments = pointers(words);
    child.environment = pointers(command.environment);
    child.parent = getpid();
    child.nothing = nothing.get();
    child.output = output_end.get();
    child.errors = errors_end.get();
    child.status = status_end.get();
    auto made = raw_clone();
    if (made == 0)
      become_plugin(child);
    if (made < 0) {
      set_obstacle(errno);
      return false;
    }
    setpgid(made, made); // here as well: it may be killed before it gets there
    std::lock_guard guard{mutex};
    pid = made;
    pid_fd = unique_fd{static_cast<int>(syscall(SYS_pidfd_open, made, 0))};
    if (unwanted)
      ::kill(made, SIGKILL);
    return true;
  }

  void set_obstacle(int number) {
    std::lock_guard guard{mutex};
    obstacle = std::strerror(number);
    if (number == ENOEXEC)
      obstacle += ": it is no program for this machine";
  }

  process_end keep() {
    while (!has_ended()) {
      std::array<pollfd, 4> fds{{{output.get(), POLLIN, 0},
                                 {errors.get(), POLLIN, 0},
                                 {status.get(), POLLIN, 0},
                                 {pid_fd.get(), POLLIN, 0}}};
      // Kernels before 5.3 have no descriptor that tells the end.
      poll(fds.data(), fds.size(), pid_fd.get() < 0 ? 100 : -1);
      read_all(SIZE_MAX);
    }
    read_all(last_read_max);
    return reap();
  }

  /// Whether it has; its number stays its own until it is reaped.
  bool has_ended() const {
    siginfo_t info{};
    auto asked = waitid(P_PID, static_cast<id_t>(pid), &info,
                        WEXITED | WNOHANG | WNOWAIT);
    return asked != 0 || info.si_pid != 0;
  }

  process_end reap() {
    std::lock_guard guard{mutex};
    ::kill(-pid, SIGKILL); // what it has started
    int how = 0;
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
      ;
    pid = -1;
    return end_of(how);
  }

  void read_all(size_t bound) {
    read_pipe(output, bound,
              [this](std::string_view bytes) { take_output(bytes); });
    read_pipe(errors, bound, events.error_output);
    read_pipe(status, bound, [this](std::string_view bytes) {
      int number = 0;
      if (bytes.size() == sizeof number) {
        std::memcpy(&number, bytes.data(), sizeof number);
        set_obstacle(number);
      }
    });
  }

  template <class Sink>
  static void read_pipe(unique_fd& from, size_t bound, const Sink& sink) {
    std::array<char, 16'384> piece{};
    // A turn each, so that a loud one does not keep the others waiting.
    for (size_t taken = 0; from.get() >= 0 && taken < bound;) {
      auto size = read(from.get(), piece.data(), piece.size());
      if (size > 0) {
        sink(std::string_view{piece.data(), static_cast<size_t>(size)});
        taken += static_cast<size_t>(size);
        if (bound == SIZE_MAX)
          return;
      } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        from.reset();
      } else if (errno == EAGAIN) {
        return;
      }
    }
  }

  void take_output(std::string_view bytes) {
    if (has_line)
      return;
    output_text += bytes.substr(0, line_max - output_text.size());
    auto whole = output_text.find('\n');
    if (whole == std::string::npos && output_text.size() < line_max)
      return;
    has_line = true;
    {
      std::lock_guard guard{mutex};
      line = output_text.substr(0, whole);
    }
    output_text = {};
    changed.notify_all();
  }
};

std::unique_ptr<plugin_process> plugin_process::start(plugin_command what,
                                                      process_events events) {
  auto keeping = std::make_shared<keeper>();
  keeping->command = std::move(what);
  keeping->events = std::move(events);
  std::thread{[keeping] { keeping->run(); }}.detach();
  return std::unique_ptr<plugin_process>{
    new plugin_process{std::move(keeping)}};
}

plugin_process::~plugin_process() {
  kill();
  wait_end(steady_clock::now() + kill_patience);
}

result<std::string, provider_errc> plugin_process::first_line(deadline by) {
  std::unique_lock guard{keeper_->mutex};
  auto& my = *keeper_;
  auto told = [&my] { return my.line || my.end; };
  if (!my.changed.wait_until(guard, by, told))
    return fail(provider_errc::timed_out,
                "timeout while waiting for plugin to start: it printed no "
                "line that tells where it listens");
  if (my.line)
    return *my.line;
  if (!my.obstacle.empty())
    return fail(provider_errc::not_available,
                "it could not be started: " + my.obstacle);
  return fail(provider_errc::not_available,
              "plugin exited before we could connect: it "
                + my.end.value_or(process_end{}).text);
}

pid_t plugin_process::pid() const {
  std::lock_guard guard{keeper_->mutex};
  return keeper_->pid;
}

bool plugin_process::is_running() const {
  std::lock_guard guard{keeper_->mutex};
  return !keeper_->end;
}

bool plugin_process::wait_end(deadline by) {
  std::unique_lock guard{keeper_->mutex};
  return keeper_->changed.wait_until(
    guard, by, [this] { return keeper_->end.has_value(); });
}

void plugin_process::kill() {
  std::lock_guard guard{keeper_->mutex};
  keeper_->unwanted = true;
  if (keeper_->pid > 0) {
    ::kill(-keeper_->pid, SIGKILL);
    ::kill(keeper_->pid, SIGKILL);
  }
}

} // namespace muster::fleeting
