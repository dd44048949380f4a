#include "tests/support/sshd.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <netinet/in.h>
#include <pwd.h>
#include <sstream>
#include <stdexcept>
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

bool accepts(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto to = loopback(port);
  bool result = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  close(fd);
  return result;
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream{file} << text;
}

} // namespace

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
  : folder_{make_temp_folder("muster-sshd")} {
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
  config += "ListenAddress 127.0.0.1\nPort " + std::to_string(port_)
            + "\nHostKey " + in_folder("host_key") + "\nAuthorizedKeysFile "
            + in_folder("authorized_keys")
            + "\nPidFile none\nUsePAM no\nStrictModes no\nMaxStartups 500\n"
              "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
              "SetEnv HOME="
            + home().string() + "\n";
  write_text(folder_ / "sshd_config", config);
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
    execl(program, program, "-D", "-f", config.c_str(), "-E", log_file.c_str(),
          nullptr);
    _exit(127);
  }
  auto until = steady_clock::now() + std::chrono::seconds{30};
  while (!accepts(port_)) {
    bool gone = waitpid(pid_, nullptr, WNOHANG) == pid_;
    if (gone || steady_clock::now() > until) {
      if (gone)
        pid_ = -1;
      throw std::runtime_error{"sshd did not start: " + log()};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

void sshd::stop() {
  if (pid_ < 0)
    return;
  freeze(); // so that nothing forks away meanwhile
  signal_all(SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
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
  result.host = "127.0.0.1";
  result.port = port_;
  result.username = user();
  result.key = secret{user_key()};
  return result;
}

} // namespace muster::test
