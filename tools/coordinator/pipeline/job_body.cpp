#include "tools/coordinator/pipeline/job_body.hpp"

#include "tools/coordinator/job_parts.hpp"
#include "tools/coordinator/job_spec.hpp"
#include "tools/coordinator/pipeline/images.hpp"
#include "tools/coordinator/pipeline/keywords.hpp"
#include "tools/coordinator/pipeline/tree_edit.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;
using kind = yaml_value::kind;

constexpr int retries_max = 2;   ///< as in GitLab
constexpr size_t caches_max = 4; ///< as in GitLab

[[noreturn]] void bad(yaml_mark at, std::string text, std::string hint = {}) {
  throw yaml_refused{yaml_errc::bad_value, at, std::move(text),
                     std::move(hint)};
}

void expect_map(const yaml_value& x, const std::string& what) {
  if (x.is != kind::map)
    bad(x.at, fmt::format("{} must be a map", what));
}

const std::string& text_of(const yaml_value& x, const std::string& what) {
  if (x.is != kind::scalar)
    bad(x.at, fmt::format("{} must be text", what));
  return x.text;
}

bool truth_of(const yaml_value& x, const std::string& what) {
  if (x.is != kind::scalar || (x.text != "true" && x.text != "false"))
    bad(x.at, fmt::format("{} must be true or false", what));
  return x.text == "true";
}

int number_of(const yaml_value& x, const std::string& what, int least,
              int most) {
  int value = 0;
  const auto* end = x.text.data() + x.text.size();
  auto [stop, error] = std::from_chars(x.text.data(), end, value);
  if (x.is != kind::scalar || error != std::errc{} || stop != end
      || value < least || value > most)
    bad(x.at, fmt::format("{} must be a whole number from {} to {}", what,
                          least, most));
  return value;
}

json text_list(const yaml_value& x, const std::string& what) {
  auto out = json::array();
  for (auto& [text, at] : texts(x, what))
    out.push_back(std::move(text));
  return out;
}

json exit_codes(const yaml_value& x, const std::string& what) {
  auto out = json::array();
  if (x.is == kind::list)
    for (const auto& entry : x.list)
      out.push_back(number_of(entry, what, 0, 255));
  else
    out.push_back(number_of(x, what, 0, 255));
  return out;
}

/// What is read of one job.
class body_reader {
public:
  body_reader(const yaml_value& job, const std::string& where,
              const variable_map& variables, const pipeline_context& context,
              pipeline_notes& notes)
    : job_(job),
      where_(where),
      variables_(variables),
      context_(context),
      notes_(notes) {
  }

  json read() {
    for (const auto& [key, at, value] : job_.map)
      try {
        if (!context_.containers && (key == "image" || key == "services"))
          notes_.warn(at, key
                            + " has no effect here: jobs run on the instance "
                              "itself");
        read_keyword(key, value);
      } catch (const yaml_refused& problem) {
        notes_.refuse(problem);
      }
    return std::move(out_);
  }

private:
  std::string named(const char* keyword) const {
    return fmt::format("{} in {}", keyword, where_);
  }

  void read_keyword(const std::string& key, const yaml_value& x) {
    if (key == "script" || key == "before_script" || key == "after_script")
      out_[key]
        = x.is == kind::null ? json::array() : text_list(x, named(key.c_str()));
    else if (key == "timeout")
      read_timeout(x);
    else if (key == "allow_failure")
      out_[key] = read_allow_failure(x, where_, notes_);
    else if (key == "image" || key == "services")
      read_images(key, x);
    else if (key == "cache")
      read_caches(x);
    else if (key == "artifacts")
      read_artifacts(x);
    else if (key == "hooks")
      read_hooks(x);
    else if (key == "retry")
      read_retry(x);
    else if (key == "environment")
      read_environment(x);
  }

  void read_timeout(const yaml_value& x) {
    auto time = x.is == kind::scalar ? parse_timeout(x.text) : std::nullopt;
    if (!time || time->count() <= 0)
      bad(x.at, fmt::format("timeout: {} is no duration", in_quotes(x.text)),
          "write 1h 30m");
    out_["timeout"] = x.text;
  }

  /// Null is as if it were not there.
  void read_images(const std::string& key, const yaml_value& x) {
    if (x.is == kind::null)
      return;
    auto where = named(key.c_str());
    out_[key] = key == "image" ? read_image(x, where, notes_)
                               : read_services(x, where, notes_);
  }

  void read_hooks(const yaml_value& x) {
    expect_map(x, named("hooks"));
    check_keywords("hooks", x, named("hooks"), notes_);
    for (const auto& [key, at, value] : x.map)
      out_["hooks"][key] = text_list(value, key);
  }

  // -- cache
  // -------------------------------------------------------------------

  void read_caches(const yaml_value& x) {
    auto list = json::array();
    if (x.is == kind::list) {
      if (x.list.size() > caches_max)
        bad(x.at, fmt::format("{}: more than {} caches", where_, caches_max));
      for (const auto& entry : x.list)
        list.push_back(cache_of(entry));
    } else if (x.is != kind::null && !x.map.empty()) {
      list.push_back(cache_of(x));
    }
    out_["cache"] = std::move(list);
  }

  json cache_of(const yaml_value& x) {
    auto what = named("cache");
    expect_map(x, what);
    check_keywords("cache", x, what, notes_);
    json out = json::object();
    for (const auto& [key, at, value] : x.map)
      if (key == "key")
        out[key] = cache_key(value);
      else if (key == "paths" || key == "fallback_keys")
        out[key] = text_list(value, fmt::format("cache:{}", key));
      else if (key == "untracked")
        out[key] = truth_of(value, "cache:untracked");
      else if (key == "when")
        out[key] = read_word(value, "cache:when",
                             {"on_success", "on_failure", "always"});
      else if (key == "policy")
        out[key]
          = value.text.find('$') != std::string::npos
              ? value.text
              : read_word(value, "cache:policy", {"pull-push", "pull", "push"});
    return out;
  }

  std::string cache_key(const yaml_value& x) {
    if (x.is == kind::scalar)
      return x.text;
    if (x.is == kind::null)
      return "default";
    expect_map(x, "cache:key");
    check_keywords("cache:key", x, "cache:key", notes_);
    std::string prefix;
    if (const auto* part = x.find("prefix"))
      prefix = text_of(*part, "cache:key:prefix");
    const auto* files = x.find("files");
    files = files == nullptr ? x.find("files_commits") : files;
    if (files == nullptr)
      bad(x.at, "cache:key has neither files nor is it text");
    std::vector<std::string> paths;
    for (const auto& [path, at] : texts(*files, "cache:key:files"))
      paths.push_back(expand_variables(path, variables_));
    auto digest
      = context_.files == nullptr ? "" : context_.files->digest(paths);
    digest = digest.empty() ? "default" : digest;
    return prefix.empty() ? digest : fmt::format("{}-{}", prefix, digest);
  }

  // -- artifacts
  // ---------------------------------------------------------------

  void read_artifacts(const yaml_value& x) {
    if (x.is == kind::null)
      return;
    auto what = named("artifacts");
    expect_map(x, what);
    check_keywords("artifacts", x, what, notes_);
    json out = json::object();
    for (const auto& [key, at, value] : x.map)
      if (key == "paths" || key == "exclude")
        out[key] = text_list(value, fmt::format("artifacts:{}", key));
      else if (key == "untracked")
        out[key] = truth_of(value, "artifacts:untracked");
      else if (key == "name")
        out[key] = text_of(value, "artifacts:name");
      else if (key == "when")
        out[key] = read_word(value, "artifacts:when",
                             {"on_success", "on_failure", "always"});
      else if (key == "expire_in")
        out[key] = expiry_of(value);
      else if (key == "reports")
        out[key] = reports_of(value);
    out_["artifacts"] = std::move(out);
  }

  static std::string expiry_of(const yaml_value& x) {
    if (x.is != kind::scalar || (x.text != "never" && !parse_timeout(x.text)))
      bad(x.at,
          fmt::format("artifacts:expire_in: {} is no duration",
                      in_quotes(x.text)),
          "write 1 week, 3 mins 4 sec, or never");
    return x.text;
  }

  static json reports_of(const yaml_value& x) {
    expect_map(x, "artifacts:reports");
    json out = json::object();
    for (const auto& [key, at, value] : x.map) {
      if (key == "coverage_report" && value.is == kind::map) {
        const auto* format = value.find("coverage_format");
        const auto* path = value.find("path");
        if (format == nullptr || path == nullptr)
          bad(value.at, "coverage_report needs coverage_format and path");
        out[read_word(*format, "coverage_format", {"cobertura", "jacoco"})]
          = text_list(*path, "coverage_report:path");
        continue;
      }
      if (!is_report(key))
        throw yaml_refused{
          yaml_errc::unknown_keyword,
          at,
          fmt::format("{} is no kind of report", in_quotes(key)),
          {}};
      out[key] = text_list(value, fmt::format("artifacts:reports:{}", key));
    }
    return out;
  }

  // -- the rest
  // ----------------------------------------------------------------

  void read_retry(const yaml_value& x) {
    auto what = named("retry");
    if (x.is != kind::map) {
      out_["retry"] = {{"max", number_of(x, what, 0, retries_max)}};
      return;
    }
    check_keywords("retry", x, what, notes_);
    json out{{"max", 0}};
    for (const auto& [key, at, value] : x.map)
      if (key == "max")
        out[key] = number_of(value, "retry:max", 0, retries_max);
      else if (key == "when")
        out[key] = text_list(value, "retry:when");
      else if (key == "exit_codes")
        out[key] = exit_codes(value, "retry:exit_codes");
    out_["retry"] = std::move(out);
  }

  void read_environment(const yaml_value& x) {
    if (x.is == kind::scalar) {
      out_["environment"] = {{"name", x.text}};
      return;
    }
    auto what = named("environment");
    expect_map(x, what);
    check_keywords("environment", x, what, notes_);
    json out = json::object();
    for (const auto& [key, at, value] : x.map)
      if (key == "action")
        out[key] = read_word(value, "environment:action",
                             {"start", "prepare", "stop", "verify", "access"});
      else if (key == "name" || key == "url" || key == "deployment_tier")
        out[key] = text_of(value, fmt::format("environment:{}", key));
    if (!out.contains("name"))
      bad(x.at, fmt::format("{} has no name", what));
    out_["environment"] = std::move(out);
  }

  const yaml_value& job_;
  const std::string& where_;
  const variable_map& variables_;
  const pipeline_context& context_;
  pipeline_notes& notes_;
  json out_ = json::object();
};

json variable_of(const yaml_value::entry& x, const std::string& where,
                 pipeline_notes& notes) {
  const auto& value = x.value;
  auto what = fmt::format("variable {} of {}", x.key, where);
  if (value.is == kind::list)
    bad(value.at, fmt::format("{} must be text, or a map with value", what));
  if (value.is != kind::map)
    return value.text; // as it is written: 1.10 is no number
  check_keywords("variables", value, what, notes);
  json result{{"value", ""}};
  if (const auto* part = value.find("value"))
    result["value"] = part->text;
  if (const auto* part = value.find("expand"))
    result["expand"] = truth_of(*part, "expand");
  return result;
}

} // namespace

json read_job_body(const yaml_value& job, const std::string& where,
                   const variable_map& variables,
                   const pipeline_context& context, pipeline_notes& notes) {
  return body_reader{job, where, variables, context, notes}.read();
}

json read_variables(const yaml_value* x, const std::string& where,
                    pipeline_notes& notes) {
  json result = json::object();
  if (x == nullptr || x->is == kind::null)
    return result;
  expect_map(*x, fmt::format("variables of {}", where));
  for (const auto& entry : x->map)
    result[entry.key] = variable_of(entry, where, notes);
  return result;
}

void add_values(variable_map& to, const json& variables) {
  for (const auto& [key, value] : variables.items()) {
    auto text = value.is_object() ? value.value("value", std::string{})
                                  : value.get<std::string>();
    bool raw = value.is_object() && !value.value("expand", true);
    for (size_t at = 0; raw && (at = text.find('$', at)) != std::string::npos;
         at += 2)
      text.insert(at, 1, '$'); // what an expansion gives back as one
    to[key] = std::move(text);
  }
}

json read_allow_failure(const yaml_value& x, const std::string& where,
                        pipeline_notes& notes) {
  if (x.is != kind::map)
    return truth_of(x, fmt::format("allow_failure in {}", where));
  check_keywords("allow_failure", x, where, notes);
  const auto* codes = x.find("exit_codes");
  if (codes == nullptr)
    bad(x.at, "allow_failure has neither exit_codes nor is it true or false");
  return {{"exit_codes", exit_codes(*codes, "allow_failure:exit_codes")}};
}

std::string read_word(const yaml_value& x, const std::string& what,
                      std::initializer_list<std::string_view> words) {
  if (x.is == kind::scalar
      && std::find(words.begin(), words.end(), x.text) != words.end())
    return x.text;
  std::string known;
  for (auto word : words)
    known += fmt::format("{}{}", known.empty() ? "" : ", ", word);
  bad(x.at,
      fmt::format("{}: {} is none of {}", what, in_quotes(x.text), known));
}

} // namespace muster::gitlab
