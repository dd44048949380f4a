#include "tools/coordinator/pipeline/rules.hpp"

#include "executors/helper/archive/glob.hpp"
#include "tools/coordinator/pipeline/keywords.hpp"
#include "tools/coordinator/pipeline/tree_edit.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using kind = yaml_value::kind;

constexpr size_t pattern_max = 1'000; ///< of a path; longer ones fit nothing

[[noreturn]] void bad(yaml_mark at, std::string text, std::string hint = {}) {
  throw yaml_refused{yaml_errc::bad_value, at, std::move(text),
                     std::move(hint)};
}

std::string value_of(const variable_map& variables, const char* name) {
  auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

/// Conditions of rules, over one set of variables.
class conditions {
public:
  conditions(const std::string& where, const variable_map& variables,
             const pipeline_context& context, pipeline_notes& notes)
    : where_(where),
      variables_(variables),
      context_(context),
      notes_(notes) {
  }

  bool holds_if(const yaml_value& x) const {
    if (x.is != kind::scalar)
      bad(x.at, fmt::format("if in {} must be an expression", where_));
    auto found = evaluate(x.text, variables_);
    if (!found)
      bad(x.at, fmt::format("if in {}: {}", where_, found.error().text),
          "an expression is like $CI_COMMIT_BRANCH == \"main\" && $DEPLOY");
    return *found;
  }

  bool holds_changes(const yaml_value& x) const {
    std::string base;
    const auto* paths = &x;
    if (x.is == kind::map) {
      check_keywords("changes", x, where_, notes_);
      paths = x.find("paths");
      if (paths == nullptr)
        bad(x.at, fmt::format("changes in {} has no paths", where_));
      if (const auto* ref = x.find("compare_to"))
        base = expand_variables(ref->text, variables_);
    }
    auto patterns = texts(*paths, fmt::format("changes in {}", where_));
    if (context_.files == nullptr)
      return true; // as GitLab has it where there is nothing to compare
    auto changed = context_.files->changes(base);
    return !changed || any_fits(patterns, *changed);
  }

  bool holds_exists(const yaml_value& x) const {
    const auto* paths = &x;
    if (x.is == kind::map) {
      check_keywords("exists", x, where_, notes_);
      paths = x.find("paths");
      if (paths == nullptr)
        bad(x.at, fmt::format("exists in {} has no paths", where_));
    }
    auto patterns = texts(*paths, fmt::format("exists in {}", where_));
    return context_.files != nullptr
           && any_fits(patterns, context_.files->paths());
  }

  bool holds(const yaml_value& rule) const {
    bool result = true;
    if (const auto* x = rule.find("if"))
      result &= holds_if(*x);
    if (const auto* x = rule.find("changes"))
      result &= holds_changes(*x);
    if (const auto* x = rule.find("exists"))
      result &= holds_exists(*x);
    return result;
  }

private:
  bool any_fits(const std::vector<std::pair<std::string, yaml_mark>>& patterns,
                const std::vector<std::string>& paths) const {
    for (const auto& [text, at] : patterns) {
      auto pattern = expand_variables(text, variables_);
      pattern.erase(0,
                    std::min(pattern.find_first_not_of('/'), pattern.size()));
      if (pattern.size() > pattern_max)
        continue;
      helper::glob fits{pattern};
      if (std::any_of(paths.begin(), paths.end(),
                      [&](const auto& path) { return fits.matches(path); }))
        return true;
    }
    return false;
  }

  const std::string& where_;
  const variable_map& variables_;
  const pipeline_context& context_;
  pipeline_notes& notes_;
};

/// Whether a word of `only:refs` means this pipeline.
bool ref_means(const std::string& word, const variable_map& variables) {
  static constexpr std::array sources{
    std::pair{"api", "api"},
    std::pair{"chat", "chat"},
    std::pair{"external", "external"},
    std::pair{"external_pull_requests", "external_pull_request_event"},
    std::pair{"merge_requests", "merge_request_event"},
    std::pair{"pipelines", "pipeline"},
    std::pair{"pushes", "push"},
    std::pair{"schedules", "schedule"},
    std::pair{"triggers", "trigger"},
    std::pair{"web", "web"}};
  auto ref = value_of(variables, "CI_COMMIT_REF_NAME");
  if (word == "branches")
    return variables.contains("CI_COMMIT_BRANCH");
  if (word == "tags")
    return variables.contains("CI_COMMIT_TAG");
  for (const auto& [name, source] : sources)
    if (word == name)
      return value_of(variables, "CI_PIPELINE_SOURCE") == source;
  if (auto fits = fits_regex(ref, word))
    return *fits;
  return word == ref;
}

bool means(const yaml_value& list, const std::string& what,
           const variable_map& variables) {
  auto words = texts(list, what);
  return std::any_of(words.begin(), words.end(), [&](const auto& x) {
    // `main@group/project`: of this project, since there is no other.
    return ref_means(x.first.substr(0, x.first.find('@')), variables);
  });
}

/// What a policy has besides refs: all of it must hold.
bool more_holds(const yaml_value& x, const std::string& what,
                const conditions& check) {
  bool result = true;
  if (const auto* list = x.find("variables")) {
    bool any = false;
    for (const auto& [text, at] : texts(*list, what)) {
      yaml_value expression;
      expression.is = kind::scalar;
      expression.text = text;
      expression.at = at;
      any |= check.holds_if(expression);
    }
    result &= any;
  }
  if (const auto* list = x.find("changes"))
    result &= check.holds_changes(*list);
  return result;
}

} // namespace

const yaml_value* matching_rule(std::string_view scope, const yaml_value& rules,
                                const std::string& where,
                                const variable_map& variables,
                                const pipeline_context& context,
                                pipeline_notes& notes) {
  if (rules.is == kind::null)
    return nullptr;
  if (rules.is != kind::list)
    bad(rules.at, fmt::format("rules in {} must be a list", where));
  conditions check{where, variables, context, notes};
  const yaml_value* found = nullptr;
  for (const auto& rule : rules.list) {
    if (rule.is == kind::list) { // lists of rules, from references
      const auto* inner
        = matching_rule(scope, rule, where, variables, context, notes);
      found = found == nullptr ? inner : found;
      continue;
    }
    if (rule.is != kind::map)
      bad(rule.at, fmt::format("a rule in {} must be a map", where));
    check_keywords(scope, rule, fmt::format("a rule of {}", where), notes);
    if (check.holds(rule) && found == nullptr)
      found = &rule;
  }
  return found;
}

bool only_except(const yaml_value* only, const yaml_value* except,
                 const std::string& where, const variable_map& variables,
                 const pipeline_context& context, pipeline_notes& notes) {
  conditions check{where, variables, context, notes};
  bool result
    = ref_means("branches", variables) || ref_means("tags", variables);
  if (only != nullptr && only->is == kind::map) {
    check_keywords("only", *only, fmt::format("only of {}", where), notes);
    if (const auto* refs = only->find("refs"))
      result = means(*refs, "only", variables);
    result = result && more_holds(*only, "only", check);
  } else if (only != nullptr) {
    result = means(*only, "only", variables);
  }
  if (except != nullptr && except->is == kind::map) {
    check_keywords("only", *except, fmt::format("except of {}", where), notes);
    bool kept_out = false;
    if (const auto* refs = except->find("refs"))
      kept_out |= means(*refs, "except", variables);
    for (const auto* key : {"variables", "changes"})
      if (const auto* part = except->find_entry(key)) {
        yaml_value alone;
        alone.is = kind::map;
        alone.map.push_back(*part);
        kept_out |= more_holds(alone, "except", check);
      }
    result = result && !kept_out;
  } else if (except != nullptr) {
    result = result && !means(*except, "except", variables);
  }
  return result;
}

} // namespace muster::gitlab
