#pragma once

#include "config/config.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {

/// How a changed key comes into force while muster runs.
enum class change_effect : uint8_t {
  live,    ///< at once
  jobs,    ///< for jobs taken from then on; those that run keep what they have
  drain,   ///< at once, and instances are replaced as they become free
  restart, ///< not before muster is started again
};

/// The word for it in logs and documents.
std::string_view to_string(change_effect x);

/// What a change of one key does. `path` is as in `known_keys`.
struct key_effect {
  std::string_view path;
  change_effect effect = change_effect::live;
};

/// All keys that muster acts on, but for sections. The one place where it is
/// said what a reload does with each.
std::vector<key_effect> key_effects();

struct key_change {
  std::string key;  ///< `concurrent`; of a runner without `runners.`
  std::string text; ///< `2 -> 4`, or `changed` where values are not shown
  change_effect effect = change_effect::live;
};

/// What becomes of one runner. Without `after` it was removed, without
/// `before` it is new.
struct runner_change {
  std::optional<size_t> before; ///< index in the old configuration
  std::optional<size_t> after;  ///< index in the new one
  std::vector<key_change> keys;
  std::string refused; ///< why the new one is not served; empty: it is
};

struct config_change {
  std::vector<key_change> keys; ///< of the whole file
  /// In the order of the new file, then those removed. Each runner of both
  /// files is in exactly one.
  std::vector<runner_change> runners;

  /// Whether anything is different. The order of the runners is not.
  bool any() const;
};

/// What equal groups of instances have in common: plugin, and the group's name
/// or the plugin's table.
std::pair<std::string, std::string> group_key(const runner_config& x);

/// Returns what is different between two configurations, and which runner of
/// the new file is which of the old one. That is decided by the group first,
/// since it is what a runner must not have twice: a rotated token, another
/// name or another place in the file make no new one. Then by url and token, by
/// url and id, by url and name.
///
/// A new runner on a group that another one has is refused. Values are compared
/// as they act: a default that was written down is no change.
config_change compare(const config& before, const config& after);

/// Takes out, at a start, the runners whose group is that of one before them:
/// two scalers would remove each other's instances.
void leave_out_doubled_groups(config& x);

/// Returns what is in force after a change: what needs a restart stays.
config kept_until_restart(const config& before, config after);
runner_config kept_until_restart(const runner_config& before,
                                 runner_config after);

/// Whether two runners are known to have different groups of instances. A
/// plugin's `plugin_config` does not always tell.
bool has_other_group(const runner_config& a, const runner_config& b);

/// Whether instances that were made as `before` says are to be replaced.
bool replaces_instances(const autoscaler_config& before,
                        const autoscaler_config& after);

/// Whether the provider has to be started anew to know of the change.
bool concerns_provider(const autoscaler_config& before,
                       const autoscaler_config& after);

/// Whether clients of GitLab's API have to be made anew.
bool concerns_requests(const runner_config& before, const runner_config& after);

/// Returns a line for each subject that changed: `concurrent 1 -> 4 (live)`,
/// `runner "x": added`. Keys that need a restart are left out, or alone with
/// `restarts`. Never with a secret.
std::vector<std::string> describe(const config_change& what,
                                  const config& before, const config& after,
                                  bool restarts);

} // namespace muster
