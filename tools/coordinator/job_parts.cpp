#include "tools/coordinator/job_parts.hpp"

#include <algorithm>
#include <array>
#include <cctype>
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

/// A kind of report, as GitLab names and stores it.
struct report {
  std::string_view type;
  const char* file;
  const char* format;
};

constexpr std::array reports{
  report{"accessibility", "gl-accessibility.json", "raw"},
  report{"annotations", "gl-annotations.json", "raw"},
  report{"api_fuzzing", "gl-api-fuzzing-report.json", "raw"},
  report{"browser_performance", "browser-performance.json", "raw"},
  report{"cluster_image_scanning", "gl-cluster-image-scanning-report.json",
         "raw"},
  report{"cobertura", "cobertura-coverage.xml", "gzip"},
  report{"codequality", "gl-code-quality-report.json", "raw"},
  report{"container_scanning", "gl-container-scanning-report.json", "raw"},
  report{"coverage_fuzzing", "gl-coverage-fuzzing.json", "raw"},
  report{"cyclonedx", "gl-sbom.cdx.json", "gzip"},
  report{"dast", "gl-dast-report.json", "raw"},
  report{"dependency_scanning", "gl-dependency-scanning-report.json", "raw"},
  report{"dotenv", ".env", "gzip"},
  report{"jacoco", "jacoco-coverage.xml", "gzip"},
  report{"junit", "junit.xml", "gzip"},
  report{"license_scanning", "gl-license-scanning-report.json", "raw"},
  report{"load_performance", "load-performance.json", "raw"},
  report{"lsif", "lsif.json", "zip"},
  report{"metrics", "metrics.txt", "gzip"},
  report{"performance", "performance.json", "raw"},
  report{"repository_xray", "gl-repository-xray.json", "raw"},
  report{"requirements", "requirements.json", "raw"},
  report{"requirements_v2", "requirements_v2.json", "raw"},
  report{"sast", "gl-sast-report.json", "raw"},
  report{"secret_detection", "gl-secret-detection-report.json", "raw"},
  report{"terraform", "tfplan.json", "raw"},
};

const report* find_report(std::string_view type) {
  const auto* at
    = std::find_if(reports.begin(), reports.end(),
                   [&](const report& x) { return x.type == type; });
  return at == reports.end() ? nullptr : at;
}

json report_of(const std::string& type, const json& paths, const json& from) {
  const auto* known = find_report(type);
  json out{{"name", known == nullptr ? type : known->file},
           {"untracked", false},
           {"paths", list_of(paths)},
           {"when", "always"},
           {"artifact_type", type},
           {"artifact_format", known == nullptr ? "gzip" : known->format}};
  copy(from, out, {"expire_in"});
  return out;
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

std::string slug(std::string_view text) {
  std::string result;
  for (unsigned char c : text.substr(0, 63))
    result += std::isalnum(c) != 0 ? static_cast<char>(std::tolower(c)) : '-';
  auto first = result.find_first_not_of('-');
  auto last = result.find_last_not_of('-');
  return first == std::string::npos ? std::string{}
                                    : result.substr(first, last - first + 1);
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

bool is_report(std::string_view type) {
  return find_report(type) != nullptr;
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
    list.push_back(report_of(type, paths, x));
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
