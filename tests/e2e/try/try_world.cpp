#include "tests/e2e/try/try_world.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::test {

namespace fs = std::filesystem;

namespace {

std::string program() {
  const char* path = std::getenv("MUSTER_PROGRAM");
  if (path == nullptr)
    throw std::runtime_error("MUSTER_PROGRAM is not set");
  return path;
}

} // namespace

try_process::try_process(const fs::path& folder,
                         const std::vector<std::string>& arguments,
                         fs::path output)
  : output_(std::move(output)) {
  std::vector<std::string> words{program(), "try"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (auto& x : words)
    pointers.push_back(x.data());
  pointers.push_back(nullptr);
  int file = open(output_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    if (chdir(folder.c_str()) == 0)
      execv(pointers.front(), pointers.data());
    _exit(127);
  }
  close(file);
  if (pid_ < 0)
    throw std::runtime_error("cannot fork");
}

try_process::~try_process() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    kill(pid_, SIGTERM);
    if (!wait_exit())
      kill(pid_, SIGKILL);
  }
}

void try_process::signal(int number) const {
  kill(pid_, number);
}

std::optional<int> try_process::wait_exit() {
  int status = 0;
  if (!eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }))
    return std::nullopt;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string try_process::shown() const {
  return file_text(output_);
}

bool try_process::shows(const std::string& part) const {
  return eventually([&] { return shown().find(part) != std::string::npos; });
}

try_world::try_world(const std::string& pipeline, const std::string& state) {
  std::string name = "/tmp/muster-try-XXXXXX";
  if (mkdtemp(name.data()) == nullptr)
    throw std::runtime_error("cannot make a folder");
  path_ = name;
  repository_ = path_ / "project";
  state_ = path_ / state;
  fs::create_directories(repository_ / "sub");
  write(".gitlab-ci.yml", pipeline);
  write("sub/file.txt", "committed\n");
  git("init -q -b main");
  git("add -A");
  git("-c user.name=N -c user.email=n@example.com commit -q -m first");
}

try_world::~try_world() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  fs::remove_all(state_, ignored);
}

void try_world::write(const std::string& file, const std::string& text) const {
  std::ofstream{repository_ / file} << text;
}

void try_world::git(const std::string& arguments) const {
  run_shell(fmt::format("cd {} && GIT_CONFIG_NOSYSTEM=1 HOME={} git {}",
                        repository_.string(), path_.string(), arguments));
}

std::unique_ptr<try_process>
try_world::start(std::vector<std::string> arguments,
                 const std::string& folder) {
  arguments.insert(arguments.end(), {"--state-dir", state_dir().string()});
  return std::make_unique<try_process>(repository_ / folder, arguments,
                                       path_ / fmt::format("out-{}", ++count_));
}

command_result try_world::run(const std::vector<std::string>& arguments,
                              const std::string& folder) {
  auto process = start(arguments, folder);
  auto status = process->wait_exit();
  return {status.value_or(-1000), process->shown()};
}

std::vector<std::string> try_world::leftovers() const {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& x : fs::directory_iterator{state_dir() / "try", ignored})
    if (x.path().filename() != "cache")
      out.push_back(x.path().string());
  return out;
}

} // namespace muster::test
