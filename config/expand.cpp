#include "config/load.hpp"

namespace muster {

namespace {

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '_';
}

/// Names of one character, as a shell has them.
bool is_special(char c) {
  return (c >= '0' && c <= '9')
         || std::string_view{"*#$@!?-"}.find(c) != std::string_view::npos;
}

/// A name after `$`, and how many bytes it takes. Both empty: there is none; no
/// name but a size: bad syntax, which is swallowed.
struct reference {
  std::string name;
  size_t size = 0;
};

reference braced(std::string_view text) {
  if (text.size() > 2 && is_special(text[1]) && text[2] == '}')
    return {std::string{text.substr(1, 1)}, 3};
  auto end = text.find('}');
  if (end == std::string_view::npos)
    return {"", 1};
  return end == 1 ? reference{"", 2}
                  : reference{std::string{text.substr(1, end - 1)}, end + 1};
}

reference reference_at(std::string_view text) {
  if (text.empty())
    return {};
  if (text[0] == '{')
    return braced(text);
  if (is_special(text[0]))
    return {std::string{text.substr(0, 1)}, 1};
  size_t size = 0;
  while (size < text.size() && is_name_byte(text[size]))
    ++size;
  return {std::string{text.substr(0, size)}, size};
}

} // namespace

std::string expand_variables(
  std::string_view text,
  const std::function<std::optional<std::string>(const std::string&)>& lookup) {
  std::string into;
  while (!text.empty()) {
    auto dollar = text.find('$');
    into += text.substr(0, dollar);
    if (dollar == std::string_view::npos)
      break;
    text.remove_prefix(dollar + 1);
    auto found = reference_at(text);
    if (found.size == 0)
      into += '$';
    else if (!found.name.empty())
      into += lookup(found.name).value_or("");
    text.remove_prefix(found.size);
  }
  return into;
}

} // namespace muster
