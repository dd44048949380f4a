#include "executors/helper/commands/env_file.hpp"

#include "executors/helper/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>

namespace muster::helper {

namespace {

constexpr size_t file_bytes_max = 1u << 20;
constexpr std::string_view blanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos)
    return "";
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

/// Takes a quoted value, which may have line ends, from the front of `text`.
/// Returns false if it does not end.
bool take_quoted(std::string_view& text, std::string& to) {
  auto quote = text[0];
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == quote) {
      text.remove_prefix(i + 1);
      return true;
    }
    if (quote == '"' && text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      to += text[i] == 'n' ? '\n' : text[i] == 'r' ? '\r' : text[i];
    } else {
      to += text[i];
    }
  }
  return false;
}

} // namespace

variables parse_env(std::string_view text) {
  variables result;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    auto equals = line.find('=');
    auto name = trimmed(line.substr(0, equals));
    if (name.starts_with("export "))
      name = trimmed(name.substr(7));
    if (equals != std::string_view::npos && !name.empty() && name[0] != '#') {
      auto value = line.substr(equals + 1);
      auto begin = value.find_first_not_of(blanks);
      std::string quoted;
      auto rest = text.substr(
        std::min(equals + 1 + std::min(begin, value.size()), text.size()));
      if (begin != std::string_view::npos
          && (value[begin] == '"' || value[begin] == '\'')
          && take_quoted(rest, quoted)) {
        result[std::string{name}] = quoted;
        text = rest;
        end = std::min(text.find('\n'), text.size());
      } else {
        auto comment = value.find(" #");
        result[std::string{name}] = trimmed(value.substr(0, comment));
      }
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

result<variables, helper_errc> read_env_file(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string text(file_bytes_max + 1, '\0');
  size_t size = 0;
  while (file && size < text.size()) {
    auto n = ::read(file.get(), text.data() + size, text.size() - size);
    if (n < 0)
      return fail(helper_errc::failed,
                  "read " + path + ": " + std::strerror(errno));
    if (n == 0)
      break;
    size += static_cast<size_t>(n);
  }
  if (!file)
    return fail(helper_errc::failed,
                "open " + path + ": " + std::strerror(errno));
  if (size > file_bytes_max)
    return fail(helper_errc::failed, path + " is over 1 MiB");
  text.resize(size);
  return parse_env(text);
}

} // namespace muster::helper
