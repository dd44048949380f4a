#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace muster::gitlab {

/// Where a job runs.
struct job_place {
  std::string instance;
  std::string slot;

  bool operator==(const job_place&) const = default;
};

/// Reads where jobs ran from a manager's log in the format json: its lines
/// `Dialing instance` have the fields job, instance and slot. The slot is in no
/// job's trace. Of two lines about one job the later counts; all other lines
/// are passed over, also those that are no JSON.
std::map<int64_t, job_place> job_places(std::string_view log);

} // namespace muster::gitlab
