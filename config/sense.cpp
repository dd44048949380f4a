#include "config/difference.hpp"
#include "config/readers.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace muster {

namespace {

/// What bounds the instances of a group.
struct instance_bound {
  int64_t instances = 0;
  const char* key = "max_instances";
};

/// Nothing if the group has no bound.
std::optional<instance_bound> bound_of(const autoscaler_config& group) {
  if (group.plugin_instances_max > 0
      && (group.max_instances == 0
          || group.plugin_instances_max < group.max_instances))
    return instance_bound{group.plugin_instances_max,
                          "the plugin's limit of instances"};
  if (group.max_instances > 0)
    return instance_bound{group.max_instances};
  return std::nullopt;
}

/// Jobs that an instance has at a time: slots beyond its last use never serve.
int slots_in_use(const autoscaler_config& group) {
  return group.max_use_count > 0
           ? std::min(group.capacity_per_instance, group.max_use_count)
           : group.capacity_per_instance;
}

/// Jobs that the group of a runner carries at a time; nothing if it has no
/// bound.
std::optional<int64_t> carries(const runner_config& runner) {
  auto bound = runner.autoscaler ? bound_of(*runner.autoscaler) : std::nullopt;
  if (!bound)
    return std::nullopt;
  return bound->instances * slots_in_use(*runner.autoscaler);
}

void check_idle_targets(const runner_entry& runner, int64_t carried) {
  const auto& group = *runner.value.autoscaler;
  auto bound = *bound_of(group);
  auto policies = runner.at.child("autoscaler").children("policy");
  for (size_t i = 0; i < policies.size(); ++i) {
    int64_t idle = group.policies[i].idle_count;
    if (idle > carried)
      policies[i].say(
        severity::warning, "idle_count",
        fmt::format("idle_count = {} can never be reached: {} = {} with {} = "
                    "{} carry {} jobs",
                    idle, bound.key, bound.instances,
                    slots_in_use(group) < group.capacity_per_instance
                      ? "max_use_count"
                      : "capacity_per_instance",
                    slots_in_use(group), carried),
        fmt::format("write idle_count = {} or less, or raise {}", carried,
                    bound.key));
  }
}

/// Slots are kept ready for jobs that are never asked for.
void check_idle_use(const config& value, const runner_entry& runner) {
  if (!runner.value.autoscaler)
    return;
  auto limited
    = runner.value.limit > 0 && runner.value.limit < value.concurrent;
  auto jobs = limited ? runner.value.limit : value.concurrent;
  auto policies = runner.at.child("autoscaler").children("policy");
  for (size_t i = 0; i < policies.size(); ++i) {
    auto idle = runner.value.autoscaler->policies[i].idle_count;
    auto carried = carries(runner.value);
    if (idle > jobs && (!carried || idle <= *carried))
      policies[i].say(
        severity::warning, "idle_count",
        fmt::format("idle_count = {} keeps more slots ready than there can be "
                    "jobs: {} = {}",
                    idle, limited ? "limit" : "concurrent", jobs),
        fmt::format("write idle_count = {} or less, or raise {}", jobs,
                    limited ? "limit" : "concurrent"));
  }
}

/// What two runners have in common that they should not, with the first that
/// had it.
template <class Key>
class seen {
public:
  /// Returns the number (from 1) of the runner that had it before, or nothing.
  std::optional<size_t> before(const Key& key, size_t number) {
    auto [it, added] = numbers_.emplace(key, number);
    return added ? std::nullopt : std::optional{it->second};
  }

private:
  std::map<Key, size_t> numbers_;
};

void check_doubles(const std::vector<runner_entry>& runners) {
  seen<std::string> names;
  seen<std::pair<std::string, secret>> tokens;
  seen<std::pair<std::string, std::string>> groups;
  size_t number = 0;
  for (const auto& [value, at] : runners) {
    ++number;
    if (!value.name.empty())
      if (auto first = names.before(value.name, number))
        at.say(severity::warning, "name",
               fmt::format("the name {} is that of another runner too: logs "
                           "and metrics do not tell them apart",
                           in_quotes(value.name)));
    if (auto first = tokens.before({value.url, value.token}, number))
      at.say(severity::warning, "token",
             fmt::format("url and token are those of the runner {} too: GitLab "
                         "sees one runner",
                         in_quotes(runners[*first - 1].value.name)),
             "create a runner of its own in GitLab, or join the two");
    if (!value.autoscaler)
      continue;
    if (auto first = groups.before(group_key(value), number))
      at.child("autoscaler")
        .say(severity::error, "plugin",
             fmt::format("plugin and plugin_config are those of the runner {} "
                         "too: a group of instances serves one runner "
                         "only{}",
                         in_quotes(runners[*first - 1].value.name), not_served),
             "name another group in plugin_config");
  }
}

void check_concurrent(const config& value, const section& file,
                      const std::vector<runner_entry>& runners) {
  int64_t wanted = 0;
  for (const auto& runner : runners)
    if (auto carried = carries(runner.value))
      wanted += runner.value.limit > 0
                  ? std::min<int64_t>(*carried, runner.value.limit)
                  : *carried;
  if (value.concurrent < wanted)
    file.say(
      severity::warning, "concurrent",
      fmt::format("concurrent = {} is below the {} jobs that the "
                  "instances can carry",
                  value.concurrent, wanted),
      fmt::format("write concurrent = {} at the top of the file", wanted));
  else if (value.concurrent < static_cast<int64_t>(runners.size()))
    file.say(severity::warning, "concurrent",
             fmt::format("concurrent = {} is below the number of runners, {}: "
                         "one runner's long polling may delay another's jobs",
                         value.concurrent, runners.size()),
             fmt::format("write concurrent = {} at the top of the file",
                         runners.size()));
}

/// GitLab Runner warns of these at each load. They are the defaults, and muster
/// asks again at once while jobs come, so that a notice is enough here.
void notice_long_polling(const section& file,
                         const std::vector<runner_entry>& runners) {
  auto serial = std::ranges::count_if(runners, [](const runner_entry& x) {
    return x.value.request_concurrency == 1;
  });
  auto narrow = std::ranges::count_if(runners, [](const runner_entry& x) {
    return x.value.request_concurrency == 1
           && (x.value.limit == 1 || x.value.limit == 2);
  });
  if (serial > 0)
    file.say(severity::notice, "runners",
             fmt::format("long polling: {} of {} runners have "
                         "request_concurrency = 1, {} of these a limit of 1 or "
                         "2: while GitLab holds a request for a job, no second "
                         "one is made",
                         serial, runners.size(), narrow),
             "write request_concurrency = 2 or more if jobs wait although "
             "instances are free");
}

} // namespace

void check_runner_sense(const runner_entry& runner) {
  auto carried = carries(runner.value);
  if (!carried)
    return;
  check_idle_targets(runner, *carried);
  if (runner.value.limit > 0 && runner.value.limit < *carried)
    runner.at.say(
      severity::warning, "limit",
      fmt::format("limit = {} is below the {} jobs that "
                  "max_instances and capacity_per_instance allow",
                  runner.value.limit, *carried),
      fmt::format("write limit = {}, or lower max_instances", *carried));
}

void check_file_sense(const config& value, const section& file,
                      const std::vector<runner_entry>& runners) {
  for (const auto& runner : runners)
    check_idle_use(value, runner);
  check_doubles(runners);
  check_concurrent(value, file, runners);
  notice_long_polling(file, runners);
}

} // namespace muster
