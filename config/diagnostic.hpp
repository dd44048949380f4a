#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

enum class severity : uint8_t {
  notice,  ///< worth knowing; nothing to change
  warning, ///< works, though hardly as meant; fails `check --strict`
  error,   ///< fails `check`; in `run` that runner is not served
  fatal,   ///< nothing of this file can be served; `run` does not start
};

/// Something to say about a configuration.
struct diagnostic {
  severity level = severity::notice;
  std::string path;     ///< the file
  size_t line = 0;      ///< from 1; 0: about the file as a whole
  size_t column = 0;    ///< from 1, in characters
  std::string key_path; ///< dotted, without indices; may be empty
  std::string message;  ///< one line, never with a secret
  std::string hint;     ///< what to write instead; may be empty
};

/// Returns `config.toml:12:3: unknown key "idle_cnt", did you mean
/// "idle_count"?`: the diagnostic without line and hint, for a log.
std::string headline(const diagnostic& what);

/// Returns the headline with the level in it (`config.toml:12:3: warning:
/// ...`), the offending line with a caret below, and the hint; no line break at
/// the end. Values of secret keys in that line are shown as
/// `<secret>`, control characters as `?`, and of a long line only the part
/// around the column.
std::string format_diagnostic(const diagnostic& what,
                              std::string_view source_text);

/// Returns the candidate nearest to `name` by typing errors (a letter missing,
/// added, wrong, or two exchanged), if one is near enough to be meant. Letter
/// case, `-` and `_` make no difference.
std::optional<std::string>
nearest(std::string_view name, const std::vector<std::string_view>& candidates);

/// Whether the value of a key may be a secret: also that of a misspelt `token`.
bool may_hold_secret(std::string_view key_name);

/// Text from a file, fit for one line of a message: control characters and
/// bytes that are not UTF-8 are `?`, and of a long one only the beginning is
/// left.
std::string one_line(std::string_view text);

/// The same in quotes, for names and short values.
std::string in_quotes(std::string_view name);

} // namespace muster
