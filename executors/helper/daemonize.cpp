#include "executors/helper/daemonize.hpp"

#include "executors/helper/signals.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

using std::chrono::steady_clock;

constexpr auto start_patience = std::chrono::seconds{10};
constexpr off_t log_size_max = 1 << 20; ///< begun anew beyond [bytes]
constexpr char told_ready = 'r';
constexpr char told_taken = 't';
constexpr char told_failed = 'f';

tl::unexpected<failure<helper_errc>> system_failure(const std::string& what) {
  return fail(helper_errc::failed, what + ": " + std::strerror(errno));
}

/// Makes a folder and those above it; those that are there stay as they are.
bool make_folders(const std::string& path) {
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    if (::mkdir(path.substr(0, end).c_str(), S_IRWXU) != 0 && errno != EEXIST)
      return false;
  }
  return true;
}

/// A daemon must not keep the pipes of the command that started it: an SSH
/// channel ends with its last writer.
bool redirect_streams() {
  struct stat facts {};
  bool large
    = ::stat("helper.log", &facts) == 0 && facts.st_size > log_size_max;
  int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (large ? O_TRUNC : 0);
  unique_fd nothing{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  unique_fd log{::open("helper.log", flags, S_IRUSR | S_IWUSR)};
  const auto& sink = log ? log : nothing;
  return nothing && ::dup2(nothing.get(), STDIN_FILENO) >= 0
         && ::dup2(sink.get(), STDOUT_FILENO) >= 0
         && ::dup2(sink.get(), STDERR_FILENO) >= 0;
}

[[noreturn]] void become_daemon(const std::function<int(start_report)>& body,
                                unique_fd report) {
  ::setsid();
  auto pid = ::fork();
  if (pid != 0)
    ::_exit(pid < 0 ? 1 : 0);
  close_all_but({report.get()});
  if (!redirect_streams())
    ::_exit(1);
  for (int signal : {SIGPIPE, SIGHUP, SIGXFSZ})
    ::signal(signal, SIG_IGN);
  ::_exit(body(start_report{std::move(report)}));
}

result<void, helper_errc> await_report(const unique_fd& pipe) {
  auto deadline = steady_clock::now() + start_patience;
  std::string told;
  char piece[512];
  for (;;) {
    pollfd ready{pipe.get(), POLLIN, 0};
    if (::poll(&ready, 1, poll_timeout(deadline - steady_clock::now())) <= 0) {
      if (steady_clock::now() < deadline)
        continue;
      return fail(helper_errc::failed,
                  "the helper did not start within 10 s; see helper.log in its "
                  "folder");
    }
    auto n = ::read(pipe.get(), piece, sizeof(piece));
    if (n <= 0)
      break;
    told.append(piece, static_cast<size_t>(n));
  }
  if (!told.empty() && told.front() != told_failed)
    return {};
  return fail(helper_errc::failed,
              told.empty()
                ? "the helper ended while it started; see helper.log "
                  "in its folder"
                : told.substr(1));
}

} // namespace

result<std::string, helper_errc> enter_state_folder(const std::string& dir) {
  struct stat facts {};
  if (dir.empty() || !make_folders(dir) || ::stat(dir.c_str(), &facts) != 0)
    return system_failure("cannot make the folder " + dir);
  if (!S_ISDIR(facts.st_mode) || facts.st_uid != ::geteuid())
    return fail(helper_errc::failed,
                dir + " is not a folder of this user; give another --dir");
  if ((facts.st_mode & ALLPERMS) != S_IRWXU
      && ::chmod(dir.c_str(), S_IRWXU) != 0)
    return system_failure("cannot make the folder " + dir + " private");
  char absolute[PATH_MAX];
  if (::realpath(dir.c_str(), absolute) == nullptr || ::chdir(absolute) != 0)
    return system_failure("cannot go to the folder " + dir);
  for (const char* folder : {"jobs", "containers"})
    if (::mkdir(folder, S_IRWXU) != 0 && errno != EEXIST)
      return system_failure("cannot make the folder " + dir + "/" + folder);
  return std::string{absolute};
}

void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  kept.push_back(INT_MAX);
  int first = STDERR_FILENO + 1;
  for (int next : kept) {
    if (next > first
        && ::close_range(static_cast<unsigned>(first),
                         static_cast<unsigned>(next - 1), 0)
             != 0) {
      rlimit limit{};
      ::getrlimit(RLIMIT_NOFILE, &limit);
      auto end = std::min<rlim_t>(limit.rlim_cur, static_cast<rlim_t>(next));
      for (int fd = first; static_cast<rlim_t>(fd) < end; ++fd)
        ::close(fd);
    }
    first = std::max(first, next == INT_MAX ? first : next + 1);
  }
}

void start_report::ready() {
  tell(told_ready, "");
}

void start_report::taken() {
  tell(told_taken, "");
}

void start_report::failed(const std::string& text) {
  tell(told_failed, text);
}

void start_report::tell(char what, const std::string& text) {
  auto message = what + text;
  if (pipe_ && ::write(pipe_.get(), message.data(), message.size()) < 0)
    ::dprintf(STDERR_FILENO, "nobody waits for this helper to start\n");
  pipe_.reset();
}

result<void, helper_errc>
start_daemon(const std::function<int(start_report)>& body) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0)
    return system_failure("cannot make a pipe");
  unique_fd read{fds[0]};
  unique_fd write{fds[1]};
  auto pid = ::fork();
  if (pid < 0)
    return system_failure("cannot start a process");
  if (pid == 0)
    become_daemon(body, std::move(write));
  write.reset();
  auto told = await_report(read);
  ::waitpid(pid, nullptr, 0);
  return told;
}

result<unique_fd, helper_errc> lock_folder() {
  unique_fd fd{::open("lock", O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (!fd)
    return system_failure("cannot make the helper's lock file");
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_SETLK, &whole) == 0)
    return fd;
  if (errno == EACCES || errno == EAGAIN)
    return unique_fd{};
  return system_failure("cannot lock the helper's folder");
}

} // namespace muster::helper
