#include "config/toml_write.hpp"

#include "config/source.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/format.h>

namespace muster {

namespace {

std::string quoted(std::string_view text) {
  std::string out{"\""};
  for (auto c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04X}", byte);
    else
      out += c;
  }
  return out + "\"";
}

struct writer {
  std::string operator()(const std::string& x) const {
    return quoted(x);
  }

  std::string operator()(const secret& x) const {
    return quoted(x.reveal());
  }

  std::string operator()(int64_t x) const {
    return std::to_string(x);
  }

  std::string operator()(bool x) const {
    return x ? "true" : "false";
  }

  std::string operator()(const unix_time& x) const {
    std::time_t seconds = x.seconds;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
                       parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                       parts.tm_hour, parts.tm_min, parts.tm_sec);
  }

  std::string operator()(const std::vector<std::string>& x) const {
    std::string out;
    for (const auto& element : x)
      out += (out.empty() ? "" : ", ") + quoted(element);
    return "[" + out + "]";
  }
};

bool is_bare(const std::string& part) {
  return !part.empty() && std::ranges::all_of(part, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

} // namespace

std::optional<std::string> toml_text(const new_value& value) {
  auto text = std::visit(writer{}, value);
  if (repaired(text) != text)
    return std::nullopt;
  return text;
}

std::string toml_key(const key_names& parts) {
  std::string out;
  for (const auto& part : parts)
    out += (out.empty() ? "" : ".") + (is_bare(part) ? part : quoted(part));
  return out;
}

} // namespace muster
