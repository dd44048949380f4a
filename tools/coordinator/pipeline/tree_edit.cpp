#include "tools/coordinator/pipeline/tree_edit.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using kind = yaml_value::kind;

constexpr int extends_max = 11;    ///< levels, as in GitLab
constexpr int references_max = 10; ///< one in another, as in GitLab
constexpr int lists_max = 10;      ///< one in another

[[noreturn]] void bad(yaml_mark at, std::string text) {
  throw yaml_refused{yaml_errc::bad_value, at, std::move(text), {}};
}

void add_texts(const yaml_value& x, const std::string& what, int depth,
               std::vector<std::pair<std::string, yaml_mark>>& to) {
  if (depth > lists_max)
    bad(x.at, fmt::format("{} has lists in lists, more than {} deep", what,
                          lists_max));
  for (const auto& entry : x.list)
    if (entry.is == kind::scalar)
      to.emplace_back(entry.text, entry.at);
    else if (entry.is == kind::list)
      add_texts(entry, what, depth + 1, to);
    else
      bad(entry.at, fmt::format("{} must hold texts only", what));
}

class reference_resolver {
public:
  reference_resolver(const yaml_value& root, yaml_budget& budget)
    : root_(root),
      budget_(budget) {
  }

  /// What a value looks like without references.
  yaml_value resolved(const yaml_value& x, int level) {
    budget_.take(1, x.text.size(), x.at);
    if (x.is == kind::reference)
      return named_by(x, level);
    yaml_value out;
    out.is = x.is;
    out.text = x.text;
    out.at = x.at;
    for (const auto& entry : x.list) {
      auto value = resolved(entry, level);
      if (entry.is == kind::reference && value.is == kind::list)
        for (auto& inner : value.list)
          out.list.push_back(std::move(inner));
      else
        out.list.push_back(std::move(value));
    }
    for (const auto& entry : x.map)
      out.map.push_back({entry.key, entry.at, resolved(entry.value, level)});
    return out;
  }

private:
  yaml_value named_by(const yaml_value& x, int level) {
    std::string shown;
    for (const auto& word : x.list)
      shown += fmt::format("{}{}", shown.empty() ? "" : ", ", word.text);
    if (level >= references_max)
      bad(x.at, fmt::format("!reference [{}] leads in a circle, or over more "
                            "than {} others",
                            shown, references_max));
    const auto* at = &root_;
    for (const auto& word : x.list) {
      const auto* next = at->find(word.text);
      if (next == nullptr)
        bad(word.at, fmt::format("!reference [{}] names {}, which is not there",
                                 shown, in_quotes(word.text)));
      at = next;
      if (at->is == kind::reference && &word != &x.list.back())
        bad(word.at,
            fmt::format("!reference [{}] goes on inside another one", shown));
    }
    return resolved(*at, level + 1);
  }

  const yaml_value& root_;
  yaml_budget& budget_;
};

} // namespace

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

std::vector<std::pair<std::string, yaml_mark>> texts(const yaml_value& x,
                                                     const std::string& what) {
  std::vector<std::pair<std::string, yaml_mark>> result;
  if (x.is == kind::scalar)
    return {{x.text, x.at}};
  if (x.is != kind::list)
    bad(x.at, fmt::format("{} must be text or a list of texts", what));
  add_texts(x, what, 0, result);
  return result;
}

void resolve_references(yaml_value& root, yaml_budget& budget) {
  root = reference_resolver{root, budget}.resolved(root, 0);
}

const yaml_value& extender::resolved(const yaml_value::entry& job, int level) {
  if (auto known = done_.find(job.key); known != done_.end())
    return known->second;
  if (level > extends_max)
    bad(job.at, fmt::format("{} extends in a circle, or more than {} levels",
                            job.key, extends_max));
  if (job.value.is != kind::map)
    bad(job.at, fmt::format("job {} must be a map", job.key));
  yaml_value whole;
  whole.is = kind::map;
  whole.at = job.at;
  if (const auto* bases = job.value.find("extends"))
    for (const auto& [name, at] : texts(*bases, "extends")) {
      const auto* base = root_.find_entry(name);
      if (base == nullptr)
        bad(at,
            fmt::format("{} extends {}, which is not there", job.key, name));
      const auto& from = resolved(*base, level + 1);
      budget_.take(from);
      merge(whole, from);
    }
  budget_.take(job.value);
  merge(whole, job.value);
  std::erase_if(whole.map, [](const auto& e) { return e.key == "extends"; });
  return done_[job.key] = std::move(whole);
}

} // namespace muster::gitlab
