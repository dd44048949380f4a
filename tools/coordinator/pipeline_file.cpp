#include "tools/coordinator/pipeline_file.hpp"

#include "tools/coordinator/job_parts.hpp"
#include "tools/coordinator/job_spec.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <set>

namespace muster::gitlab {

namespace {

using nlohmann::json;
using kind = yaml_value::kind;

constexpr int extends_max = 11; ///< levels, as in GitLab
constexpr size_t jobs_max = 500;

constexpr std::array root_keywords{"stages", "default", "variables"};
/// What stands both in a job and in `default` (or, of old, at the top).
constexpr std::array shared_keywords{
  "image",   "services", "cache", "before_script", "after_script",
  "timeout", "hooks",    "tags",  "artifacts"};
constexpr std::array top_shared_keywords{"image", "services", "cache",
                                         "before_script", "after_script"};
constexpr std::array job_keywords{"stage", "script",       "extends",
                                  "needs", "dependencies", "allow_failure",
                                  "when",  "variables"};
constexpr std::array unsupported_keywords{"include",
                                          "workflow",
                                          "rules",
                                          "only",
                                          "except",
                                          "parallel",
                                          "retry",
                                          "trigger",
                                          "environment",
                                          "resource_group",
                                          "interruptible",
                                          "coverage",
                                          "release",
                                          "secrets",
                                          "id_tokens",
                                          "inherit",
                                          "pages",
                                          "run",
                                          "spec",
                                          "identity",
                                          "dast_configuration",
                                          "start_in",
                                          "manual_confirmation",
                                          "inputs"};

template <class List>
bool has(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// Thrown inside this file only.
struct refused {
  yaml_errc code;
  yaml_mark at;
  std::string text;
};

[[noreturn]] void bad(yaml_mark at, std::string text) {
  throw refused{yaml_errc::bad_value, at, std::move(text)};
}

[[noreturn]] void refuse_keyword(const yaml_value::entry& x,
                                 const std::string& where) {
  auto why = has(unsupported_keywords, x.key) ? "is not supported here"
                                              : "is no keyword";
  throw refused{yaml_errc::unknown_keyword, x.at,
                fmt::format("\"{}\" in {} {}", x.key, where, why)};
}

void expect_map(const yaml_value& x, const std::string& what) {
  if (x.is != kind::map)
    bad(x.at, fmt::format("{} must be a map", what));
}

/// Texts of a list, or one text alone.
std::vector<std::pair<std::string, yaml_mark>> texts(const yaml_value& x,
                                                     const std::string& what) {
  std::vector<std::pair<std::string, yaml_mark>> result;
  if (x.is == kind::scalar)
    return {{x.text, x.at}};
  if (x.is != kind::list)
    bad(x.at, fmt::format("{} must be text or a list of texts", what));
  for (const auto& entry : x.list) {
    if (entry.is != kind::scalar)
      bad(entry.at, fmt::format("{} must hold texts only", what));
    result.emplace_back(entry.text, entry.at);
  }
  return result;
}

/// A script as it stands: a number or a truth value in it is text too.
json script_json(const yaml_value& x, const std::string& what, int depth = 0) {
  if (x.is == kind::scalar)
    return json::array({x.text});
  if (x.is != kind::list || depth > 10)
    bad(x.at, fmt::format("{} must be text or a list of texts", what));
  json lines = json::array();
  for (const auto& entry : x.list)
    for (auto& line : script_json(entry, what, depth + 1))
      lines.push_back(std::move(line));
  return lines;
}

json variable_json(const yaml_value::entry& x) {
  const auto& value = x.value;
  if (value.is == kind::list)
    bad(value.at,
        fmt::format("variable {} must be text, or a map with value", x.key));
  if (value.is != kind::map)
    return value.text; // as it is written: 1.10 is no number
  json result = json::object();
  for (const auto& part : value.map) {
    if (part.key == "value")
      result["value"] = part.value.text;
    else if (part.key == "expand")
      result["expand"] = part.value.text != "false";
    else if (part.key != "description" && part.key != "options")
      refuse_keyword(part, fmt::format("variable {}", x.key));
  }
  return result;
}

/// Puts `from` over `to`: maps are merged, all else is replaced.
void merge(yaml_value& to, const yaml_value& from) {
  for (const auto& entry : from.map) {
    auto same = [&](const auto& x) { return x.key == entry.key; };
    auto at = std::find_if(to.map.begin(), to.map.end(), same);
    if (at == to.map.end())
      to.map.push_back(entry);
    else if (at->value.is == kind::map && entry.value.is == kind::map)
      merge(at->value, entry.value);
    else
      *at = entry;
  }
}

class builder {
public:
  explicit builder(const yaml_value& root) : root_(root) {
  }

  pipeline_file build() {
    if (root_.is != kind::map)
      bad(root_.at, "a pipeline is a map of jobs");
    read_stages();
    if (const auto* x = root_.find_entry("default"))
      read_default(*x);
    for (const auto& x : root_.map)
      if (is_job(x))
        read_job(x);
    if (result_.jobs.empty())
      bad(root_.at, "there is no job to run");
    for (size_t i = 0; i < result_.jobs.size(); ++i)
      read_needs(i);
    check_cycles();
    return std::move(result_);
  }

private:
  bool is_job(const yaml_value::entry& x) const {
    if (has(root_keywords, x.key) || has(top_shared_keywords, x.key))
      return false;
    if (x.key.starts_with('.')) {
      expect_map_or_script(x);
      return false;
    }
    if (has(unsupported_keywords, x.key)
        && (x.value.is != kind::map || x.value.find("script") == nullptr))
      refuse_keyword(x, "the file");
    if (x.value.is != kind::map)
      refuse_keyword(x, "the file");
    return true;
  }

  /// A hidden job may be anything that anchors are taken from.
  static void expect_map_or_script(const yaml_value::entry& x) {
    if (x.value.is == kind::null)
      bad(x.at, fmt::format("{} is empty", x.key));
  }

  void read_stages() {
    result_.stages = {".pre"};
    if (const auto* x = root_.find("stages")) {
      for (auto& [name, at] : texts(*x, "stages"))
        if (!has(result_.stages, name) && name != ".post")
          result_.stages.push_back(name);
    } else {
      result_.stages.insert(result_.stages.end(), {"build", "test", "deploy"});
    }
    result_.stages.emplace_back(".post");
  }

  void read_default(const yaml_value::entry& x) {
    expect_map(x.value, "default");
    for (const auto& entry : x.value.map)
      if (!has(shared_keywords, entry.key))
        refuse_keyword(entry, "default");
  }

  const yaml_value* default_of(const char* key) const {
    const auto* defaults = root_.find("default");
    const auto* x = defaults == nullptr ? nullptr : defaults->find(key);
    return x == nullptr && has(top_shared_keywords, key) ? root_.find(key) : x;
  }

  /// The job with all that it extends.
  yaml_value resolved(const yaml_value::entry& x, int level) const {
    if (level > extends_max)
      bad(x.at, fmt::format("{} extends in a circle, or more than {} levels",
                            x.key, extends_max));
    expect_map(x.value, fmt::format("job {}", x.key));
    yaml_value whole;
    whole.is = kind::map;
    whole.at = x.at;
    if (const auto* bases = x.value.find("extends"))
      for (const auto& [name, at] : texts(*bases, "extends")) {
        const auto* base = root_.find_entry(name);
        if (base == nullptr)
          bad(at,
              fmt::format("{} extends {}, which is not there", x.key, name));
        merge(whole, resolved(*base, level + 1));
      }
    merge(whole, x.value);
    std::erase_if(whole.map, [](const auto& e) { return e.key == "extends"; });
    return whole;
  }

  void read_job(const yaml_value::entry& x) {
    auto whole = resolved(x, 0);
    auto where = fmt::format("job {}", x.key);
    for (const auto& entry : whole.map)
      if (!has(job_keywords, entry.key) && !has(shared_keywords, entry.key))
        refuse_keyword(entry, where);
    for (const auto* key : shared_keywords)
      if (const auto* value = default_of(key);
          value != nullptr && whole.find(key) == nullptr)
        whole.map.push_back({key, value->at, *value});
    if (whole.find("script") == nullptr)
      bad(x.at, fmt::format("{} has no script", where));
    if (result_.jobs.size() >= jobs_max)
      bad(x.at, fmt::format("more than {} jobs", jobs_max));
    file_job job;
    job.name = x.key;
    job.at = x.at;
    job.stage = stage_of(whole);
    job.spec = spec_of(x.key, whole);
    job.spec["stage"] = result_.stages[job.stage];
    result_.jobs.push_back(std::move(job));
    bodies_.push_back(std::move(whole));
  }

  size_t stage_of(const yaml_value& job) const {
    const auto* x = job.find("stage");
    std::string name = x == nullptr ? "test" : x->text;
    auto at = std::find(result_.stages.begin(), result_.stages.end(), name);
    if (at == result_.stages.end())
      bad(x == nullptr ? job.at : x->at,
          fmt::format("stage {} is not in stages", name));
    return static_cast<size_t>(at - result_.stages.begin());
  }

  json spec_of(const std::string& name, const yaml_value& job) const {
    json spec{{"name", name}};
    json variables = variables_json(root_.find("variables"));
    variables.update(variables_json(job.find("variables")));
    spec["variables"] = std::move(variables);
    for (const auto& [key, at, value] : job.map) {
      if (key == "script" || key == "before_script" || key == "after_script")
        spec[key] = script_json(value, key);
      else if (key == "timeout")
        spec[key] = checked_timeout(value);
      else if (key == "when")
        spec[key] = checked_when(value);
      else if (key == "image" || key == "services" || key == "cache"
               || key == "artifacts" || key == "hooks"
               || key == "allow_failure")
        spec[key] = checked_part(key, value);
    }
    return spec;
  }

  static json variables_json(const yaml_value* x) {
    json result = json::object();
    if (x == nullptr || x->is == kind::null)
      return result;
    expect_map(*x, "variables");
    for (const auto& entry : x->map)
      result[entry.key] = variable_json(entry);
    return result;
  }

  static json checked_timeout(const yaml_value& x) {
    if (x.is != kind::scalar || !parse_timeout(x.text))
      bad(x.at,
          fmt::format("timeout: \"{}\" is no duration; write 1h 30m", x.text));
    return x.text;
  }

  static json checked_when(const yaml_value& x) {
    if (x.is != kind::scalar || !when_of(x.text))
      bad(x.at, fmt::format("when: \"{}\" is none of on_success, on_failure, "
                            "always, manual, never",
                            x.text));
    return x.text;
  }

  static json checked_part(const std::string& key, const yaml_value& x) {
    auto part = to_json(x);
    try { // a part of a wrong shape shows when it is made a payload
      if (key == "image" || key == "services")
        for (const auto& entry : list_of(part))
          if (image_of(entry).value("name", "").empty())
            bad(x.at, fmt::format("{} has no name", key));
      if (key == "cache")
        caches_of(part);
      if (key == "artifacts")
        artifacts_of(part);
      if (key == "hooks")
        hooks_of(part);
    } catch (const json::exception&) {
      bad(x.at, fmt::format("{} has a part of a wrong kind", key));
    }
    return part;
  }

  void read_needs(size_t index) {
    auto& job = result_.jobs[index];
    const auto* needs = bodies_[index].find("needs");
    if (needs == nullptr)
      return;
    job.has_needs = true;
    if (needs->is != kind::list)
      bad(needs->at, "needs must be a list");
    for (const auto& x : needs->list)
      add_need(job, x);
  }

  void add_need(file_job& job, const yaml_value& x) {
    const auto* name = x.is == kind::map ? x.find("job") : &x;
    if (name == nullptr || name->is != kind::scalar)
      bad(x.at, "a need is the name of a job, or a map with job");
    bool optional = false;
    for (const auto& part : x.map) {
      if (part.key == "optional")
        optional = part.value.text == "true";
      else if (part.key != "job" && part.key != "artifacts")
        refuse_keyword(part, "needs");
    }
    auto same = [&](const file_job& other) { return other.name == name->text; };
    auto at = std::find_if(result_.jobs.begin(), result_.jobs.end(), same);
    if (at != result_.jobs.end())
      job.needs.push_back(static_cast<size_t>(at - result_.jobs.begin()));
    else if (!optional)
      bad(name->at,
          fmt::format("{} needs {}, which is not there", job.name, name->text));
  }

  /// Takes away jobs whose needs are all taken away, until none is left.
  void check_cycles() const {
    std::set<size_t> done;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < result_.jobs.size(); ++i) {
        const auto& needs = result_.jobs[i].needs;
        bool ready = std::all_of(needs.begin(), needs.end(),
                                 [&](size_t x) { return done.contains(x); });
        changed |= ready && done.insert(i).second;
      }
    }
    for (size_t i = 0; i < result_.jobs.size(); ++i)
      if (!done.contains(i))
        bad(result_.jobs[i].at, fmt::format("{} needs itself, by way of others",
                                            result_.jobs[i].name));
  }

  const yaml_value& root_;
  pipeline_file result_;
  std::vector<yaml_value> bodies_; ///< of the jobs, same indices
};

} // namespace

result<pipeline_file, yaml_errc> parse_pipeline(const std::string& text,
                                                const std::string& file) {
  auto root = parse_yaml(text, file);
  if (!root)
    return tl::unexpected(root.error());
  try {
    return builder{*root}.build();
  } catch (const refused& problem) {
    return fail(problem.code, placed(file, problem.at, problem.text));
  }
}

} // namespace muster::gitlab
