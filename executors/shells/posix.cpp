#include "executors/shells/posix.hpp"

#include <algorithm>

namespace muster::posix {

namespace {

constexpr std::string_view bold_green = "\x1b[32;1m";
constexpr std::string_view yellow = "\x1b[0;33m";
constexpr std::string_view bold_red = "\x1b[31;1m";
constexpr std::string_view clear = "\x1b[0K";
constexpr std::string_view reset = "\x1b[0;m";

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool needs_no_quotes(char c) {
  return is_letter(c) || is_digit(c)
         || std::string_view{",-./@_:+%"}.find(c) != std::string_view::npos;
}

/// Quotes text in which the mark has no meaning.
void append_quoted(std::string& out, std::string_view text) {
  if (text.empty())
    return;
  if (std::all_of(text.begin(), text.end(), needs_no_quotes)) {
    out += text;
    return;
  }
  out += '\'';
  for (auto c : text) {
    if (c == '\'')
      out += "'\\''";
    else if (c != '\0')
      out += c;
  }
  out += '\'';
}

std::string coloured(std::string_view colour, std::string_view text) {
  std::string result{colour};
  result += text;
  result += reset;
  return result;
}

} // namespace

std::string quote(std::string_view text) {
  std::string result;
  for (;;) {
    auto mark = text.find(login_mark);
    append_quoted(result, text.substr(0, mark));
    if (mark == std::string_view::npos)
      break;
    result += "\"$muster_login\"";
    text.remove_prefix(mark + login_mark.size());
  }
  return result.empty() ? "''" : result;
}

std::string quote(const std::vector<std::string>& words) {
  std::string result;
  for (const auto& word : words) {
    if (!result.empty())
      result += ' ';
    result += quote(word);
  }
  return result;
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && !is_digit(name.front())
         && std::all_of(name.begin(), name.end(), [](char c) {
              return is_letter(c) || is_digit(c) || c == '_';
            });
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n\v\f";
  auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

script& script::line(std::string_view code) {
  body_ += code;
  body_ += '\n';
  return *this;
}

script& script::command(const std::vector<std::string>& words) {
  return line(quote(words));
}

// printf, since dash's echo acts on backslashes.
script& script::notice(std::string_view text) {
  return line("printf '%s\\n' " + quote(coloured(bold_green, text)));
}

script& script::warning(std::string_view text) {
  return line("printf '%s\\n' " + quote(coloured(yellow, text)));
}

script& script::error(std::string_view text) {
  return line("printf '%s\\n' " + quote(coloured(bold_red, text)));
}

script& script::export_variable(std::string_view key, std::string_view value) {
  body_ += "export ";
  body_ += key;
  body_ += '=';
  if (!value.empty())
    body_ += quote(value);
  body_ += '\n';
  return *this;
}

void script::echo_command(std::string_view command, std::string_view section,
                          bool as_section) {
  auto end = command.find('\n');
  if (end == std::string_view::npos) {
    notice("$ " + std::string{command});
  } else if (!as_section) {
    notice("$ " + std::string{command.substr(0, end)}
           + " # collapsed multi-line command");
  } else {
    std::string name{section};
    line("muster_now=$(date +%s)");
    line("printf 'section_start:%s:%s\\r%s\\n' \"$muster_now\" "
         + quote(name + "[hide_duration=true,collapsed=true]") + ' '
         + quote(std::string{clear}
                 + coloured(bold_green, "$ " + std::string{command})));
    line("printf 'section_end:%s:%s\\r%s\\n' \"$muster_now\" " + quote(name)
         + ' ' + quote(clear));
  }
}

script& script::user_commands(const std::vector<std::string>& commands,
                              std::string_view prefix,
                              const command_options& options) {
  for (size_t i = 0; i < commands.size(); ++i) {
    auto command = trim(commands[i]);
    if (command.empty()) {
      line("echo");
      continue;
    }
    auto section = "section_" + std::string{prefix} + '_' + std::to_string(i);
    echo_command(command, section, options.sections);
    line(command);
    if (options.check_exit_code) {
      line("muster_exit_code=$?");
      line("if [ \"$muster_exit_code\" -ne 0 ]; then exit "
           "\"$muster_exit_code\"; fi");
    }
  }
  return *this;
}

std::string whole_script(const script& body, bool xtrace) {
  std::string inner = "muster_login=${PWD%/}\n";
  // Inside the body: traced outside of it, the shell would print the whole body
  // as one quoted word, in which masked values are spelled differently.
  if (xtrace)
    inner += "set -o xtrace\n";
  inner += body.body();
  // Only bash has a numeric BASH_VERSINFO; asking others costs a process.
  std::string result = "trap 'exit 1' TERM\n"
                       "case ${BASH_VERSINFO:-} in\n"
                       "'' | *[!0-9]*)\n"
                       "  case $(set -o) in *pipefail*) set -o pipefail ;; "
                       "esac ;;\n"
                       "*) set -o pipefail ;;\n"
                       "esac\n"
                       "set -o errexit\n"
                       "set +o noclobber\n"
                       "(\n"
                       "trap 'exit 1' TERM\n"
                       "eval ";
  append_quoted(result, inner); // the marks in it were written out before
  result += "\n) </dev/null\nexit 0\n";
  return result;
}

} // namespace muster::posix
