#include "providers/static/static_group.hpp"

#include "config/log.hpp"
#include "providers/addresses.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

/// The form of the state file; a newer one is refused.
constexpr int state_version = 1;

std::string path_of(const std::string& state_dir, const std::string& name) {
  return fmt::format("{}/static/{}.json", state_dir, name);
}

tl::unexpected<failure<provider_errc>> not_writable(const std::string& path,
                                                    const std::string& why) {
  return fail(provider_errc::not_available,
              fmt::format("static provider: cannot write {}: {}: see to its "
                          "disk and rights, or choose another [muster] "
                          "state_dir",
                          path, why));
}

/// With `errno` where it returns false; a disk that takes a part of it says
/// nothing.
bool write_all(int fd, const std::string& text) {
  auto size = write(fd, text.data(), text.size());
  if (size >= 0 && size < static_cast<ssize_t>(text.size()))
    errno = ENOSPC;
  return size == static_cast<ssize_t>(text.size());
}

/// All of it or none: a new file takes the place of the old one.
result<void, provider_errc> replace_file(const std::string& path,
                                         const std::string& text) {
  auto fresh = path + ".new";
  auto fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  auto wrote = fd >= 0 && write_all(fd, text) && fsync(fd) == 0;
  auto error = errno;
  if (fd >= 0)
    close(fd);
  if (wrote && std::rename(fresh.c_str(), path.c_str()) == 0)
    return {};
  return not_writable(path, std::strerror(wrote ? errno : error));
}

tl::unexpected<failure<provider_errc>> not_in_use(const std::string& id) {
  return fail(provider_errc::not_found,
              fmt::format("static provider: the host {} is not in use", id));
}

/// Credentials go together: a host with one of its own uses none of the
/// group's.
bool has_credential(const given::host& x) {
  return !x.password.empty() || !x.key.empty() || !x.key_path.empty();
}

std::string joined(const std::vector<std::string>& names) {
  constexpr size_t shown_max = 5;
  std::string out;
  for (size_t i = 0; i < names.size() && i < shown_max; ++i)
    out += (i == 0 ? "" : ", ") + names[i];
  return names.size() > shown_max
           ? fmt::format("{} and {} more", out, names.size() - shown_max)
           : out;
}

} // namespace

std::string fault_of(const given::options& options,
                     const connector_config& connector) {
  auto group_has_credential
    = !connector.password.empty() || !connector.key_path.empty();
  for (const auto& x : options.hosts) {
    if (x.username.empty() && connector.username.empty())
      return fmt::format("the host {} has no user name: set username in "
                         "connector_config, or with the host",
                         x.id);
    if (!has_credential(x) && !group_has_credential)
      return fmt::format("the host {} has neither key nor password: set "
                         "key_path or password in connector_config, or with "
                         "the host",
                         x.id);
  }
  return "";
}

static_group::static_group(given::options options, connector_config connector,
                           std::string state_dir, key_reader read_key)
  : options_(std::move(options)),
    connector_(std::move(connector)),
    state_dir_(std::move(state_dir)),
    read_key_(std::move(read_key)) {
}

// -- beginning ----------------------------------------------------------------

static_group::~static_group() {
  if (lock_ >= 0)
    close(lock_);
}

result<group_info, provider_errc> static_group::init(deadline by) {
  if (auto wrong = fault_of(options_, connector_); !wrong.empty())
    return fail(provider_errc::bad_config, "static provider: " + wrong);
  auto ready
    = take_lock(by).and_then([this] { return read_keys(); }).and_then([this] {
        return load();
      });
  if (!ready)
    return tl::unexpected{ready.error()};
  group_info out;
  out.id = "static/" + options_.name;
  out.max_size = static_cast<int64_t>(options_.hosts.size());
  out.version = MUSTER_VERSION;
  out.build_info = "embedded";
  out.keeps_instances = true;
  return out;
}

/// Two groups of one name would give out each other's hosts. A provider that
/// was restarted may have to wait for the end of the one before it.
result<void, provider_errc> static_group::take_lock(deadline by) {
  constexpr auto patience = std::chrono::seconds{3};
  auto path = path_of(state_dir_, options_.name) + ".lock";
  std::error_code ec;
  auto folder = fs::path{path}.parent_path();
  fs::create_directories(folder, ec);
  if (!ec)
    fs::permissions(folder, fs::perms::owner_all, ec);
  if (ec)
    return not_writable(folder, ec.message());
  if (lock_ < 0)
    lock_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0)
    return not_writable(path, std::strerror(errno));
  auto until = std::min(by, steady_clock::now() + patience);
  while (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return not_writable(path, std::strerror(errno));
    if (steady_clock::now() >= until)
      return fail(provider_errc::bad_config,
                  fmt::format("static provider: another runner has the group "
                              "\"{}\": give each a name of its own (name = "
                              "\"...\" in plugin_config)",
                              options_.name));
    usleep(20'000);
  }
  return {};
}

/// A file is read once, however many hosts have it.
result<void, provider_errc> static_group::read_keys() {
  std::map<std::pair<std::string, secret>, secret> keys;
  auto read = [&](const std::string& path,
                  const secret& passphrase) -> result<secret, provider_errc> {
    auto known = keys.find({path, passphrase});
    if (known != keys.end())
      return known->second;
    auto key = read_key_(path, passphrase);
    if (key)
      keys.emplace(std::pair{path, passphrase}, *key);
    return key;
  };
  for (auto x : options_.hosts) {
    auto from_group = !has_credential(x);
    const auto& path = from_group ? connector_.key_path : x.key_path;
    const auto& own = x.key_passphrase;
    if (from_group)
      x.password = connector_.password;
    if (x.key.empty() && !path.empty()) {
      auto key = read(path, own.empty() ? connector_.key_passphrase : own);
      if (!key)
        return fail(
          key.error().code,
          fmt::format("static provider: host {}: {}", x.id, key.error().text));
      x.key = std::move(*key);
    }
    hosts_[x.id] = std::move(x);
  }
  return {};
}

/// A file that cannot be understood is told and done without: its hosts may
/// still have jobs, which are then told that their host is not there.
result<void, provider_errc> static_group::load() {
  std::vector<std::string> ids;
  for (const auto& x : options_.hosts)
    ids.push_back(x.id);
  pool_ = given::pool{std::move(ids)};
  auto path = path_of(state_dir_, options_.name);
  std::ifstream in{path};
  if (!in)
    return save();
  std::stringstream text;
  text << in.rdbuf();
  auto tree = nlohmann::json::parse(text.str(), nullptr, false);
  auto has_version = tree.is_object() && tree.contains("version")
                     && tree["version"].is_number_integer();
  if (has_version && tree["version"] > state_version)
    return fail(provider_errc::bad_config,
                fmt::format("static provider: {} is from a newer muster: run "
                            "that one, or remove the file while no job runs",
                            path));
  std::vector<std::string> used;
  if (tree.is_object() && tree.contains("used") && tree["used"].is_array()) {
    for (const auto& x : tree["used"])
      if (x.is_string())
        used.push_back(x.get<std::string>());
  } else {
    log::warning("the list of hosts in use cannot be read: none is taken to be",
                 {{"file", path}});
  }
  for (const auto& x : pool_.restore(used))
    log::warning("a host that was in use is not in plugin_config any more: it "
                 "is left as it is",
                 {{"instance", x}});
  return save();
}

result<void, provider_errc> static_group::save() const {
  auto path = path_of(state_dir_, options_.name);
  nlohmann::json tree{{"version", state_version}, {"used", pool_.used()}};
  return replace_file(
    path,
    tree.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

// -- the pool -----------------------------------------------------------------

result<std::vector<listed_instance>, provider_errc>
static_group::update(deadline) {
  std::vector<listed_instance> out;
  for (const auto& id : pool_.used())
    out.push_back({id, provider_instance_state::running});
  return out;
}

result<int, provider_errc> static_group::increase(int count, deadline) {
  auto now = steady_clock::now();
  auto before = pool_;
  auto taken = pool_.take(static_cast<size_t>(std::max(0, count)), now);
  if (taken.empty()) {
    auto paused = pool_.pausing(now);
    if (paused.hosts.empty())
      return 0;
    return fail(provider_errc::not_available,
                fmt::format("static provider: no host is free but those that "
                            "failed a moment ago ({}); the next one is tried "
                            "again in {} s",
                            joined(paused.hosts),
                            (paused.first_in.count() + 999) / 1000));
  }
  if (auto saved = save(); !saved) {
    pool_ = std::move(before);
    return tl::unexpected{saved.error()};
  }
  return static_cast<int>(taken.size());
}

result<std::vector<std::string>, provider_errc>
static_group::decrease(const std::vector<std::string>& ids, deadline) {
  std::vector<std::string> accepted;
  for (const auto& id : ids)
    if (pool_.put_back(id, steady_clock::now()))
      accepted.push_back(id);
  // They are free in any case; at worst the next manager takes them for used.
  if (auto saved = save(); !saved)
    log::warning(saved.error().text);
  return accepted;
}

void static_group::failed(const std::vector<std::string>& ids) {
  for (const auto& id : ids)
    pool_.failed(id);
}

void static_group::shutdown(deadline) {
}

// -- reaching a host ----------------------------------------------------------

result<connect_info, provider_errc>
static_group::get_connect_info(const std::string& id, deadline) {
  auto found = hosts_.find(id);
  if (found == hosts_.end() || !pool_.is_used(id))
    return not_in_use(id);
  const auto& x = found->second;
  auto pick = [](const std::string& own, const std::string& of_group) {
    return own.empty() ? of_group : own;
  };
  connect_info out;
  out.instance = id;
  out.os = pick(x.os, connector_.os);
  out.arch = pick(x.arch, connector_.arch);
  out.protocol = "ssh";
  out.internal_address = x.internal_address;
  out.external_address = x.external_address;
  out.host = address_to_dial(x.internal_address, x.external_address,
                             connector_.use_external_addr);
  if (out.host.empty()) // a list leaves no doubt about which one is meant
    out.host = x.external_address;
  constexpr uint16_t ssh_port = 22;
  auto of_group = static_cast<uint16_t>(connector_.protocol_port);
  out.port = x.port != 0 ? x.port : of_group != 0 ? of_group : ssh_port;
  out.username = pick(x.username, connector_.username);
  out.password = x.password;
  out.key = x.key;
  out.host_key = x.host_key;
  out.keepalive_ms = x.keepalive.value_or(connector_.keepalive).count();
  out.timeout_ms = x.timeout.value_or(connector_.timeout).count();
  return out;
}

result<void, provider_errc> static_group::heartbeat(const std::string& id,
                                                    deadline) {
  if (!pool_.is_used(id))
    return not_in_use(id);
  return {};
}

} // namespace muster
