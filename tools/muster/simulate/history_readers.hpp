#pragma once

#include "tools/muster/simulate/history.hpp"
#include "tools/muster/simulate/job_record.hpp"
#include "tools/muster/simulate/text_source.hpp"

#include <optional>

namespace muster::simulate {

/// Reads all objects of JSON that come. Returns the first fault, or nothing.
std::optional<history_fault> read_json_jobs(text_source& from,
                                            const history_limits& limits,
                                            history_builder& into);

/// Reads a head and the rows below it. Returns the first fault, or nothing.
std::optional<history_fault> read_csv_jobs(text_source& from,
                                           const history_limits& limits,
                                           history_builder& into);

} // namespace muster::simulate
