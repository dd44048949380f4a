#include "tools/bench/engine_log.hpp"

#include <algorithm>
#include <ctime>
#include <optional>

namespace muster::bench {

namespace {

/// `2026-11-28T17:10:20.123456789Z`, or with another zone that is UTC.
std::optional<int64_t> unix_us(const std::string& text) {
  std::tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr)
    return std::nullopt;
  auto out = static_cast<int64_t>(timegm(&parts)) * 1'000'000;
  if (*rest == '.')
    for (int64_t unit = 100'000; *++rest >= '0' && *rest <= '9'; unit /= 10)
      out += (*rest - '0') * unit;
  return *rest == 'Z' ? std::optional{out} : std::nullopt;
}

/// What stands between two texts in a line; empty if it is not there.
std::string between(std::string_view line, std::string_view before,
                    std::string_view after) {
  auto at = line.find(before);
  if (at == std::string_view::npos)
    return "";
  line.remove_prefix(at + before.size());
  return std::string{line.substr(0, line.find(after))};
}

} // namespace

std::vector<engine_call> calls_in_log(std::string_view log) {
  std::vector<engine_call> out;
  while (!log.empty()) {
    auto line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(log.size(), line.size() + 1));
    auto what = between(line, "msg=\"Calling ", "\"");
    auto at = unix_us(between(line, "time=\"", "\""));
    if (!what.empty() && at)
      out.push_back({*at, what});
  }
  return out;
}

} // namespace muster::bench
