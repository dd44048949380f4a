#include "tests/support/engine_host.hpp"

#include "executors/docker/address.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace muster::test {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using docker::json;

/// Its own loop-back, files of /run, and processes; `$1` is its folder, `$2`
/// its name, `$3` the size of its data or nothing [MiB], `$4` further options.
/// The first process ends with the test program, all others with it.
constexpr const char* host_script = R"sh(
hostname "$2" && mount --bind "$1/run" /run && ip link set lo up || exit 1
mkdir -p "$1/data"
[ -z "$3" ] || mount -t tmpfs -o "size=$3m" engine "$1/data" || exit 1
while :; do
  dockerd -D --data-root "$1/data" --exec-root "$1/exec" \
    --pidfile "$1/dockerd.pid" -H unix:///run/docker.sock \
    --cgroup-parent "/$2" --storage-driver overlay2 \
    --max-download-attempts 3 $4
  rm -f "$1/dockerd.pid"
  sleep 0.1
done
)sh";

std::string options_of(const engine_host::options& how) {
  std::string out = how.has_own_network ? "" : "--bip 172.30.0.1/24";
  out += how.keeps_containers ? " --live-restore" : "";
  return out;
}

/// Makes a root of what this machine has.
constexpr const char* rootfs_script = R"sh(
set -e
mkdir -p "$1"/bin "$1"/usr/bin "$1"/tmp "$1"/etc "$1"/root "$1"/lib "$1"/lib64
chmod 1777 "$1/tmp"
cp "$(command -v busybox)" "$1/bin/busybox"
for name in $(busybox --list); do
  [ "$name" = busybox ] || ln -sf busybox "$1/bin/$name"
done
cp /bin/bash "$1/bin/bash"
for library in $(ldd /bin/bash | grep -o '/[^ ]*'); do
  mkdir -p "$1/$(dirname "$library")"
  cp -L "$library" "$1/$library"
done
cp "$2" "$1/usr/bin/gitlab-runner-helper"
printf '#!/bin/sh\numask 0000\nexec bash\n' > "$1/usr/bin/gitlab-runner-build"
chmod 755 "$1/usr/bin/gitlab-runner-build"
echo 'root:x:0:0:root:/root:/bin/sh' > "$1/etc/passwd"
echo 'plain:x:1000:1000:plain:/tmp:/bin/sh' >> "$1/etc/passwd"
)sh";

int wait_for(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

pid_t start_program(std::vector<std::string> words, const std::string& log) {
  std::vector<char*> arguments;
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  auto pid = ::fork();
  if (pid == 0) {
    auto fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    ::setsid();
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  return pid;
}

std::string read_whole(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool is_program(const char* name) {
  std::istringstream folders{"/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"};
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/" + name).c_str(), X_OK) == 0)
      return true;
  return false;
}

std::vector<std::string> texts_at(const json& list, const char* key) {
  std::vector<std::string> result;
  if (list.is_array())
    for (const auto& x : list)
      result.push_back(x.at(key).get<std::string>());
  std::sort(result.begin(), result.end());
  return result;
}

/// Within a chroot an Engine runs, but what is executed in a container lands
/// beside it, in the root of the machine around.
bool is_in_chroot() {
  return std::system("test \"$(stat -c %d:%i /)\" = "
                     "\"$(nsenter --mount=/proc/self/ns/mnt "
                     "stat -c %d:%i / 2>/dev/null)\"")
         != 0;
}

} // namespace

bool can_run_engine() {
  static const bool can = ::geteuid() == 0 && is_program("dockerd")
                          && is_program("unshare") && is_program("busybox")
                          && is_program("ip") && !is_in_chroot();
  return can;
}

engine_host::engine_host(options how) : how_(how) {
  // Not in /tmp: instances of the local provider have their own.
  char folder[] = "/var/tmp/muster-engine-XXXXXX";
  REQUIRE_NE(::mkdtemp(folder), nullptr);
  folder_ = folder;
  name_ = "muster-" + folder_.substr(folder_.size() - 6);
  fs::create_directory(folder_ + "/run");
  start();
}

engine_host::~engine_host() {
  stop();
  std::error_code ignored;
  for (const auto& controller :
       fs::directory_iterator{"/sys/fs/cgroup", ignored})
    fs::remove(controller.path() / name_, ignored);
  fs::remove("/sys/fs/cgroup/" + name_, ignored);
  fs::remove_all(folder_, ignored);
}

engine_host& engine_host::shared() {
  static engine_host host;
  return host;
}

void engine_host::start() {
  REQUIRE_LT(pid_, 0);
  pid_ = start_program({"setpriv",
                        "--pdeathsig",
                        "KILL",
                        "unshare",
                        "-n",
                        "-m",
                        "-u",
                        "-i",
                        "-p",
                        "-f",
                        "--mount-proc",
                        "--kill-child",
                        "--propagation",
                        "private",
                        "bash",
                        "-c",
                        host_script,
                        "bash",
                        folder_,
                        name_,
                        how_.data_mib > 0 ? std::to_string(how_.data_mib) : "",
                        options_of(how_)},
                       folder_ + "/dockerd.log");
  auto until = std::chrono::steady_clock::now() + 120s;
  while (!api().ask({"GET", "/version"})) {
    REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until,
                    read_whole(folder_ + "/dockerd.log"));
    std::this_thread::sleep_for(20ms);
  }
}

void engine_host::stop() {
  if (pid_ < 0)
    return;
  ::kill(pid_, SIGKILL);
  wait_for(pid_);
  pid_ = -1;
  // The first process of the namespace is gone when nobody answers.
  auto until = std::chrono::steady_clock::now() + 30s;
  while (api().ask({"GET", "/version"})
         && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(10ms);
  ::unlink(socket().c_str());
  // Numbers of processes that are other ones in the next namespace.
  ::unlink((folder_ + "/dockerd.pid").c_str());
  std::error_code ignored;
  fs::remove_all(folder_ + "/exec", ignored);
}

void engine_host::restart(int signal) {
  auto last = daemon();
  REQUIRE_GT(last, 0);
  REQUIRE_EQ(::kill(last, signal), 0);
  auto until = std::chrono::steady_clock::now() + 120s;
  while (daemon() <= 0 || daemon() == last || !api().ask({"GET", "/version"})) {
    REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until,
                    read_whole(folder_ + "/dockerd.log"));
    std::this_thread::sleep_for(20ms);
  }
}

pid_t engine_host::daemon() const {
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator{"/proc", gone}) {
    auto where = entry.path().string();
    if (read_whole(where + "/comm") == "dockerd\n"
        && read_whole(where + "/cmdline").find(folder_) != std::string::npos)
      return std::atoi(entry.path().filename().c_str());
  }
  return -1;
}

docker::engine engine_host::api() const {
  return {docker::make_socket_dialer({socket(), "", 0}), "1.41", true};
}

std::string engine_host::rootfs() {
  auto root = folder_ + "/rootfs";
  if (!fs::exists(root))
    REQUIRE_EQ(wait_for(start_program(
                 {"bash", "-c", rootfs_script, "bash", root, MUSTER_HELPER},
                 folder_ + "/rootfs.log")),
               0);
  return root;
}

void engine_host::import_folder(const std::string& folder,
                                const std::string& name,
                                const std::vector<std::string>& changes) {
  auto tar = folder_ + "/image.tar";
  REQUIRE_EQ(wait_for(start_program({"tar", "-C", folder, "-cf", tar, "."},
                                    folder_ + "/tar.log")),
             0);
  auto colon = name.find(':');
  docker::call x{"POST",
                 "/images/create?fromSrc=-&repo=" + name.substr(0, colon)
                   + "&tag=" + name.substr(colon + 1)};
  for (const auto& change : changes)
    x.path += "&changes=" + docker::url_encoded(change);
  x.body = read_whole(tar);
  std::string said;
  REQUIRE(api().ask_lines(x, [&said](std::string_view line) {
    said += line;
    return true;
  }));
  REQUIRE_NE(said.find("sha256:"), std::string::npos);
}

void engine_host::import_image(const std::string& name,
                               const std::vector<std::string>& changes) {
  import_folder(rootfs(), name, changes);
}

void engine_host::import_bare_image(const std::string& name) {
  auto folder = folder_ + "/bare";
  fs::create_directory(folder);
  fs::copy_file(MUSTER_HELPER, folder + "/app",
                fs::copy_options::overwrite_existing);
  import_folder(folder, name, {});
}

std::vector<std::string> engine_host::calls() {
  constexpr std::string_view mark = "msg=\"Calling ";
  auto log = read_whole(folder_ + "/dockerd.log");
  std::vector<std::string> result;
  for (auto at = log.find(mark, log_read_); at != std::string::npos;
       at = log.find(mark, at)) {
    at += mark.size();
    result.push_back(log.substr(at, log.find('"', at) - at));
  }
  log_read_ = log.size();
  return result;
}

std::vector<std::string> engine_host::containers() const {
  auto x = api().ask({"GET", "/containers/json?all=1"});
  REQUIRE(x.has_value());
  return texts_at(*x, "Id");
}

std::vector<std::string> engine_host::volumes() const {
  auto x = api().ask({"GET", "/volumes"});
  REQUIRE(x.has_value());
  return texts_at(x->at("Volumes"), "Name");
}

std::vector<std::string> engine_host::networks() const {
  auto x = api().ask({"GET", "/networks"});
  REQUIRE(x.has_value());
  return texts_at(*x, "Name");
}

} // namespace muster::test
