#pragma once

#include "tools/muster/plan/scaling_plan.hpp"

#include <optional>
#include <string>

namespace muster {

struct plan_command_options {
  std::string config_path;
  std::string against; ///< the configuration that is in force; empty: none
  std::string zone;    ///< empty: that of the policies
  std::optional<std::chrono::year_month_day> day; ///< of the week to be shown
  std::optional<plan::price> at;
  bool json = false;
};

/// Shows what a configuration will do, and what a reload to it would. Nothing
/// is started, asked or changed. Returns the exit status.
int plan_config(const plan_command_options& options);

} // namespace muster
