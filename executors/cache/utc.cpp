#include "executors/cache/utc.hpp"

#include <ctime>

namespace muster {

namespace {

std::string formatted(int64_t unix_seconds, const char* format) {
  auto time = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), format, &parts)};
}

} // namespace

std::string utc_compact(int64_t unix_seconds) {
  return formatted(unix_seconds, "%Y%m%dT%H%M%SZ");
}

std::string utc_text(int64_t unix_seconds) {
  return formatted(unix_seconds, "%Y-%m-%dT%H:%M:%SZ");
}

} // namespace muster
