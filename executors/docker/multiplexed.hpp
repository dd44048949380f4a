#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace muster::docker {

/// Takes apart what a container without a terminal prints: frames of 8 bytes
/// head (stream, three zeros, big-endian size) and as many bytes. Nothing is
/// kept but a head: bytes are passed on as they come.
class demultiplexer {
public:
  enum class origin : uint8_t { in, out, err, engine };
  using sink = std::function<void(origin, std::string_view)>;

  explicit demultiplexer(sink to) : to_(std::move(to)) {
  }

  /// Returns false for bytes that are no such frames, from then on always.
  bool feed(std::string_view bytes);

  /// Whether the stream may end here.
  bool between_frames() const {
    return head_size_ == 0 && left_ == 0;
  }

private:
  sink to_;
  unsigned char head_[8] = {};
  size_t head_size_ = 0; ///< of it that has come
  uint32_t left_ = 0;    ///< of the frame's bytes that has not
  bool broken_ = false;
};

} // namespace muster::docker
