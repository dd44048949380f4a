#include "tests/support/manager_process.hpp"

#include "providers/local/local_group.hpp"
#include "providers/local/processes.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace muster::test {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto group_name = "e2e";

/// A program of the build: the tests are told by their environment.
std::string program(const char* variable) {
  const char* path = std::getenv(variable);
  if (path == nullptr)
    throw std::runtime_error(
      fmt::format("{} is not set: run this test by `meson test`", variable));
  return path;
}

[[noreturn]] void become(const std::vector<char*>& arguments, int output,
                         pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGPWR); // it ends its instances, then itself
  if (getppid() != parent)
    _exit(126);
  int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(arguments.front(), arguments.data());
  _exit(127);
}

/// Starts muster with its output appended to a file.
pid_t start_muster(std::vector<std::string> arguments, const fs::path& output) {
  arguments.insert(arguments.begin(), program("MUSTER_PROGRAM"));
  std::vector<char*> pointers;
  for (auto& x : arguments)
    pointers.push_back(x.data());
  pointers.push_back(nullptr);
  int file
    = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0)
    throw std::runtime_error("cannot write " + output.string());
  auto parent = getpid();
  auto pid = fork();
  if (pid == 0)
    become(pointers, file, parent);
  close(file);
  if (pid < 0)
    throw std::runtime_error("cannot start a process");
  return pid;
}

std::optional<int> reap(pid_t pid, std::chrono::milliseconds timeout) {
  std::optional<int> out;
  eventually(
    [&] {
      int status = 0;
      auto ended = waitpid(pid, &status, WNOHANG);
      if (ended == pid)
        out = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
      return ended != 0;
    },
    timeout);
  return out;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& x : lines)
    out += x + "\n";
  return out;
}

bool has_fields(const nlohmann::json& line, const nlohmann::json& fields) {
  for (const auto& [key, value] : fields.items())
    if (!line.contains(key) || line[key] != value)
      return false;
  return true;
}

std::vector<std::string> arguments_of(const fs::path& process) {
  std::vector<std::string> out;
  std::istringstream in{file_text(process / "cmdline")};
  for (std::string x; std::getline(in, x, '\0');)
    out.push_back(x);
  return out;
}

fs::path namespace_of(const fs::path& process) {
  std::error_code ignored;
  return fs::read_symlink(process / "ns/pid", ignored);
}

} // namespace

// -- a place
// --------------------------------------------------------------------

manager_folder::manager_folder() {
  auto name = (fs::temp_directory_path() / "muster-e2e.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr)
    throw std::runtime_error("cannot make a folder like " + name);
  path_ = name;
}

manager_folder::~manager_folder() {
  auto by = std::chrono::steady_clock::now() + 30s;
  local::options options;
  options.name = group_name;
  local_group last{options, {}, state().string()};
  if (fs::exists(state()) && last.init(by)) {
    std::vector<std::string> ids;
    if (auto listed = last.update(by))
      for (const auto& x : *listed)
        ids.push_back(x.id);
    (void)last.decrease(ids, by);
    last.shutdown(by);
  }
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path manager_folder::config_file() const {
  return path_ / "config.toml";
}

fs::path manager_folder::state() const {
  return path_ / "state";
}

fs::path manager_folder::instance(const std::string& id) const {
  return state() / "local" / group_name / id;
}

void manager_folder::write_config(const manager_config& what) const {
  auto text = fmt::format(
    "concurrent = {}\n"
    "check_interval = 1\n"
    "{}"
    "[muster]\n"
    "state_dir = \"{}\"\n"
    "helper_path = \"{}\"\n"
    "[[runners]]\n"
    "name = \"e2e\"\n"
    "url = \"{}\"\n"
    "token = \"{}\"\n"
    "executor = \"{}\"\n"
    "{}"
    "[runners.autoscaler]\n"
    "plugin = \"local\"\n"
    "capacity_per_instance = {}\n"
    "max_instances = {}\n"
    "delete_instances_on_shutdown = {}\n"
    "[runners.autoscaler.plugin_config]\n"
    "name = \"{}\"\n"
    "{}"
    "[[runners.autoscaler.policy]]\n"
    "idle_count = 0\n"
    "idle_time = \"10m\"\n",
    what.concurrent, joined(what.file), state().string(),
    program("MUSTER_HELPER_PROGRAM"), what.url, what.token, what.executor,
    joined(what.runner), what.capacity, what.instances, what.delete_on_shutdown,
    group_name, joined(what.plugin_config));
  std::ofstream{config_file()} << text;
}

std::map<std::string, local::instance_record>
manager_folder::instances() const {
  std::map<std::string, local::instance_record> out;
  std::error_code none;
  for (const auto& x :
       fs::directory_iterator{state() / "local" / group_name, none})
    if (x.path().filename().string().starts_with("local-"))
      if (auto record
          = local::parse_record(file_text(x.path() / "instance.json")))
        out[record->id] = *record;
  return out;
}

std::vector<std::string> manager_folder::living() const {
  std::vector<std::string> out;
  for (const auto& [id, record] : instances())
    if (local::is_alive(record.process))
      out.push_back(id);
  return out;
}

// -- a manager
// ------------------------------------------------------------------

manager_process::manager_process(const manager_folder& place,
                                 const std::vector<std::string>& arguments) {
  for (int i = 1; log_.empty() || fs::exists(log_); ++i)
    log_ = place.path() / fmt::format("manager-{}.log", i);
  auto all = arguments;
  all.insert(all.end(), {"run", "--config", place.config_file().string()});
  pid_ = start_muster(std::move(all), log_);
}

manager_process::~manager_process() {
  if (pid_ < 0)
    return;
  signal(SIGTERM);
  if (!wait_exit(20s))
    kill();
}

void manager_process::signal(int number) const {
  if (pid_ > 0)
    ::kill(pid_, number);
}

void manager_process::kill() {
  signal(SIGKILL);
  wait_exit();
}

std::optional<int>
manager_process::wait_exit(std::chrono::milliseconds timeout) {
  auto status = reap(pid_, timeout);
  if (status)
    pid_ = -1;
  return status;
}

std::string manager_process::log() const {
  return file_text(log_);
}

std::vector<nlohmann::json> manager_process::lines() const {
  std::vector<nlohmann::json> out;
  auto text = log();
  text.resize(text.rfind('\n') + 1); // the last line may be under way
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);)
    out.push_back(nlohmann::json::parse(line));
  return out;
}

bool manager_process::says(const std::string& part,
                           const nlohmann::json& fields,
                           std::chrono::milliseconds timeout) const {
  return eventually(
    [&] {
      for (const auto& line : lines())
        if (line.value("msg", "").find(part) != std::string::npos
            && has_fields(line, fields))
          return true;
      return false;
    },
    timeout);
}

// -- tools
// ----------------------------------------------------------------------

command_result run_muster(const std::vector<std::string>& arguments,
                          std::chrono::milliseconds timeout) {
  auto name = (fs::temp_directory_path() / "muster-out.XXXXXX").string();
  auto file = mkstemp(name.data());
  if (file < 0)
    throw std::runtime_error("cannot make a file like " + name);
  close(file);
  auto pid = start_muster(arguments, name);
  auto status = reap(pid, timeout);
  if (!status) {
    kill(pid, SIGKILL);
    status = reap(pid, patience);
  }
  command_result out{status.value_or(-1), file_text(name)};
  fs::remove(name);
  return out;
}

std::string run_shell(const std::string& command) {
  std::string out;
  auto* pipe = popen(("exec 2>&1; " + command).c_str(), "r");
  if (pipe == nullptr)
    throw std::runtime_error("cannot start a shell");
  char piece[4096];
  while (auto size = fread(piece, 1, sizeof piece, pipe))
    out.append(piece, size);
  if (pclose(pipe) != 0)
    throw std::runtime_error(command + ": " + out);
  return out;
}

std::vector<seen_process> processes_with(const std::string& part, pid_t first) {
  std::vector<seen_process> out;
  auto wanted = namespace_of(fs::path{"/proc"} / std::to_string(first));
  std::error_code none;
  for (const auto& x : fs::directory_iterator{"/proc", none}) {
    auto pid = static_cast<pid_t>(
      std::strtol(x.path().filename().c_str(), nullptr, 10));
    if (pid <= 0 || pid == getpid())
      continue;
    seen_process one{pid, 0, arguments_of(x.path())};
    auto has_part = false;
    for (const auto& y : one.arguments)
      has_part = has_part || y.find(part) != std::string::npos;
    auto stat = local::stat_of(pid);
    if (!has_part || !stat || stat->state == 'Z')
      continue;
    if (first != 0 && namespace_of(x.path()) != wanted)
      continue;
    one.parent = stat->parent;
    out.push_back(std::move(one));
  }
  return out;
}

std::string file_text(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::string out;
  char piece[4096];
  // A process that ends while its files are read is a failure of `read`.
  while (in.read(piece, sizeof piece) || in.gcount() > 0)
    out.append(piece, static_cast<size_t>(in.gcount()));
  return out;
}

size_t count_of(const std::string& part, const std::string& text) {
  size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos;
       at = text.find(part, at + part.size()))
    ++count;
  return count;
}

void pause_between_looks() {
  std::this_thread::sleep_for(10ms);
}

} // namespace muster::test
