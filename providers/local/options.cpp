#include "providers/local/options.hpp"

#include "config/duration.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace muster::local {

namespace {

using nlohmann::json;
using complaint = std::string; ///< empty: the value is good

complaint read_text(const json& value, std::string& to) {
  if (!value.is_string())
    return "must be a string";
  to = value.get<std::string>();
  return to.find('\0') == std::string::npos ? "" : "must not hold a NUL byte";
}

/// The name becomes a folder and part of the group's identity.
complaint read_name(const json& value, std::string& to) {
  constexpr auto allowed = "must be 1 to 64 of the characters A-Z a-z 0-9 . _ "
                           "- and not begin with a dot";
  if (auto wrong = read_text(value, to); !wrong.empty())
    return wrong;
  auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
  };
  auto good = !to.empty() && to.size() <= 64 && to[0] != '.'
              && std::ranges::all_of(to, fits);
  return good ? "" : allowed;
}

complaint read_duration(const json& value, std::chrono::milliseconds& to) {
  std::string text;
  if (!read_text(value, text).empty())
    return R"(must be a duration in quotes, as "1.5s" or "2m")";
  auto parsed = parse_duration(text);
  if (!parsed)
    return parsed.error().text;
  if (parsed->count() < 0)
    return "must not be negative";
  to = std::chrono::ceil<std::chrono::milliseconds>(*parsed);
  return "";
}

complaint read_size(const json& value, int64_t& to) {
  // Values beyond int64 are unsigned in this library; none of them is valid.
  auto in_range = value.is_number_integer()
                  && (value.is_number_unsigned()
                        ? value.get<uint64_t>() <= uint64_t{no_limit}
                        : value.get<int64_t>() >= 0);
  if (!in_range)
    return fmt::format("must be a whole number from 1 to {}", no_limit);
  to = value.get<int64_t>();
  if (to == 0)
    to = no_limit;
  return "";
}

complaint read_lines(const json& value, std::vector<std::string>& to) {
  if (!value.is_array())
    return "must be a list of strings";
  for (const auto& item : value) {
    std::string line;
    if (!read_text(item, line).empty()
        || line.find_first_of("\r\n") != std::string::npos)
      return "must be a list of strings, each one line";
    to.push_back(line);
  }
  return "";
}

complaint read_paths(const json& value, std::vector<std::string>& to) {
  constexpr auto wrong = "must be a list of absolute paths";
  if (!read_lines(value, to).empty())
    return wrong;
  auto good = [](const std::string& path) { return path.starts_with('/'); };
  return std::ranges::all_of(to, good) ? "" : wrong;
}

complaint read_key(const std::string& key, const json& value, options& to) {
  if (key == "name")
    return read_name(value, to.name);
  if (key == "boot_delay")
    return read_duration(value, to.boot_delay);
  if (key == "boot_timeout")
    return read_duration(value, to.boot_timeout);
  if (key == "max_size")
    return read_size(value, to.max_size);
  if (key == "user_data")
    return read_text(value, to.user_data);
  if (key == "sshd_options")
    return read_lines(value, to.sshd_options);
  if (key == "sockets")
    return read_paths(value, to.sockets);
  return "is not known; known keys: boot_delay, boot_timeout, max_size, name, "
         "sockets, sshd_options, user_data";
}

} // namespace

result<options, provider_errc> parse_options(std::string_view text) {
  options out;
  if (text.empty())
    return out;
  auto tree = json::parse(text, nullptr, false);
  if (tree.is_discarded())
    return fail(provider_errc::bad_config,
                "plugin_config of the local provider is not valid JSON");
  if (tree.is_null())
    return out;
  if (!tree.is_object())
    return fail(provider_errc::bad_config,
                "plugin_config of the local provider must be a table");
  for (const auto& [key, value] : tree.items()) {
    if (auto wrong = read_key(key, value, out); !wrong.empty())
      return fail(
        provider_errc::bad_config,
        fmt::format("plugin_config of the local provider: {} {}", key, wrong));
  }
  return out;
}

} // namespace muster::local
