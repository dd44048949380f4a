#include "executors/helper/commands/flags.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <set>

namespace muster::helper {

namespace {

template <class T>
std::optional<T> number_of(std::string_view text) {
  T value = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || stop != end || error != std::errc{})
    return std::nullopt;
  return value;
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> result;
  for (size_t begin = 0; begin <= text.size();) {
    auto end = std::min(text.find(by, begin), text.size());
    if (end > begin)
      result.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

template <class T, class U>
bool put(T* to, const std::optional<U>& value) {
  if (value)
    *to = *value;
  return value.has_value();
}

/// Puts a value given by flag in its place; false if it does not fit.
struct putter {
  std::string_view text;

  bool operator()(std::string* to) const {
    *to = text;
    return true;
  }

  bool operator()(std::vector<std::string>* to) const {
    to->emplace_back(text);
    return true;
  }

  bool operator()(lines what) const {
    what.to->emplace_back(text);
    return true;
  }

  bool operator()(bool* to) const {
    return put(to, boolean_of(text));
  }

  bool operator()(int64_t* to) const {
    return put(to, number_of<int64_t>(text));
  }

  bool operator()(std::chrono::nanoseconds* to) const {
    return put(to, duration_of(text));
  }
};

bool put_variable(const flag_target& to, std::string_view text) {
  if (const auto* list = std::get_if<std::vector<std::string>*>(&to)) {
    **list = split(text, ',');
    return true;
  }
  if (const auto* list = std::get_if<lines>(&to)) {
    *list->to = split(text, '\n');
    return true;
  }
  return std::visit(putter{text}, to);
}

} // namespace

std::optional<bool> boolean_of(std::string_view text) {
  for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
    if (text == yes)
      return true;
  for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"})
    if (text == no)
      return false;
  return std::nullopt;
}

std::optional<std::chrono::nanoseconds> duration_of(std::string_view text) {
  struct unit {
    std::string_view name;
    double nanoseconds;
  };
  constexpr std::array units{unit{"ns", 1},    unit{"us", 1e3}, unit{"µs", 1e3},
                             unit{"ms", 1e6},  unit{"s", 1e9},  unit{"m", 60e9},
                             unit{"h", 3600e9}};
  constexpr double total_max = 9e18; // 64 bits
  if (text == "0")
    return std::chrono::nanoseconds{0};
  double total = 0;
  if (text.empty())
    return std::nullopt;
  while (!text.empty()) {
    double value = 0;
    auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(),
                                         value, std::chars_format::fixed);
    if (error != std::errc{} || value < 0 || text[0] == '-')
      return std::nullopt;
    text.remove_prefix(static_cast<size_t>(stop - text.data()));
    auto size = std::min(text.find_first_of("0123456789."), text.size());
    auto name = text.substr(0, size);
    auto found = std::find_if(units.begin(), units.end(),
                              [name](const unit& x) { return x.name == name; });
    if (found == units.end())
      return std::nullopt;
    total += value * found->nanoseconds;
    text.remove_prefix(size);
  }
  if (!(total <= total_max))
    return std::nullopt;
  return std::chrono::nanoseconds{static_cast<int64_t>(total)};
}

std::optional<std::string> read_flags(const std::vector<flag>& known,
                                      const std::vector<std::string>& arguments,
                                      std::vector<std::string>* rest) {
  std::set<std::string_view> given;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view text{arguments[i]};
    if (text == "--" && rest != nullptr) {
      rest->insert(rest->end(), arguments.begin() + static_cast<int64_t>(i) + 1,
                   arguments.end());
      break;
    }
    if (text.size() < 2 || text[0] != '-') {
      if (rest == nullptr)
        return "`" + arguments[i] + "` is no flag";
      // As with GitLab Runner flags end here: a command may have its own.
      rest->insert(rest->end(), arguments.begin() + static_cast<int64_t>(i),
                   arguments.end());
      break;
    }
    text.remove_prefix(text[1] == '-' ? 2 : 1);
    auto equals = text.find('=');
    auto name = text.substr(0, equals);
    auto found = std::find_if(known.begin(), known.end(),
                              [name](const flag& x) { return x.name == name; });
    if (found == known.end())
      return "there is no flag --" + std::string{name};
    std::string_view value{"true"};
    if (equals != std::string_view::npos)
      value = text.substr(equals + 1);
    else if (!std::holds_alternative<bool*>(found->to)) {
      if (++i == arguments.size())
        return "the flag --" + std::string{name} + " needs a value";
      value = arguments[i];
    }
    given.insert(found->name);
    if (!std::visit(putter{value}, found->to))
      return "the value of --" + std::string{name} + " cannot be used: `"
             + std::string{value} + "`";
  }
  for (const auto& x : known) {
    if (x.variable.empty() || given.contains(x.name))
      continue;
    const char* value = std::getenv(std::string{x.variable}.c_str());
    if (value != nullptr && *value != '\0' && !put_variable(x.to, value))
      return "the variable " + std::string{x.variable}
             + " has a value that cannot be used for --" + std::string{x.name};
  }
  return std::nullopt;
}

} // namespace muster::helper
