#include "executors/helper/frames.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

/// Decodes foreign bytes in pieces whose size the first byte chooses; a frame
/// that was decoded must encode to bytes that decode to the same again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::frames;
  if (size == 0)
    return 0;
  size_t piece = data[0] + 1u;
  std::string_view left{reinterpret_cast<const char*>(data) + 1, size - 1};
  decoder whole;
  while (!left.empty()) {
    auto part = left.substr(0, piece);
    whole.feed(part);
    left.remove_prefix(part.size());
    for (auto x = whole.next(); x && *x; x = whole.next()) {
      auto bytes = encode(**x);
      decoder again;
      again.feed(bytes);
      auto y = again.next();
      if (!y || !*y || encode(**y) != bytes)
        std::abort();
    }
  }
  return 0;
}
