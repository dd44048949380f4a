#include "actors/trace/byte_set.hpp"

#include <algorithm>
#include <cstring>

namespace muster {

namespace {

/// 16 bytes that are compared at once; g++ and clang make SSE2 or NEON of it.
using block = unsigned char __attribute__((vector_size(16)));

bool any(const block& found) {
  uint64_t halves[2];
  std::memcpy(halves, &found, sizeof(halves));
  return (halves[0] | halves[1]) != 0;
}

block splat(unsigned char byte) {
  return block{} + byte;
}

} // namespace

byte_set::byte_set(std::string_view bytes) {
  for (auto c : bytes)
    add(static_cast<unsigned char>(c));
}

void byte_set::add(unsigned char byte) {
  if (member_[byte])
    return;
  member_[byte] = true;
  if (size_ < needles_max)
    needles_[size_] = byte;
  ++size_;
}

size_t byte_set::find(std::string_view where, size_t from) const {
  if (size_ == 0)
    return where.size();
  auto at = from;
  auto scan = [&](size_t until) {
    while (at < until && !has(static_cast<unsigned char>(where[at])))
      ++at;
    return at < until;
  };
  // Where members are frequent, setting up blocks would cost more than it
  // saves.
  if (scan(std::min(where.size(), from + sizeof(block))))
    return at;
  if (is_small())
    at = skip_blocks(where, at);
  scan(where.size());
  return at;
}

size_t byte_set::skip_blocks(std::string_view where, size_t at) const {
  block wanted[needles_max];
  for (size_t n = 0; n < size_; ++n)
    wanted[n] = splat(needles_[n]);
  for (; at + sizeof(block) <= where.size(); at += sizeof(block)) {
    block here;
    std::memcpy(&here, where.data() + at, sizeof(here));
    block found = here == wanted[0];
    for (size_t n = 1; n < size_; ++n)
      found |= here == wanted[n];
    if (any(found))
      break;
  }
  return at;
}

} // namespace muster
