#include "tools/muster/admin/prompt.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <termios.h>
#include <unistd.h>

namespace muster {

namespace {

constexpr std::array stopping{SIGINT, SIGTERM, SIGHUP};
constexpr size_t line_max = 64 << 10; // a token, a name: more is no answer

std::array<struct sigaction, stopping.size()> old_actions;
volatile std::sig_atomic_t came = 0;

void note(int) {
  came = 1;
}

std::string trimmed(const std::string& text) {
  auto first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos)
    return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

} // namespace

prompt::prompt() {
  came = 0;
  struct sigaction action {};
  action.sa_handler = note; // and a read that waits returns
  for (size_t i = 0; i < stopping.size(); ++i)
    ::sigaction(stopping[i], &action, &old_actions[i]);
}

prompt::~prompt() {
  for (size_t i = 0; i < stopping.size(); ++i)
    ::sigaction(stopping[i], &old_actions[i], nullptr);
}

bool prompt::is_interrupted() {
  return came != 0;
}

std::optional<std::string> prompt::ask(const std::string& question,
                                       const std::string& fallback,
                                       bool may_be_empty) {
  for (;;) {
    std::printf("%s\n[%s]: ", question.c_str(), fallback.c_str());
    std::fflush(stdout);
    auto line = read_line();
    if (!line)
      return std::nullopt;
    auto answer = trimmed(*line);
    if (!answer.empty())
      return answer;
    if (!fallback.empty() || may_be_empty)
      return fallback;
  }
}

std::optional<std::string> prompt::ask_secret(const std::string& question) {
  termios shown{};
  auto is_terminal = ::tcgetattr(STDIN_FILENO, &shown) == 0;
  if (is_terminal) {
    auto hidden = shown;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  std::printf("%s: ", question.c_str());
  std::fflush(stdout);
  auto line = read_line();
  if (is_terminal) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    std::puts(""); // the end of the line was not shown either
  }
  return line && !line->empty() ? line : std::nullopt;
}

/// Byte by byte: what follows is for the next question, or for who comes after.
std::optional<std::string> prompt::read_line() {
  std::string line;
  while (!is_interrupted()) {
    char c = 0;
    auto size = ::read(STDIN_FILENO, &c, 1);
    if (size < 0 && errno == EINTR)
      continue;
    if (size <= 0)
      return line.empty() ? std::nullopt : std::optional{line};
    if (c == '\n')
      return line;
    if (line.size() == line_max)
      return std::nullopt;
    line += c;
  }
  return std::nullopt;
}

} // namespace muster
