#include "config/name_hints.hpp"

#include "config/diagnostic.hpp"
#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>
#include <vector>

namespace muster {

namespace {

constexpr std::string_view group = "runners.autoscaler";

bool is_of_group(std::string_view path) {
  return path == group
         || (path.starts_with(group) && path[group.size()] == '.');
}

std::string with_underscores(std::string_view name) {
  std::string out{name};
  std::ranges::replace(out, '-', '_');
  return out;
}

/// What `register` takes for runners that it makes: it has never stood in the
/// file.
bool is_set_in_gitlab(std::string_view name) {
  constexpr std::array<std::string_view, 8> names{
    "locked",       "run_untagged",    "tag_list", "tags",
    "access_level", "maximum_timeout", "paused",   "maintenance_note"};
  return std::ranges::find(names, with_underscores(name)) != names.end();
}

/// Words for a key that no typing error leads to.
std::string_view synonym(std::string_view name, std::string_view path) {
  struct row {
    std::string_view path;
    std::string_view name;
    std::string_view key;
  };
  constexpr std::array rows{
    row{"runners.autoscaler.connector_config", "private_key", "key_path"},
    row{"runners.autoscaler.connector_config", "port", "protocol_port"},
    row{"runners.autoscaler.state_storage", "path", "dir"}};
  for (const auto& x : rows)
    if (x.path == path && same_ignoring_case(x.name, with_underscores(name)))
      return x.key;
  return "";
}

/// A key of the same table: near by typing errors, or the only one that begins
/// with the name.
std::optional<std::string> sibling(std::string_view name,
                                   std::string_view path) {
  std::vector<std::string_view> all;
  for (const auto* key : keys_in(path))
    all.push_back(last_part(key->path));
  if (auto key = synonym(name, path); !key.empty())
    return std::string{key};
  if (auto meant = nearest(name, all))
    return meant;
  constexpr size_t telling = 4; // shorter names begin too many others
  std::erase_if(all, [&](auto x) {
    return name.size() < telling || x.size() < name.size()
           || !same_ignoring_case(x.substr(0, name.size()), name);
  });
  return all.size() == 1 ? std::optional{std::string{all.front()}}
                         : std::nullopt;
}

/// Whether a key of `from` may have been meant where `path` is being written. A
/// name is a setting of many plugins, and of the runner.
bool may_be_from(std::string_view from, std::string_view name,
                 std::string_view path) {
  return !is_of_group(path) || is_of_group(from)
         || (from == "runners" && name != "name");
}

/// The tables where a key of that name may stand, in words.
std::string other_places(std::string_view name, std::string_view path) {
  std::vector<std::string> places;
  for (const auto& key : known_keys()) {
    auto section = section_of(key.path);
    if (same_ignoring_case(last_part(key.path), name)
        && may_be_from(section, name, path))
      places.push_back(section.empty() ? "at the top of the file, before any "
                                         "[table]"
                                       : "under " + section_header(section));
  }
  constexpr size_t named_max = 3;
  if (places.empty() || places.size() > named_max)
    return "";
  std::string text = places.front();
  for (size_t i = 1; i < places.size(); ++i)
    text += (i + 1 == places.size() ? " or " : ", ") + places[i];
  return text;
}

/// The nearest key of another table with its place, or nothing.
std::string elsewhere(std::string_view name, std::string_view path) {
  constexpr size_t telling = 5; // shorter names are near to too many others
  std::vector<std::string_view> others;
  for (const auto& key : known_keys())
    if (last_part(key.path).size() >= telling
        && (!is_of_group(path) || is_of_group(section_of(key.path))))
      others.push_back(last_part(key.path));
  if (auto meant = nearest(name, others))
    if (auto places = other_places(*meant, path); !places.empty())
      return fmt::format("{} {}", in_quotes(*meant), places);
  return "";
}

} // namespace

name_hint_text name_hint(std::string_view name, std::string_view path) {
  if (path == "runners" && is_set_in_gitlab(name))
    return {"", "it has no effect: it is set in GitLab, for the runner", false};
  if (auto meant = sibling(name, path))
    return {fmt::format(", did you mean {}?", in_quotes(*meant)), "", false};
  if (auto places = other_places(name, path); !places.empty())
    return {": it belongs " + places, "", true};
  if (auto meant = elsewhere(name, path); !meant.empty())
    return {fmt::format(", did you mean {}?", meant), "", false};
  auto place
    = path.empty() ? "at the top of the file" : "in " + section_header(path);
  auto advice = "it has no effect: no such key " + place;
  if (path == group)
    advice += ". Settings of the plugin stand under "
              "[runners.autoscaler.plugin_config]";
  return {"", advice, false};
}

} // namespace muster
