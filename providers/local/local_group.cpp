#include "providers/local/local_group.hpp"

#include "config/duration.hpp"
#include "config/log.hpp"
#include "providers/local/files.hpp"
#include "providers/local/ports.hpp"
#include "providers/local/processes.hpp"
#include "providers/local/record.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

namespace muster {

namespace {

namespace fs = std::filesystem;
using namespace local;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// Folders whose instances are gone and that are being removed.
constexpr auto removed_prefix = ".removed-";
/// sshd may lose its port between two programs' tries to have it.
constexpr int port_tries_max = 5;

bool passed(instance_group::deadline by) {
  return steady_clock::now() >= by;
}

std::string new_id() {
  std::random_device chance;
  return fmt::format("local-{:08x}", chance());
}

bool is_id(const std::string& text) {
  return text.size() == 14 && text.starts_with("local-")
         && text.find_first_not_of("0123456789abcdef", 6) == std::string::npos;
}

tl::unexpected<failure<provider_errc>> unknown_instance(const std::string& id) {
  return fail(provider_errc::not_found,
              fmt::format("local provider: there is no instance {}", id));
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code ec;
  fs::directory_iterator entries{folder, ec};
  for (; !ec && entries != fs::directory_iterator{}; entries.increment(ec))
    out.push_back(entries->path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

/// What a failed instance says of itself, most telling first.
std::string last_words(const std::string& folder) {
  std::string out;
  for (const auto* file : {"user_data.log", "sshd.log", "boot.log"}) {
    auto text = tail_of(fmt::format("{}/{}", folder, file));
    if (!text.empty())
      out += fmt::format("; {}: {}", file, text);
  }
  return out;
}

} // namespace

local_group::local_group(local::options options, connector_config connector,
                         std::string state_dir)
  : options_(std::move(options)),
    connector_(std::move(connector)),
    state_dir_(std::move(state_dir)),
    folder_(fmt::format("{}/local/{}", state_dir_, options_.name)) {
}

local_group::~local_group() = default;

std::string local_group::folder_of(const std::string& id) const {
  return fmt::format("{}/{}", folder_, id);
}

// -- beginning ----------------------------------------------------------------

result<group_info, provider_errc> local_group::init(deadline by) {
  auto here = survey_machine();
  if (!here)
    return tl::unexpected{here.error()};
  machine_ = *here;
  isolation_ = {machine_.isolated, machine_.isolation_text};
  auto ready = check_settings()
                 .and_then([this] { return prepare_folder(); })
                 .and_then([this, by] { return adopt_all(by); });
  if (!ready)
    return tl::unexpected{ready.error()};
  if (!isolation_.isolated)
    log::warning(isolation_.text);
  group_info out;
  out.id = "local/" + options_.name;
  out.max_size = options_.max_size;
  out.version = MUSTER_VERSION;
  out.build_info = fmt::format("embedded, {}", machine_.sshd);
  return out;
}

result<void, provider_errc> local_group::check_settings() const {
  const auto& user = machine_.user.name;
  auto bad = [](const std::string& text) {
    return fail(provider_errc::bad_config, "local provider: " + text);
  };
  if (!connector_.username.empty() && connector_.username != user)
    return bad(fmt::format("connector_config: instances are logged into as {}, "
                           "who runs muster: remove username = \"{}\"",
                           user, connector_.username));
  if (!connector_.protocol.empty() && connector_.protocol != "ssh")
    return bad(fmt::format("connector_config: instances speak ssh: remove "
                           "protocol = \"{}\"",
                           connector_.protocol));
  if (connector_.use_static_credentials)
    return bad("connector_config: each instance has a key of its own: remove "
               "use_static_credentials");
  // They would have to be quoted, in ways that sshd does not know.
  if (!machine_.isolated
      && folder_.find_first_of("\"\\%\n") != std::string::npos)
    return bad(fmt::format("the state folder {} must not have any of \" \\ % "
                           "in its name",
                           folder_));
  return {};
}

result<void, provider_errc> local_group::prepare_folder() const {
  std::error_code ec;
  fs::create_directories(folder_, ec);
  if (!ec)
    fs::permissions(folder_, fs::perms::owner_all, ec);
  if (ec || access(folder_.c_str(), W_OK | X_OK) != 0)
    return fail(provider_errc::not_available,
                fmt::format("local provider: the folder {} cannot be used: {}: "
                            "choose another [muster] state_dir",
                            folder_, ec ? ec.message() : "not writable"));
  return {};
}

result<void, provider_errc> local_group::adopt_all(deadline by) {
  for (const auto& name : names_in(folder_)) {
    if (name.starts_with(removed_prefix)) {
      if (auto pid = start_removal(folder_of(name)); pid > 0)
        removers_.push_back(pid);
    } else if (is_id(name)) {
      if (auto adopted = adopt(name, by); !adopted)
        return adopted;
    }
  }
  return {};
}

/// What lives is a member, with the state that its folder tells. What is dead
/// is removed.
result<void, provider_errc> local_group::adopt(const std::string& id,
                                               deadline by) {
  auto record = parse_record(read_file(folder_of(id) + "/instance.json"));
  if (!record && record.error().code == provider_errc::bad_config)
    return fail(provider_errc::bad_config,
                fmt::format("{}: {}", folder_of(id), record.error().text));
  member found;
  found.boot.record.id = id;
  if (record && record->id == id)
    found.boot.record = *record;
  if (is_alive(found.boot.record.process)) {
    members_.emplace(id, std::move(found));
    return {};
  }
  log::info("removing what is left of a local instance that ended while "
            "nobody looked after it",
            {{"instance", id}});
  if (!try_end(found, by)) {
    found.at = phase::ending;
    members_.emplace(id, std::move(found));
  }
  return {};
}

// -- listing and booting ------------------------------------------------------

result<std::vector<listed_instance>, provider_errc>
local_group::update(deadline by) {
  reap_removers();
  std::vector<listed_instance> out;
  for (auto next = members_.begin(); next != members_.end();) {
    auto& [id, x] = *next;
    advance(x, by);
    if (x.at == phase::ending && try_end(x, by)) {
      next = members_.erase(next);
      continue;
    }
    // A group knows an instance that it asked for by its first listing: there
    // has to be one before the bad news.
    auto has_news = x.at == phase::failed || x.at == phase::lost;
    out.push_back({id, has_news && !x.was_listed
                         ? provider_instance_state::creating
                         : state_of(x)});
    if (has_news && x.was_listed) {
      x.at = phase::ending;
      if (try_end(x, by)) {
        next = members_.erase(next);
        continue;
      }
    }
    x.was_listed = true;
    ++next;
  }
  return out;
}

provider_instance_state local_group::state_of(const member& what) const {
  switch (what.at) {
    case phase::booting:
      return provider_instance_state::creating;
    case phase::failed:
      return provider_instance_state::timeout;
    case phase::lost:
      return provider_instance_state::deleted;
    case phase::ending:
      return provider_instance_state::deleting;
    case phase::up:
      break;
  }
  auto ready_at = what.boot.record.created_ms + options_.boot_delay.count();
  return ms_since_boot() < ready_at ? provider_instance_state::creating
                                    : provider_instance_state::running;
}

void local_group::advance(member& what, deadline by) {
  if (what.at == phase::booting)
    advance_boot(what, by);
  if (what.at != phase::up)
    return;
  std::error_code ec;
  if (!is_running(what.boot.record.process))
    give_up(what, phase::lost, "its sshd is no longer there", by);
  else if (!fs::exists(folder_of(what.boot.record.id) + "/instance.json", ec))
    give_up(what, phase::lost,
            "its folder was removed: remove instances with their processes, "
            "or let muster do it",
            by);
}

void local_group::advance_boot(member& what, deadline by) {
  auto& boot = what.boot;
  std::string why;
  if (boot.status.get() >= 0) {
    auto progress = progress_of(boot.status, why);
    if (progress == boot_progress::failed)
      return give_up(what, phase::failed, why, by);
    if (progress == boot_progress::sshd_started)
      boot.status.reset();
  }
  if (!is_alive(boot.record.process)) {
    if (!retry_port(what))
      give_up(what, phase::failed, "it ended before sshd listened", by);
    return;
  }
  // sshd writes the file when it listens.
  std::error_code ec;
  if (fs::exists(folder_of(boot.record.id) + "/sshd.pid", ec)) {
    boot.reserved.reset();
    what.at = phase::up;
    return;
  }
  auto limit = (options_.boot_delay + options_.boot_timeout).count();
  if (ms_since_boot() - boot.record.created_ms > limit)
    give_up(what, phase::failed,
            fmt::format("no connections accepted within {} (boot_timeout)",
                        format_duration(options_.boot_timeout)),
            by);
}

/// Somebody else may have taken the port when an earlier manager, which held
/// it, went away in the middle of a boot.
bool local_group::retry_port(member& what) {
  const auto& id = what.boot.record.id;
  auto log = tail_of(folder_of(id) + "/sshd.log");
  if (log.find("already in use") == std::string::npos
      || what.boot.tries >= port_tries_max)
    return false;
  reap(what.boot.record.process.pid);
  remove_folder(id);
  ++what.boot.tries;
  return begin_boot(request_for(id), machine_, options_, what.boot).has_value();
}

void local_group::give_up(member& what, phase at, const std::string& why,
                          deadline by) {
  const auto& id = what.boot.record.id;
  log::error(
    fmt::format("local instance failed: {}{}", why, last_words(folder_of(id))),
    {{"instance", id}});
  what.at = at;
  what.boot.status.reset();
  what.boot.reserved.reset();
  end_processes(what, by);
}

boot_request local_group::request_for(const std::string& id) const {
  return {id, folder_of(id), state_dir_};
}

result<int, provider_errc> local_group::increase(int count, deadline by) {
  auto room = options_.max_size - static_cast<int64_t>(members_.size());
  int accepted = 0;
  for (; accepted < count && accepted < room; ++accepted) {
    auto added = passed(by) ? fail(provider_errc::timed_out,
                                   "local provider: no time left to make an "
                                   "instance")
                            : add_instance();
    if (added)
      continue;
    if (accepted == 0)
      return tl::unexpected{added.error()};
    log::warning(added.error().text);
    break;
  }
  return accepted;
}

result<void, provider_errc> local_group::add_instance() {
  auto id = new_id();
  while (members_.count(id) != 0)
    id = new_id();
  member fresh;
  auto begun = begin_boot(request_for(id), machine_, options_, fresh.boot);
  if (begun)
    members_.emplace(id, std::move(fresh));
  else
    remove_folder(id);
  return begun;
}

// -- ending -------------------------------------------------------------------

bool local_group::end_processes(const member& what, deadline by) const {
  const auto& process = what.boot.record.process;
  if (!what.boot.record.isolated)
    return kill_tree(process, mark_of(what.boot.record.id), by);
  // The kernel ends a PID namespace with its first process, all of it before
  // that process is gone itself.
  kill_process(process);
  return wait_end(process, by);
}

bool local_group::try_end(member& what, deadline by) {
  if (!end_processes(what, by))
    return false;
  remove_folder(what.boot.record.id);
  return true;
}

result<std::vector<std::string>, provider_errc>
local_group::decrease(const std::vector<std::string>& ids, deadline by) {
  std::vector<std::string> accepted;
  for (const auto& id : ids) {
    auto found = members_.find(id);
    if (found == members_.end())
      continue;
    auto& x = found->second;
    x.at = phase::ending;
    x.boot.status.reset();
    x.boot.reserved.reset();
    if (x.boot.record.isolated)
      kill_process(x.boot.record.process); // all at once, then wait for each
    accepted.push_back(id);
  }
  for (const auto& id : accepted) {
    auto found = members_.find(id);
    if (found != members_.end() && try_end(found->second, by))
      members_.erase(found);
  }
  return accepted;
}

void local_group::remove_folder(const std::string& id) {
  // Renamed, it is no instance any more even if nobody gets to removing it.
  auto target
    = fmt::format("{}/{}{}-{}", folder_, removed_prefix, id, ms_since_boot());
  std::error_code ec;
  fs::rename(folder_of(id), target, ec);
  if (ec)
    return;
  if (auto pid = start_removal(target); pid > 0)
    removers_.push_back(pid);
}

void local_group::reap_removers() {
  auto ended = [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; };
  removers_.erase(std::remove_if(removers_.begin(), removers_.end(), ended),
                  removers_.end());
}

void local_group::shutdown(deadline by) {
  while (!removers_.empty() && !passed(by)) {
    reap_removers();
    if (!removers_.empty())
      usleep(1000);
  }
}

// -- reaching an instance -----------------------------------------------------

result<connect_info, provider_errc>
local_group::get_connect_info(const std::string& id, deadline) {
  auto found = members_.find(id);
  if (found == members_.end())
    return unknown_instance(id);
  const auto& x = found->second;
  if (state_of(x) != provider_instance_state::running)
    return fail(provider_errc::call_failed,
                fmt::format("local instance {} does not run", id));
  connect_info out;
  out.instance = id;
  out.os = connector_.os.empty() ? "linux" : connector_.os;
  out.arch = connector_.arch.empty() ? architecture() : connector_.arch;
  out.protocol = "ssh";
  out.host = "127.0.0.1";
  out.internal_address = out.host;
  out.port = x.boot.record.port;
  out.username = machine_.user.name;
  out.key = secret{read_file(folder_of(id) + "/user_key")};
  out.host_key = read_file(folder_of(id) + "/host_key.pub");
  out.keepalive_ms = connector_.keepalive.count();
  out.timeout_ms = connector_.timeout.count();
  if (out.key.empty() || out.host_key.empty())
    return fail(provider_errc::call_failed,
                fmt::format("{}: its keys cannot be read: remove the instance",
                            folder_of(id)));
  out.host_key.pop_back(); // the line's end
  return out;
}

result<void, provider_errc> local_group::heartbeat(const std::string& id,
                                                   deadline by) {
  auto found = members_.find(id);
  if (found == members_.end())
    return unknown_instance(id);
  auto& x = found->second;
  auto unhealthy = [&id](const std::string& why) {
    return fail(provider_errc::call_failed,
                fmt::format("local instance {}: {}", id, why));
  };
  if (state_of(x) != provider_instance_state::running)
    return unhealthy("does not run");
  if (!is_running(x.boot.record.process))
    return fail(
      provider_errc::not_found,
      fmt::format("local instance {}: its sshd is no longer there", id));
  auto stat = stat_of(x.boot.record.process.pid);
  if (stat && (stat->state == 'T' || stat->state == 't'))
    return unhealthy("its sshd is stopped");
  if (steady_clock::now() - x.banner_seen < seconds{1})
    return {};
  if (auto wrong = check_banner(x.boot.record.port, by); !wrong.empty())
    return unhealthy(wrong);
  x.banner_seen = steady_clock::now();
  return {};
}

} // namespace muster
