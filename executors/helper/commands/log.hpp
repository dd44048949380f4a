#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

/// What a command tells on stderr: as GitLab Runner's format `runner`, colours,
/// padding and fields included.
namespace muster::helper::log {

struct field {
  std::string_view key;
  std::string value;
};

using fields = std::initializer_list<field>;

/// Returns a line: `colour` is an escape sequence or empty, `prefix` `WARNING:
/// `, `ERROR: `, ... or empty. Fields come sorted by their key. Control
/// characters of the text are shown as `?`: it may be foreign.
std::string line(std::string_view colour, std::string_view prefix,
                 std::string_view text, fields more);

void info(std::string_view text, fields more = {});
void warning(std::string_view text, fields more = {});
void error(std::string_view text, fields more = {});

/// The line with which a command ends.
/// @return its exit status, 1
int fatal(std::string_view text, fields more = {});

} // namespace muster::helper::log
