#include "actors/journal/store.hpp"
#include "config/load.hpp"
#include "executors/ssh/host_key.hpp"
#include "tools/muster/commands.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace muster {

namespace {

int complain(const std::string& text) {
  std::fprintf(stderr, "muster: %s\n", text.c_str());
  return 1;
}

/// `ssh-ed25519 SHA256:...`, as `ssh-keygen -l` shows it.
std::string shown(const std::string& host_key) {
  auto key = ssh::parse_host_key(host_key);
  return key ? fmt::format("{} {}", key->type, ssh::fingerprint(*key))
             : "not readable";
}

void show(const char* before, const pinned_host_key& x) {
  std::printf("%sgroup: %s, instance: %s, host key: %s\n", before,
              x.group.c_str(), x.instance.value.c_str(),
              shown(x.host_key).c_str());
}

int list(const std::vector<pinned_host_key>& pins,
         const known_hosts_options& options) {
  for (const auto& x : pins)
    if (options.group.empty() || x.group == options.group)
      show("", x);
  return 0;
}

/// A name without a pin is an error: it may be misspelt.
int forget(journal_store& from, const std::vector<pinned_host_key>& pins,
           const known_hosts_options& options) {
  auto status = 0;
  for (const auto& name : options.instances) {
    auto found = false;
    for (const auto& x : pins) {
      if (x.instance.value != name
          || (!options.group.empty() && x.group != options.group))
        continue;
      found = true;
      if (auto done = from.unpin_host_key(x.group, x.instance); !done)
        return complain(done.error().text);
      show("forgotten: ", x);
    }
    if (!found)
      status = complain(fmt::format(
        "no host key is pinned for the instance {}"
        "{}; see muster known-hosts list",
        name, options.group.empty() ? "" : " of the group " + options.group));
  }
  return status;
}

} // namespace

int known_hosts(const known_hosts_options& options) {
  auto loaded = load_config(options.config_path);
  auto is_fatal
    = [](const diagnostic& x) { return x.level == severity::fatal; };
  auto fatal = std::ranges::find_if(loaded.diagnostics, is_fatal);
  if (fatal != loaded.diagnostics.end())
    return complain(headline(*fatal));
  auto store = journal_store::open_beside(loaded.value.muster.state_dir);
  if (!store)
    return complain(store.error().text);
  auto pins = store->host_keys();
  if (!pins)
    return complain(pins.error().text);
  return options.instances.empty() ? list(*pins, options)
                                   : forget(*store, *pins, options);
}

} // namespace muster
