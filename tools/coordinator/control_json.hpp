#pragma once

#include "messages/result.hpp"
#include "tools/coordinator/faults.hpp"
#include "tools/coordinator/store.hpp"

#include <nlohmann/json.hpp>

namespace muster::gitlab {

/// A job as the control API shows it; times are Unix time in µs, 0 means not
/// yet.
nlohmann::json to_json(const artifact& x);
nlohmann::json to_json(const job_view& x);
nlohmann::json to_json(const pipeline_view& x);
nlohmann::json to_json(const fault& x);
nlohmann::json to_json(const violation& x);

/// A pipeline with its jobs, as of a version of the store.
nlohmann::json pipeline_json(const store& jobs, const pipeline_view& x,
                             uint64_t version);

enum class control_errc : uint8_t {
  bad_request = 1, ///< a key or a value without meaning
};

/// Reads a fault: `kind`, and as far as they apply `endpoint`, `count`,
/// `probability`, `seed`, `skip`, `job`, `state` (`running` or `final`),
/// `for_ms` (how long it is in force), `latency_ms`, `status`, `retry_after`,
/// `interval`, `location`, `early`.
result<fault, control_errc> fault_from_json(const nlohmann::json& x,
                                            int64_t at_us);

} // namespace muster::gitlab
