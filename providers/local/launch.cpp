#include "providers/local/launch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::local {

namespace {

constexpr unsigned long namespaces
  = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;

/// What the first process was doing, as told through the status pipe.
enum class boot_step : uint8_t {
  files = 1,
  namespace_mounts,
  home_mount,
  accounts,
  sockets,
  user_data_start,
  user_data_exit, ///< the number is its wait status
  sshd_start,
};

struct boot_message {
  boot_step step = boot_step::files;
  int number = 0; ///< errno, unless the step says otherwise
};

/// Clones this process without running what the C library does on fork: other
/// threads may hold its locks. The child makes system calls and nothing else.
pid_t raw_clone(unsigned long flags) {
  return static_cast<pid_t>(
    syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

/// All that the child uses, allocated before it exists.
class child_data {
public:
  child_data(const launch_plan& plan, int go, int status)
    : plan(plan),
      go(go),
      status(status) {
    root = plan.isolated ? folder_inside : plan.folder;
    user_data = root + "/user_data";
    user_data_log = root + "/user_data.log";
    home = root + "/home";
    temp = root + "/tmp";
    passwd = root + "/passwd";
    shadow = root + "/shadow";
    log = plan.folder + "/boot.log";
    sshd_log = root + "/sshd.log";
    sshd_config = root + "/sshd_config";
    sockets.assign(plan.sockets.size(), -1);
    path_variable = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                    "/sbin:/bin";
    home_variable = "HOME=" + (plan.isolated ? plan.login_home : home);
    environment = {path_variable.data(), home_variable.data(),
                   const_cast<char*>(plan.mark.c_str()), nullptr};
    sshd_arguments = {const_cast<char*>(plan.sshd.c_str()),
                      arg_d_,
                      arg_e_,
                      sshd_log.data(),
                      arg_f_,
                      sshd_config.data(),
                      nullptr};
    script_arguments = {user_data.data(), nullptr};
    shell_arguments = {arg_sh_, user_data.data(), nullptr};
  }

  child_data(const child_data&) = delete;
  child_data& operator=(const child_data&) = delete;

  const launch_plan& plan;
  int go;
  int status;
  std::string root, user_data, user_data_log, home, temp, passwd, shadow, log,
    sshd_log, sshd_config, path_variable, home_variable;
  mutable std::vector<int> sockets; ///< those of the plan, opened
  std::array<char*, 4> environment{};
  std::array<char*, 7> sshd_arguments{};
  std::array<char*, 2> script_arguments{};
  std::array<char*, 3> shell_arguments{};

private:
  char arg_d_[3] = "-D";
  char arg_e_[3] = "-E";
  char arg_f_[3] = "-f";
  char arg_sh_[8] = "/bin/sh";
};

// -- from here to `launch`: in the child, system calls only -------------------

[[noreturn]] void give_up(const child_data& my, boot_step step, int number) {
  boot_message text{step, number};
  [[maybe_unused]] auto sent
    = send(my.status, &text, sizeof text, MSG_NOSIGNAL);
  _exit(1);
}

void reset_signals() {
  for (int i = 1; i < NSIG; ++i)
    signal(i, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_between(int first, int last) {
  if (first > last
      || syscall(SYS_close_range, static_cast<unsigned>(first),
                 static_cast<unsigned>(last), 0U)
           == 0)
    return;
  rlimit limit{}; // kernels before 5.9
  getrlimit(RLIMIT_NOFILE, &limit);
  auto end = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 65'536));
  for (int fd = first; fd < end && fd <= last; ++fd)
    close(fd);
}

/// No descriptor of the manager's stays open here, not even until sshd starts:
/// a lock held through one would keep the next manager out.
void close_others(const child_data& my) {
  auto [low, high] = std::minmax(my.go, my.status);
  close_between(3, low - 1);
  close_between(low + 1, high - 1);
  close_between(high + 1, INT_MAX);
}

void detach(const child_data& my) {
  setsid();
  umask(022);
  auto null = open("/dev/null", O_RDONLY);
  auto log = open(my.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0
      || dup2(log, 2) < 0)
    give_up(my, boot_step::files, errno);
  if (null > 2)
    close(null);
  if (log > 2)
    close(log);
}

void bind(const child_data& my, boot_step step, const char* from,
          const char* to) {
  if (mount(from, to, nullptr, MS_BIND | MS_REC, nullptr) != 0)
    give_up(my, step, errno);
}

/// Binds what an open descriptor shows, wherever it has been covered since.
void bind_fd(const child_data& my, boot_step step, int fd, const char* to) {
  char path[32] = "/proc/self/fd/";
  char digits[12];
  auto* end = path + std::strlen(path);
  int count = 0;
  do
    digits[count++] = static_cast<char>('0' + fd % 10);
  while ((fd /= 10) > 0);
  while (count > 0)
    *end++ = digits[--count];
  *end = '\0';
  bind(my, step, path, to);
}

enum class last_part : uint8_t { stays_out, too };

/// Makes every folder on the way to `path`, which is in one of the instance's
/// own folders.
void make_folders(const char* path, last_part last) {
  char part[4096];
  for (size_t i = 0; path[i] != '\0' && i + 1 < sizeof part; ++i) {
    part[i] = path[i];
    part[i + 1] = '\0';
    if (path[i + 1] == '/' || (path[i + 1] == '\0' && last == last_part::too))
      mkdir(part, 0755);
  }
}

/// /run is the instance's own, since sshd needs a folder there, and since the
/// sockets of this machine's services (Docker's!) are not for its jobs.
void mount_run(const child_data& my, int folder, int resolver) {
  constexpr auto step = boot_step::namespace_mounts;
  if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") != 0
      || mkdir("/run/sshd", 0755) != 0 || mkdir(folder_inside, 0700) != 0
      || mkdir("/run/lock", 0755) != 0 || chmod("/run/lock", 01777) != 0)
    give_up(my, step, errno);
  bind_fd(my, step, folder, folder_inside);
  if (resolver >= 0) {
    make_folders(my.plan.resolver.c_str(), last_part::too);
    bind_fd(my, step, resolver, my.plan.resolver.c_str());
  }
}

/// Before anything covers them.
void open_sockets(const child_data& my) {
  for (size_t i = 0; i < my.sockets.size(); ++i) {
    my.sockets[i] = open(my.plan.sockets[i].c_str(), O_PATH | O_CLOEXEC);
    if (my.sockets[i] < 0)
      give_up(my, boot_step::sockets, errno);
  }
}

/// Where they were, each over a file that is made for it.
void show_sockets(const child_data& my) {
  for (size_t i = 0; i < my.sockets.size(); ++i) {
    const auto* path = my.plan.sockets[i].c_str();
    make_folders(path, last_part::stays_out);
    if (auto file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); file >= 0)
      close(file);
    bind_fd(my, boot_step::sockets, my.sockets[i], path);
    close(my.sockets[i]);
  }
}

void enter_namespaces(const child_data& my) {
  constexpr auto step = boot_step::namespace_mounts;
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0
      || sethostname(my.plan.id.data(), my.plan.id.size()) != 0
      || mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
               nullptr)
           != 0)
    give_up(my, step, errno);
  constexpr int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  auto folder = open(my.plan.folder.c_str(), flags);
  auto resolver
    = my.plan.resolver.empty() ? -1 : open(my.plan.resolver.c_str(), flags);
  if (folder < 0)
    give_up(my, step, errno);
  open_sockets(my);
  mount_run(my, folder, resolver);
  bind(my, step, my.temp.c_str(), "/tmp");
  // Shared memory lives here; a machine without it has none to hide.
  mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
  bind(my, boot_step::home_mount, my.home.c_str(), my.plan.login_home.c_str());
  show_sockets(my);
  if (my.plan.has_shadow)
    bind(my, boot_step::accounts, my.shadow.c_str(), "/etc/shadow");
  // The journal there holds the tokens of other jobs. It may be covered
  // already.
  mount("tmpfs", my.plan.state_dir.c_str(), "tmpfs", MS_RDONLY, "mode=700");
}

void run_user_data(const child_data& my) {
  auto pid = raw_clone(0);
  if (pid < 0)
    give_up(my, boot_step::user_data_start, errno);
  if (pid == 0) {
    auto log
      = open(my.user_data_log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
      _exit(126);
    auto* environment = const_cast<char**>(my.environment.data());
    execve(my.user_data.c_str(), const_cast<char**>(my.script_arguments.data()),
           environment);
    // Without a #! line the kernel does not know it (ENOEXEC).
    execve("/bin/sh", const_cast<char**>(my.shell_arguments.data()),
           environment);
    _exit(127);
  }
  // The first process reaps all; what the script leaves running may go on.
  int status = 0;
  for (;;) {
    auto ended = waitpid(-1, &status, 0);
    if (ended == pid)
      break;
    if (ended < 0 && errno != EINTR)
      give_up(my, boot_step::user_data_start, errno);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    give_up(my, boot_step::user_data_exit, status);
}

/// sshd lets nobody in whose login shell cannot be run. A user_data that hides
/// bash means a machine with another shell, not one without logins.
void mend_login_shell(const child_data& my) {
  struct stat info {};
  auto usable = stat(my.plan.login_shell.c_str(), &info) == 0
                && S_ISREG(info.st_mode) && (info.st_mode & 0111) != 0;
  if (!usable)
    bind(my, boot_step::accounts, my.passwd.c_str(), "/etc/passwd");
}

[[noreturn]] void be_first_process(const child_data& my) {
  reset_signals();
  close_others(my);
  detach(my);
  char byte = 0;
  while (read(my.go, &byte, 1) < 0 && errno == EINTR)
    ;
  if (byte == 0)
    _exit(1); // nobody knows of this process: it must not live on
  if (my.plan.isolated)
    enter_namespaces(my);
  else
    prctl(PR_SET_CHILD_SUBREAPER, 1); // kept by exec; see kill_tree
  if (chdir(my.plan.isolated ? my.plan.login_home.c_str() : my.home.c_str())
      != 0)
    give_up(my, boot_step::files, errno);
  if (my.plan.has_user_data)
    run_user_data(my);
  if (my.plan.isolated)
    mend_login_shell(my);
  execve(my.plan.sshd.c_str(), const_cast<char**>(my.sshd_arguments.data()),
         const_cast<char**>(my.environment.data()));
  give_up(my, boot_step::sshd_start, errno);
}

// -- in the manager again -----------------------------------------------------

/// A pair of sockets rather than a pipe: writing to it can do without SIGPIPE.
bool make_pair(unique_fd& ours, unique_fd& theirs) {
  std::array<int, 2> ends{};
  constexpr int type = SOCK_STREAM | SOCK_CLOEXEC;
  if (socketpair(AF_UNIX, type, 0, ends.data()) != 0)
    return false;
  ours = unique_fd{ends[0]};
  theirs = unique_fd{ends[1]};
  return true;
}

std::string text_of(const boot_message& x) {
  auto reason = std::string{std::strerror(x.number)};
  switch (x.step) {
    case boot_step::files:
      return "opening its files: " + reason;
    case boot_step::namespace_mounts:
      return "mounting in its namespaces: " + reason;
    case boot_step::home_mount:
      return "mounting its home over the user's: " + reason;
    case boot_step::accounts:
      return "mounting its own account files: " + reason;
    case boot_step::sockets:
      return "showing it the sockets of its group: " + reason;
    case boot_step::user_data_start:
      return "starting user_data: " + reason;
    case boot_step::user_data_exit:
      return WIFSIGNALED(x.number)
               ? fmt::format("user_data was ended by signal {}",
                             WTERMSIG(x.number))
               : fmt::format("user_data exited with status {}",
                             WEXITSTATUS(x.number));
    case boot_step::sshd_start:
      return "starting sshd: " + reason;
  }
  return "unknown step: " + reason;
}

} // namespace

unique_fd::~unique_fd() {
  reset();
}

void unique_fd::reset() {
  if (fd_ >= 0)
    close(std::exchange(fd_, -1));
}

result<launched, provider_errc> launch(const launch_plan& plan) {
  launched out;
  unique_fd go_end;
  unique_fd status_end;
  auto failed = [&plan](const char* what) {
    return fail(provider_errc::call_failed,
                fmt::format("{}: {}: {}", plan.id, what, std::strerror(errno)));
  };
  if (!make_pair(out.go, go_end) || !make_pair(out.status, status_end))
    return failed("making a pair of sockets");
  child_data child{plan, go_end.get(), status_end.get()};
  auto pid = raw_clone(plan.isolated ? namespaces : 0);
  if (pid < 0)
    return failed("making its first process");
  if (pid == 0)
    be_first_process(child);
  auto identity = identify(pid);
  if (!identity) {
    out.go.reset(); // it ends itself
    waitpid(pid, nullptr, 0);
    return fail(provider_errc::call_failed,
                fmt::format("{}: /proc/{}/stat cannot be read: is /proc "
                            "mounted?",
                            plan.id, pid));
  }
  out.process = *identity;
  return out;
}

void release(launched& what) {
  constexpr char byte = 1;
  [[maybe_unused]] auto sent = send(what.go.get(), &byte, 1, MSG_NOSIGNAL);
  what.go.reset();
}

boot_progress progress_of(unique_fd& status, std::string& why) {
  boot_message text;
  auto size = recv(status.get(), &text, sizeof text, MSG_DONTWAIT);
  if (size == static_cast<ssize_t>(sizeof text)) {
    why = text_of(text);
    return boot_progress::failed;
  }
  if (size < 0 && (errno == EAGAIN || errno == EINTR))
    return boot_progress::under_way;
  return boot_progress::sshd_started;
}

std::optional<std::string> isolation_obstacle() {
  auto pid = raw_clone(namespaces);
  if (pid < 0)
    return fmt::format("making namespaces: {}", std::strerror(errno));
  if (pid == 0) {
    auto works = mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0
                 && mount("proc", "/proc", "proc", 0, nullptr) == 0;
    _exit(works ? 0 : errno);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return std::nullopt;
  return fmt::format("mounting in a namespace: {}",
                     WIFEXITED(status) ? std::strerror(WEXITSTATUS(status))
                                       : "the test process was ended");
}

} // namespace muster::local
