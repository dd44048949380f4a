#include "providers/local/processes.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <poll.h>
#include <set>
#include <sstream>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace muster::local {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What could be read: a process may end in the middle, which `read` takes for
/// the end of the file, while an iterator over the stream throws.
std::string read_all(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::string out;
  char piece[4096];
  while (in.read(piece, sizeof piece) || in.gcount() > 0)
    out.append(piece, static_cast<size_t>(in.gcount()));
  return out;
}

/// A file descriptor that stands for one process, so that a signal cannot reach
/// another which got its number meanwhile. -1 on kernels before 5.3.
class process_handle {
public:
  explicit process_handle(pid_t pid)
    : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {
  }

  process_handle(const process_handle&) = delete;
  process_handle& operator=(const process_handle&) = delete;

  ~process_handle() {
    if (fd_ >= 0)
      close(fd_);
  }

  int fd() const {
    return fd_;
  }

private:
  int fd_;
};

/// Sends a signal to a process whose start time is known.
void send_signal(const process_id& what, int signal) {
  process_handle handle{what.pid};
  if (!is_alive(what))
    return;
  if (handle.fd() >= 0)
    syscall(SYS_pidfd_send_signal, handle.fd(), signal, nullptr, 0);
  else
    kill(what.pid, signal);
}

milliseconds left(deadline by) {
  return std::chrono::ceil<milliseconds>(by - steady_clock::now());
}

struct process_row {
  process_id id;
  pid_t parent = 0;
};

/// All processes that have not ended, by number.
std::map<pid_t, process_row> all_processes() {
  std::map<pid_t, process_row> out;
  auto boot = boot_id();
  std::error_code ec;
  fs::directory_iterator entries{"/proc", ec};
  for (; !ec && entries != fs::directory_iterator{}; entries.increment(ec)) {
    auto name = entries->path().filename().string();
    pid_t pid = 0;
    auto [end, bad]
      = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc{} || end != name.data() + name.size())
      continue;
    auto stat = stat_of(pid);
    if (stat && stat->state != 'Z' && stat->state != 'X')
      out[pid] = {{pid, stat->start_ticks, boot}, stat->parent};
  }
  return out;
}

bool descends(const std::map<pid_t, process_row>& all, pid_t pid, pid_t root) {
  // The bound holds even if the rows, read one after the other, form a ring.
  for (size_t step = 0; step <= all.size(); ++step) {
    auto row = all.find(pid);
    if (row == all.end())
      return false;
    if (row->second.parent == root)
      return true;
    pid = row->second.parent;
  }
  return false;
}

bool has_mark(pid_t pid, const std::string& mark) {
  auto environment = read_all("/proc/" + std::to_string(pid) + "/environ");
  return ('\0' + environment + '\0').find('\0' + mark + '\0')
         != std::string::npos;
}

std::vector<process_id> members_of(const process_id& root,
                                   const std::string& mark) {
  std::vector<process_id> out;
  auto all = all_processes();
  auto root_alive = is_alive(root);
  for (const auto& [pid, row] : all) {
    if (pid == getpid() || row.id == root)
      continue;
    if ((root_alive && descends(all, pid, root.pid)) || has_mark(pid, mark))
      out.push_back(row.id);
  }
  return out;
}

} // namespace

std::optional<process_stat> parse_stat(std::string_view text) {
  auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos)
    return std::nullopt;
  std::istringstream fields{std::string{text.substr(name_end + 1)}};
  process_stat out;
  uint64_t flags = 0;
  constexpr uint64_t exiting_flag = 0x4; // PF_EXITING of the kernel
  auto skip = [&fields](int count) {
    for (std::string skipped; count > 0; --count)
      fields >> skipped;
  };
  fields >> out.state >> out.parent; // fields 3 and 4; reference: proc(5)
  skip(4);
  fields >> flags; // field 9
  skip(12);
  fields >> out.start_ticks; // field 22
  out.exiting = (flags & exiting_flag) != 0;
  return fields ? std::optional{out} : std::nullopt;
}

std::optional<process_stat> stat_of(pid_t pid) {
  return parse_stat(read_all("/proc/" + std::to_string(pid) + "/stat"));
}

std::string boot_id() {
  static const auto text = [] {
    auto line = read_all("/proc/sys/kernel/random/boot_id");
    line.erase(std::find(line.begin(), line.end(), '\n'), line.end());
    return line;
  }();
  return text;
}

int64_t ms_since_boot() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

std::optional<process_id> identify(pid_t pid) {
  auto stat = stat_of(pid);
  if (!stat)
    return std::nullopt;
  return process_id{pid, stat->start_ticks, boot_id()};
}

bool is_alive(const process_id& what) {
  if (what.pid <= 0 || what.boot_id != boot_id())
    return false;
  auto stat = stat_of(what.pid);
  return stat && stat->start_ticks == what.start_ticks && stat->state != 'Z'
         && stat->state != 'X';
}

bool is_running(const process_id& what) {
  auto stat = is_alive(what) ? stat_of(what.pid) : std::nullopt;
  return stat && !stat->exiting;
}

void kill_process(const process_id& what) {
  send_signal(what, SIGKILL);
}

void reap(pid_t pid) {
  if (pid > 0)
    waitpid(pid, nullptr, WNOHANG);
}

bool wait_end(const process_id& what, deadline by) {
  process_handle handle{what.pid};
  while (is_alive(what)) {
    auto time = left(by);
    if (time.count() <= 0)
      return false;
    if (handle.fd() >= 0) {
      pollfd ended{handle.fd(), POLLIN, 0};
      poll(&ended, 1, static_cast<int>(std::min<int64_t>(time.count(), 1000)));
    } else {
      std::this_thread::sleep_for(std::min(time, milliseconds{2}));
    }
  }
  reap(what.pid);
  return true;
}

bool kill_tree(const process_id& root, const std::string& mark, deadline by) {
  // Stopped, it takes no new connections and still adopts orphans.
  send_signal(root, SIGSTOP);
  for (;;) {
    auto members = members_of(root, mark);
    if (members.empty())
      break;
    if (left(by).count() <= 0)
      return false; // they multiply faster than they are ended
    for (const auto& x : members)
      kill_process(x);
    for (const auto& x : members)
      if (!wait_end(x, by))
        return false;
  }
  kill_process(root);
  return wait_end(root, by);
}

} // namespace muster::local
