#include "tests/support/sshd.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace muster::test {

namespace {

using std::chrono::steady_clock;

constexpr const char* program = "/usr/sbin/sshd";

sockaddr_in loopback(uint16_t port) {
  sockaddr_in result = {};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return result;
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream{file} << text;
}

/// The first line of what a shell command prints.
std::string run_shell_for_text(const std::string& command) {
  std::string out;
  auto* pipe = popen(command.c_str(), "r");
  for (int c = 0;
       pipe != nullptr && (c = std::fgetc(pipe)) != EOF && c != '\n';)
    out.push_back(static_cast<char>(c));
  if (pipe == nullptr || pclose(pipe) != 0)
    throw std::runtime_error{"failed: " + command};
  return out;
}

bool accepts(const std::string& address, uint16_t port) {
  if (address.find(':') == std::string::npos) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto to = loopback(port);
    bool result = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    close(fd);
    return result;
  }
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 to = {};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(port);
  inet_pton(AF_INET6, address.c_str(), &to.sin6_addr);
  bool result = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  close(fd);
  return result;
}

/// What the child sees in the place of a file of the system.
void mount_over(const std::filesystem::path& own, const char* system) {
  if (std::filesystem::exists(own)
      && mount(own.c_str(), system, nullptr, MS_BIND, nullptr) != 0)
    _exit(126);
}

/// The system's file with another password for one user.
std::string shadow_with(const std::string& user, const std::string& password) {
  auto hash = run_shell_for_text("openssl passwd -6 '" + password + "'");
  std::istringstream in{read_text("/etc/shadow")};
  std::string out;
  for (std::string line; std::getline(in, line);)
    out += (line.starts_with(user + ":")
              ? user + ":" + hash + ":19000:0:99999:7:::"
              : line)
           + "\n";
  return out;
}

} // namespace

bool has_address(const std::string& address) {
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 at = {};
  at.sin6_family = AF_INET6;
  bool result = inet_pton(AF_INET6, address.c_str(), &at.sin6_addr) == 1
                && bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
  close(fd);
  return result;
}

uint16_t free_port() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto at = loopback(0);
  socklen_t size = sizeof at;
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0
      || getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    throw std::runtime_error{"no free port on loopback"};
  close(fd);
  return ntohs(at.sin_port);
}

std::vector<pid_t> descendants(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  std::error_code ignored;
  for (const auto& each :
       std::filesystem::directory_iterator{"/proc", ignored}) {
    auto pid
      = static_cast<pid_t>(std::atoi(each.path().filename().string().c_str()));
    auto text = pid > 0 ? read_text(each.path() / "stat") : "";
    auto name_end = text.rfind(')');
    if (name_end == std::string::npos)
      continue;
    std::istringstream rest{text.substr(name_end + 1)};
    std::string state;
    pid_t parent = 0;
    if (rest >> state >> parent)
      children.emplace(parent, pid);
  }
  std::vector<pid_t> result{root};
  for (size_t i = 0; i < result.size(); ++i) {
    auto [first, last] = children.equal_range(result[i]);
    for (; first != last; ++first)
      result.push_back(first->second);
  }
  result.erase(result.begin());
  return result;
}

std::vector<pid_t> processes_with(const std::string& variable) {
  std::vector<pid_t> result;
  std::error_code ignored;
  for (const auto& each :
       std::filesystem::directory_iterator{"/proc", ignored}) {
    auto pid
      = static_cast<pid_t>(std::atoi(each.path().filename().string().c_str()));
    auto environment = pid > 0 ? '\0' + read_text(each.path() / "environ") : "";
    if (environment.find('\0' + variable + '\0') != std::string::npos)
      result.push_back(pid);
  }
  return result;
}

std::filesystem::path make_temp_folder(const std::string& prefix) {
  auto name
    = (std::filesystem::temp_directory_path() / (prefix + "-XXXXXX")).string();
  if (mkdtemp(name.data()) == nullptr)
    throw std::runtime_error{"cannot make " + name};
  return name;
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

void run_command(const std::string& command) {
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error{"failed: " + command};
}

sshd::sshd(const sshd_options& options)
  : folder_{make_temp_folder("muster-sshd")},
    options_{options} {
  std::filesystem::create_directory(home());
  if (geteuid() == 0) // its privilege separation needs it
    std::filesystem::create_directories("/run/sshd");
  auto in_folder
    = [this](const char* name) { return (folder_ / name).string(); };
  run_command("ssh-keygen -q -N '' -f " + in_folder("host_key") + " -t "
              + options.host_key_type);
  run_command("ssh-keygen -q -N '' -f " + in_folder("user_key") + " -t "
              + options.user_key_type);
  std::filesystem::copy_file(in_folder("user_key.pub"),
                             in_folder("authorized_keys"));
  port_ = free_port();
  std::string config;
  for (const auto& line : options.config) // the first value of a key counts
    config += line + "\n";
  config += "ListenAddress " + options.address + "\nPort "
            + std::to_string(port_) + "\nHostKey " + in_folder("host_key")
            + "\nAuthorizedKeysFile " + in_folder("authorized_keys")
            + "\nPidFile none\nUsePAM no\nStrictModes no\nMaxStartups 500\n"
              "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
              "SetEnv HOME="
            + home().string() + "\n";
  write_text(folder_ / "sshd_config", config);
  if (!options.pam.empty())
    write_text(folder_ / "pam", options.pam);
  if (!options.password.empty()) {
    write_text(folder_ / "shadow", shadow_with(user(), options.password));
    std::filesystem::permissions(folder_ / "shadow",
                                 std::filesystem::perms::owner_read);
  }
  start();
}

sshd::~sshd() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void sshd::start() {
  auto config = (folder_ / "sshd_config").string();
  auto log_file = (folder_ / "log").string();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!options_.password.empty()
        && (unshare(CLONE_NEWNS) != 0
            || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0))
      _exit(126);
    mount_over(folder_ / "shadow", "/etc/shadow");
    mount_over(folder_ / "pam", "/etc/pam.d/sshd");
    execl(program, program, "-D", "-f", config.c_str(), "-E", log_file.c_str(),
          nullptr);
    _exit(127);
  }
  auto until = steady_clock::now() + std::chrono::seconds{30};
  while (!accepts(options_.address, port_)) {
    bool gone = waitpid(pid_, nullptr, WNOHANG) == pid_;
    if (gone || steady_clock::now() > until) {
      if (gone)
        pid_ = -1;
      throw std::runtime_error{"sshd did not start: " + log()};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

void sshd::replace_host_key() {
  auto file = (folder_ / "host_key").string();
  std::filesystem::remove(file);
  run_command("ssh-keygen -q -N '' -f " + file + " -t "
              + options_.host_key_type);
}

void sshd::stop() {
  if (pid_ < 0)
    return;
  freeze(); // so that nothing forks away meanwhile
  signal_all(SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void sshd::halt() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void sshd::drop_connections() {
  for (auto pid : descendants(pid_))
    if (read_text("/proc/" + std::to_string(pid) + "/comm") == "sshd\n")
      kill(pid, SIGKILL);
}

void sshd::freeze() {
  signal_all(SIGSTOP);
}

void sshd::thaw() {
  signal_all(SIGCONT);
}

void sshd::signal_all(int number) {
  if (number != SIGKILL)
    kill(pid_, number);
  // More than once: a process may have been made while the list was.
  for (int i = 0; i < 3; ++i) {
    for (auto pid : processes())
      kill(pid, number);
  }
  if (number == SIGKILL)
    kill(pid_, number);
}

std::vector<pid_t> sshd::processes() const {
  auto result = descendants(pid_);
  // A command that outlives its connection is nobody's child, but its HOME
  // tells.
  for (auto pid : processes_with("HOME=" + home().string()))
    result.push_back(pid);
  return result;
}

void sshd::authorize(const std::string& public_key) {
  std::ofstream{folder_ / "authorized_keys", std::ios::app} << public_key
                                                            << "\n";
}

std::string sshd::user() const {
  const auto* entry = getpwuid(geteuid());
  return entry == nullptr ? "root" : entry->pw_name;
}

std::string sshd::user_key() const {
  return read_text(folder_ / "user_key");
}

std::string sshd::host_key() const {
  std::istringstream in{read_text(folder_ / "host_key.pub")};
  std::string type;
  std::string base64;
  in >> type >> base64;
  return type + " " + base64;
}

std::string sshd::log() const {
  return read_text(folder_ / "log");
}

connect_info sshd::target() const {
  connect_info result;
  result.instance = "test";
  result.host = options_.address;
  result.port = port_;
  result.username = user();
  result.key = secret{user_key()};
  return result;
}

} // namespace muster::test
