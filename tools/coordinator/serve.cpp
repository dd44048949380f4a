#include "tools/coordinator/commands.hpp"

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <pthread.h>
#include <unistd.h>

namespace muster::gitlab {

namespace {

/// Writes the port so that a reader never sees half of it.
bool write_port(const std::string& file, int port) {
  auto temporary = fmt::format("{}.{}", file, getpid());
  std::ofstream to{temporary};
  to << port << '\n';
  to.close();
  std::error_code error;
  if (to)
    std::filesystem::rename(temporary, file, error);
  return to && !error;
}

} // namespace

std::optional<std::chrono::milliseconds> duration_of(std::string_view text) {
  static constexpr std::array units{
    std::pair{std::string_view{"ms"}, 1.0},
    std::pair{std::string_view{"s"}, 1e3},
    std::pair{std::string_view{"m"}, 60e3},
    std::pair{std::string_view{"h"}, 3600e3},
    std::pair{std::string_view{""}, 1e3},
  };
  double count = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc{} || !(count >= 0 && count < 1e9))
    return std::nullopt;
  std::string_view unit{stop, static_cast<size_t>(end - stop)};
  for (const auto& [name, factor] : units)
    if (name == unit)
      return std::chrono::milliseconds{static_cast<int64_t>(count * factor)};
  return std::nullopt;
}

std::optional<std::pair<std::string, std::string>>
assignment_of(const std::string& text) {
  auto at = text.find('=');
  if (at == std::string::npos || at == 0)
    return std::nullopt;
  return std::pair{text.substr(0, at), text.substr(at + 1)};
}

int serve(serve_settings settings) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr); // before there are threads
  std::signal(SIGPIPE, SIG_IGN);
  bool strict = settings.gitlab.strict;
  test_gitlab gitlab{std::move(settings.gitlab)};
  gitlab.on_shutdown([] { kill(getpid(), SIGTERM); });
  if (auto started = gitlab.start(); !started) {
    fmt::print(stderr, "muster-coordinator: {}\n", started.error().text);
    return 1;
  }
  fmt::print("{}\n", gitlab.url());
  std::fflush(stdout);
  if (!settings.port_file.empty()
      && !write_port(settings.port_file, gitlab.port())) {
    fmt::print(stderr, "muster-coordinator: cannot write {}\n",
               settings.port_file);
    return 1;
  }
  int which = 0;
  sigwait(&ends, &which);
  gitlab.stop();
  for (const auto& [rule, count] : gitlab.violations().counts())
    fmt::print(stderr, "{} violations of {}\n", count, rule);
  return strict && gitlab.violations().total() > 0 ? 3 : 0;
}

} // namespace muster::gitlab
