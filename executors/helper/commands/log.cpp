#include "executors/helper/commands/log.hpp"

#include <algorithm>
#include <unistd.h>
#include <vector>

namespace muster::helper::log {

namespace {

constexpr size_t columns = 50;
constexpr std::string_view reset = "\x1b[0;m";
constexpr std::string_view yellow = "\x1b[0;33m";
constexpr std::string_view red = "\x1b[31;1m";

/// One write a line: lines of processes that share stderr do not mix.
void print(const std::string& text) {
  [[maybe_unused]] auto n = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string visible(std::string_view text) {
  std::string result{text};
  std::replace_if(
    result.begin(), result.end(),
    [](unsigned char c) { return c < 32 || c == 127; }, '?');
  return result;
}

} // namespace

std::string line(std::string_view colour, std::string_view prefix,
                 std::string_view text, fields more) {
  std::string result{colour};
  result += prefix;
  result += visible(text);
  auto width = prefix.size() + text.size();
  result.append(width < columns ? columns - width : 0, ' ');
  result.append(reset).append(" ");
  std::vector<field> sorted{more};
  std::sort(sorted.begin(), sorted.end(),
            [](const field& a, const field& b) { return a.key < b.key; });
  for (const auto& x : sorted)
    result.append(" ").append(colour).append(x.key).append(reset).append("=")
      += visible(x.value);
  return result + "\n";
}

void info(std::string_view text, fields more) {
  print(line("", "", text, more));
}

void warning(std::string_view text, fields more) {
  print(line(yellow, "WARNING: ", text, more));
}

void error(std::string_view text, fields more) {
  print(line(red, "ERROR: ", text, more));
}

int fatal(std::string_view text, fields more) {
  print(line(red, "FATAL: ", text, more));
  return 1;
}

} // namespace muster::helper::log
