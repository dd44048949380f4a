#include "tools/bench/delays.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace muster::bench {

namespace {

/// The number at the beginning of a text, and how many characters it has.
std::optional<std::pair<int64_t, size_t>> number_in(std::string_view text) {
  int64_t value = 0;
  auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{})
    return std::nullopt;
  return std::pair{value, static_cast<size_t>(read.ptr - text.data())};
}

} // namespace

std::vector<stamp> stamps_of(std::string_view trace, std::string_view word) {
  std::vector<stamp> out;
  for (auto at = trace.find(word); at != trace.npos;
       at = trace.find(word, at + 1)) {
    auto from = at + word.size();
    if (auto time = number_in(trace.substr(from)))
      out.push_back({time->first, from + time->second});
  }
  return out;
}

std::optional<int64_t> printed_time(std::string_view trace,
                                    std::string_view word) {
  for (auto at = trace.find(word); at != trace.npos;
       at = trace.find(word, at + 1))
    if (auto time = number_in(trace.substr(at + word.size())))
      return time->first;
  return std::nullopt;
}

std::vector<double>
delays_of(const std::vector<stamp>& stamps,
          const std::vector<gitlab::trace_arrival>& pieces) {
  std::vector<double> out;
  out.reserve(stamps.size());
  auto piece = pieces.begin();
  for (const auto& x : stamps) {
    while (piece != pieces.end() && piece->offset + piece->size < x.end)
      ++piece;
    if (piece == pieces.end())
      break;
    auto late = piece->at_us - x.printed_ns / 1000;
    out.push_back(static_cast<double>(std::max<int64_t>(late, 0)) / 1000);
  }
  return out;
}

} // namespace muster::bench
