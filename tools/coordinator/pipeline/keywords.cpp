#include "tools/coordinator/pipeline/keywords.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using enum keyword_use;

constexpr std::string_view by_gitlab = "GitLab alone acts on it";
constexpr std::string_view no_cluster = "there is no cluster";
constexpr std::string_view no_terminal = "no terminal is opened from here";
constexpr std::string_view no_tokens
  = "no tokens are made here: give its variables with --variable";

const std::vector<keyword> table{
  {"file", "stages"},
  {"file", "variables"},
  {"file", "default"},
  {"file", "include"},
  {"file", "workflow"},
  {"file", "before_script"},
  {"file", "after_script"},
  {"file", "cache"},
  {"file", "image"},
  {"file", "services"},
  {"file", "spec", refused, "inputs of a pipeline are not supported"},

  {"default", "after_script"},
  {"default", "artifacts"},
  {"default", "before_script"},
  {"default", "cache"},
  {"default", "hooks"},
  {"default", "id_tokens", refused, no_tokens},
  {"default", "identity", refused, "there is no cloud to log in to"},
  {"default", "image"},
  {"default", "interruptible", ignored, "nothing interrupts a pipeline here"},
  {"default", "retry"},
  {"default", "services"},
  {"default", "tags", ignored, "every job runs on instances of this machine"},
  {"default", "timeout"},

  {"job", "after_script"},
  {"job", "allow_failure"},
  {"job", "artifacts"},
  {"job", "before_script"},
  {"job", "cache"},
  {"job", "coverage", ignored, by_gitlab},
  {"job", "dast_configuration", refused, "it adds scripts that are not here"},
  {"job", "dependencies"},
  {"job", "environment"},
  {"job", "except"},
  {"job", "extends"},
  {"job", "hooks"},
  {"job", "id_tokens", refused, no_tokens},
  {"job", "identity", refused, "there is no cloud to log in to"},
  {"job", "image"},
  {"job", "inherit"},
  {"job", "inputs", refused, "inputs of a job are not supported"},
  {"job", "interruptible", ignored, "nothing interrupts a pipeline here"},
  {"job", "manual_confirmation", ignored, by_gitlab},
  {"job", "needs"},
  {"job", "only"},
  {"job", "pages", ignored, "nothing is published from here"},
  {"job", "parallel"},
  {"job", "publish", ignored, "nothing is published from here"},
  {"job", "release", refused, "no release is made from here"},
  {"job", "resource_group", ignored,
   "its jobs may run at the same time as others of the group"},
  {"job", "retry"},
  {"job", "rules"},
  {"job", "run", refused, "steps are not supported: use script"},
  {"job", "script"},
  {"job", "secrets", refused, no_tokens},
  {"job", "services"},
  {"job", "stage"},
  {"job", "start_in"},
  {"job", "tags", ignored, "every job runs on instances of this machine"},
  {"job", "timeout"},
  {"job", "trigger", refused, "other pipelines are not started from here"},
  {"job", "variables"},
  {"job", "when"},

  {"artifacts", "access", ignored, by_gitlab},
  {"artifacts", "exclude"},
  {"artifacts", "expire_in"},
  {"artifacts", "expose_as", ignored, by_gitlab},
  {"artifacts", "name"},
  {"artifacts", "paths"},
  {"artifacts", "public", ignored, by_gitlab},
  {"artifacts", "reports"},
  {"artifacts", "untracked"},
  {"artifacts", "when"},

  {"cache", "fallback_keys"},
  {"cache", "key"},
  {"cache", "paths"},
  {"cache", "policy"},
  {"cache", "unprotect", ignored, "no ref is protected here"},
  {"cache", "untracked"},
  {"cache", "when"},
  {"cache:key", "files"},
  {"cache:key", "files_commits"},
  {"cache:key", "prefix"},

  {"environment", "action"},
  {"environment", "auto_stop_in", ignored, by_gitlab},
  {"environment", "deployment_tier"},
  {"environment", "kubernetes", ignored, by_gitlab},
  {"environment", "name"},
  {"environment", "on_stop", ignored, by_gitlab},
  {"environment", "url"},

  {"hooks", "pre_get_sources_script"},

  {"image", "docker"},
  {"image", "entrypoint"},
  {"image", "kubernetes", ignored, no_cluster},
  {"image", "name"},
  {"image", "ports", ignored, no_terminal},
  {"image", "pull_policy"},
  {"image:docker", "platform"},
  {"image:docker", "user"},
  {"services", "alias"},
  {"services", "command"},
  {"services", "docker"},
  {"services", "entrypoint"},
  {"services", "kubernetes", ignored, no_cluster},
  {"services", "name"},
  {"services", "ports", ignored, no_terminal},
  {"services", "pull_policy"},
  {"services", "variables"},
  {"services:docker", "platform"},
  {"services:docker", "user"},

  {"inherit", "default"},
  {"inherit", "variables"},

  {"needs", "artifacts"},
  {"needs", "job"},
  {"needs", "optional"},
  {"needs", "parallel"},
  {"needs", "pipeline", refused, "other pipelines are not reached from here"},
  {"needs", "project", refused, "other projects are not reached from here"},
  {"needs", "ref", refused, "other projects are not reached from here"},

  {"parallel", "matrix"},

  {"retry", "exit_codes"},
  {"retry", "max"},
  {"retry", "when"},

  {"rules", "allow_failure"},
  {"rules", "changes"},
  {"rules", "exists"},
  {"rules", "if"},
  {"rules", "interruptible", ignored, "nothing interrupts a pipeline here"},
  {"rules", "needs"},
  {"rules", "start_in"},
  {"rules", "variables"},
  {"rules", "when"},
  {"changes", "compare_to"},
  {"changes", "paths"},
  {"exists", "paths"},
  {"exists", "project", refused, "other projects are not reached from here"},
  {"exists", "ref", refused, "other projects are not reached from here"},

  {"workflow", "auto_cancel", ignored, "nothing cancels a pipeline here"},
  {"workflow", "name", ignored, by_gitlab},
  {"workflow", "rules"},
  {"workflow:rules", "auto_cancel", ignored, "nothing cancels a pipeline here"},
  {"workflow:rules", "changes"},
  {"workflow:rules", "exists"},
  {"workflow:rules", "if"},
  {"workflow:rules", "variables"},
  {"workflow:rules", "when"},

  {"include", "component", refused, "only local files are included"},
  {"include", "file", refused, "only local files are included"},
  {"include", "inputs", refused, "only files without inputs are included"},
  {"include", "integrity", refused, "only local files are included"},
  {"include", "local"},
  {"include", "project", refused, "only local files are included"},
  {"include", "ref", refused, "only local files are included"},
  {"include", "remote", refused, "only local files are included"},
  {"include", "rules"},
  {"include", "template", refused, "only local files are included"},
  {"include:rules", "changes"},
  {"include:rules", "exists"},
  {"include:rules", "if"},
  {"include:rules", "when"},

  {"only", "changes"},
  {"only", "kubernetes", refused, no_cluster},
  {"only", "refs"},
  {"only", "variables"},

  {"allow_failure", "exit_codes"},
  {"variables", "description"},
  {"variables", "expand"},
  {"variables", "options"},
  {"variables", "value"},
};

std::string suggestion(std::string_view scope, std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& x : table)
    if (x.scope == scope)
      names.push_back(x.name);
  auto found = nearest(std::string{name}, names);
  return found ? fmt::format("did you mean \"{}\"?", *found) : std::string{};
}

} // namespace

const std::vector<keyword>& all_keywords() {
  return table;
}

const keyword* find_keyword(std::string_view scope, std::string_view name) {
  auto at = std::find_if(table.begin(), table.end(), [&](const keyword& x) {
    return x.scope == scope && x.name == name;
  });
  return at == table.end() ? nullptr : &*at;
}

void check_keywords(std::string_view scope, const yaml_value& map,
                    const std::string& where, pipeline_notes& notes,
                    std::vector<yaml_refused>* refusals) {
  for (const auto& entry : map.map) {
    const auto* known = find_keyword(scope, entry.key);
    if (known == nullptr) {
      notes.refuse(
        {yaml_errc::unknown_keyword, entry.at,
         fmt::format("{} in {} is no keyword", in_quotes(entry.key), where),
         suggestion(scope, entry.key)});
    } else if (known->use == ignored) {
      auto of = scope == "job" || scope == "file" || scope == "default"
                  ? std::string{}
                  : fmt::format("{}:", scope);
      notes.warn(entry.at, fmt::format("{}{} has no effect here: {}", of,
                                       entry.key, known->why));
    } else if (known->use == refused) {
      yaml_refused what{yaml_errc::unknown_keyword,
                        entry.at,
                        fmt::format("{} in {} is not supported here: {}",
                                    in_quotes(entry.key), where, known->why),
                        {}};
      if (refusals != nullptr)
        refusals->push_back(std::move(what));
      else
        notes.refuse(what);
    }
  }
}

} // namespace muster::gitlab
