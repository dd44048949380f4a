#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace muster::fleeting {

/// Where a plugin may be.
struct lookup_places {
  std::string plugin_dir;        ///< what is installed; may be empty: nowhere
  std::vector<std::string> path; ///< folders of PATH
};

/// This process's: $FLEETING_PLUGIN_PATH, else `.config/fleeting/plugins` at
/// home; $PATH.
lookup_places places_of_host();

/// A plugin's name as a reference to a registry, completed.
struct plugin_reference {
  std::string repository; ///< `registry.gitlab.com/gitlab-org/.../aws`
  std::string tag;        ///< empty: any version
  std::string digest;     ///< `sha256:...`: what it is pinned to; may be empty

  bool operator==(const plugin_reference&) const = default;
};

/// Completes a name: `aws`, `group/project/plugin:1.2`, or a whole reference,
/// with `@sha256:...` behind it or without. What has a dot or a colon in its
/// first part of several names its registry. Pure.
///
/// Errors: `bad_config`. Source: reference/fleeting-plugins, section 9; digests
/// and ports are muster's own.
result<plugin_reference, provider_errc> parse_reference(std::string_view name);

/// The path of a repository below the plugins' folder, as Go escapes module
/// paths: `!` and a small letter for a capital. The registry's port stays.
/// Pure.
///
/// Errors: `bad_config`.
result<std::string, provider_errc> escape_repository(std::string_view text);

/// The folder of what is pinned to a digest, where the others have a version:
/// no version could mean it. Pure.
std::string digest_folder(std::string_view digest);

/// Where the program of a plugin comes from.
enum class plugin_origin : uint8_t {
  file,     ///< the name is a path
  path,     ///< one of the folders of PATH
  registry, ///< it was installed from one, or could be
};

/// How `find_plugin` understands a name.
plugin_origin origin_of(const std::string& name);

/// Finds the program that `plugin = "..."` means: a file; `fleeting-plugin-...`
/// on PATH; or what is installed, in its highest version that the tag allows.
///
/// Errors: `bad_config` (the name means nothing), `not_available` (no such
/// file, not executable, not installed).
/// Source: reference/fleeting-plugins, section 9.
result<std::string, provider_errc> find_plugin(const std::string& name,
                                               const lookup_places& places);

} // namespace muster::fleeting
