#include "executors/helper/processes.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::helper {

namespace {

/// Descriptors that are passed on as 3, 4, ... are from here on, so that none
/// takes another's place.
constexpr int further_min = 10;

std::string error_text(int error) {
  return std::strerror(error);
}

bool is_executable(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)
         && ::access(path.c_str(), X_OK) == 0;
}

/// Returns the first executable of this name, empty if there is none.
std::string look_up(const std::string& name, const std::string& search_path) {
  for (size_t begin = 0; begin <= search_path.size();) {
    auto end = std::min(search_path.find(':', begin), search_path.size());
    auto folder = search_path.substr(begin, end - begin);
    auto path = folder + "/" + name;
    if (!folder.empty() && is_executable(path))
      return path;
    begin = end + 1;
  }
  return "";
}

struct pipe_ends {
  unique_fd read;
  unique_fd write;
};

result<pipe_ends, helper_errc> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0)
    return fail(helper_errc::failed,
                "no pipe for a script: " + error_text(errno)
                  + "; too many open files?");
  return pipe_ends{unique_fd{fds[0]}, unique_fd{fds[1]}};
}

void set_nonblocking(const unique_fd& fd) {
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
}

/// What `posix_spawn` needs, freed at the end.
struct spawn_settings {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  spawn_settings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }

  spawn_settings(const spawn_settings&) = delete;
  spawn_settings& operator=(const spawn_settings&) = delete;

  ~spawn_settings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

/// A session of its own, no signal blocked or ignored: as after a login.
void set_session(spawn_settings& settings) {
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&settings.attributes, &all);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSID
                                                   | POSIX_SPAWN_SETSIGDEF
                                                   | POSIX_SPAWN_SETSIGMASK);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const auto& text : texts)
    result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

/// Says which of the two is at fault: `posix_spawn` gives one error for both.
std::string spawn_failure(const program_request& what, int error) {
  struct stat facts {};
  if (::stat(what.home.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode))
    return "the login directory " + what.home
           + " is not there: " + error_text(error);
  return what.path + " cannot be started: " + error_text(error);
}

int exit_code_of(int status) {
  if (WIFSIGNALED(status))
    return 128 + WTERMSIG(status);
  return WEXITSTATUS(status);
}

} // namespace

result<void, helper_errc> become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    return fail(helper_errc::failed,
                "this kernel has no subreapers (Linux 3.4 and later have): "
                  + error_text(errno));
  return {};
}

result<std::string, helper_errc> find_shell(const std::string& wanted,
                                            const std::string& home,
                                            const std::string& search_path) {
  if (wanted.find('/') != std::string::npos) {
    auto path = wanted.front() == '/' ? wanted : home + "/" + wanted;
    if (is_executable(path))
      return path;
    return fail(helper_errc::failed, "there is no shell " + path
                                       + " that can be executed; install it "
                                         "or set another `shell`");
  }
  auto names = wanted.empty() ? std::vector<std::string>{"bash", "sh"}
                              : std::vector<std::string>{wanted};
  for (const auto& name : names) {
    auto path = look_up(name, search_path);
    if (!path.empty())
      return path;
  }
  auto named = wanted.empty() ? std::string{"neither bash nor sh"}
                              : "no shell `" + wanted + "`";
  return fail(helper_errc::failed, "there is " + named + " in PATH ("
                                     + search_path
                                     + "); install it or set another `shell`");
}

result<unique_fd, helper_errc> make_file_in_memory(std::string_view text) {
  unique_fd made{::memfd_create("muster", MFD_CLOEXEC)};
  unique_fd file{::fcntl(made.get(), F_DUPFD_CLOEXEC, further_min)};
  auto written = static_cast<bool>(file);
  while (written && !text.empty()) {
    auto n = ::write(file.get(), text.data(), text.size());
    if (n > 0)
      text.remove_prefix(static_cast<size_t>(n));
    else
      written = n < 0 && errno == EINTR;
  }
  if (!written || ::lseek(file.get(), 0, SEEK_SET) != 0)
    return fail(helper_errc::failed,
                "no file in memory for a script: " + error_text(errno));
  return file;
}

std::vector<std::string> environment_without_job() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text{*entry};
    if (!text.starts_with("CI_JOB_STATUS=")
        && !text.starts_with("MUSTER_JOB_KEY="))
      out.emplace_back(text);
  }
  return out;
}

result<running_script, helper_errc> start_program(const program_request& what) {
  auto out = make_pipe();
  auto err = make_pipe();
  for (const auto* made : {&out, &err})
    if (!*made)
      return tl::unexpected{made->error()};
  running_script script;
  script.out = std::move(out->read);
  script.err = std::move(err->read);
  for (const auto* fd : {&script.out, &script.err})
    set_nonblocking(*fd);
  spawn_settings settings;
  set_session(settings);
  auto* actions = &settings.actions;
  posix_spawn_file_actions_addchdir_np(actions, what.home.c_str());
  if (what.in >= 0)
    posix_spawn_file_actions_adddup2(actions, what.in, STDIN_FILENO);
  else
    posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null",
                                     O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(actions, out->write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions, err->write.get(), STDERR_FILENO);
  for (size_t i = 0; i < what.further.size(); ++i)
    posix_spawn_file_actions_adddup2(actions, what.further[i],
                                     static_cast<int>(3 + i));
  auto error = ::posix_spawn(
    &script.shell, what.path.c_str(), actions, &settings.attributes,
    pointers(what.arguments).data(), pointers(what.environment).data());
  if (error != 0)
    return fail(helper_errc::failed, spawn_failure(what, error));
  return script;
}

result<running_script, helper_errc> start_script(const script_request& what) {
  auto in = make_file_in_memory(what.script);
  if (!in)
    return tl::unexpected{in.error()};
  auto name = what.shell.substr(what.shell.rfind('/') + 1);
  auto started = start_program(
    {what.shell, {name}, what.home, what.environment, in->get(), {}});
  if (!started)
    return fail(started.error().code, "the shell: " + started.error().text);
  return started;
}

std::optional<exited> reap() {
  int status = 0;
  auto pid = ::waitpid(-1, &status, WNOHANG);
  if (pid <= 0)
    return std::nullopt;
  return exited{pid, exit_code_of(status)};
}

bool has_children() {
  siginfo_t facts{};
  return ::waitid(P_ALL, 0, &facts, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void signal_all(const std::vector<pid_t>& processes, int signal) {
  for (auto pid : processes)
    ::kill(pid, signal);
}

} // namespace muster::helper
