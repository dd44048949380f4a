#include "providers/fleeting/lookup.hpp"

#include "providers/fleeting/registry/manifest.hpp"
#include "providers/fleeting/version.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <pwd.h>
#include <unistd.h>
#include <utility>

namespace muster::fleeting {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view on_path_prefix = "fleeting-plugin-";
constexpr std::string_view default_registry = "registry.gitlab.com";
constexpr std::string_view default_namespace = "gitlab-org/fleeting/plugins";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string home_folder() {
  if (auto home = variable("HOME"); !home.empty())
    return home;
  const auto* user = getpwuid(geteuid());
  return user == nullptr ? "" : user->pw_dir;
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> parts;
  for (;;) {
    auto at = text.find(by);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos)
      return parts;
    text.remove_prefix(at + 1);
  }
}

bool is_file(const std::string& path) {
  std::error_code ec;
  return fs::is_regular_file(path, ec);
}

result<std::string, provider_errc> executable(const std::string& path,
                                              const std::string& name) {
  if (access(path.c_str(), X_OK) == 0)
    return path;
  return fail(provider_errc::not_available,
              fmt::format("plugin \"{}\": {} is not executable for the user "
                          "that runs muster: chmod +x {}",
                          name, path, path));
}

bool is_explicit_path(const std::string& name) {
  return name.starts_with('/') || name.starts_with("./")
         || name.starts_with("../");
}

result<std::string, provider_errc> find_on_path(const std::string& name,
                                                const lookup_places& places) {
  std::optional<std::string> not_executable;
  for (const auto& folder : places.path) {
    // An empty entry is the working directory; programs are not found there by
    // accident.
    if (folder.empty())
      continue;
    auto file = fmt::format("{}/{}", folder, name);
    if (!is_file(file))
      continue;
    if (access(file.c_str(), X_OK) == 0)
      return file;
    if (!not_executable)
      not_executable = file;
  }
  if (not_executable)
    return executable(*not_executable, name);
  return fail(provider_errc::not_available,
              fmt::format("plugin \"{}\" is in no folder of PATH: put the "
                          "program there, or write its path",
                          name));
}

/// What helps comes first: long messages are cut.
constexpr auto install_hint = "install it with `muster fleeting install`, or "
                              "write the path of the program";

struct installed_version {
  version number;
  std::string folder;
};

/// Undoes what `escape_repository` does to a version.
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] == '!' && i + 1 < text.size() && text[i + 1] >= 'a'
        && text[i + 1] <= 'z')
      out += static_cast<char>(text[++i] - 'a' + 'A');
    else
      out += text[i];
  return out;
}

/// The versions that are there, lowest first.
std::vector<installed_version> installed_versions(const std::string& folder) {
  std::vector<installed_version> out;
  std::error_code ec;
  fs::directory_iterator entries{folder, ec};
  for (; !ec && entries != fs::directory_iterator{}; entries.increment(ec)) {
    auto name = entries->path().filename().string();
    if (auto number = parse_version(unescaped(name)))
      out.push_back({std::move(*number), std::move(name)});
  }
  std::ranges::sort(out, is_older, &installed_version::number);
  return out;
}

std::string listed(const std::vector<installed_version>& versions) {
  std::string out;
  for (const auto& x : versions) {
    out += out.empty() ? "" : ", ";
    out += x.folder;
  }
  return out;
}

result<std::string, provider_errc> find_pinned(const std::string& name,
                                               const std::string& folder,
                                               const std::string& digest) {
  auto program = fmt::format("{}/{}/plugin", folder, digest_folder(digest));
  if (is_file(program))
    return executable(program, name);
  return fail(
    provider_errc::not_available,
    fmt::format("plugin \"{}\" is not installed: {}; plugin not found "
                "in {}",
                name, install_hint, folder));
}

result<std::string, provider_errc> find_installed(const std::string& name,
                                                  const lookup_places& places) {
  auto reference = parse_reference(name);
  if (!reference)
    return tl::unexpected{reference.error()};
  auto constraint = parse_constraint(reference->tag);
  if (!constraint)
    return fail(constraint.error().code, fmt::format("plugin \"{}\": {}", name,
                                                     constraint.error().text));
  auto escaped = escape_repository(reference->repository);
  if (!escaped)
    return fail(escaped.error().code,
                fmt::format("plugin \"{}\": {}", name, escaped.error().text));
  auto folder = places.plugin_dir + "/" + *escaped;
  if (!reference->digest.empty())
    return find_pinned(name, folder, reference->digest);
  auto versions = installed_versions(folder);
  std::optional<std::string> best;
  for (const auto& x : versions)
    if (allows(*constraint, x.number))
      best = x.folder;
  if (!best)
    return fail(
      provider_errc::not_available,
      versions.empty()
        ? fmt::format("plugin \"{}\" is not installed: {}; plugin not found in "
                      "{}",
                      name, install_hint, folder)
        : fmt::format(
          "plugin \"{}\" is not installed: {}; plugin not found: {} "
          "has {}, none of which is {}",
          name, install_hint, folder, listed(versions), reference->tag));
  auto program = fmt::format("{}/{}/plugin", folder, *best);
  if (!is_file(program))
    return fail(provider_errc::not_available,
                fmt::format("plugin \"{}\": {} is not there: install it again "
                            "with `muster fleeting install`",
                            name, program));
  return executable(program, name);
}

} // namespace

lookup_places places_of_host() {
  lookup_places out;
  out.plugin_dir = variable("FLEETING_PLUGIN_PATH");
  if (out.plugin_dir.empty())
    out.plugin_dir = home_folder() + "/.config/fleeting/plugins";
  out.path = split(variable("PATH"), ':');
  return out;
}

result<plugin_reference, provider_errc> parse_reference(std::string_view name) {
  auto wrong = [&name](const char* why) {
    return fail(provider_errc::bad_config,
                fmt::format("plugin \"{}\" is neither a file nor the name of a "
                            "plugin: {}",
                            name, why));
  };
  std::string digest;
  auto whole = name;
  if (auto at = name.find('@'); at != std::string_view::npos) {
    digest = name.substr(at + 1);
    whole = name.substr(0, at);
    if (!is_digest(digest))
      return wrong("parsing constraint: a digest is sha256: and 64 small "
                   "hexadecimal digits");
  }
  auto repository = whole;
  std::string_view tag;
  auto slash = whole.rfind('/');
  auto colon = whole.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    repository = whole.substr(0, colon);
    tag = whole.substr(colon + 1);
    if (tag.empty())
      return wrong("nothing stands behind its colon");
  }
  auto parts = split(repository, '/');
  if (std::ranges::find(parts, "") != parts.end())
    return wrong("a part of it is empty");
  auto has_registry = parts[0].find_first_of(".:") != std::string::npos;
  if (parts.size() == 1)
    return plugin_reference{
      fmt::format("{}/{}/{}", default_registry, default_namespace, repository),
      std::string{tag}, digest};
  return plugin_reference{
    has_registry ? std::string{repository}
                 : fmt::format("{}/{}", default_registry, repository),
    std::string{tag}, digest};
}

result<std::string, provider_errc> escape_repository(std::string_view text) {
  std::string out;
  for (const auto& part : split(text, '/'))
    if (part.empty() || part.starts_with('.') || part.ends_with('.'))
      return fail(provider_errc::bad_config,
                  fmt::format("escaping plugin path: no part of it may be "
                              "empty, or begin or end with a dot: {}",
                              text));
  auto registry = text.substr(0, text.find('/'));
  if (auto colon = registry.find(':');
      colon != std::string_view::npos && registry.size() < text.size()) {
    auto port = registry.substr(colon + 1);
    if (port.empty() || port.size() > 5
        || port.find_first_not_of("0123456789") != std::string_view::npos)
      return fail(provider_errc::bad_config,
                  fmt::format("escaping plugin path: no port: {}", text));
    auto host = escape_repository(registry.substr(0, colon));
    auto rest = escape_repository(text.substr(registry.size() + 1));
    if (!host || !rest)
      return host ? rest : host;
    return fmt::format("{}:{}/{}", *host, port, *rest);
  }
  for (char c : text) {
    auto is_plain
      = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
        || std::string_view{"-._~/"}.find(c) != std::string_view::npos;
    if (c >= 'A' && c <= 'Z') {
      out += '!';
      out += static_cast<char>(c + ('a' - 'A'));
    } else if (is_plain) {
      out += c;
    } else {
      return fail(provider_errc::bad_config,
                  fmt::format("escaping plugin path: invalid char '{}'", c));
    }
  }
  return out;
}

std::string digest_folder(std::string_view digest) {
  std::string out{digest};
  std::ranges::replace(out, ':', '-');
  return out;
}

plugin_origin origin_of(const std::string& name) {
  if (is_file(name) || is_explicit_path(name))
    return plugin_origin::file;
  if (name.find_first_of("/:@") == std::string::npos
      && name.starts_with(on_path_prefix))
    return plugin_origin::path;
  return plugin_origin::registry;
}

result<std::string, provider_errc> find_plugin(const std::string& name,
                                               const lookup_places& places) {
  if (name.find('\0') != std::string::npos)
    return fail(provider_errc::bad_config, "plugin: its name has a NUL byte");
  if (is_file(name))
    return executable(name.find('/') == std::string::npos ? "./" + name : name,
                      name);
  if (is_explicit_path(name)) {
    std::error_code ec;
    return fail(provider_errc::not_available,
                fmt::format("plugin \"{}\": {}", name,
                            fs::is_directory(name, ec)
                              ? "it is a folder: write the path of the program"
                              : "there is no such file"));
  }
  return origin_of(name) == plugin_origin::path ? find_on_path(name, places)
                                                : find_installed(name, places);
}

} // namespace muster::fleeting
