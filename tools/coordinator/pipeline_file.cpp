#include "tools/coordinator/pipeline_file.hpp"

#include "tools/coordinator/pipeline/includes.hpp"
#include "tools/coordinator/pipeline/job_body.hpp"
#include "tools/coordinator/pipeline/keywords.hpp"
#include "tools/coordinator/pipeline/links.hpp"
#include "tools/coordinator/pipeline/parallel.hpp"
#include "tools/coordinator/pipeline/rules.hpp"
#include "tools/coordinator/pipeline/tree_edit.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;
using kind = yaml_value::kind;

constexpr size_t jobs_max = 500;
constexpr size_t variables_max = size_t{1} << 20; ///< of a job [bytes]
constexpr size_t name_max = 255;                  ///< as in GitLab [bytes]
/// Keywords that may stand at the top instead of in `default`.
constexpr std::array top_defaults{"image", "services", "cache", "before_script",
                                  "after_script"};

[[noreturn]] void bad(yaml_mark at, std::string text, std::string hint = {}) {
  throw yaml_refused{yaml_errc::bad_value, at, std::move(text),
                     std::move(hint)};
}

bool has(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// What of a job is decided by its rules.
struct decision {
  bool runs = true;
  std::string when = "on_success";
  json allow_failure; ///< null: as the job says
  json variables = json::object();
  const yaml_value* needs = nullptr;
};

class builder {
public:
  builder(const yaml_value& root, const pipeline_context& context,
          pipeline_notes& notes, yaml_budget& budget)
    : root_(root),
      context_(context),
      notes_(notes),
      budget_(budget),
      extender_(root, budget) {
  }

  pipeline_file build() {
    if (root_.is != kind::map)
      bad(root_.at, "a pipeline is a map of jobs");
    read_stages();
    guarded([&] { read_top(); });
    for (const auto& x : root_.map)
      if (is_job(x))
        guarded([&] { read_job(x); });
    if (notes_.passed() && result_.jobs.empty())
      bad(root_.at,
          result_.left_out.empty()
            ? "there is no job to run"
            : "there is no job to run: rules keep out all of them",
          result_.left_out.empty() ? ""
                                   : "--variable KEY=VALUE changes what "
                                     "rules see");
    if (notes_.passed())
      guarded([&] { link_jobs(result_, bodies_, notes_); });
    return std::move(result_);
  }

private:
  template <class Function>
  void guarded(Function&& call) {
    try {
      call();
    } catch (const yaml_refused& problem) {
      notes_.refuse(problem);
    }
  }

  bool is_job(const yaml_value::entry& x) {
    if (x.key.starts_with('.') || find_keyword("file", x.key) != nullptr)
      return false;
    if (x.value.is == kind::map)
      return true;
    yaml_value alone;
    alone.is = kind::map;
    alone.map.push_back(x);
    check_keywords("file", alone, "the file", notes_);
    return false;
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

  /// What stands at the top beside jobs.
  void read_top() {
    yaml_value keywords;
    keywords.is = kind::map;
    for (const auto& x : root_.map)
      if (find_keyword("file", x.key) != nullptr)
        keywords.map.push_back(x);
    check_keywords("file", keywords, "the file", notes_);
    if (const auto* x = root_.find("default")) {
      if (x->is != kind::map)
        bad(x->at, "default must be a map");
      std::vector<yaml_refused> of_jobs; // said of those that inherit it
      check_keywords("default", *x, "default", notes_, &of_jobs);
    }
    variables_ = read_variables(root_.find("variables"), "the file", notes_);
    if (const auto* x = root_.find("workflow"))
      read_workflow(*x);
  }

  void read_workflow(const yaml_value& x) {
    if (x.is != kind::map)
      bad(x.at, "workflow must be a map");
    check_keywords("workflow", x, "workflow", notes_);
    const auto* rules = x.find("rules");
    if (rules == nullptr)
      return;
    const auto* rule
      = matching_rule("workflow:rules", *rules, "workflow",
                      seen_by_rules(variables_), context_, notes_);
    const auto* when = rule == nullptr ? nullptr : rule->find("when");
    if (when != nullptr)
      read_word(*when, "when of workflow", {"always", "never"});
    if (rule == nullptr || (when != nullptr && when->text == "never"))
      bad(rule == nullptr ? rules->at : rule->at,
          "workflow:rules let no pipeline run here",
          "--variable KEY=VALUE changes what rules see");
    variables_.update(
      read_variables(rule->find("variables"), "workflow", notes_));
  }

  /// Variables as rules see them, the given ones last.
  variable_map seen_by_rules(const json& variables) const {
    auto out = context_.predefined;
    add_values(out, variables);
    for (const auto& [key, value] : context_.given)
      out[key] = value;
    auto unexpanded = out;
    size_t size = 0;
    for (auto& [key, value] : out) {
      if (value.find('$') != std::string::npos)
        value = expand_variables(value, unexpanded);
      size += value.size();
      if (size > variables_max)
        bad(root_.at, "the variables of a job are too long");
    }
    return out;
  }

  // -- one job
  // -----------------------------------------------------------------

  void read_job(const yaml_value::entry& x) {
    auto whole = extender_.resolved(x);
    auto where = fmt::format("job {}", x.key);
    file_job job;
    job.base = x.key;
    job.at = x.at;
    check_keywords("job", whole, where, notes_, &job.refusals);
    std::erase_if(job.refusals, [&](const yaml_refused& refusal) {
      return std::any_of(
        whole.map.begin(), whole.map.end(), [&](const auto& e) {
          return e.at.line == refusal.at.line
                 && e.at.column == refusal.at.column && is_given(e);
        });
    });
    add_defaults(whole, job);
    check_script(x, whole, job);
    job.stage = stage_of(whole);
    auto own = read_variables(whole.find("variables"), where, notes_);
    auto variables = inherited_variables(whole);
    variables.update(own);
    bool runs = false;
    for (const auto& one : parallel_jobs(x.key, whole.find("parallel")))
      runs |= add_job(job, one, whole, variables);
    if (!runs)
      result_.left_out.push_back(x.key);
  }

  /// Adds a job unless its rules keep it out.
  bool add_job(file_job job, const parallel_job& one, const yaml_value& whole,
               json variables) {
    auto where = fmt::format("job {}", job.base);
    for (const auto& [key, value] : one.variables)
      variables[key] = value;
    auto seen = seen_by_rules(variables);
    seen["CI_JOB_NAME"] = one.name;
    seen["CI_JOB_STAGE"] = result_.stages[job.stage];
    auto decided = decide(whole, where, seen);
    if (!decided.runs)
      return false;
    if (result_.jobs.size() >= jobs_max)
      bad(job.at, fmt::format("more than {} jobs", jobs_max));
    if (one.name.size() > name_max)
      bad(job.at, fmt::format("a job's name of more than {} bytes", name_max));
    budget_.take(whole); // it is kept, and once more as JSON
    budget_.take(variables.size(), 2 * variables.dump().size(), job.at);
    job.name = one.name;
    job.spec = read_job_body(whole, where, seen, context_, notes_);
    job.spec["name"] = one.name;
    job.spec["stage"] = result_.stages[job.stage];
    variables.update(decided.variables);
    job.spec["variables"] = std::move(variables);
    job.spec["when"] = decided.when;
    if (!decided.allow_failure.is_null())
      job.spec["allow_failure"] = decided.allow_failure;
    if (one.index > 0) {
      job.spec["node_index"] = one.index;
      job.spec["node_total"] = one.total;
    }
    result_.jobs.push_back(std::move(job));
    bodies_.push_back(whole);
    if (decided.needs != nullptr)
      set_needs(bodies_.back(), *decided.needs);
    return true;
  }

  /// Whether who starts the pipeline gives what `id_tokens` or `secrets` would.
  bool is_given(const yaml_value::entry& x) const {
    return (x.key == "id_tokens" || x.key == "secrets")
           && x.value.is == kind::map
           && std::all_of(
             x.value.map.begin(), x.value.map.end(),
             [&](const auto& e) { return context_.given.contains(e.key); });
  }

  static void set_needs(yaml_value& body, const yaml_value& needs) {
    std::erase_if(body.map, [](const auto& e) { return e.key == "needs"; });
    body.map.push_back({"needs", needs.at, needs});
  }

  void check_script(const yaml_value::entry& x, const yaml_value& whole,
                    const file_job& job) {
    const auto* script = whole.find("script");
    bool empty = script == nullptr || script->is == kind::null
                 || (script->is == kind::list && script->list.empty());
    if (empty && job.refusals.empty())
      bad(x.at, fmt::format("job {} has no script", x.key));
  }

  /// Whether a job takes over what `inherit` speaks of.
  static bool inherits(const yaml_value& job, const char* what,
                       std::string_view name) {
    const auto* inherit = job.find("inherit");
    const auto* x = inherit == nullptr ? nullptr : inherit->find(what);
    if (x == nullptr)
      return true;
    if (x->is == kind::scalar)
      return x->text != "false";
    return std::any_of(x->list.begin(), x->list.end(),
                       [&](const yaml_value& e) { return e.text == name; });
  }

  void add_defaults(yaml_value& job, file_job& to) {
    if (const auto* x = job.find("inherit")) {
      if (x->is != kind::map)
        bad(x->at, "inherit must be a map");
      check_keywords("inherit", *x, fmt::format("job {}", to.base), notes_);
    }
    auto add = [&](const yaml_value::entry& x) {
      if (job.find(x.key) != nullptr || !inherits(job, "default", x.key))
        return;
      const auto* known = find_keyword("default", x.key);
      if (known != nullptr && known->use == keyword_use::refused
          && !is_given(x))
        to.refusals.push_back(
          {yaml_errc::unknown_keyword,
           x.at,
           fmt::format("{} in default is not supported here: {}",
                       in_quotes(x.key), known->why),
           {}});
      job.map.push_back(x);
    };
    if (const auto* defaults = root_.find("default"))
      for (const auto& x : defaults->map)
        add(x);
    for (const auto* key : top_defaults)
      if (const auto* x = root_.find_entry(key))
        add(*x);
  }

  json inherited_variables(const yaml_value& job) const {
    auto out = variables_;
    for (auto at = out.begin(); at != out.end();)
      at = inherits(job, "variables", at.key()) ? std::next(at) : out.erase(at);
    return out;
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

  // -- whether and when it runs
  // ------------------------------------------------

  std::string when_at(const yaml_value& x, const std::string& where) {
    auto word = read_word(
      x, fmt::format("when in {}", where),
      {"on_success", "on_failure", "always", "manual", "delayed", "never"});
    if (word != "delayed")
      return word;
    notes_.warn(x.at, "when: delayed is not waited for here: jobs start at "
                      "once");
    return "on_success";
  }

  decision decide(const yaml_value& job, const std::string& where,
                  const variable_map& seen) {
    decision out;
    const auto* when = job.find("when");
    if (when != nullptr)
      out.when = when_at(*when, where);
    const auto* rules = job.find("rules");
    const auto* only = job.find("only");
    const auto* except = job.find("except");
    if (rules == nullptr) {
      out.runs = only_except(only, except, where, seen, context_, notes_);
      // A job that waits for a click does not hold others up by itself.
      if (out.when == "manual" && job.find("allow_failure") == nullptr)
        out.allow_failure = true;
    } else {
      if (only != nullptr || except != nullptr)
        bad(rules->at,
            fmt::format("{} has both rules and only or except", where));
      follow_rules(*rules, where, seen, out);
    }
    out.runs &= out.when != "never";
    return out;
  }

  void follow_rules(const yaml_value& rules, const std::string& where,
                    const variable_map& seen, decision& out) {
    const auto* rule
      = matching_rule("rules", rules, where, seen, context_, notes_);
    out.runs = rule != nullptr;
    if (rule == nullptr)
      return;
    if (const auto* x = rule->find("when"))
      out.when = when_at(*x, where);
    if (const auto* x = rule->find("allow_failure"))
      out.allow_failure = read_allow_failure(*x, where, notes_);
    out.variables = read_variables(rule->find("variables"), where, notes_);
    out.needs = rule->find("needs");
  }

  const yaml_value& root_;
  const pipeline_context& context_;
  pipeline_notes& notes_;
  yaml_budget& budget_;
  extender extender_;
  json variables_ = json::object(); ///< of the file
  pipeline_file result_;
  std::vector<yaml_value> bodies_; ///< of the jobs, same indices
};

} // namespace

read_pipeline parse_pipeline(const std::string& text,
                             const pipeline_context& context) {
  read_pipeline out;
  yaml_budget budget;
  try {
    auto root = read_with_includes(text, context, out.notes, budget);
    resolve_references(root, budget);
    out.file = builder{root, context, out.notes, budget}.build();
  } catch (const yaml_refused& problem) {
    out.notes.refuse(problem);
  }
  return out;
}

} // namespace muster::gitlab
