#include "tools/coordinator/trace_log.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <zlib.h>

namespace muster::gitlab {

namespace {

/// Arrivals that are remembered for one job; further ones are only counted in.
constexpr size_t arrivals_max = 100'000;

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end)
    return std::nullopt;
  return value;
}

} // namespace

std::optional<byte_range> parse_range(std::string_view text) {
  auto dash = text.find('-');
  if (dash == std::string_view::npos)
    return std::nullopt;
  auto first = number(text.substr(0, dash));
  auto last = number(text.substr(dash + 1));
  if (!first || !last || *last < *first)
    return std::nullopt;
  return byte_range{*first, *last};
}

uint32_t crc32_of(std::string_view bytes) {
  return static_cast<uint32_t>(crc32_z(
    0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

std::string checksum_text(uint32_t crc) {
  return fmt::format("crc32:{:08x}", crc);
}

uint64_t trace_log::append(std::string&& piece, uint32_t crc, int64_t at_us) {
  uint64_t length = piece.size();
  crc_ = size_ == 0 ? crc
                    : static_cast<uint32_t>(
                      crc32_combine(crc_, crc, static_cast<z_off_t>(length)));
  if (arrivals_.size() < arrivals_max)
    arrivals_.push_back({at_us, size_, length});
  uint64_t taken = 0;
  if (kept_ == size_ && kept_ < keep_max_) { // nothing was left out so far
    taken = std::min(length, keep_max_ - kept_);
    if (taken < length)
      piece.resize(taken);
    starts_.push_back(kept_);
    pieces_.push_back(std::move(piece));
    kept_ += taken;
  }
  size_ += length;
  return taken;
}

void trace_log::clear() {
  *this = trace_log{keep_max_};
}

std::string trace_log::read(uint64_t offset, uint64_t max) const {
  std::string result;
  if (offset >= kept_)
    return result;
  uint64_t wanted = std::min(max, kept_ - offset);
  result.reserve(wanted);
  auto at = std::upper_bound(starts_.begin(), starts_.end(), offset) - 1;
  auto index = static_cast<size_t>(at - starts_.begin());
  uint64_t skip = offset - *at;
  for (; index < pieces_.size() && result.size() < wanted; ++index) {
    auto left = std::string_view{pieces_[index]}.substr(skip);
    result += left.substr(0, wanted - result.size());
    skip = 0;
  }
  return result;
}

} // namespace muster::gitlab
