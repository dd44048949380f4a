#include "tools/muster/try/manager_child.hpp"

#include "actors/journal/state_folder.hpp"
#include "config/config.hpp"
#include "providers/local/files.hpp"
#include "providers/local/local_group.hpp"
#include "tools/muster/own_files.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view group_name = "t";
constexpr std::chrono::seconds removal_patience{30};
constexpr size_t complaints_max = 8;

/// A path or a name as a string of TOML.
std::string toml_text(const std::string& text) {
  std::string out = "\"";
  for (unsigned char c : text)
    if (c == '"' || c == '\\')
      out += {'\\', static_cast<char>(c)};
    else if (c < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", c);
    else
      out += static_cast<char>(c);
  return out + '"';
}

/// Keys of the runner that say how its jobs run.
std::string executor_text(const child_settings& x) {
  if (!x.engine)
    return fmt::format("executor = \"instance\"\n"
                       "cache_dir = {}\n",
                       toml_text(x.cache));
  auto out = fmt::format(
    "executor = \"docker-autoscaler\"\n"
    "[runners.docker]\n"
    "host = {}\n"
    "volumes = [{}]\n"
    "pull_policy = \"if-not-present\"\n"
    "allowed_pull_policies = [\"always\", \"if-not-present\", \"never\"]\n",
    toml_text(x.engine->address), toml_text(x.cache + ":/cache"));
  if (!x.image.empty())
    out += fmt::format("image = {}\n", toml_text(x.image));
  if (auto archive = own_helper_image(); !archive.empty())
    out += fmt::format("[runners.muster]\n"
                       "helper_image_archive = {}\n",
                       toml_text(archive));
  return out;
}

std::string config_text(const std::string& place, const child_settings& x) {
  auto sockets
    = x.engine && !x.engine->socket.empty()
        ? fmt::format("sockets = [{}]\n", toml_text(x.engine->socket))
        : "";
  return fmt::format("concurrent = {}\n"
                     "check_interval = 1\n"
                     "shutdown_timeout = 20\n"
                     "[muster]\n"
                     "state_dir = {}\n"
                     "[[runners]]\n"
                     "name = \"try\"\n"
                     "url = {}\n"
                     "token = {}\n"
                     "{}"
                     "[runners.autoscaler]\n"
                     "plugin = \"local\"\n"
                     "capacity_per_instance = {}\n"
                     "max_instances = 1\n"
                     "delete_instances_on_shutdown = true\n"
                     "[runners.autoscaler.plugin_config]\n"
                     "name = \"{}\"\n"
                     "{}"
                     "[[runners.autoscaler.policy]]\n"
                     "idle_count = 0\n"
                     "idle_time = \"1h\"\n",
                     x.concurrent, toml_text(place + "/s"), toml_text(x.url),
                     toml_text(x.token), executor_text(x), x.concurrent,
                     group_name, sockets);
}

/// What a try's folder has of its Engine: its address, and the short token that
/// all labels there have, a line each.
std::string engine_file(const std::string& place) {
  return place + "/engine";
}

/// Removes what a try's jobs left at its Engine, if there was one.
void clean_engine(const std::string& place) {
  std::ifstream in{engine_file(place)};
  std::string address;
  std::string token;
  if (std::getline(in, address) && std::getline(in, token))
    remove_from_engine(address, token);
}

/// A line of the manager's log.
struct log_line {
  bool is_complaint = false; ///< an error or a warning
  bool is_of_job = false;
  std::string text; ///< for people
};

log_line read_line(const std::string& text) {
  auto line = nlohmann::json::parse(text, nullptr, false);
  if (!line.is_object())
    return {true, false, text};
  auto field = [&line](const char* name) {
    auto found = line.find(name);
    return found != line.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string{};
  };
  log_line out;
  auto level = field("level");
  out.is_complaint = level != "info" && level != "debug" && level != "trace";
  out.is_of_job = line.contains("job");
  out.text = fmt::format("{}: {}", level, field("msg"));
  if (auto instance = field("instance"); !instance.empty())
    out.text += fmt::format(" (instance {})", instance);
  if (auto err = field("err"); !err.empty())
    out.text += ": " + err;
  for (auto& c : out.text) // texts of peers do not move the cursor
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = ' ';
  return out;
}

/// Ends the instances of a state folder whose manager is gone.
void end_instances(const std::string& state_dir) {
  std::error_code ignored;
  auto folder = fs::path{state_dir} / "local" / group_name;
  if (fs::directory_iterator{folder, ignored} == fs::directory_iterator{})
    return; // the manager has removed them
  local::options options;
  options.name = std::string{group_name};
  auto by = steady_clock::now() + removal_patience;
  local_group group{options, {}, state_dir};
  if (!group.init(by))
    return;
  while (auto listed = group.update(by)) {
    std::vector<std::string> ids;
    for (const auto& x : *listed)
      ids.push_back(x.id);
    if (ids.empty() || steady_clock::now() >= by || !group.decrease(ids, by))
      break;
    std::this_thread::sleep_for(milliseconds{50});
  }
  group.shutdown(by);
}

/// Removes a try's folder with all that is in it and of it.
void remove_try(const std::string& path) {
  end_instances(path + "/s");
  clean_engine(path);
  if (auto pid = local::start_removal(path); pid > 0)
    waitpid(pid, nullptr, 0);
}

/// Takes the lock of a try's folder; -1 if somebody has it.
int lock_of(const std::string& path) {
  int fd = open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/// Makes a folder that is ours alone; what is wrong, or nothing.
std::string make_private(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return std::strerror(errno);
  struct stat about {};
  if (lstat(path.c_str(), &about) != 0)
    return std::strerror(errno);
  if (!S_ISDIR(about.st_mode) || about.st_uid != geteuid()
      || (about.st_mode & 077) != 0)
    return "it must be a folder of this user with mode 0700";
  return {};
}

void remove_stale(const std::string& parent) {
  std::error_code ignored;
  for (const auto& x : fs::directory_iterator{parent, ignored}) {
    auto path = x.path().string();
    if (!x.path().filename().string().starts_with("run-"))
      continue;
    if (int fd = lock_of(path); fd >= 0) {
      remove_try(path);
      close(fd);
    }
  }
}

[[noreturn]] void become_manager(char* const* arguments, int output,
                                 pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGPWR); // ends its instances, then itself
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (getppid() == parent)
    execv(arguments[0], arguments);
  _exit(127);
}

/// Settings of the environment that are not meant for this manager; nothing on
/// this machine goes through a proxy.
void prepare_environment(const child_settings& x) {
  for (const auto* name : {"CONFIG_FILE", "LOG_LEVEL", "LOG_FORMAT",
                           "RUNNER_DEBUG", "LISTEN_ADDRESS"})
    unsetenv(name);
  for (const auto* name : {"NO_PROXY", "no_proxy"}) {
    const char* known = std::getenv(name);
    auto value = fmt::format("{}{}127.0.0.1", known == nullptr ? "" : known,
                             known == nullptr ? "" : ",");
    if (x.engine)
      value += "," + x.engine->gateway;
    setenv(name, value.c_str(), 1);
  }
}

} // namespace

result<try_folder, child_errc> try_folder::make(const std::string& state_dir) {
  std::error_code ignored;
  if (!fs::exists(state_dir, ignored)) // else it is whatever the user gave
    if (auto made = prepare_state_folder(state_dir); !made)
      return fail(child_errc::folder, made.error().text);
  auto parent = state_dir + "/try";
  if (auto problem = make_private(parent); !problem.empty())
    return fail(child_errc::folder,
                fmt::format("cannot use the folder {}: {}", parent, problem));
  remove_stale(parent);
  try_folder out;
  auto name = fmt::format("{}/run-XXXXXX", parent);
  if (mkdtemp(name.data()) == nullptr)
    return fail(child_errc::folder,
                fmt::format("cannot make a folder in {}: {}", parent,
                            std::strerror(errno)));
  out.path_ = name;
  out.lock_ = lock_of(name);
  if (out.lock_ < 0)
    return fail(child_errc::folder, fmt::format("cannot lock {}", name));
  return out;
}

try_folder::try_folder(try_folder&& other) noexcept
  : path_(std::exchange(other.path_, {})),
    lock_(std::exchange(other.lock_, -1)) {
}

try_folder::~try_folder() {
  if (!path_.empty())
    remove_try(path_);
  if (lock_ >= 0)
    close(lock_);
}

result<manager_child, child_errc>
manager_child::start(const try_folder& place, const child_settings& what) {
  manager_child out;
  out.place_ = place.path();
  auto file = out.place_ + "/config.toml";
  if (auto problem
      = local::write_file(file, config_text(out.place_, what), 0600);
      !problem.empty())
    return fail(child_errc::folder, problem);
  int output = open(out.log_file().c_str(),
                    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0)
    return fail(
      child_errc::folder,
      fmt::format("cannot write {}: {}", out.log_file(), std::strerror(errno)));
  if (what.engine) {
    auto known
      = what.engine->address + "\n" + short_token(secret{what.token}) + "\n";
    if (auto problem = local::write_file(engine_file(out.place_), known, 0600);
        !problem.empty())
      return fail(child_errc::folder, problem);
    std::error_code bad; // else the Engine makes it, for root alone
    fs::create_directories(what.cache, bad);
    if (bad)
      return fail(child_errc::folder,
                  fmt::format("cannot make {}: {}", what.cache, bad.message()));
  }
  prepare_environment(what);
  std::vector<std::string> words{
    "/proc/self/exe", "--log-format", "json", "run", "--config", file};
  std::vector<char*> arguments;
  for (auto& x : words)
    arguments.push_back(x.data());
  arguments.push_back(nullptr);
  auto parent = getpid();
  out.pid_ = fork();
  if (out.pid_ == 0)
    become_manager(arguments.data(), output, parent);
  close(output);
  if (out.pid_ < 0)
    return fail(child_errc::process, fmt::format("cannot start a manager: {}",
                                                 std::strerror(errno)));
  return out;
}

manager_child::manager_child(manager_child&& other) noexcept
  : place_(std::move(other.place_)),
    pid_(std::exchange(other.pid_, -1)) {
}

manager_child::~manager_child() {
  stop(milliseconds{0});
}

bool manager_child::is_alive() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_)
    pid_ = -1;
  return pid_ > 0;
}

void manager_child::signal(int number) const {
  if (pid_ > 0)
    kill(pid_, number);
}

void manager_child::stop(milliseconds patience) {
  signal(SIGTERM);
  auto until = steady_clock::now() + patience;
  while (is_alive() && steady_clock::now() < until)
    std::this_thread::sleep_for(milliseconds{10});
  signal(SIGKILL);
  if (pid_ > 0)
    waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string manager_child::log_file() const {
  return place_ + "/manager.log";
}

std::string manager_child::complaints() const {
  std::deque<std::string> lines;
  std::ifstream in{log_file()};
  for (std::string text; std::getline(in, text);) {
    auto line = read_line(text);
    if (line.is_complaint)
      lines.push_back(std::move(line.text));
    if (lines.size() > complaints_max)
      lines.pop_front();
  }
  std::string out;
  for (const auto& x : lines)
    out += fmt::format("  {}\n", x);
  return out;
}

std::vector<std::string> manager_child::news() {
  std::vector<std::string> out;
  std::ifstream in{log_file()};
  in.seekg(told_);
  for (std::string text; std::getline(in, text);) {
    if (in.eof())
      break; // the line is under way
    told_ = in.tellg();
    auto line = read_line(text);
    if (line.is_complaint && !line.is_of_job)
      out.push_back(std::move(line.text));
  }
  return out;
}

} // namespace muster
