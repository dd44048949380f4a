#include "tools/bench/engines.hpp"

#include "executors/docker/address.hpp"
#include "executors/docker/containers.hpp"
#include "executors/docker/engine.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

namespace muster::bench {

namespace {

namespace fs = std::filesystem;
using docker::json;

/// Runs inside the host, before its sshd. `/run/muster` is the host's folder;
/// its `/run` and its processes are its own, its network is this machine's.
constexpr const char* script = R"sh(set -e
place=/run/muster/engine root=/run/muster/engine/root
mkdir -p $place/data $root/{bin,usr/bin,tmp,etc,root,builds,cache}
chmod 1777 $root/tmp
cp "$(command -v busybox)" $root/bin/busybox
for name in $(busybox --list); do
  [ "$name" = busybox ] || ln -sf busybox $root/bin/$name
done
for program in /bin/bash /usr/bin/perl; do
  cp $program $root/$program
  for library in $(ldd $program | grep -o '/[^ ]*'); do
    mkdir -p "$root/$(dirname "$library")"
    cp -L "$library" "$root/$library"
  done
done
perl -MTime::HiRes=time,sleep -MDynaLoader \
  -e 'print "$_\n" for values %INC, @DynaLoader::dl_shared_objects' \
  | xargs cp -L --parents -t $root
cp "$helper" $root/usr/bin/gitlab-runner-helper
printf '#!/bin/sh\numask 0000\nexec bash\n' > $root/usr/bin/gitlab-runner-build
chmod 755 $root/usr/bin/gitlab-runner-build
echo 'root:x:0:0:root:/root:/bin/sh' > $root/etc/passwd
setsid unshare --net bash -c 'ip link set lo up; exec dockerd --debug "$@"' \
  dockerd --data-root $place/data --exec-root /run/docker \
  --pidfile /run/docker.pid --storage-driver overlay2 --bip 172.30.0.1/24 \
  --cgroup-parent "/$cgroup" \
  -H unix:///run/docker.sock -H unix://$place/docker.sock \
  > $place/dockerd.log 2>&1 < /dev/null &
until docker version > /dev/null 2>&1; do
  kill -0 $! || { tail -n 5 $place/dockerd.log >&2; exit 1; }
  sleep 0.1
done
tar -C $root -c . | docker import - "$image" > /dev/null
rm -rf $root
)sh";

bool is_program(const char* name) {
  for (const auto* folder : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                             "/usr/bin", "/sbin", "/bin"})
    if (access((fs::path{folder} / name).c_str(), X_OK) == 0)
      return true;
  return false;
}

} // namespace

std::optional<std::string> engine_obstacle() {
  if (geteuid() != 0)
    return "hosts with an Engine take root";
  for (const auto* name : {"dockerd", "docker", "busybox", "ip", "unshare"})
    if (!is_program(name))
      return fmt::format("{} is missing: tools/setup docker", name);
  return std::nullopt;
}

std::string engine_script(const std::string& cgroup,
                          const std::string& helper) {
  return fmt::format("#!/bin/bash\n"
                     "cgroup='{}' helper='{}' image='{}'\n"
                     "{}",
                     cgroup, helper, engine_image, script);
}

std::string engine_socket(const std::string& folder) {
  return folder + "/engine/docker.sock";
}

std::string engine_log(const std::string& folder) {
  return folder + "/engine/dockerd.log";
}

void remove_cgroup(const std::string& name) {
  std::error_code ignored;
  std::vector<fs::path> all{fs::path{"/sys/fs/cgroup"} / name};
  for (const auto& x : fs::directory_iterator{"/sys/fs/cgroup", ignored})
    all.push_back(x.path() / name);
  for (const auto& top : all) {
    std::vector<fs::path> folders{top};
    for (const auto& x : fs::recursive_directory_iterator{top, ignored})
      if (x.is_directory(ignored))
        folders.push_back(x.path());
    for (auto x = folders.rbegin(); x != folders.rend(); ++x)
      rmdir(x->c_str());
  }
}

std::optional<container_times> time_container(const std::string& socket) {
  using clock = std::chrono::steady_clock;
  docker::engine engine{docker::make_socket_dialer({socket, "", 0}), "1.41",
                        true};
  json body{{"Image", engine_image}, {"Cmd", {"sleep", "60"}}};
  container_times out;
  auto begun = clock::now();
  auto id = docker::create_container(engine, "muster-bench-floor", body, "");
  out.create = clock::now() - begun;
  if (!id)
    return std::nullopt;
  begun = clock::now();
  auto started = docker::start_container(engine, *id);
  out.start = clock::now() - begun;
  auto gone = docker::remove_container(engine, *id, true);
  return started && gone ? std::optional{out} : std::nullopt;
}

} // namespace muster::bench
