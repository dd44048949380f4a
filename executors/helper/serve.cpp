#include "executors/helper/serve.hpp"

#include "executors/helper/daemon.hpp"
#include "executors/helper/daemonize.hpp"
#include "executors/helper/processes.hpp"

#include <climits>
#include <cstdlib>
#include <poll.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace muster::helper {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// A second daemon waits for as long until the first one listens.
constexpr auto other_patience = 5s;

int complain(const std::string& text) {
  ::dprintf(STDERR_FILENO, "muster-helper: %s\n", text.c_str());
  return 1;
}

bool is_folder(const char* path) {
  struct stat facts {};
  return path != nullptr && *path == '/' && ::stat(path, &facts) == 0
         && S_ISDIR(facts.st_mode);
}

/// Scripts begin in the login directory, as with a command over SSH.
std::string login_directory(const std::string& given) {
  if (!given.empty())
    return given;
  if (const char* home = std::getenv("HOME"); is_folder(home))
    return home;
  char here[PATH_MAX];
  return ::getcwd(here, sizeof(here)) != nullptr ? here : "/";
}

/// Jobs run as if the login's shell had started them, not an SSH connection:
/// bash reads start-up files when it finds these.
void forget_connection() {
  for (const char* name :
       {"SSH_CONNECTION", "SSH_CLIENT", "SSH2_CLIENT", "SSH_TTY",
        "SSH_ORIGINAL_COMMAND", "SSH_AUTH_SOCK", "MUSTER_JOB_KEY"})
    ::unsetenv(name);
}

/// Scripts find this program by a variable: its commands move artifacts and
/// caches. One that was replaced meanwhile has no path to be found by.
void name_self() {
  char path[PATH_MAX];
  auto n = ::readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (n > 0)
    path[n] = '\0';
  if (n > 0 && ::access(path, X_OK) == 0)
    ::setenv("MUSTER_HELPER", path, 1);
  else
    ::unsetenv("MUSTER_HELPER");
}

/// The body of the daemon's process.
int run_daemon(const serve_options& options, start_report report) {
  auto lock = lock_folder();
  if (!lock) {
    report.failed(lock.error().text);
    return 1;
  }
  if (!*lock) {
    report.taken();
    return 0;
  }
  ::unlink("socket");
  auto listener = listen_at("socket");
  if (!listener) {
    report.failed(listener.error().text);
    return 1;
  }
  if (auto ready = become_subreaper(); !ready) {
    report.failed(ready.error().text);
    return 1;
  }
  forget_connection();
  name_self();
  daemon served{options, std::move(*listener)};
  report.ready();
  return served.run();
}

bool accepts(std::chrono::milliseconds patience) {
  auto deadline = steady_clock::now() + patience;
  while (!connect_to("socket")) {
    if (steady_clock::now() >= deadline)
      return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

} // namespace

int serve(const serve_options& options) {
  auto filled = options;
  filled.home = login_directory(options.home);
  if (!is_folder(filled.home.c_str()))
    return complain("the login directory " + filled.home
                    + " is not the absolute path of a folder");
  auto folder = enter_state_folder(options.dir);
  if (!folder)
    return complain(folder.error().text);
  if (!accepts(0ms)) {
    auto started = start_daemon([&filled](start_report report) {
      return run_daemon(filled, std::move(report));
    });
    if (!started)
      return complain(started.error().text);
    if (!accepts(other_patience))
      return complain("the helper that serves " + *folder
                      + " does not accept connections");
  }
  auto line = "ready " + *folder + "/socket\n";
  return ::write(STDOUT_FILENO, line.data(), line.size()) < 0 ? 1 : 0;
}

} // namespace muster::helper
