#include "tools/muster/fleeting/commands.hpp"

#include "config/config.hpp"
#include "config/diagnostic.hpp"
#include "config/log.hpp"
#include "config/source.hpp"
#include "providers/fleeting/lookup.hpp"
#include "tools/muster/admin/prompt.hpp"
#include "tools/muster/admin/runners.hpp"
#include "tools/muster/built_in.hpp"
#include "tools/muster/fleeting/credentials.hpp"
#include "tools/muster/fleeting/install.hpp"

#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster {

namespace {

using found_plugin = result<std::string, provider_errc>;

constexpr size_t password_bytes_max = 64u << 10;

/// `runner: t8Jx3kqRv, plugin: aws`, as GitLab Runner prints it.
std::string line_of(const runner_entry_facts& runner) {
  return fmt::format("runner: {}, plugin: {}", short_token(runner.token),
                     one_line(*runner.plugin));
}

/// The runners that have a plugin; nothing if the file cannot be read, which is
/// logged.
std::optional<runner_list> with_plugin(const std::string& config_path) {
  if (is_missing(config_path)) {
    log::error("there is no such file", {{"config", config_path}});
    return std::nullopt;
  }
  auto runners = read_runners(config_path);
  if (!runners) {
    log::error("the configuration cannot be read",
               {{"err", runners.error().text}});
    return std::nullopt;
  }
  std::erase_if(*runners, [](const auto& x) { return !x.plugin; });
  return std::move(*runners);
}

/// Prints what became of each runner's plugin. A plugin is asked for once.
/// Returns the exit status.
template <class Find>
int each_plugin(const runner_list& runners, const char* doing, Find find) {
  std::map<std::string, found_plugin> known;
  bool good = true;
  for (const auto& runner : runners) {
    const auto& plugin = *runner.plugin;
    if (is_built_in(plugin))
      continue;
    auto at = known.find(plugin);
    if (at == known.end())
      at = known.emplace(plugin, find(plugin)).first;
    const auto& found = at->second;
    if (found)
      std::printf("%s, path: %s\n", line_of(runner).c_str(), found->c_str());
    else
      std::fprintf(stderr, "%s, %s: %s\n", line_of(runner).c_str(), doing,
                   found.error().text.c_str());
    std::fflush(stdout);
    good = good && found;
  }
  return good ? 0 : 1;
}

/// A registry that hangs up while we send must not end the process.
void block_sigpipe() {
  sigset_t pipe;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

found_plugin installed(const std::string& plugin,
                       const fleeting::lookup_places& places, bool upgrade) {
  auto found = fleeting::find_plugin(plugin, places);
  auto may_install
    = fleeting::origin_of(plugin) == fleeting::plugin_origin::registry
      && (found || found.error().code == provider_errc::not_available);
  if (!may_install || (found && !upgrade))
    return found;
  return fleeting::install_plugin(plugin, places);
}

/// Returns what is on stdin, without the end of its line; nothing if it is
/// empty, or no password.
std::optional<std::string> password_from_stdin() {
  std::string text;
  char piece[4096];
  while (auto n = std::fread(piece, 1, sizeof(piece), stdin)) {
    text.append(piece, n);
    if (text.size() > password_bytes_max)
      return std::nullopt;
  }
  if (text.ends_with('\n'))
    text.pop_back();
  if (text.ends_with('\r'))
    text.pop_back();
  return text.empty() ? std::nullopt : std::optional{text};
}

/// Fills in what is missing. Returns what is wrong, or nothing.
std::string complete(login_options& with) {
  if (with.password_from_stdin) {
    if (!with.password.empty())
      return "--password and --password-stdin exclude each other";
    if (with.username.empty())
      return "--password-stdin needs --username";
    auto text = password_from_stdin();
    if (!text)
      return "there is no password on stdin";
    with.password = secret{*text};
    return "";
  }
  if (!with.password.empty())
    log::warning("--password can be seen by others: use --password-stdin");
  if (!with.username.empty() && !with.password.empty())
    return "";
  if (::isatty(STDIN_FILENO) == 0)
    return "username and password required: --username NAME and, on stdin, "
           "--password-stdin";
  prompt questions;
  if (with.username.empty()) {
    auto name = questions.ask("User name for " + with.registry, "");
    if (!name)
      return "there is no user name";
    with.username = *name;
  }
  if (with.password.empty()) {
    auto text = questions.ask_secret("Password (is not shown)");
    if (!text)
      return "there is no password";
    with.password = secret{*text};
  }
  return "";
}

/// A registry's name as in references: people paste addresses.
std::string host_of(std::string name) {
  for (const auto* scheme : {"https://", "http://"})
    if (name.starts_with(scheme))
      name.erase(0, std::string_view{scheme}.size());
  while (name.ends_with('/'))
    name.pop_back();
  return name;
}

} // namespace

int install_plugins(const std::string& config_path, bool upgrade) {
  auto runners = with_plugin(config_path);
  if (!runners)
    return 1;
  std::erase_if(*runners, [](const auto& x) { return is_built_in(*x.plugin); });
  if (runners->empty()) {
    log::warning("No plugins to install, review your runner configuration.",
                 {{"config", config_path}});
    return 0;
  }
  block_sigpipe();
  auto places = fleeting::places_of_host();
  return each_plugin(
    *runners, upgrade ? "update error" : "install error",
    [&](const std::string& x) { return installed(x, places, upgrade); });
}

int list_plugins(const std::string& config_path) {
  auto runners = with_plugin(config_path);
  if (!runners)
    return 1;
  auto places = fleeting::places_of_host();
  return each_plugin(*runners, "error", [&](const std::string& x) {
    return fleeting::find_plugin(x, places);
  });
}

int login_to_registry(login_options with) {
  with.registry = host_of(with.registry);
  auto wrong = complete(with);
  if (with.registry.empty()
      || with.registry.find_first_of("/ \t@") != std::string::npos)
    wrong = "a registry's name is HOST or HOST:PORT";
  if (wrong.empty() && with.username.find(':') != std::string::npos)
    wrong = "a user name cannot have a colon";
  if (!wrong.empty()) {
    log::error("not logged in: " + wrong, {{"registry", with.registry}});
    return 1;
  }
  auto kept
    = fleeting::keep_user(with.registry, {with.username, with.password, {}});
  if (!kept) {
    log::error("not logged in: " + kept.error().text,
               {{"registry", with.registry}});
    return 1;
  }
  std::printf("logged in via %s\n", kept->c_str());
  return 0;
}

} // namespace muster
