#include "tools/coordinator/pipeline/expression.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <re2/re2.h>
#include <vector>

namespace muster::gitlab {

namespace {

constexpr int expansions_max = 10;               ///< one inside another
constexpr size_t expanded_max = size_t{1} << 16; ///< [bytes]
constexpr size_t steps_max = 10'000;             ///< of one expansion
constexpr size_t expression_max = 10'000;        ///< [bytes]
constexpr int depth_max = 100;                   ///< of parentheses
constexpr size_t regex_memory = size_t{4} << 20; ///< [bytes]

bool in_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

void expand_into(std::string& to, std::string_view text,
                 const variable_map& values, int depth, size_t& steps) {
  for (size_t i = 0; i < text.size() && to.size() < expanded_max;) {
    bool braced = text.substr(i).starts_with("${");
    auto from = i + (braced ? 2 : 1);
    auto end = from;
    while (end < text.size() && in_name(text[end]))
      ++end;
    bool closed = !braced || (end < text.size() && text[end] == '}');
    if (text[i] != '$' || end == from || !closed) {
      i += text.substr(i).starts_with("$$") ? 1 : 0;
      to += text[i++];
      continue;
    }
    auto found = values.find(std::string{text.substr(from, end - from)});
    if (found != values.end() && depth < expansions_max && steps > 0)
      expand_into(to, found->second, values, depth + 1, --steps);
    i = end + (braced ? 1 : 0);
  }
}

enum class sign : uint8_t {
  value, ///< text, or null
  regex,
  equal,
  unequal,
  fits,
  fits_not,
  both,
  either,
  open,
  close,
  end,
};

struct token {
  sign is = sign::end;
  std::optional<std::string> text; ///< of a value or a regex
  bool variable = false;
  size_t at = 0;
};

struct malformed {
  std::string text;
};

/// Takes an expression apart.
std::vector<token> tokens_of(std::string_view text,
                             const variable_map& values) {
  static constexpr std::pair<std::string_view, sign> signs[]
    = {{"==", sign::equal},    {"!=", sign::unequal}, {"=~", sign::fits},
       {"!~", sign::fits_not}, {"&&", sign::both},    {"||", sign::either},
       {"(", sign::open},      {")", sign::close}};
  std::vector<token> out;
  size_t i = 0;
  auto bad = [&](std::string_view what) {
    throw malformed{fmt::format("{} at \"{}\"", what, text.substr(i, 40))};
  };
  while (i < text.size()) {
    char c = text[i];
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++i;
      continue;
    }
    token next;
    next.at = i;
    auto rest = text.substr(i);
    const auto* known
      = std::find_if(std::begin(signs), std::end(signs),
                     [&](const auto& x) { return rest.starts_with(x.first); });
    if (known != std::end(signs)) {
      next.is = known->second;
      i += known->first.size();
    } else if (c == '"' || c == '\'') {
      auto end = text.find(c, i + 1);
      if (end == std::string_view::npos)
        bad("a quote that is not closed");
      next.is = sign::value;
      next.text = text.substr(i + 1, end - i - 1);
      i = end + 1;
    } else if (c == '/') {
      auto end = i + 1;
      while (end < text.size() && text[end] != '/')
        end += text[end] == '\\' ? 2 : 1;
      if (end >= text.size())
        bad("a regular expression that is not closed");
      for (++end; end < text.size() && in_name(text[end]);)
        ++end;
      next.is = sign::regex;
      next.text = text.substr(i, end - i);
      i = end;
    } else if (c == '$') {
      auto end = i + 1;
      while (end < text.size() && in_name(text[end]))
        ++end;
      if (end == i + 1)
        bad("a variable is written $NAME here, not");
      next.is = sign::value;
      next.variable = true;
      auto found = values.find(std::string{text.substr(i + 1, end - i - 1)});
      if (found != values.end())
        next.text = found->second;
      i = end;
    } else if (rest.starts_with("null")
               && (rest.size() == 4 || !in_name(rest[4]))) {
      next.is = sign::value;
      i += 4;
    } else {
      bad("what is neither a variable, a text in quotes, null nor an operator");
    }
    out.push_back(std::move(next));
  }
  out.push_back({sign::end, std::nullopt, false, text.size()});
  return out;
}

class evaluator {
public:
  evaluator(std::string_view text, const variable_map& values)
    : text_(text),
      tokens_(tokens_of(text, values)) {
  }

  bool run() {
    bool result = either(0);
    if (now().is != sign::end)
      bad("an operator is missing");
    return result;
  }

private:
  const token& now() const {
    return tokens_[next_];
  }

  [[noreturn]] void bad(std::string_view what) const {
    throw malformed{
      now().is == sign::end
        ? fmt::format("{} at its end", what)
        : fmt::format("{} at \"{}\"", what, text_.substr(now().at, 40))};
  }

  bool take(sign what) {
    bool found = now().is == what;
    next_ += found ? 1 : 0;
    return found;
  }

  bool either(int depth) {
    bool result = both(depth);
    while (take(sign::either)) {
      bool right = both(depth);
      result = result || right;
    }
    return result;
  }

  bool both(int depth) {
    bool result = one(depth);
    while (take(sign::both)) {
      bool right = one(depth);
      result = result && right;
    }
    return result;
  }

  bool one(int depth) {
    if (depth > depth_max)
      bad("too many parentheses");
    if (take(sign::open)) {
      bool result = either(depth + 1);
      if (!take(sign::close))
        bad("a parenthesis is not closed");
      return result;
    }
    auto left = value();
    if (take(sign::equal))
      return left.text == value().text;
    if (take(sign::unequal))
      return left.text != value().text;
    if (take(sign::fits))
      return fits(left);
    if (take(sign::fits_not))
      return !fits(left);
    return left.text && !left.text->empty();
  }

  token value() {
    if (now().is != sign::value)
      bad("a variable, a text in quotes or null is missing");
    return tokens_[next_++];
  }

  bool fits(const token& left) {
    auto right = now();
    if (right.is == sign::regex) {
      ++next_;
      auto found = fits_regex(left.text.value_or(""), *right.text);
      if (!found) {
        --next_;
        bad("a regular expression that RE2 does not know");
      }
      return left.text && *found;
    }
    if (right.is != sign::value || !right.variable)
      bad("a /regular expression/ or a variable that holds one is missing");
    ++next_;
    return left.text && right.text
           && fits_regex(*left.text, *right.text).value_or(false);
  }

  std::string_view text_;
  std::vector<token> tokens_;
  size_t next_ = 0;
};

} // namespace

std::string expand_variables(std::string_view text,
                             const variable_map& values) {
  std::string out;
  auto steps = steps_max;
  expand_into(out, text, values, 0, steps);
  return out;
}

std::optional<bool> fits_regex(std::string_view text,
                               std::string_view pattern) {
  auto end = pattern.rfind('/');
  if (pattern.size() < 2 || pattern.front() != '/' || end == 0)
    return std::nullopt;
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(regex_memory);
  std::string flags;
  for (char flag : pattern.substr(end + 1)) {
    if (flag != 'i' && flag != 'm' && flag != 's' && flag != 'U')
      return std::nullopt;
    flags += flag;
  }
  std::string body{pattern.substr(1, end - 1)};
  // `\/` is how a slash is written in it; RE2 does not know that escape.
  for (auto at = body.find("\\/"); at != std::string::npos;
       at = body.find("\\/", at + 1))
    body.erase(at, 1);
  RE2 regex{flags.empty() ? body : fmt::format("(?{}){}", flags, body),
            options};
  if (!regex.ok())
    return std::nullopt;
  return RE2::PartialMatch({text.data(), text.size()}, regex);
}

result<bool, expression_errc> evaluate(std::string_view expression,
                                       const variable_map& values) {
  if (expression.size() > expression_max)
    return fail(expression_errc::malformed, "the expression is too long");
  try {
    return evaluator{expression, values}.run();
  } catch (const malformed& problem) {
    return fail(expression_errc::malformed, problem.text);
  }
}

} // namespace muster::gitlab
