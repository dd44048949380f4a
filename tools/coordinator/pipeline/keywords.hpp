#pragma once

#include "tools/coordinator/pipeline/notes.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace muster::gitlab {

/// What becomes of a keyword.
enum class keyword_use : uint8_t {
  used,
  ignored, ///< changes nothing that runs here: a warning names it
  refused, ///< would change what runs: an error for the jobs that have it
};

struct keyword {
  std::string_view scope; ///< `file`, `job`, `artifacts`, `rules`, ...
  std::string_view name;
  keyword_use use = keyword_use::used;
  std::string_view why = {}; ///< of one that is not used
};

/// Every keyword that is known, of every scope.
const std::vector<keyword>& all_keywords();

const keyword* find_keyword(std::string_view scope, std::string_view name);

/// Looks at the keys of a map. An unknown one is refused at once, with a
/// suggestion. Ignored ones are warned of. Refused ones are put into
/// `refusals`, or, without that, refused at once. `where` is for people: `job
/// build`.
void check_keywords(std::string_view scope, const yaml_value& map,
                    const std::string& where, pipeline_notes& notes,
                    std::vector<yaml_refused>* refusals = nullptr);

} // namespace muster::gitlab
