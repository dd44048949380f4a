#include "tools/coordinator/job_parts.hpp"

#include <array>
#include <fmt/format.h>
#include <utility>

namespace muster::gitlab {

namespace {

using nlohmann::json;

constexpr int nesting_max = 10; ///< of lists in a script, as in GitLab

bool add_lines(const json& x, std::vector<std::string>& to, int depth) {
  if (x.is_null())
    return true;
  if (x.is_string()) {
    to.push_back(x.get<std::string>());
    return true;
  }
  if (x.is_number() || x.is_boolean()) {
    to.push_back(x.dump());
    return true;
  }
  if (!x.is_array() || depth >= nesting_max)
    return false;
  for (const auto& entry : x)
    if (!add_lines(entry, to, depth + 1))
      return false;
  return true;
}

/// Text as it is, a number or a truth value as it is written.
std::optional<std::string> text_of(const json& x) {
  if (x.is_string())
    return x.get<std::string>();
  if (x.is_number() || x.is_boolean())
    return x.dump();
  if (x.is_null())
    return std::string{};
  return std::nullopt;
}

void copy(const json& from, json& to, std::initializer_list<const char*> keys) {
  for (const auto* key : keys)
    if (auto at = from.find(key); at != from.end())
      to[key] = *at;
}

json report_of(const std::string& type, const json& paths) {
  return {{"name", type + ".xml"},   {"untracked", false},
          {"paths", list_of(paths)}, {"when", "always"},
          {"artifact_type", type},   {"artifact_format", "gzip"}};
}

} // namespace

std::optional<run_when> when_of(std::string_view word) {
  static constexpr std::array words{
    std::pair{run_when::on_success, std::string_view{"on_success"}},
    std::pair{run_when::on_failure, std::string_view{"on_failure"}},
    std::pair{run_when::always, std::string_view{"always"}},
    std::pair{run_when::manual, std::string_view{"manual"}},
    std::pair{run_when::never, std::string_view{"never"}},
  };
  for (const auto& [value, name] : words)
    if (name == word)
      return value;
  return std::nullopt;
}

json list_of(const json& x) {
  if (x.is_array())
    return x;
  return x.is_null() ? json::array() : json::array({x});
}

std::optional<std::vector<std::string>> script_lines(const json& x) {
  std::vector<std::string> lines;
  if (!add_lines(x, lines, 0))
    return std::nullopt;
  return lines;
}

result<json, parts_errc> variables_of(const json& x) {
  if (x.is_array())
    return x;
  json list = json::array();
  for (const auto& [key, value] : x.items()) {
    json entry{{"key", key}, {"public", true}, {"masked", false}};
    if (value.is_object()) {
      copy(value, entry, {"masked", "file", "raw", "public"});
      if (auto at = value.find("expand"); at != value.end())
        entry["raw"] = !at->get<bool>();
    }
    auto text
      = text_of(value.is_object() ? value.value("value", json{}) : value);
    if (!text)
      return fail(
        parts_errc::bad_variable,
        fmt::format("{} is neither text nor an object with a value", key));
    entry["value"] = *text;
    list.push_back(std::move(entry));
  }
  return list;
}

json image_of(const json& x) {
  if (x.is_string())
    return {{"name", x}};
  json image = json::object();
  copy(x, image, {"name", "alias", "command", "entrypoint", "ports"});
  if (auto at = x.find("pull_policy"); at != x.end())
    image["pull_policy"] = list_of(*at);
  if (auto at = x.find("docker"); at != x.end())
    image["executor_opts"]["docker"] = *at;
  if (auto at = x.find("variables"); at != x.end())
    if (auto list = variables_of(*at))
      image["variables"] = std::move(*list);
  return image;
}

json hooks_of(const json& x) {
  json hooks = json::array();
  for (const auto& [name, script] : x.items())
    if (auto lines = script_lines(script))
      hooks.push_back({{"name", name}, {"script", *lines}});
  return hooks;
}

json artifacts_of(const json& x) {
  json list = json::array();
  if (!x.is_object())
    return list;
  if (x.contains("paths") || x.value("untracked", false)) {
    json archive{{"artifact_type", "archive"},
                 {"artifact_format", "zip"},
                 {"untracked", x.value("untracked", false)},
                 {"when", x.value("when", "on_success")},
                 {"paths", list_of(x.value("paths", json{}))}};
    copy(x, archive, {"name", "expire_in"});
    if (auto at = x.find("exclude"); at != x.end())
      archive["exclude"] = list_of(*at);
    list.push_back(std::move(archive));
  }
  auto reports = x.value("reports", json::object());
  for (const auto& [type, paths] : reports.items())
    list.push_back(report_of(type, paths));
  return list;
}

json caches_of(const json& x) {
  json list = json::array();
  for (const auto& entry : list_of(x)) {
    json cache{
      {"key", entry.value("key", "default")},
      {"untracked", entry.value("untracked", false)},
      {"policy", entry.value("policy", "pull-push")},
      {"when", entry.value("when", "on_success")},
      {"paths", list_of(entry.value("paths", json{}))},
      {"fallback_keys", list_of(entry.value("fallback_keys", json{}))}};
    list.push_back(std::move(cache));
  }
  return list;
}

} // namespace muster::gitlab
