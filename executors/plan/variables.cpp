#include "executors/plan/variables.hpp"

#include <algorithm>
#include <set>

namespace muster {

namespace {

constexpr std::string_view special_parameters = "*#$@!?-0123456789";

bool is_special(char c) {
  return special_parameters.find(c) != std::string_view::npos;
}

bool is_name_character(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
         || (c >= 'A' && c <= 'Z');
}

/// What follows a `$`.
struct reference {
  std::string_view name; ///< empty: not a reference
  size_t length = 0;     ///< of the text that stands for it
};

/// Reads a reference as Go's os.Expand does, so that configurations mean the
/// same here: `{}` and a brace that is never closed are swallowed.
reference read_reference(std::string_view text) {
  if (text.empty())
    return {};
  if (text.front() == '{') {
    auto end = text.find('}');
    if (end == std::string_view::npos)
      return {{}, 1};
    return {text.substr(1, end - 1), end + 1};
  }
  if (is_special(text.front()))
    return {text.substr(0, 1), 1};
  size_t length = 0;
  while (length < text.size() && is_name_character(text[length]))
    ++length;
  return {text.substr(0, length), length};
}

} // namespace

job_variables::job_variables(std::string temp_dir)
  : temp_dir_(std::move(temp_dir)) {
}

void job_variables::add(job_variable x) {
  all_.push_back(std::move(x));
}

void job_variables::add(std::string key, std::string value) {
  job_variable x;
  x.key = std::move(key);
  x.value = secret{std::move(value)};
  x.is_public = true;
  x.raw = true;
  all_.push_back(std::move(x));
}

const job_variable* job_variables::last(std::string_view key) const {
  auto i = std::find_if(all_.rbegin(), all_.rend(),
                        [key](const job_variable& x) { return x.key == key; });
  return i == all_.rend() ? nullptr : &*i;
}

std::optional<std::string> job_variables::find(std::string_view key) const {
  auto x = last(key);
  if (x == nullptr)
    return std::nullopt;
  return x->file ? temp_dir_ + '/' + x->key : x->value.reveal();
}

std::string job_variables::value(std::string_view key) const {
  return find(key).value_or("");
}

std::string job_variables::expand(std::string_view text) const {
  std::string result;
  for (;;) {
    auto dollar = text.find('$');
    result += text.substr(0, dollar);
    if (dollar == std::string_view::npos)
      return result;
    text.remove_prefix(dollar + 1);
    auto what = read_reference(text);
    if (what.length == 0)
      result += '$';
    else if (what.name == "$")
      result += '$';
    else if (!what.name.empty()
             && !(what.name.size() == 1 && is_special(what.name.front())))
      result += value(what.name);
    text.remove_prefix(what.length);
  }
}

job_variables job_variables::expanded() const {
  job_variables result{temp_dir_};
  for (const auto& x : all_) {
    auto copy = x;
    if (!x.raw)
      copy.value = secret{expand(x.value.reveal())};
    result.all_.push_back(std::move(copy));
  }
  return result;
}

std::vector<job_variable> job_variables::in_force() const {
  std::vector<job_variable> result;
  std::set<std::string_view> seen;
  for (auto i = all_.rbegin(); i != all_.rend(); ++i)
    if (seen.insert(i->key).second)
      result.push_back(*i);
  std::reverse(result.begin(), result.end());
  return result;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> result;
  constexpr std::string_view blanks = " \t\r\n\v\f";
  for (;;) {
    auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos)
      return result;
    text.remove_prefix(first);
    auto end = text.find_first_of(blanks);
    result.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end, text.size()));
  }
}

} // namespace muster
