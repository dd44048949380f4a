#include "executors/cache/keys.hpp"

#include "executors/cache/digest.hpp"

#include <vector>

namespace muster {

namespace {

constexpr std::string_view blanks = " \t\n\v\f\r";

void replace_all(std::string& text, std::string_view what, char by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at)
    text.replace(at, what.size(), 1, by);
}

/// The parts of a path below a root that cannot be left.
std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  for (;;) {
    auto slash = path.find('/');
    auto part = path.substr(0, slash);
    if (part == "..") {
      if (!parts.empty())
        parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.emplace_back(part);
    }
    if (slash == std::string_view::npos)
      return parts;
    path.remove_prefix(slash + 1);
  }
}

std::string joined(const std::vector<std::string>& parts) {
  std::string path;
  for (const auto& part : parts)
    path += (path.empty() ? "" : "/") + part;
  return path;
}

std::string sanitized(std::string_view raw) {
  std::string text{raw};
  for (auto dot : {"%2e", "%2E"})
    replace_all(text, dot, '.');
  for (auto slash : {"%2f", "%2F", "\\"})
    replace_all(text, slash, '/');
  auto parts = parts_of(text);
  while (!parts.empty()) {
    auto& last = parts.back();
    last.resize(last.find_last_not_of(blanks) + 1);
    if (!last.empty())
      break;
    parts.pop_back();
  }
  // Without its blanks the last part may be one that leads elsewhere.
  return joined(parts_of(joined(parts)));
}

std::string in_quotes(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (auto c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (byte < ' ' || byte == 0x7f)
      ((out += "\\x") += hex[byte >> 4]) += hex[byte & 15];
    else
      out += c;
  }
  return out + '"';
}

} // namespace

cache_key make_cache_key(std::string_view raw, bool hashed) {
  cache_key key;
  auto path = sanitized(raw);
  if (hashed) {
    key.shown = raw;
    key.stored = raw.empty() ? "" : hex_of(sha256(raw));
    key.alternate = path;
  } else {
    key.shown = key.stored = path;
    key.alternate = path.empty() ? "" : hex_of(sha256(raw));
    if (path.empty() && !raw.empty())
      key.warning = "cache key " + in_quotes(raw) + " could not be sanitized";
    else if (path != raw)
      key.warning
        = "cache key " + in_quotes(raw) + " sanitized to " + in_quotes(path);
  }
  key.usable = !key.stored.empty();
  return key;
}

std::string default_cache_key(std::string_view job_name, std::string_view ref) {
  std::string path{job_name};
  path += '/';
  path += ref;
  return joined(parts_of(path));
}

bool is_protected_cache_key(std::string_view key) {
  auto end = key.find_last_not_of(". \t\n\v\f\r");
  return key.substr(0, end == std::string_view::npos ? 0 : end + 1)
    .ends_with("-protected");
}

} // namespace muster
