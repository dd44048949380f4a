#pragma once

#include "messages/result.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace muster::gitlab {

/// Variables as rules see them: names and values.
using variable_map = std::map<std::string, std::string>;

/// Replaces `$NAME` and `${NAME}` by values, and what stands in those in turn;
/// an unknown name by nothing, `$$` by `$`. Cut off where it grows without end.
std::string expand_variables(std::string_view text, const variable_map& values);

enum class expression_errc : uint8_t {
  malformed = 1, ///< the text names the place in the expression
};

/// Evaluates the condition of `rules:if`: variables, texts in quotes, `null`,
/// `/regular expressions/` (RE2, as GitLab's) with the flags i, m and s, `==`,
/// `!=`, `=~`, `!~`, `&&` before `||`, and parentheses.
result<bool, expression_errc> evaluate(std::string_view expression,
                                       const variable_map& values);

/// Whether `text` fits `/pattern/flags`; nothing if that is no pattern.
std::optional<bool> fits_regex(std::string_view text, std::string_view pattern);

} // namespace muster::gitlab
