#include "tools/muster/explain/timeline.hpp"

#include <algorithm>

namespace muster::explain {

void timeline::set(int64_t us, hunt what) {
  if (!changes_.empty()) {
    if (changes_.back().what == what)
      return;
    us = std::max(us, changes_.back().us);
  }
  changes_.push_back({us, what});
  if (changes_.size() > kept)
    changes_.pop_front();
}

timeline::shares timeline::between(int64_t from, int64_t to) const {
  shares out;
  auto end = to;
  for (auto x = changes_.rbegin(); x != changes_.rend() && end > from; ++x) {
    auto begin = std::max(from, x->us);
    if (begin >= end)
      continue;
    out.us.at(static_cast<size_t>(x->what)) += end - begin;
    end = begin;
  }
  out.unknown_us = std::max<int64_t>(end - from, 0);
  return out;
}

} // namespace muster::explain
