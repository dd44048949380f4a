#include "actors/coordinator/retry.hpp"

#include <algorithm>

namespace muster {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds wait_min{100};
constexpr milliseconds wait_max{60'000};
constexpr milliseconds wish_max{3'600'000}; ///< beyond it is no wish

} // namespace

bool is_retriable(int status) {
  switch (status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return status >= 512;
  }
}

milliseconds retry_wait(int tries, milliseconds wished, double chance) {
  if (wished > milliseconds{0})
    return std::min(wished, wish_max);
  auto most = wait_min;
  for (auto i = 0; i < tries && most < wait_max; ++i)
    most *= 2;
  most = std::min(most, wait_max);
  auto part = std::clamp(chance, 0.0, 1.0)
              * static_cast<double>((most - wait_min).count());
  return wait_min + milliseconds{static_cast<int64_t>(part)};
}

} // namespace muster
