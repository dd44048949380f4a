#include "actors/trace/timestamps.hpp"

#include <algorithm>
#include <chrono>

namespace muster {

namespace {

constexpr size_t line_max = 8192; ///< of a waiting line, its header included

/// Writes `value` in decimal, right-aligned, into `width` characters.
void digits(char* to, int64_t value, int width) {
  for (auto i = width; i-- > 0; value /= 10)
    to[i] = static_cast<char>('0' + value % 10);
}

} // namespace

timestamper::timestamper(uint8_t stream, char letter, trace_sink& next)
  : next_(next) {
  constexpr std::string_view form = "YYYY-MM-DDThh:mm:ss.ffffffZ ";
  constexpr std::string_view hex = "0123456789abcdef";
  std::copy(form.begin(), form.end(), header_.begin());
  header_[28] = hex[stream >> 4];
  header_[29] = hex[stream & 15];
  header_[30] = letter;
}

void timestamper::set_time(int64_t unix_us) {
  // Years beyond 9999 have no place in the header; times before 1970 are a
  // broken clock.
  constexpr int64_t end_of_9999_us = 253'402'300'799'999'999;
  now_us_ = std::clamp<int64_t>(unix_us, 0, end_of_9999_us);
}

void timestamper::format_second(int64_t unix_s) {
  using namespace std::chrono;
  sys_seconds when{seconds{unix_s}};
  auto day = floor<days>(when);
  year_month_day date{day};
  hh_mm_ss clock{when - day};
  digits(&header_[0], int{date.year()}, 4);
  digits(&header_[5], unsigned{date.month()}, 2);
  digits(&header_[8], unsigned{date.day()}, 2);
  digits(&header_[11], clock.hours().count(), 2);
  digits(&header_[14], clock.minutes().count(), 2);
  digits(&header_[17], clock.seconds().count(), 2);
  second_ = unix_s;
}

std::string_view timestamper::header() {
  if (auto unix_s = now_us_ / 1'000'000; unix_s != second_)
    format_second(unix_s);
  digits(&header_[20], now_us_ % 1'000'000, 6);
  header_[31] = continued_ ? '+' : ' ';
  continued_ = false;
  return {header_.data(), header_.size()};
}

void timestamper::cut(std::string_view rest) {
  if (line_.empty())
    next_.text(header());
  else
    next_.text(line_);
  line_.clear();
  next_.text(rest);
  next_.text("\n");
  continued_ = true;
}

void timestamper::text(std::string_view bytes) {
  size_t from = 0;
  for (size_t end; (end = bytes.find('\n', from)) != bytes.npos;
       from = end + 1) {
    if (line_.empty())
      next_.text(header());
    else
      next_.text(line_);
    line_.clear();
    next_.text(bytes.substr(from, end + 1 - from));
  }
  auto rest = bytes.substr(from);
  if (rest.empty())
    return;
  if (rest.find('\r') != rest.npos || line_.size() + rest.size() > line_max)
    return cut(rest);
  if (line_.empty())
    line_ = header();
  line_ += rest;
}

void timestamper::mask() {
  text(masked_text);
}

void timestamper::close() {
  if (line_.empty())
    return;
  line_ += '\n';
  next_.text(line_);
  line_ = {};
}

} // namespace muster
