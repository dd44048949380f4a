#include "providers/local/local_group.hpp"

#include "providers/local/files.hpp"
#include "providers/local/processes.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <set>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace muster;
using namespace std::chrono_literals;

namespace fs = std::filesystem;

namespace {

using clock_type = std::chrono::steady_clock;
using state = provider_instance_state;

instance_group::deadline soon() {
  return clock_type::now() + 30s;
}

/// Polls until `what` holds; false after half a minute.
bool eventually(const std::function<bool()>& what) {
  for (auto end = soon(); clock_type::now() < end;) {
    if (what())
      return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

struct ran {
  int status = -1;
  std::string output; ///< both streams
};

ran run(const std::string& command) {
  ran out;
  auto* pipe = popen(("timeout 30 " + command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  while (auto size = fread(buffer, 1, sizeof buffer, pipe))
    out.output.append(buffer, size);
  auto status = pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
  return out;
}

/// A state folder; whatever instances it holds at the end are ended.
class place {
public:
  place() {
    auto pattern = fs::temp_directory_path().string() + "/muster-local.XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }

  place(const place&) = delete;
  place& operator=(const place&) = delete;

  ~place() {
    local_group last{{}, {}, path};
    if (last.init(soon())) {
      std::vector<std::string> ids;
      if (auto list = last.update(soon()))
        for (const auto& x : *list)
          ids.push_back(x.id);
      (void)last.decrease(ids, soon());
      last.shutdown(soon());
    }
    std::error_code ec;
    fs::remove_all(path, ec);
  }

  std::string instance_folder(const std::string& id) const {
    return path + "/local/local/" + id;
  }

  std::string path;
};

std::vector<listed_instance> list(local_group& group) {
  auto listed = group.update(soon());
  REQUIRE(listed.has_value());
  return *listed;
}

size_t count(local_group& group, state what) {
  size_t out = 0;
  for (const auto& x : list(group))
    out += x.state == what ? 1U : 0U;
  return out;
}

/// Starts instances and waits until they run.
std::vector<std::string> boot(local_group& group, int wanted) {
  auto accepted = group.increase(wanted, soon());
  REQUIRE(accepted.has_value());
  REQUIRE_EQ(*accepted, wanted);
  REQUIRE(eventually([&] {
    return count(group, state::running) == static_cast<size_t>(wanted);
  }));
  std::vector<std::string> ids;
  for (const auto& x : list(group))
    ids.push_back(x.id);
  return ids;
}

/// Runs a command on an instance as OpenSSH's client does, with its key pinned.
ran ssh(local_group& group, const place& at, const std::string& id,
        const std::string& command) {
  auto info = group.get_connect_info(id, soon());
  REQUIRE(info.has_value());
  auto base = at.path + "/client-" + id;
  REQUIRE_EQ(local::write_file(base, info->key.reveal(), 0600), "");
  REQUIRE_EQ(local::write_file(base + ".known",
                               fmt::format("[{}]:{} {}\n", info->host,
                                           info->port, info->host_key),
                               0600),
             "");
  auto script = base + ".sh";
  REQUIRE_EQ(local::write_file(script, command, 0600), "");
  return run(fmt::format(
    "ssh -F none -i {0} -p {1} -o BatchMode=yes -o IdentitiesOnly=yes "
    "-o StrictHostKeyChecking=yes -o UserKnownHostsFile={0}.known {2}@{3} "
    "\"$(cat {4})\" < /dev/null",
    base, info->port, info->username, info->host, script));
}

std::string machine_name() {
  utsname out{};
  uname(&out);
  return out.nodename;
}

/// The processes of this machine with `text` in their command line.
std::set<int> processes_with(const std::string& text) {
  std::set<int> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator{"/proc", ec}) {
    auto name = entry.path().filename().string();
    auto line = local::read_file(entry.path().string() + "/cmdline");
    for (auto& c : line)
      c = c == '\0' ? ' ' : c;
    if (name.find_first_not_of("0123456789") == std::string::npos
        && line.find(text) != std::string::npos)
      out.insert(std::stoi(name));
  }
  return out;
}

} // namespace

TEST_CASE(
  "three instances boot, are reached with their own keys, and are apart") {
  place at;
  local_group group{{}, {}, at.path};
  auto info = group.init(soon());
  REQUIRE(info.has_value());
  CHECK_EQ(info->id, "local/local");
  CHECK_EQ(info->max_size, local::no_limit);
  CHECK_EQ(group.isolation().isolated, geteuid() == 0);
  auto ids = boot(group, 3);
  REQUIRE_EQ(ids.size(), 3);
  std::set<std::string> homes;
  for (const auto& id : ids) {
    CAPTURE(id);
    auto said = ssh(group, at, id, "echo \"$HOME\"; pwd; hostname; ls -A");
    CAPTURE(said.output);
    CHECK_EQ(said.status, 0);
    auto home = group.isolation().isolated ? std::string{"/root"}
                                           : at.instance_folder(id) + "/home";
    auto host = group.isolation().isolated ? id : machine_name();
    CHECK_EQ(said.output, fmt::format("{0}\n{0}\n{1}\n", home, host));
    CHECK(group.heartbeat(id, soon()).has_value());
    // What one writes at home and in /tmp, no other sees.
    CHECK_EQ(ssh(group, at, id, "test ! -e ~/left && touch ~/left").status, 0);
    if (group.isolation().isolated)
      CHECK_EQ(ssh(group, at, id, "test ! -e /tmp/l && touch /tmp/l").status,
               0);
    homes.insert(at.instance_folder(id) + "/home/left");
  }
  for (const auto& file : homes)
    CHECK(fs::exists(file));
}

TEST_CASE("an instance ends with all that runs on it") {
  place at;
  local_group group{{}, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  auto ids = boot(group, 2);
  // A number that no other process has in its command line.
  auto number = fmt::format("{}7", 100'000 + getpid());
  for (const auto& id : ids) {
    auto said = ssh(group, at, id,
                    fmt::format("sleep {0} > /dev/null 2>&1 & "
                                "setsid sleep {0} > /dev/null 2>&1 & "
                                "(setsid sh -c 'sleep {0} & sleep {0}' "
                                "> /dev/null 2>&1 &) ",
                                number));
    CHECK_EQ(said.status, 0);
  }
  auto text = "sleep " + number;
  auto sleeping = [&] {
    size_t out = 0;
    for (auto pid : processes_with(text))
      out += local::read_file(fmt::format("/proc/{}/comm", pid)) == "sleep\n"
               ? 1U
               : 0U;
    return out;
  };
  REQUIRE(eventually([&] { return sleeping() == 8; }));
  auto removed = group.decrease({ids[0], "local-00000000"}, soon());
  REQUIRE(removed.has_value());
  CHECK_EQ(*removed, std::vector<std::string>{ids[0]});
  CHECK_EQ(sleeping(), 4); // the other instance's
  CHECK_FALSE(fs::exists(at.instance_folder(ids[0])));
  REQUIRE_EQ(list(group).size(), 1);
  CHECK_EQ(list(group)[0].id, ids[1]);
  CHECK_EQ(group.get_connect_info(ids[0], soon()).error().code,
           provider_errc::not_found);
  CHECK_EQ(group.heartbeat(ids[0], soon()).error().code,
           provider_errc::not_found);
  REQUIRE(group.decrease({ids[1]}, soon()).has_value());
  CHECK_EQ(sleeping(), 0);
  CHECK(list(group).empty());
  group.shutdown(soon());
  CHECK(fs::is_empty(at.path + "/local/local"));
  // Nothing of them is left unreaped either.
  CHECK_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST_CASE("the next manager lists what lives and removes what is dead") {
  place at;
  std::vector<std::string> ids;
  {
    local_group first{{}, {}, at.path};
    REQUIRE(first.init(soon()).has_value());
    ids = boot(first, 3);
    first.shutdown(soon());
  }
  auto record = local::parse_record(
    local::read_file(at.instance_folder(ids[0]) + "/instance.json"));
  REQUIRE(record.has_value());
  local::kill_process(record->process);
  REQUIRE(local::wait_end(record->process, soon()));
  // A folder whose number belongs to another process by now: this one.
  auto reused = at.instance_folder("local-0123abcd");
  REQUIRE_EQ(local::make_folder(reused, 0700), "");
  auto other = *record;
  other.id = "local-0123abcd";
  other.process.pid = getpid();
  REQUIRE_EQ(
    local::write_file(reused + "/instance.json", local::to_json(other), 0600),
    "");
  // And one that its manager did not get to fill.
  REQUIRE_EQ(local::make_folder(at.instance_folder("local-4567abcd"), 0700),
             "");

  local_group second{{}, {}, at.path};
  REQUIRE(second.init(soon()).has_value());
  auto listed = list(second);
  REQUIRE_EQ(listed.size(), 2);
  for (size_t i = 0; i < 2; ++i) {
    CHECK_EQ(listed[i].id, ids[i + 1]);
    CHECK_EQ(listed[i].state, state::running);
    CHECK_EQ(ssh(second, at, listed[i].id, "exit 7").status, 7);
  }
  CHECK_FALSE(fs::exists(at.instance_folder(ids[0])));
  CHECK_FALSE(fs::exists(reused));
  CHECK_FALSE(fs::exists(at.instance_folder("local-4567abcd")));
}

TEST_CASE("instances and their jobs outlive a manager that is killed") {
  place at;
  auto child = fork();
  if (child == 0) {
    local_group group{{}, {}, at.path};
    auto alive = [&] {
      auto listed = group.update(soon());
      return listed && listed->size() == 2
             && (*listed)[0].state == state::running
             && (*listed)[1].state == state::running;
    };
    if (group.init(soon()) && group.increase(2, soon()) && eventually(alive))
      kill(getpid(), SIGKILL);
    _exit(1);
  }
  int status = 0;
  REQUIRE_EQ(waitpid(child, &status, 0), child);
  REQUIRE(WIFSIGNALED(status));
  local_group next{{}, {}, at.path};
  REQUIRE(next.init(soon()).has_value());
  auto listed = list(next);
  REQUIRE_EQ(listed.size(), 2);
  for (const auto& x : listed) {
    CHECK_EQ(x.state, state::running);
    CHECK_EQ(ssh(next, at, x.id, "echo here").output, "here\n");
  }
}

TEST_CASE("a folder that its job took all rights off is removed") {
  place at;
  local_group group{{}, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  auto ids = boot(group, 1);
  auto said = ssh(group, at, ids[0],
                  "mkdir -p a/b/c && touch a/b/c/d && chmod 0 a/b/c a/b a");
  REQUIRE_EQ(said.status, 0);
  REQUIRE(group.decrease(ids, soon()).has_value());
  group.shutdown(soon());
  CHECK(fs::is_empty(at.path + "/local/local"));
}

TEST_CASE("a state folder of a newer version is refused in words") {
  place at;
  {
    local_group first{{}, {}, at.path};
    REQUIRE(first.init(soon()).has_value());
  }
  auto folder = at.instance_folder("local-0123abcd");
  REQUIRE_EQ(local::make_folder(folder, 0700), "");
  REQUIRE_EQ(
    local::write_file(folder + "/instance.json", R"({"version": 2})", 0600),
    "");
  local_group second{{}, {}, at.path};
  auto info = second.init(soon());
  REQUIRE_FALSE(info.has_value());
  CHECK_EQ(info.error().code, provider_errc::bad_config);
  CHECK_NE(info.error().text.find("version 2"), std::string::npos);
  fs::remove_all(folder);
}

TEST_CASE("user_data runs inside the instance before its sshd") {
  place at;
  local::options settings;
  settings.user_data
    = "echo \"$HOME\" > ~/made; echo 'export SLOW=1' > ~/.bashrc";
  local_group group{settings, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  auto ids = boot(group, 1);
  CHECK_EQ(ssh(group, at, ids[0], "test \"$(cat ~/made)\" = \"$HOME\"").status,
           0);
}

TEST_CASE(
  "an instance sees the sockets that its group shows, where they were") {
  place at;
  auto folder = at.path + "/sockets"; // of /tmp, which is an instance's own
  fs::create_directory(folder);
  auto path = folder + "/engine.sock";
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  REQUIRE_EQ(
    bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  auto link = at.path + "/link";
  fs::create_symlink(folder, link);
  local::options settings;
  settings.sockets = {link + "/engine.sock"};
  local_group group{settings, {}, at.path + "/state"};
  REQUIRE(group.init(soon()).has_value());
  auto ids = boot(group, 1);
  auto ssh_at = [&](const std::string& command) {
    auto info = group.get_connect_info(ids[0], soon());
    REQUIRE(info.has_value());
    return ssh(group, at, ids[0], command).status;
  };
  CHECK_EQ(ssh_at("test -S " + path), 0);
  if (group.isolation().isolated) // the rest of that folder is not there
    CHECK_NE(ssh_at("test -e " + at.path + "/state/local"), 0);
  REQUIRE(group.decrease(ids, soon()).has_value());
  CHECK(eventually([&] { return list(group).empty(); }));
  CHECK(fs::is_socket(path)); // only its place inside is gone
  close(listener);
}

TEST_CASE(
  "user_data can take bash away where the instance has its own mounts") {
  place at;
  local::options settings;
  settings.user_data = "#!/bin/sh\nmount --bind /dev/null /bin/bash\n";
  local_group group{settings, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  if (group.isolation().isolated) {
    auto ids = boot(group, 1);
    auto said = ssh(group, at, ids[0], "bash -c true || readlink /proc/$$/exe");
    CHECK_NE(said.output.find("/dash"), std::string::npos);
  } else {
    REQUIRE_EQ(group.increase(1, soon()).value_or(0), 1);
    CHECK(eventually([&] { return count(group, state::timeout) == 1; }));
  }
  CHECK_EQ(run("bash -c 'echo still here'").output, "still here\n");
}

TEST_CASE("an instance whose user_data fails is created, failed, then gone") {
  place at;
  local::options settings;
  settings.user_data = "echo no such package >&2; exit 3";
  local_group group{settings, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  REQUIRE_EQ(group.increase(1, soon()).value_or(0), 1);
  std::vector<state> seen;
  auto gone = eventually([&] {
    auto listed = list(group);
    if (listed.empty())
      return true;
    if (seen.empty() || seen.back() != listed[0].state)
      seen.push_back(listed[0].state);
    return false;
  });
  CHECK(gone);
  CHECK(seen == std::vector{state::creating, state::timeout});
  group.shutdown(soon());
  CHECK(fs::is_empty(at.path + "/local/local"));
}

TEST_CASE("an instance that does not come up in time has failed") {
  place at;
  local::options settings;
  settings.user_data = "sleep 1000";
  settings.boot_timeout = 300ms;
  local_group group{settings, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  REQUIRE_EQ(group.increase(1, soon()).value_or(0), 1);
  CHECK(eventually([&] { return count(group, state::timeout) == 1; }));
  CHECK(eventually([&] { return list(group).empty(); }));
}

TEST_CASE("an option that sshd does not know fails the instance") {
  place at;
  local::options settings;
  settings.sshd_options = {"NoSuchOption yes"};
  local_group group{settings, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  REQUIRE_EQ(group.increase(1, soon()).value_or(0), 1);
  CHECK(eventually([&] { return count(group, state::timeout) == 1; }));
}

TEST_CASE("sshd_options win over ours") {
  place at;
  local::options settings;
  settings.sshd_options = {"Banner /etc/debian_version", "MaxSessions 1"};
  local_group group{settings, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  auto ids = boot(group, 1);
  auto said = ssh(group, at, ids[0], "true");
  CHECK_EQ(said.status, 0);
  CHECK_FALSE(said.output.empty());
}

TEST_CASE("an instance is creating until its boot delay is over") {
  place at;
  local::options settings;
  settings.boot_delay = 700ms;
  auto began = local::ms_since_boot();
  {
    local_group first{settings, {}, at.path};
    REQUIRE(first.init(soon()).has_value());
    REQUIRE_EQ(first.increase(1, soon()).value_or(0), 1);
    CHECK_EQ(count(first, state::creating), 1);
  }
  // Also across a change of managers.
  local_group second{settings, {}, at.path};
  REQUIRE(second.init(soon()).has_value());
  CHECK(eventually([&] { return count(second, state::running) == 1; }));
  CHECK_GE(local::ms_since_boot() - began, 700);
}

TEST_CASE("no more than max_size instances are made") {
  place at;
  local::options settings;
  settings.max_size = 2;
  local_group group{settings, {}, at.path};
  REQUIRE_EQ(group.init(soon())->max_size, 2);
  CHECK_EQ(group.increase(5, soon()).value_or(-1), 2);
  CHECK_EQ(group.increase(1, soon()).value_or(-1), 0);
}

TEST_CASE("a call without time left does nothing") {
  place at;
  local_group group{{}, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  auto late = group.increase(3, clock_type::now());
  REQUIRE_FALSE(late.has_value());
  CHECK_EQ(late.error().code, provider_errc::timed_out);
  CHECK(list(group).empty());
}

TEST_CASE("an instance whose sshd was killed is unhealthy and then gone") {
  place at;
  local_group group{{}, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  auto ids = boot(group, 1);
  auto record = local::parse_record(
    local::read_file(at.instance_folder(ids[0]) + "/instance.json"));
  REQUIRE(record.has_value());
  SUBCASE("stopped") {
    kill(record->process.pid, SIGSTOP);
    REQUIRE(eventually(
      [&] { return local::stat_of(record->process.pid)->state == 'T'; }));
    CHECK_FALSE(group.heartbeat(ids[0], soon()).has_value());
    kill(record->process.pid, SIGCONT);
    CHECK(
      eventually([&] { return group.heartbeat(ids[0], soon()).has_value(); }));
  }
  SUBCASE("killed") {
    local::kill_process(record->process);
    REQUIRE(eventually([&] { return !local::is_alive(record->process); }));
    CHECK_FALSE(group.heartbeat(ids[0], soon()).has_value());
    CHECK_EQ(count(group, state::deleted), 1);
    CHECK(list(group).empty());
  }
}

TEST_CASE("an instance whose folder somebody removed is gone, processes and "
          "all") {
  place at;
  local_group group{{}, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  auto ids = boot(group, 2);
  auto record = local::parse_record(
    local::read_file(at.instance_folder(ids[0]) + "/instance.json"));
  REQUIRE(record.has_value());
  std::error_code ignored;
  std::filesystem::remove_all(at.instance_folder(ids[0]), ignored);
  CHECK_EQ(count(group, state::deleted), 1);
  CHECK(eventually([&] { return !local::is_alive(record->process); }));
  auto left = list(group);
  REQUIRE_EQ(left.size(), 1);
  CHECK_EQ(left.front().id, ids[1]);
}

TEST_CASE("an instance holds none of its manager's files open") {
  place at;
  auto inherited = at.path + "/inherited";
  REQUIRE_EQ(local::write_file(inherited, "x", 0600), "");
  auto* file = fopen(inherited.c_str(), "r"); // without close-on-exec
  REQUIRE(file != nullptr);
  local::options settings;
  settings.user_data = "sleep 1000";
  local_group group{settings, {}, at.path};
  REQUIRE(group.init(soon()).has_value());
  REQUIRE_EQ(group.increase(1, soon()).value_or(0), 1);
  auto id = list(group)[0].id;
  REQUIRE(eventually(
    [&] { return fs::exists(at.instance_folder(id) + "/user_data.log"); }));
  auto record = local::parse_record(
    local::read_file(at.instance_folder(id) + "/instance.json"));
  REQUIRE(record.has_value());
  auto fds = fmt::format("/proc/{}/fd", record->process.pid);
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator{fds, ec}) {
    auto target = fs::read_symlink(entry.path(), ec).string();
    CAPTURE(target);
    CHECK_NE(target, inherited);
  }
  CHECK_FALSE(ec);
  CHECK_EQ(getsid(record->process.pid) == getsid(0), false);
  fclose(file);
}

TEST_CASE("what cannot work is refused when the group begins") {
  place at;
  connector_config connector;
  SUBCASE("another user") {
    connector.username = "ubuntu";
  }
  SUBCASE("another protocol") {
    connector.protocol = "winrm";
  }
  SUBCASE("static credentials") {
    connector.use_static_credentials = true;
  }
  local_group group{{}, connector, at.path};
  auto info = group.init(soon());
  REQUIRE_FALSE(info.has_value());
  CHECK_EQ(info.error().code, provider_errc::bad_config);
}

TEST_CASE("a state folder that cannot be made is not available") {
  place at;
  REQUIRE_EQ(local::write_file(at.path + "/file", "x", 0600), "");
  local_group group{{}, {}, at.path + "/file"};
  auto info = group.init(soon());
  REQUIRE_FALSE(info.has_value());
  CHECK_EQ(info.error().code, provider_errc::not_available);
  CHECK_NE(info.error().text.find("state_dir"), std::string::npos);
}
