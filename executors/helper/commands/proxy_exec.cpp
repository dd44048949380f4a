#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/files.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/commands/masking.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::helper {

namespace {

using std::chrono::steady_clock;

/// How long a background process may hold the output after its command.
constexpr auto pipe_grace = std::chrono::seconds{1};
constexpr size_t store_bytes_max = 16u << 20;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// Values that are masked, kept for later runs: each a line, escaped so that it
/// stays one.
class value_store {
public:
  explicit value_store(const std::string& folder)
    : file_{::open((folder + "/masking.db").c_str(),
                   O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)} {
  }

  std::vector<std::string> read() const {
    std::vector<std::string> values;
    std::string text;
    std::array<char, 65536> buffer{};
    auto from = content_of(file_.get());
    while (file_ && text.size() < store_bytes_max) {
      auto n = from(buffer.data(), buffer.size());
      if (!n || *n == 0)
        break;
      text.append(buffer.data(), *n);
    }
    std::string value;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') {
        add_value(values, value);
        value.clear();
      } else {
        value += text[i];
      }
    }
    return values;
  }

  /// @pre `value` is a line
  void add(const std::string& value) const {
    auto line = value + "\n";
    if (!file_
        || ::write(file_.get(), line.data(), line.size())
             != static_cast<ssize_t>(line.size()))
      log::warning("a masked value cannot be kept for later stages: "
                   + std::string{std::strerror(errno)});
  }

private:
  unique_fd file_;
};

outcome copy_self(const std::string& folder) {
  unique_fd self{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  if (!self)
    return fail(helper_errc::failed, std::strerror(errno));
  auto path = folder + "/gitlab-runner-helper";
  auto file = new_file::make(path);
  if (!file)
    return tl::unexpected{file.error()};
  file_sink to{file->fd(), path};
  auto from = content_of(self.get());
  std::vector<char> buffer(piece_bytes);
  for (;;) {
    auto n = from(buffer.data(), buffer.size());
    if (!n)
      return tl::unexpected{n.error()};
    if (*n == 0)
      break;
    if (auto written = to.write({buffer.data(), *n}); !written)
      return written;
  }
  ::fchmod(file->fd(), 0755);
  return file->keep();
}

/// A command under way and the ends of its pipes.
struct child {
  pid_t pid = -1;
  unique_fd streams[2];
};

result<child, helper_errc> start(const std::vector<std::string>& words) {
  child made;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  unique_fd ends[2];
  for (int i = 0; i < 2; ++i) {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0)
      return fail(helper_errc::failed, std::strerror(errno));
    made.streams[i].reset(fds[0]);
    ends[i].reset(fds[1]);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO + i);
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> arguments;
  for (const auto& word : words)
    arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  auto error = ::posix_spawnp(&made.pid, arguments[0], &actions, &attributes,
                              arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0)
    return fail(helper_errc::failed, words[0] + ": " + std::strerror(error));
  return made;
}

pid_t child_to_signal = -1;

void pass_on(int signal) {
  if (child_to_signal > 0)
    ::kill(child_to_signal, signal);
}

/// Copies the output through the masks until the command and its streams have
/// ended. @return exit status of the command
int relay(child& from, masking_stream (&masks)[2]) {
  std::optional<int> status;
  auto until = steady_clock::time_point::max();
  for (int open = 2; open > 0;) {
    pollfd polled[2] = {{from.streams[0].get(), POLLIN, 0},
                        {from.streams[1].get(), POLLIN, 0}};
    // Looks for the command's end, too: who inherited its pipes may stay.
    ::poll(polled, 2, 100);
    int state = 0;
    if (!status && ::waitpid(from.pid, &state, WNOHANG) == from.pid) {
      status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
      until = steady_clock::now() + pipe_grace;
    }
    bool idle = true;
    for (int i = 0; i < 2; ++i) {
      if (polled[i].revents == 0 || !from.streams[i])
        continue;
      idle = false;
      std::array<char, 65536> buffer{};
      auto n = ::read(from.streams[i].get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR)
        continue;
      auto text
        = n > 0 ? masks[i].take({buffer.data(), static_cast<size_t>(n)}) : "";
      file_sink to{STDOUT_FILENO + i, "the output"};
      [[maybe_unused]] auto written = to.write(text);
      if (n <= 0) {
        from.streams[i].reset();
        --open;
      }
    }
    if (idle && steady_clock::now() >= until)
      break;
  }
  for (int i = 0; i < 2; ++i) {
    file_sink to{STDOUT_FILENO + i, "the output"};
    [[maybe_unused]] auto written = to.write(masks[i].finish());
  }
  int state = 0;
  if (!status && ::waitpid(from.pid, &state, 0) == from.pid)
    status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return status.value_or(1);
}

} // namespace

int proxy_exec(const std::vector<std::string>& arguments) {
  bool bootstrap = false;
  std::string given;
  std::vector<std::string> words;
  if (auto wrong
      = read_flags({{"bootstrap", "", &bootstrap}, {"temp-dir", "", &given}},
                   arguments, &words))
    return log::fatal("proxy-exec: " + *wrong);
  if (words.empty())
    return log::fatal("proxy-exec: there is no command to run");
  auto folder = variable("RUNNER_TEMP_PROJECT_DIR");
  if (folder.empty())
    folder = given.empty() ? "." : given;
  ::mkdir(folder.c_str(), 0750);
  if (bootstrap)
    if (auto done = copy_self(folder); !done)
      return log::fatal("bootstrapping: " + done.error().text);
  value_store store{folder};
  auto values = store.read();
  auto learned = [&store](const std::string& value) { store.add(value); };
  masking_stream masks[2] = {{values, learned}, {values, learned}};
  auto started = start(words);
  if (!started)
    return log::fatal(started.error().text);
  child_to_signal = started->pid;
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT})
    ::signal(signal, pass_on);
  return relay(*started, masks);
}

} // namespace muster::helper
