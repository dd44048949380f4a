#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"
#include "messages/secret.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace muster {

/// A moment, in seconds since 1970. Written as a date and time in UTC.
struct unix_time {
  int64_t seconds = 0;

  auto operator<=>(const unix_time&) const = default;
};

/// A value that can be written into config.toml. A secret is written as a
/// string.
using new_value = std::variant<std::string, secret, int64_t, bool, unix_time,
                               std::vector<std::string>>;

/// Keys from a `[[runners]]` on: `{"token"}`, `{"docker", "image"}`.
using key_names = std::vector<std::string>;

/// What a `[[runners]]` says of itself: whether or not it can be served.
struct runner_entry_facts {
  std::string name = {};
  std::string url = {};         ///< environment expanded
  secret token = {};            ///< environment expanded
  bool token_is_literal = true; ///< it has no `$NAME` in it
  std::string executor = {};
  int64_t id = 0;
  std::string tls_ca_file = {};
  std::string tls_cert_file = {};
  std::string tls_key_file = {};
  std::optional<std::string> plugin = {}; ///< nothing: it has no autoscaler
};

/// The text of a config.toml while it is being changed. All that is not changed
/// stays as it is, comments and layout included: text is cut out and put in
/// where the parser says that something stands.
///
/// After each change the text is parsed again and must mean what was wanted:
/// otherwise it stays as it was, with an error. A value.
class config_text {
public:
  /// Errors: `not_valid`, with line and column. `path` is for messages.
  static result<config_text, config_errc> parse(std::string text,
                                                const std::string& path);

  const std::string& text() const {
    return text_;
  }

  /// How many `[[runners]]` there are.
  size_t runners() const;

  /// What one of them says. `variable` looks up the environment.
  runner_entry_facts
  facts(size_t runner,
        const std::function<std::optional<std::string>(const std::string&)>&
          variable) const;

  /// The value at `keys` of a runner, if it is there.
  bool has(size_t runner, const key_names& keys) const;

  /// Sets a value; a new key comes behind `after` if that is in the same table,
  /// else behind the last one. Tables that are missing are added. Errors:
  /// `not_valid` if something else stands there.
  result<void, config_errc> set(size_t runner, const key_names& keys,
                                const new_value& value,
                                std::string_view after = {});

  /// Removes a runner with its tables and the comment directly above it.
  result<void, config_errc> remove(size_t runner);

  /// Adds the only runner of another text, which must be written with
  /// `[[runners]]`, at the end. Errors: `not_valid`.
  result<void, config_errc> append(const config_text& entry);

private:
  struct tables;

  config_text(std::string text, std::string path);

  /// Takes the first of `ways` to write the file that means what is `wanted`.
  result<void, config_errc> adopt(const std::vector<std::string>& ways,
                                  const tables& wanted,
                                  const std::string& what);

  std::string text_;
  std::string path_; ///< of the file
  std::shared_ptr<const tables> parsed_;
};

/// Looks a variable up in the environment of this process.
std::optional<std::string> environment_variable(const std::string& name);

} // namespace muster
