#include "executors/docker/multiplexed.hpp"

#include <algorithm>

namespace muster::docker {

bool demultiplexer::feed(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    if (left_ > 0) {
      auto piece = bytes.substr(0, left_);
      to_(static_cast<origin>(head_[0]), piece);
      left_ -= static_cast<uint32_t>(piece.size());
      bytes.remove_prefix(piece.size());
      continue;
    }
    auto n = std::min(bytes.size(), sizeof(head_) - head_size_);
    std::copy_n(bytes.begin(), n, head_ + head_size_);
    head_size_ += n;
    bytes.remove_prefix(n);
    if (head_size_ < sizeof(head_))
      break;
    head_size_ = 0;
    for (size_t i = 4; i < sizeof(head_); ++i)
      left_ = left_ << 8 | head_[i];
    broken_ = head_[0] > static_cast<unsigned char>(origin::engine)
              || (head_[1] | head_[2] | head_[3]) != 0;
  }
  return !broken_;
}

} // namespace muster::docker
