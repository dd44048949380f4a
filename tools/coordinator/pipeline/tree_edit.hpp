#pragma once

#include "tools/coordinator/pipeline/context.hpp"
#include "tools/coordinator/pipeline/notes.hpp"

#include <map>
#include <set>
#include <string>

namespace muster::gitlab {

/// Puts `from` over `to`: maps are merged, all else is replaced.
void merge(yaml_value& to, const yaml_value& from);

/// Texts of a list, or one text alone; lists in the list are flattened. Throws
/// `yaml_refused` for anything else; `what` is for people.
std::vector<std::pair<std::string, yaml_mark>> texts(const yaml_value& x,
                                                     const std::string& what);

/// Replaces `!reference` everywhere by what it names in `root`; in a list, a
/// list that it names is put in its place. Throws `yaml_refused`.
void resolve_references(yaml_value& root, yaml_budget& budget);

/// Jobs with all that they extend.
class extender {
public:
  extender(const yaml_value& root, yaml_budget& budget)
    : root_(root),
      budget_(budget) {
  }

  /// Throws `yaml_refused`.
  const yaml_value& resolved(const yaml_value::entry& job, int level = 0);

private:
  const yaml_value& root_;
  yaml_budget& budget_;
  std::map<std::string, yaml_value> done_;
};

} // namespace muster::gitlab
