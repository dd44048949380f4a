#include "tools/coordinator/pipeline/includes.hpp"

#include "tools/coordinator/pipeline/keywords.hpp"
#include "tools/coordinator/pipeline/rules.hpp"
#include "tools/coordinator/pipeline/tree_edit.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <re2/re2.h>
#include <set>
#include <string_view>
#include <vector>

namespace muster::gitlab {

namespace {

using kind = yaml_value::kind;

constexpr size_t files_max = 150; ///< as in GitLab

[[noreturn]] void bad(yaml_mark at, std::string text, std::string hint = {}) {
  throw yaml_refused{yaml_errc::bad_value, at, std::move(text),
                     std::move(hint)};
}

/// What GitLab makes of the wildcards of a local include: `**` is anything,
/// also over folders, `*` anything within one. There are no others.
std::string expression_of(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    auto star = path.find('*');
    out += RE2::QuoteMeta({path.data(), std::min(star, path.size())});
    if (star == std::string_view::npos)
      return out;
    auto both = path.substr(star, 2) == "**";
    out += both ? "(?s:.*)" : "[^/]*";
    path.remove_prefix(star + (both ? 2 : 1));
  }
  return out;
}

std::string without_slash(std::string path) {
  path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
  return path;
}

class include_reader {
public:
  include_reader(const pipeline_context& context, pipeline_notes& notes,
                 yaml_budget& budget)
    : context_(context),
      notes_(notes),
      budget_(budget) {
  }

  yaml_value read(const std::string& name, const std::string& text) {
    auto own = read_yaml(text, notes_.add_source(name, text), budget_);
    const auto* include = own.find("include");
    if (include == nullptr)
      return own;
    yaml_value whole;
    whole.is = kind::map;
    whole.at = own.at;
    auto list = include->is == kind::list ? include->list
                                          : std::vector<yaml_value>{*include};
    auto variables = variables_of(own);
    for (const auto& x : list)
      for (const auto& path : paths_of(x, variables))
        merge(whole, read_file(path, x.at));
    std::erase_if(own.map, [](const auto& e) { return e.key == "include"; });
    budget_.take(own);
    merge(whole, own);
    return whole;
  }

private:
  yaml_value read_file(const std::string& path, yaml_mark at) {
    if (++count_ > files_max)
      bad(at, fmt::format("more than {} files are included", files_max));
    if (std::find(open_.begin(), open_.end(), path) != open_.end())
      bad(at,
          fmt::format("{} includes itself, by way of others", in_quotes(path)));
    auto text = context_.files->read(path);
    if (!text)
      bad(at, fmt::format("there is no file {} to include", in_quotes(path)),
          "paths are meant from the project's folder on");
    open_.push_back(path);
    auto value = read(path, *text);
    open_.pop_back();
    if (value.is != kind::map)
      bad(at, fmt::format("{} holds no map of jobs", in_quotes(path)));
    return value;
  }

  /// The variables that rules of an include see.
  variable_map variables_of(const yaml_value& root) const {
    auto result = context_.predefined;
    if (const auto* own = root.find("variables"))
      for (const auto& x : own->map) {
        const auto* value
          = x.value.is == kind::map ? x.value.find("value") : &x.value;
        if (value != nullptr)
          result[x.key] = value->text;
      }
    for (const auto& [key, value] : context_.given)
      result[key] = value;
    return result;
  }

  std::vector<std::string> paths_of(const yaml_value& x,
                                    const variable_map& variables) {
    const yaml_value* local = &x;
    if (x.is == kind::map) {
      check_keywords("include", x, "include", notes_);
      local = x.find("local");
      if (local == nullptr) {
        if (notes_.passed())
          bad(x.at, "an include without local");
        return {};
      }
      if (const auto* rules = x.find("rules"); rules != nullptr) {
        const auto* rule = matching_rule("include:rules", *rules, "include",
                                         variables, context_, notes_);
        const auto* when = rule == nullptr ? nullptr : rule->find("when");
        if (rule == nullptr || (when != nullptr && when->text == "never"))
          return {};
      }
    }
    if (local->is != kind::scalar)
      bad(local->at, "an include is a path, or a map with local");
    auto path = expand_variables(local->text, variables);
    if (path.find("://") != std::string::npos)
      throw yaml_refused{yaml_errc::unknown_keyword,
                         local->at,
                         "include of a URL is not supported here: only local "
                         "files are included",
                         {}};
    return found(without_slash(path), local->at);
  }

  std::vector<std::string> found(const std::string& path, yaml_mark at) {
    if (context_.files == nullptr)
      bad(at, "there is no project whose files could be included");
    if (path.find('*') == std::string::npos)
      return {path};
    std::vector<std::string> out;
    RE2 fits{expression_of(path), RE2::Quiet};
    for (const auto& x : context_.files->paths())
      if ((x.ends_with(".yml") || x.ends_with(".yaml")) && fits.ok()
          && RE2::FullMatch(x, fits))
        out.push_back(x);
    if (out.empty())
      bad(at, fmt::format("no file fits {}", in_quotes(path)));
    return out;
  }

  const pipeline_context& context_;
  pipeline_notes& notes_;
  yaml_budget& budget_;
  std::vector<std::string> open_; ///< files that are being read
  size_t count_ = 0;
};

} // namespace

yaml_value read_with_includes(const std::string& text,
                              const pipeline_context& context,
                              pipeline_notes& notes, yaml_budget& budget) {
  return include_reader{context, notes, budget}.read(context.file, text);
}

} // namespace muster::gitlab
