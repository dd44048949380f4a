#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <random>
#include <string_view>

namespace muster::simulated {

/// Where chance comes from: one seed makes one course of events.
using chance = std::mt19937_64;

/// How long the machines of a simulated cloud take from being asked for until
/// they run.
struct boot_time {
  enum class shape : uint8_t { constant, uniform, lognormal };

  shape what = shape::lognormal;
  std::chrono::milliseconds low{40'000}; ///< the median of `lognormal`
  std::chrono::milliseconds high{0};     ///< of `uniform`
  double spread = 0.3; ///< of `lognormal`: standard deviation of the logarithm

  std::chrono::milliseconds draw(chance& from) const;
};

/// Reads `40s`, `uniform(30s,60s)` and `lognormal(40s,0.3)`.
///
/// Errors: `not_valid`.
result<boot_time, config_errc> parse_boot_time(std::string_view text);

} // namespace muster::simulated
