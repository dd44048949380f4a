#include "config/difference.hpp"

#include "config/diagnostic.hpp"
#include "config/duration.hpp"
#include "config/key_effects.hpp"
#include "config/userinfo.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <tuple>
#include <utility>

namespace muster {

std::pair<std::string, std::string> group_key(const runner_config& x) {
  static const autoscaler_config none;
  const auto& group = x.autoscaler ? *x.autoscaler : none;
  return {group.plugin, group.group_name.empty() ? group.plugin_config_json
                                                 : group.group_name};
}

namespace {

/// Longer values are not shown: nobody reads a script in a line of a log.
constexpr size_t shown_max = 80;

std::string shown(const std::string& before, const std::string& after) {
  auto fits = [](const std::string& x) {
    return x.size() <= shown_max && x.find('\n') == std::string::npos;
  };
  auto was = without_userinfo(before);
  auto is = without_userinfo(after);
  if (!fits(before) || !fits(after) || was == is)
    return "changed";
  return fmt::format("{} -> {}", one_line(was), one_line(is));
}

std::string without_runners(std::string_view path) {
  constexpr std::string_view front = "runners.";
  return std::string{path.starts_with(front) ? path.substr(front.size())
                                             : path};
}

template <class Row, class Value>
std::optional<key_change> change_of(const Row& row, const Value& before,
                                    const Value& after) {
  auto was = row.value(before);
  auto is = row.value(after);
  if (was == is)
    return {};
  return key_change{without_runners(row.path),
                    row.hidden ? "changed" : shown(was, is), row.effect};
}

std::string with_index(const std::string& key, size_t number) {
  auto dot = key.rfind('.');
  return fmt::format("{}[{}]{}", key.substr(0, dot), number, key.substr(dot));
}

void compare_policies(const std::vector<policy_config>& before,
                      const std::vector<policy_config>& after,
                      std::vector<key_change>& into) {
  if (before.size() != after.size())
    into.push_back(
      {"autoscaler.policy",
       fmt::format("{} -> {} of them", before.size(), after.size()),
       change_effect::live});
  auto both = std::min(before.size(), after.size());
  for (size_t i = 0; i < both; ++i)
    for (const auto& row : policy_rows())
      if (auto found = change_of(row, before[i], after[i])) {
        if (before.size() > 1 || after.size() > 1)
          found->key = with_index(found->key, i + 1);
        into.push_back(std::move(*found));
      }
}

using written_values = std::map<std::string, std::string>;

const written_values& containers_of(const runner_config& x) {
  static const written_values none;
  return x.docker ? x.docker->written : none;
}

/// Services have variables, volumes the options of their mounts, and labels
/// configure proxies: all may hold a secret.
bool may_hold_secret_in_docker(std::string_view key) {
  constexpr std::array<std::string_view, 3> hidden{
    "services", "volume_driver_ops", "container_labels"};
  return std::ranges::find(hidden, key) != hidden.end();
}

void compare_containers(const written_values& before,
                        const written_values& after,
                        std::vector<key_change>& into) {
  auto all = before;
  all.insert(after.begin(), after.end());
  auto value_in = [](const written_values& from, const std::string& key) {
    auto at = from.find(key);
    return at != from.end() ? at->second : std::string{"none"};
  };
  for (const auto& [key, value] : all) {
    auto was = value_in(before, key);
    auto is = value_in(after, key);
    if (was != is)
      into.push_back(
        {"docker." + key,
         may_hold_secret_in_docker(key) ? "changed" : shown(was, is),
         change_effect::jobs});
  }
}

const autoscaler_config& group_of(const runner_config& x) {
  static const autoscaler_config none;
  return x.autoscaler ? *x.autoscaler : none;
}

bool is_told_to_provider(std::string_view path) {
  return path == "runners.autoscaler.plugin_config"
         || path == "runners.muster.key_passphrase"
         || path.starts_with("runners.autoscaler.connector_config.");
}

std::vector<key_change> compare_runners(const runner_config& before,
                                        const runner_config& after) {
  std::vector<key_change> out;
  for (const auto& row : runner_rows())
    if (row.value != nullptr)
      if (auto found = change_of(row, before, after))
        out.push_back(std::move(*found));
  compare_policies(group_of(before).policies, group_of(after).policies, out);
  compare_containers(containers_of(before), containers_of(after), out);
  if (has_other_group(before, after))
    for (auto& x : out)
      if (is_told_to_provider("runners." + x.key))
        x.effect = change_effect::restart;
  return out;
}

/// Which runner of the old file each of the new one is.
class matching {
public:
  matching(const config& before, const config& after)
    : before_(before),
      after_(after),
      of_(after.runners.size()),
      taken_(before.runners.size()) {
  }

  std::vector<std::optional<size_t>> find() {
    auto same_group = [](const auto& a, const auto& b) {
      return a.autoscaler && b.autoscaler && group_key(a) == group_key(b);
    };
    auto same_token = [](const auto& a, const auto& b) {
      return a.url == b.url && a.token == b.token;
    };
    auto same_id = [](const auto& a, const auto& b) {
      return a.url == b.url && a.id > 0 && a.id == b.id;
    };
    auto same_name = [](const auto& a, const auto& b) {
      return a.url == b.url && !a.name.empty() && a.name == b.name;
    };
    pass([&](const auto& a, const auto& b) {
      return same_group(a, b) && same_token(a, b) && a.name == b.name;
    });
    pass([&](const auto& a, const auto& b) {
      return same_group(a, b) && same_token(a, b);
    });
    pass([&](const auto& a, const auto& b) {
      return same_group(a, b) && (same_id(a, b) || same_name(a, b));
    });
    pass(same_group);
    pass(same_token);
    pass(same_id);
    pass(same_name);
    return of_;
  }

private:
  template <class Same>
  void pass(Same same) {
    for (size_t i = 0; i < of_.size(); ++i)
      for (size_t j = 0; j < taken_.size() && !of_[i]; ++j)
        if (!taken_[j] && same(before_.runners[j], after_.runners[i])) {
          of_[i] = j;
          taken_[j] = true;
        }
  }

  const config& before_;
  const config& after_;
  std::vector<std::optional<size_t>> of_;
  std::vector<bool> taken_;
};

std::string name_of(const runner_config& x) {
  return x.name.empty() ? short_token(x.token) : in_quotes(x.name);
}

/// Why a new runner cannot be served, or nothing: its group is another's.
std::string refusal(const config& before, const config& after,
                    const std::vector<std::optional<size_t>>& of, size_t at) {
  const auto& wanted = after.runners[at];
  if (!wanted.autoscaler || of[at])
    return "";
  for (size_t i = 0; i < of.size(); ++i) {
    if (i == at || (!of[i] && i > at))
      continue;
    const auto& other = after.runners[i];
    auto theirs
      = of[i] ? kept_until_restart(before.runners[*of[i]], other) : other;
    if (theirs.autoscaler
        && (group_key(theirs) == group_key(wanted)
            || group_key(other) == group_key(wanted)))
      return fmt::format("its group of instances is that of the runner {}: a "
                         "group serves one runner only. Name another group in "
                         "plugin_config",
                         name_of(other));
  }
  return "";
}

std::string list_of(const std::vector<key_change>& keys, bool restarts) {
  std::vector<std::string> out;
  for (const auto& x : keys)
    if ((x.effect == change_effect::restart) == restarts)
      out.push_back(restarts ? fmt::format("{} {}", x.key, x.text)
                             : fmt::format("{} {} ({})", x.key, x.text,
                                           to_string(x.effect)));
  return fmt::format("{}", fmt::join(out, "; "));
}

} // namespace

std::string_view to_string(change_effect x) {
  constexpr std::array words{"live", "next jobs", "drain", "restart"};
  return words.at(static_cast<size_t>(x));
}

bool config_change::any() const {
  return !keys.empty() || std::ranges::any_of(runners, [](const auto& x) {
    return !x.before || !x.after || !x.keys.empty();
  });
}

config_change compare(const config& before, const config& after) {
  config_change out;
  for (const auto& row : file_rows())
    if (row.value != nullptr)
      if (auto found = change_of(row, before, after))
        out.keys.push_back(std::move(*found));
  auto of = matching{before, after}.find();
  for (size_t i = 0; i < of.size(); ++i) {
    runner_change one{of[i], i, {}, refusal(before, after, of, i)};
    if (of[i])
      one.keys = compare_runners(before.runners[*of[i]], after.runners[i]);
    out.runners.push_back(std::move(one));
  }
  for (size_t j = 0; j < before.runners.size(); ++j)
    if (std::ranges::find(of, std::optional{j}) == of.end())
      out.runners.push_back({j, {}, {}, ""});
  return out;
}

config kept_until_restart(const config& before, config after) {
  after.path = before.path;
  after.listen_address = before.listen_address;
  after.muster = before.muster;
  return after;
}

runner_config kept_until_restart(const runner_config& before,
                                 runner_config after) {
  if (!before.autoscaler || !after.autoscaler)
    return after;
  after.autoscaler->buckets = before.autoscaler->buckets;
  if (!has_other_group(before, after))
    return after;
  after.autoscaler->plugin = before.autoscaler->plugin;
  after.autoscaler->plugin_config_json = before.autoscaler->plugin_config_json;
  after.autoscaler->group_name = before.autoscaler->group_name;
  after.autoscaler->plugin_instances_max
    = before.autoscaler->plugin_instances_max;
  after.autoscaler->connector = before.autoscaler->connector;
  return after;
}

bool has_other_group(const runner_config& a, const runner_config& b) {
  const auto& one = group_of(a);
  const auto& two = group_of(b);
  return one.plugin != two.plugin
         || (!one.group_name.empty() && !two.group_name.empty()
             && one.group_name != two.group_name);
}

/// Whether a key for which `concerns` holds has another value.
template <class Predicate>
bool differ(const autoscaler_config& before, const autoscaler_config& after,
            Predicate concerns) {
  runner_config a;
  runner_config b;
  a.autoscaler = before;
  b.autoscaler = after;
  return std::ranges::any_of(runner_rows(), [&](const auto& row) {
    return concerns(row) && row.value != nullptr
           && row.value(a) != row.value(b);
  });
}

bool replaces_instances(const autoscaler_config& before,
                        const autoscaler_config& after) {
  return differ(before, after, [](const auto& row) {
    return row.effect == change_effect::drain;
  });
}

bool concerns_provider(const autoscaler_config& before,
                       const autoscaler_config& after) {
  return differ(before, after,
                [](const auto& row) { return is_told_to_provider(row.path); });
}

bool concerns_requests(const runner_config& before,
                       const runner_config& after) {
  auto told = [](const runner_config& x) {
    return std::tie(x.url, x.token, x.tls_ca_file, x.tls_cert_file,
                    x.tls_key_file, x.labels, x.shell, x.executor);
  };
  return told(before) != told(after);
}

std::vector<std::string> describe(const config_change& what,
                                  const config& before, const config& after,
                                  bool restarts) {
  std::vector<std::string> out;
  if (auto keys = list_of(what.keys, restarts); !keys.empty())
    out.push_back(std::move(keys));
  for (const auto& x : what.runners) {
    auto name
      = name_of(x.after ? after.runners[*x.after] : before.runners[*x.before]);
    if (auto keys = list_of(x.keys, restarts); !keys.empty())
      out.push_back(fmt::format("runner {}: {}", name, keys));
    if (restarts)
      continue;
    if (!x.after)
      out.push_back(fmt::format("runner {}: removed", name));
    else if (!x.before && x.refused.empty())
      out.push_back(fmt::format("runner {}: added", name));
  }
  return out;
}

void leave_out_doubled_groups(config& x) {
  auto begun = compare({}, x);
  size_t number = 0;
  std::erase_if(x.runners, [&](const runner_config&) {
    return !begun.runners[number++].refused.empty();
  });
}

} // namespace muster
