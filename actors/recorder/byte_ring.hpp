#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace muster {

/// Bytes on their way from one thread to another, a fixed number of them.
/// Positions only grow, over the whole life. Several threads may put if they do
/// it one after the other.
class byte_ring {
public:
  /// `size_bytes` is a power of two.
  explicit byte_ring(size_t size_bytes)
    : size_(size_bytes),
      // Not touched before it is used: an idle program does not have it.
      bytes_(std::make_unique_for_overwrite<char[]>(size_bytes)) {
  }

  size_t size() const {
    return size_;
  }

  /// Puts all of it, or nothing. Returns false if there is no room.
  bool put(std::string_view a, std::string_view b = {}) {
    auto at = written_.load(std::memory_order_relaxed);
    auto taken = taken_.load(std::memory_order_acquire);
    if (at == taken && (at & (size_ - 1)) != 0) {
      // Nothing is in it: begins anew, so that little memory is ever touched
      // where little comes.
      at = taken = (at | (size_ - 1)) + 1;
      taken_.store(taken, std::memory_order_release); // first: else it is full
      written_.store(at, std::memory_order_release);
    }
    if (a.size() + b.size() > size_ - (at - taken))
      return false;
    copy(at, a);
    copy(at + a.size(), b);
    written_.store(at + a.size() + b.size(), std::memory_order_release);
    return true;
  }

  /// Where the next byte is put.
  uint64_t written() const {
    return written_.load(std::memory_order_acquire);
  }

  /// Where the next byte is taken.
  uint64_t taken() const {
    return taken_.load(std::memory_order_acquire);
  }

  /// Up to `end`, in one or two pieces; they stay until `take`. Nothing if that
  /// was taken already.
  std::array<std::string_view, 2> look(uint64_t end) const {
    auto at = taken_.load(std::memory_order_acquire);
    auto count = end > at ? static_cast<size_t>(end - at) : 0;
    auto begin = static_cast<size_t>(at & (size_ - 1));
    auto first = std::min(count, size_ - begin);
    return {std::string_view{bytes_.get() + begin, first},
            std::string_view{bytes_.get(), count - first}};
  }

  /// By one thread alone.
  void take(uint64_t end) {
    // Else the ring is empty, and whoever puts may have begun it anew.
    if (end > taken_.load(std::memory_order_acquire))
      taken_.store(end, std::memory_order_release);
  }

private:
  void copy(uint64_t at, std::string_view x) {
    if (x.empty()) // it may point nowhere
      return;
    auto begin = static_cast<size_t>(at & (size_ - 1));
    auto first = std::min(x.size(), size_ - begin);
    std::memcpy(bytes_.get() + begin, x.data(), first);
    std::memcpy(bytes_.get(), x.data() + first, x.size() - first);
  }

  size_t size_;
  std::unique_ptr<char[]> bytes_;
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> taken_{0};
};

} // namespace muster
