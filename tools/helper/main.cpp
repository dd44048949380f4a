#include "executors/helper/frames.hpp"
#include "executors/helper/serve.hpp"

#include <charconv>
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
    "  muster-helper --version\n"
    "  muster-helper --help\n";

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
  if (command == "--help" || command == "help") {
    print(STDOUT_FILENO, usage);
    return 0;
  }
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
    print(STDERR_FILENO, usage);
    return 1;
  }
  return run(arguments);
}
