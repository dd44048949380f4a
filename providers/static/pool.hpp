#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace muster::given {

/// Which of the given hosts are in use. A value: the time comes in.
///
/// A host that failed is given out again only after a pause, which grows with
/// each failure in a row, and behind all others: a group must not come back to
/// it without a pause, nor wait for it while another is free.
class pool {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// The first pause of a host that failed; doubled up to the second.
  static constexpr std::chrono::seconds pause_first{5};
  static constexpr std::chrono::seconds pause_longest{120};

  explicit pool(std::vector<std::string> hosts = {});

  /// Says that hosts are in use already. Returns those that are not known.
  std::vector<std::string> restore(const std::vector<std::string>& hosts);

  bool is_used(const std::string& host) const;

  /// Those in use, in the order of the list.
  std::vector<std::string> used() const;

  /// Takes up to `count` free hosts: those that failed least first, then those
  /// that have been free for longest, then in the order of the list.
  std::vector<std::string> take(size_t count, time_point now);

  /// The host that is in use has failed: it gets its pause once it is free.
  void failed(const std::string& host);

  /// It is free again. Without `failed` its failures are forgotten. Returns
  /// false if it was not in use.
  bool put_back(const std::string& host, time_point now);

  /// Free hosts that are in their pause, and what is left of it for the first
  /// of them.
  struct paused {
    std::vector<std::string> hosts;
    std::chrono::milliseconds first_in{0};
  };
  paused pausing(time_point now) const;

  size_t size() const {
    return hosts_.size();
  }

private:
  struct state {
    size_t place = 0; ///< in the list
    bool used = false;
    bool has_failed = false; ///< since it was taken
    int failures = 0;        ///< in a row
    time_point not_before{};
    uint64_t freed = 0; ///< order in which they became free
  };

  std::map<std::string, state> hosts_;
  uint64_t frees_ = 0;
};

} // namespace muster::given
