#include "providers/simulated/boot_time.hpp"

#include "config/diagnostic.hpp"
#include "config/duration.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <optional>

namespace muster::simulated {

namespace {

using std::chrono::milliseconds;

/// More than any cloud takes, and far from overflow.
constexpr milliseconds longest = std::chrono::hours{24};
constexpr double spread_max = 5;

std::string_view trimmed(std::string_view text) {
  auto from = text.find_first_not_of(' ');
  if (from == std::string_view::npos)
    return {};
  return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

std::optional<milliseconds> duration_in(std::string_view text) {
  auto read = parse_duration(trimmed(text));
  if (!read)
    return std::nullopt;
  auto out = std::chrono::duration_cast<milliseconds>(*read);
  if (out < milliseconds{0} || out > longest)
    return std::nullopt;
  return out;
}

std::optional<double> number_in(std::string_view text) {
  text = trimmed(text);
  double out = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc{} || stop != end || !(out >= 0) || out > spread_max)
    return std::nullopt;
  return out;
}

/// `uniform(a,b)` and `lognormal(a,b)`; nothing if it is neither.
std::optional<boot_time> shaped(std::string_view text) {
  auto open = text.find('(');
  auto comma = text.find(',');
  if (open == std::string_view::npos || comma == std::string_view::npos
      || comma < open || text.back() != ')')
    return std::nullopt;
  auto name = trimmed(text.substr(0, open));
  auto first = duration_in(text.substr(open + 1, comma - open - 1));
  auto second = text.substr(comma + 1, text.size() - comma - 2);
  if (!first)
    return std::nullopt;
  boot_time out;
  out.low = *first;
  if (name == "uniform") {
    auto high = duration_in(second);
    if (!high || *high < *first)
      return std::nullopt;
    out.what = boot_time::shape::uniform;
    out.high = *high;
    return out;
  }
  auto spread = number_in(second);
  if (name != "lognormal" || !spread)
    return std::nullopt;
  out.what = boot_time::shape::lognormal;
  out.spread = *spread;
  return out;
}

} // namespace

milliseconds boot_time::draw(chance& from) const {
  switch (what) {
    case shape::constant:
      break;
    case shape::uniform:
      return milliseconds{std::uniform_int_distribution<int64_t>{
        low.count(), high.count()}(from)};
    case shape::lognormal: {
      auto factor = std::exp(std::normal_distribution<>{0, spread}(from));
      auto most = static_cast<double>(longest.count());
      return milliseconds{static_cast<int64_t>(
        std::min(most, static_cast<double>(low.count()) * factor))};
    }
  }
  return low;
}

result<boot_time, config_errc> parse_boot_time(std::string_view text) {
  text = trimmed(text);
  if (auto plain = duration_in(text)) {
    boot_time out;
    out.what = boot_time::shape::constant;
    out.low = *plain;
    return out;
  }
  if (auto out = text.empty() ? std::nullopt : shaped(text))
    return *out;
  return fail(config_errc::not_valid,
              fmt::format("{} is no boot time: write it as 40s, "
                          "uniform(30s,60s) or lognormal(40s,0.3), the median "
                          "and the spread (0 to 5)",
                          in_quotes(text)));
}

} // namespace muster::simulated
