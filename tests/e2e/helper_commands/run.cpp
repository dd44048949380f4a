#include "tests/e2e/helper_commands/run.hpp"

#include "executors/helper/unique_fd.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace muster::test {

namespace {

using std::chrono::steady_clock;
constexpr auto patience = std::chrono::seconds{120};

helper::unique_fd scratch_output() {
  char name[] = "/tmp/muster-command-out-XXXXXX";
  helper::unique_fd fd{::mkstemp(name)};
  ::unlink(name);
  return fd;
}

std::string text_of(const helper::unique_fd& fd) {
  ::lseek(fd.get(), 0, SEEK_SET);
  std::string text;
  char piece[65536];
  for (ssize_t n = 1; n > 0;) {
    n = ::read(fd.get(), piece, sizeof(piece));
    text.append(piece, n > 0 ? static_cast<size_t>(n) : 0);
  }
  return text;
}

std::string without_colours(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "\x1b[") == 0)
      i = text.find('m', i);
    else
      result += text[i];
  }
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

} // namespace

command_end run_program(std::vector<std::string> words,
                        std::vector<std::string> environment) {
  auto out = scratch_output();
  auto err = scratch_output();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.get(), 2);
  environment.emplace_back("PATH=/usr/local/bin:/usr/bin:/bin");
  environment.emplace_back("HOME=/nonexistent");
  pid_t pid = -1;
  REQUIRE_EQ(::posix_spawnp(&pid, words[0].c_str(), &actions, nullptr,
                            pointers(words).data(),
                            pointers(environment).data()),
             0);
  posix_spawn_file_actions_destroy(&actions);
  auto until = steady_clock::now() + patience;
  int status = 0;
  rusage used{};
  while (::wait4(pid, &status, WNOHANG, &used) != pid) {
    if (steady_clock::now() > until)
      ::kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          text_of(out), without_colours(text_of(err)), used.ru_maxrss};
}

command_end run_helper(const std::vector<std::string>& arguments,
                       std::vector<std::string> environment) {
  std::vector<std::string> words{MUSTER_HELPER};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run_program(std::move(words), std::move(environment));
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace muster::test
