#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

namespace muster {

/// How long instances of a group usually take from being asked for to being
/// ready: the median of the last ones, so that a single slow one changes
/// little. A value of fixed size.
class boot_times {
public:
  static constexpr size_t kept = 9;

  void add(std::chrono::milliseconds took) {
    last_.at(next_) = std::max(took, std::chrono::milliseconds{0});
    next_ = (next_ + 1) % kept;
    count_ = std::min(count_ + 1, kept);
  }

  /// Nothing before the first.
  std::optional<std::chrono::milliseconds> usual() const {
    if (count_ == 0)
      return std::nullopt;
    auto sorted = last_;
    auto end = sorted.begin() + static_cast<ptrdiff_t>(count_);
    auto middle = sorted.begin() + static_cast<ptrdiff_t>((count_ - 1) / 2);
    std::nth_element(sorted.begin(), middle, end);
    return *middle;
  }

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, boot_times& x) {
    return f(x.last_, x.next_, x.count_);
  }

private:
  std::array<std::chrono::milliseconds, kept> last_{};
  size_t next_ = 0;
  size_t count_ = 0;
};

} // namespace muster
