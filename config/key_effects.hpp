#pragma once

#include "config/difference.hpp"

#include <span>
#include <string>
#include <string_view>

namespace muster {

// The table behind difference.hpp: each key with its effect and its value as
// text. Two values are equal exactly when their texts are.

template <class Subject>
struct effect_row {
  std::string_view path;
  change_effect effect = change_effect::live;
  /// Null: other rows have what becomes of it.
  std::string (*value)(const Subject& of) = nullptr;
  bool hidden = false; ///< a secret, or what may hold one
};

std::span<const effect_row<config>> file_rows();
std::span<const effect_row<runner_config>> runner_rows();
std::span<const effect_row<policy_config>> policy_rows();

} // namespace muster
