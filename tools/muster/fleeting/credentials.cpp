#include "tools/muster/fleeting/credentials.hpp"

#include "config/diagnostic.hpp"
#include "config/log.hpp"
#include "executors/helper/unique_fd.hpp"
#include "tools/coordinator/child_process.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace muster::fleeting {

namespace {

namespace fs = std::filesystem;
using helper::unique_fd;

constexpr size_t file_bytes_max = 4u << 20;

/// A helper may ask somebody to unlock something.
constexpr auto helper_patience = std::chrono::seconds{60};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Returns the whole file; empty if there is none.
result<std::string, config_errc> read_file(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file && errno == ENOENT)
    return "";
  auto unreadable = [&path](const char* why) {
    return fail(config_errc::not_readable,
                fmt::format("{} cannot be read: {}", path, why));
  };
  if (!file)
    return unreadable(std::strerror(errno));
  std::string text;
  char piece[16384];
  for (;;) {
    auto n = ::read(file.get(), piece, sizeof(piece));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return unreadable(std::strerror(errno));
    if (n == 0)
      return text;
    text.append(piece, static_cast<size_t>(n));
    if (text.size() > file_bytes_max)
      return unreadable("it is too long");
  }
}

/// Names the file in an error about its text.
tl::unexpected<failure<config_errc>> in_file(const std::string& path,
                                             const failure<config_errc>& x) {
  return fail(x.code, fmt::format("{} cannot be used: {}", path, x.text));
}

/// Runs `docker-credential-NAME`. What is secret goes through its stdin.
/// Returns what it printed. Errors: `not_valid`, with its words.
result<std::string, config_errc> ask_helper(const std::string& name,
                                            const char* what,
                                            const std::string& input) {
  auto program = "docker-credential-" + name;
  auto failed = [&program](const std::string& why) {
    return fail(
      config_errc::not_valid,
      fmt::format("the credential helper {} {}", program, one_line(why)));
  };
  auto is_plain = std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!is_plain)
    return failed("cannot be meant: that is no name");
  auto child = gitlab::child_process::start({program, what}, input);
  if (!child)
    return failed("cannot be started: " + child.error().text);
  auto until = std::chrono::steady_clock::now() + helper_patience;
  std::string output;
  while (output.size() <= file_bytes_max) {
    auto piece = child->read(until, [] { return true; });
    if (piece.empty())
      break;
    output += piece;
  }
  if (std::chrono::steady_clock::now() >= until)
    return failed("does not answer");
  if (auto status = child->finish(); status != 0)
    return failed(fmt::format("ends with status {}: {}", status,
                              output.empty() ? child->errors() : output));
  return output;
}

registry_user user_of_helper(const std::string& name,
                             const std::string& registry) {
  auto answer = ask_helper(name, "get", server_key(registry));
  if (!answer) {
    // Its words for a registry that nobody has logged in to.
    if (answer.error().text.find("credentials not found") == std::string::npos)
      log::warning(answer.error().text, {{"registry", registry}});
    return {};
  }
  auto user = parse_helper_answer(*answer);
  if (user)
    return *user;
  log::warning(fmt::format("the credential helper docker-credential-{}: {}",
                           name, user.error().text),
               {{"registry", registry}});
  return {};
}

/// Makes a folder and those above it, for the user alone.
bool make_folder(const fs::path& folder) {
  if (folder.empty() || ::access(folder.c_str(), F_OK) == 0)
    return true;
  return make_folder(folder.parent_path())
         && (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST);
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    auto n = ::write(file, text.data(), text.size());
    if (n > 0)
      text.remove_prefix(static_cast<size_t>(n));
    else if (n == 0 || errno != EINTR)
      return false;
  }
  return ::fsync(file) == 0;
}

result<void, config_errc> replace_file(const std::string& path,
                                       const std::string& text) {
  auto unwritable = [&path] {
    return fail(config_errc::not_writable,
                fmt::format("{} is unchanged: {}", path, std::strerror(errno)));
  };
  // A symbolic link stays one.
  std::error_code none;
  auto target = fs::weakly_canonical(path, none);
  if (none)
    target = path;
  if (!make_folder(target.parent_path()))
    return unwritable();
  auto fresh = target.string() + ".XXXXXX";
  unique_fd file{::mkostemp(fresh.data(), O_CLOEXEC)}; // mode 0600
  if (!file)
    return unwritable();
  if (!write_all(file.get(), text)
      || ::rename(fresh.c_str(), target.c_str()) != 0) {
    auto bad = unwritable();
    ::unlink(fresh.c_str());
    return bad;
  }
  return {};
}

} // namespace

std::string docker_config_path() {
  if (auto folder = variable("DOCKER_CONFIG"); !folder.empty())
    return folder + "/config.json";
  auto home = variable("HOME");
  if (home.empty())
    if (const auto* user = ::getpwuid(::geteuid()); user != nullptr)
      home = user->pw_dir;
  return home + "/.docker/config.json";
}

registry_user user_for(const std::string& registry) {
  auto path = docker_config_path();
  auto text = read_file(path);
  if (!text) {
    log::warning(text.error().text, {{"registry", registry}});
    return {};
  }
  auto entry = find_entry(*text, registry);
  if (!entry) {
    log::warning(in_file(path, entry.error()).value().text,
                 {{"registry", registry}});
    return {};
  }
  if (!entry->helper.empty())
    if (auto user = user_of_helper(entry->helper, registry); user.is_known())
      return user;
  return entry->user;
}

result<std::string, config_errc> keep_user(const std::string& registry,
                                           const registry_user& user) {
  auto path = docker_config_path();
  auto text = read_file(path);
  if (!text)
    return tl::unexpected{text.error()};
  auto entry = find_entry(*text, registry);
  if (!entry)
    return in_file(path, entry.error());
  if (!entry->helper.empty()) {
    auto kept
      = ask_helper(entry->helper, "store", helper_request(registry, user));
    if (!kept)
      return tl::unexpected{kept.error()};
    return fmt::format("docker-credential-{} ({})", entry->helper, path);
  }
  auto changed = with_entry(*text, registry, user);
  if (!changed)
    return in_file(path, changed.error());
  if (auto written = replace_file(path, *changed); !written)
    return tl::unexpected{written.error()};
  return path;
}

} // namespace muster::fleeting
