#include "actors/coordinator/codec.hpp"
#include "actors/coordinator/payload_reader.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace muster {

namespace {

/// Reads `Z`, `+hh:mm` or `-hh:mm`. [s]
std::optional<int64_t> parse_offset(const char* text) {
  if (*text == 'Z' || *text == 'z')
    return 0;
  char sign = 0;
  auto hours = 0;
  auto minutes = 0;
  if (std::sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) != 3
      || (sign != '+' && sign != '-'))
    return std::nullopt;
  auto seconds = int64_t{hours} * 3600 + int64_t{minutes} * 60;
  return sign == '-' ? -seconds : seconds;
}

} // namespace

std::optional<int64_t> parse_rfc3339(std::string_view text) {
  std::string copy{text.substr(0, 64)};
  std::tm when{};
  auto size = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n",
                  &when.tm_year, &when.tm_mon, &when.tm_mday, &when.tm_hour,
                  &when.tm_min, &when.tm_sec, &size)
        != 6
      || size == 0)
    return std::nullopt;
  const auto* rest = copy.c_str() + size;
  if (*rest == '.')
    while (*++rest >= '0' && *rest <= '9')
      ;
  auto offset = parse_offset(rest);
  if (!offset)
    return std::nullopt;
  when.tm_year -= 1900;
  when.tm_mon -= 1;
  return ::timegm(&when) - *offset;
}

runner_identity parse_identity(std::string_view body) {
  auto x = nlohmann::json::parse(body, nullptr, false);
  payload_reader in;
  runner_identity out;
  out.id = in.integer(x, "id", "");
  out.token = secret{in.text(x, "token", "")};
  out.token_expires_at = parse_rfc3339(in.text(x, "token_expires_at", ""));
  return out;
}

} // namespace muster
