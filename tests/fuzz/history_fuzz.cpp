// libFuzzer: whatever a file of jobs holds, reading it ends with jobs in order
// or with a fault that has a place, within the memory that its size allows.

#include "tools/muster/simulate/history.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::simulate;
  std::istringstream in{std::string{reinterpret_cast<const char*>(data), size}};
  history_limits limits;
  limits.value_bytes_max = 64;
  limits.columns_max = 8;
  limits.depth_max = 8;
  auto out = read_history(in, limits);
  if (!out) {
    if (out.error().text.empty() || to_string(out.error()).size() > 1024)
      std::abort();
    return 0;
  }
  if (out->jobs.empty() || out->jobs.size() > size)
    std::abort();
  auto earlier
    = [](const auto& a, const auto& b) { return a.queued < b.queued; };
  if (!std::ranges::is_sorted(out->jobs, earlier))
    std::abort();
  for (const auto& x : out->jobs)
    if (x.duration.count() < 0 || x.tags >= out->tag_sets.size())
      std::abort();
  return 0;
}
