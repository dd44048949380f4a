#pragma once

#include "actors/group/week.hpp"
#include "config/config.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::plan {

// What a configuration will do, told from the file alone.

/// What an hour of an instance costs.
struct price {
  double per_hour = 0;
};

/// Reads `0.17/h`; `0.17` is the same.
///
/// Errors: `not_valid`.
result<price, config_errc> parse_price(std::string_view text);

/// Reads `2026-11-23`.
///
/// Errors: `not_valid`.
result<std::chrono::year_month_day, config_errc>
parse_date(std::string_view text);

/// Hours that instances are there in a time that was looked at.
struct instance_hours {
  double floor = 0; ///< those that `idle_count` alone keeps
  double most = 0;  ///< with as many instances as there can be
};

/// What the policies of a group do in a week, and in a month.
struct group_plan {
  std::string plugin;
  std::string name; ///< of the group, as far as is known
  int capacity_per_instance = 1;
  int max_use_count = 0; ///< 0: unlimited
  int max_instances = 0; ///< of the operator or the provider; 0: not known
  policy_week week;
  std::vector<week_block> blocks;
  std::vector<std::string> gaps;
  bool differs_by_date = false; ///< other weeks differ
  int instances_most = 0;       ///< without those that are being deleted
  instance_hours week_hours;
  std::chrono::year_month month; ///< that most of the week is in
  instance_hours month_hours;
};

/// What bounds the jobs that a runner has at once.
enum class jobs_bound : uint8_t { concurrent, limit, instances };

struct runner_plan {
  std::string name;
  std::string token; ///< the part that may be shown
  std::string executor;
  int jobs_max = 0;
  jobs_bound bound = jobs_bound::concurrent;
  int64_t slots_max = 0; ///< usable ones of all instances; 0: not known
  std::optional<group_plan> group;
};

struct file_plan {
  std::string path;
  int concurrent = 1;
  int jobs_max = 0; ///< of all runners together
  std::vector<runner_plan> runners;
};

struct plan_options {
  std::string zone; ///< empty: that of each runner's policies
  std::chrono::sys_seconds now{};
  /// A day of the week that is looked at; nothing: that of `now`.
  std::optional<std::chrono::year_month_day> day;
};

/// Returns how many slots of an instance can have a job at the same time: with
/// a small `max_use_count` the others never serve.
int usable_slots(const group_plan& of);

/// Returns how many instances a policy keeps while there are no jobs.
int instances_kept(const group_plan& of, const policy& what);

/// Returns how many instances a policy can ask for with so many jobs at once.
int instances_wanted(const group_plan& of, const policy& what, int jobs);

/// Works out what a configuration will do.
///
/// Errors: `not_valid` for an unknown zone.
result<file_plan, config_errc> plan_of(const config& cfg,
                                       const plan_options& with);

} // namespace muster::plan
