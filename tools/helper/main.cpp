#include "executors/docker/image_archive.hpp"
#include "executors/docker/stage.hpp"
#include "executors/helper/commands/commands.hpp"
#include "executors/helper/frames.hpp"
#include "executors/helper/serve.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace {

using namespace muster;

constexpr const char* usage
  = "muster-helper carries out jobs at an instance.\n"
    "\n"
    "  muster-helper serve --dir DIR    take jobs at the socket DIR/socket, in "
    "the\n"
    "                                   background; prints `ready <socket>`\n"
    "      --home DIR          where scripts start (default: $HOME)\n"
    "      --idle-exit SECONDS end after so long without client and job\n"
    "                          (default 0: never)\n"
    "      --spool-max BYTES   of output kept per job (default 268435456)\n"
    "  muster-helper connect --dir DIR  connect stdin and stdout with that "
    "socket\n"
    "  muster-helper COMMAND [FLAG...]  as GitLab Runner's helper; --help "
    "tells more\n";

void print(int fd, const std::string& text) {
  [[maybe_unused]] auto n = ::write(fd, text.data(), text.size());
}

int complain(const std::string& text) {
  print(STDERR_FILENO,
        "muster-helper: " + text + "; see `muster-helper --help`\n");
  return 1;
}

std::string build() {
  return "muster-helper " MUSTER_VERSION;
}

std::string help() {
  std::string text = usage;
  for (const auto& x : helper::commands()) {
    text.append("      ").append(x.name);
    text.append(22 - x.name.size(), ' ').append(x.summary).append("\n");
  }
  return text + "  muster-helper --version, --help\n";
}

bool is_help(const std::string& argument) {
  return argument == "--help" || argument == "-help" || argument == "-h";
}

/// Runs one of the commands that GitLab Runner's helper has too; nothing if
/// there is none of that name.
std::optional<int> run_command(const std::vector<std::string>& arguments) {
  const auto& all = helper::commands();
  auto found
    = std::find_if(all.begin(), all.end(), [&arguments](const auto& x) {
        return x.name == arguments[0];
      });
  if (found == all.end())
    return std::nullopt;
  std::vector<std::string> rest{arguments.begin() + 1, arguments.end()};
  if (!rest.empty() && is_help(rest[0])) {
    print(STDOUT_FILENO, std::string{found->usage});
    return 0;
  }
  // A server that hangs up is an error of the connection.
  std::signal(SIGPIPE, SIG_IGN);
  helper::set_build_text(build());
  return found->run(rest);
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || stop != end || error != std::errc{})
    return std::nullopt;
  return value;
}

/// Puts one option in its place; false if there is no such option or its value
/// does not fit.
bool take_option(helper::serve_options& to, std::string_view name,
                 const std::string& value) {
  constexpr uint64_t seconds_max = 10ull * 365 * 24 * 3'600;
  if (name == "--dir")
    to.dir = value;
  else if (name == "--home")
    to.home = value;
  else if (auto n = number(value);
           name == "--idle-exit" && n && *n < seconds_max)
    to.idle_exit = std::chrono::seconds{*n};
  else if (name == "--spool-max" && n)
    to.spool_max_bytes = *n;
  else
    return false;
  return true;
}

int run(const std::vector<std::string>& arguments) {
  const auto& command = arguments.front();
  if (command == "--version") {
    print(STDOUT_FILENO,
          build() + ", frames " + std::to_string(frames::version) + "\n");
    return 0;
  }
  if (is_help(command) || command == "help") {
    print(STDOUT_FILENO, help());
    return 0;
  }
  if (auto status = docker::run_stage(arguments))
    return *status;
  if (auto status = docker::run_image_command(arguments))
    return *status;
  if (auto status = run_command(arguments))
    return *status;
  if (command != "serve" && command != "connect")
    return complain("there is no command `" + command + "`");
  helper::serve_options options;
  options.build = build();
  for (size_t i = 1; i < arguments.size(); i += 2) {
    auto value = i + 1 < arguments.size() ? arguments[i + 1] : std::string{};
    if (!take_option(options, arguments[i], value))
      return complain("`" + arguments[i] + " " + value + "` cannot be used");
  }
  if (options.dir.empty())
    return complain("--dir is missing");
  return command == "serve" ? helper::serve(options)
                            : helper::connect_streams(options.dir);
}

} // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments{argv + (argc > 0 ? 1 : 0), argv + argc};
  if (arguments.empty()) {
    print(STDERR_FILENO, help());
    return 1;
  }
  return run(arguments);
}
