#include "config/readers.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace muster {

namespace {

template <class... Args>
tl::unexpected<failure<config_errc>> wrong(fmt::format_string<Args...> text,
                                           Args&&... args) {
  return fail(config_errc::not_valid,
              fmt::format(text, std::forward<Args>(args)...));
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  auto end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && rest == end && !text.empty()
           ? std::optional{value}
           : std::nullopt;
}

std::optional<double> decimal(std::string_view text) {
  if (text.empty()
      || text.find_first_not_of("0123456789.") != std::string_view::npos)
    return std::nullopt;
  return number<double>(text);
}

/// Fields of a line of comma-separated values: quotes keep commas together.
std::vector<std::string> fields_of(std::string_view text) {
  std::vector<std::string> out{""};
  bool quoted = false;
  for (auto c : text) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  for (;;) {
    auto end = text.find(at);
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos)
      return out;
    text.remove_prefix(end + 1);
  }
}

std::optional<int> gpu_count(std::string_view text) {
  if (text == "all")
    return -1;
  auto value = number<int>(text);
  return value && *value >= -1 ? value : std::nullopt;
}

} // namespace

result<int64_t, config_errc> parse_memory(std::string_view text) {
  if (text == "-1")
    return -1;
  auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
  auto value = decimal(text.substr(0, digits));
  auto unit = text.substr(digits);
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  if (!value)
    return wrong("{} is no size", in_quotes(text));
  // `k`, `kb` and `kib` are the same, in either case.
  constexpr std::string_view units = "bkmgtp";
  int power = 0;
  if (!unit.empty()) {
    auto small = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    std::string lower;
    for (auto c : unit)
      lower += small(c);
    auto found = units.find(lower[0]);
    auto rest = std::string_view{lower}.substr(1);
    auto fits = rest.empty() || (found != 0 && (rest == "b" || rest == "ib"));
    if (found == std::string_view::npos || !fits)
      return wrong("{} has an unknown unit", in_quotes(text));
    power = static_cast<int>(found);
  }
  auto bytes = *value * std::pow(1024.0, power);
  if (bytes >= 9.2e18)
    return wrong("{} is too large", in_quotes(text));
  return static_cast<int64_t>(bytes);
}

result<int64_t, config_errc> parse_cpus(std::string_view text) {
  constexpr double nano = 1e9;
  auto parts = split(text, '/');
  auto above = decimal(parts[0]);
  auto below = parts.size() > 1 ? decimal(parts[1]) : std::optional{1.0};
  if (parts.size() > 2 || !above || !below || *below == 0)
    return wrong("{} is no number of processors", in_quotes(text));
  auto value = *above / *below * nano;
  if (value > 9e15)
    return wrong("{} is too large", in_quotes(text));
  return std::llround(value);
}

result<docker_device, config_errc> parse_device(std::string_view text) {
  auto parts = split(text, ':');
  docker_device out{parts[0], parts[0], "rwm"};
  auto is_mode = [](const std::string& x) {
    return !x.empty() && x.find_first_not_of("rwm") == std::string::npos;
  };
  if (parts.size() == 2 && is_mode(parts[1]))
    out.permissions = parts[1];
  else if (parts.size() >= 2)
    out.container = parts[1];
  if (parts.size() == 3)
    out.permissions = parts[2];
  if (parts.size() > 3 || out.host.empty() || out.container.empty()
      || !is_mode(out.permissions))
    return wrong("{} is no device", in_quotes(text));
  return out;
}

result<docker_gpus, config_errc> parse_gpus(std::string_view text) {
  docker_gpus out;
  std::vector<std::string> seen;
  for (const auto& field : fields_of(text)) {
    auto equals = field.find('=');
    auto key = equals == std::string::npos ? "count" : field.substr(0, equals);
    auto value = field.substr(equals == std::string::npos ? 0 : equals + 1);
    if (std::ranges::find(seen, key) != seen.end())
      return wrong("{} stands twice in {}", in_quotes(key), in_quotes(text));
    seen.push_back(key);
    if (key == "count") {
      auto count = gpu_count(value);
      if (!count)
        return wrong("{} is no number of graphics processors",
                     in_quotes(value));
      out.count = *count;
    } else if (key == "driver") {
      out.driver = value;
    } else if (key == "device") {
      out.device_ids = split(value, ',');
    } else if (key == "capabilities") {
      out.capabilities = split(value, ',');
    } else if (key == "options") {
      for (const auto& option : fields_of(value)) {
        auto at = option.find('=');
        out.options[option.substr(0, at)]
          = at == std::string::npos ? "" : option.substr(at + 1);
      }
    } else {
      return wrong("unknown word {} in {}", in_quotes(key), in_quotes(text));
    }
  }
  auto counted = std::ranges::find(seen, "count") != seen.end();
  if (!counted && out.device_ids.empty())
    out.count = 1;
  if (counted && !out.device_ids.empty())
    return wrong("{} has both a count and devices", in_quotes(text));
  out.capabilities.emplace_back("gpu");
  return out;
}

bool is_ip_address(const std::string& text) {
  std::array<unsigned char, 16> ignored{};
  return ::inet_pton(AF_INET, text.c_str(), ignored.data()) == 1
         || ::inet_pton(AF_INET6, text.c_str(), ignored.data()) == 1;
}

std::string host_entry_problem(std::string_view text) {
  auto at = text.find_first_of(":=");
  if (at == std::string_view::npos || at + 1 == text.size())
    return "has no address";
  if (at == 0)
    return "has no name";
  auto address = text.substr(at + 1);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  return address == "host-gateway" || is_ip_address(std::string{address})
           ? ""
           : "has no IP address, and not host-gateway";
}

std::string device_rule_problem(std::string_view text) {
  auto parts = split(text, ' ');
  auto is_number = [](const std::string& x) {
    return x == "*"
           || (!x.empty()
               && x.find_first_not_of("0123456789") == std::string::npos);
  };
  auto is_one_of = [](const std::string& x, const char* letters, size_t most) {
    return !x.empty() && x.size() <= most
           && x.find_first_not_of(letters) == std::string::npos;
  };
  if (parts.size() != 3 || !is_one_of(parts[0], "abc", 1)
      || !is_one_of(parts[2], "rwm", 3))
    return "is no rule for devices";
  auto numbers = split(parts[1], ':');
  return numbers.size() == 2 && is_number(numbers[0]) && is_number(numbers[1])
           ? ""
           : "is no rule for devices";
}

std::string volume_mode_problem(std::string_view text) {
  constexpr std::array<std::string_view, 15> modes{
    "ro",       "rw",      "z",         "Z",          "nocopy",
    "shared",   "rshared", "slave",     "rslave",     "private",
    "rprivate", "cached",  "delegated", "consistent", "default"};
  auto parts = split(text, ':');
  if (parts.size() > 3)
    return "has too many colons";
  if (parts.size() < 3)
    return "";
  for (const auto& mode : split(parts[2], ','))
    if (std::ranges::find(modes, mode) == modes.end())
      return fmt::format("has the unknown mode {}", in_quotes(mode));
  return "";
}

} // namespace muster
