#include "tools/coordinator/pipeline_feed.hpp"

#include "tools/coordinator/control_json.hpp"

#include <fmt/format.h>

namespace muster::gitlab {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr uint64_t piece_max = uint64_t{8} << 20; ///< [bytes]

} // namespace

result<json, client_errc> remote_feed::state(uint64_t seen,
                                             milliseconds timeout) {
  return server_.get(fmt::format("pipelines/{}?seen={}&timeout_ms={}", id_,
                                 seen, timeout.count()));
}

result<std::string, client_errc> remote_feed::trace(int64_t job,
                                                    uint64_t offset) {
  return server_.get_text(fmt::format("jobs/{}/trace?offset={}", job, offset));
}

result<json, client_errc> local_feed::state(uint64_t seen,
                                            milliseconds timeout) {
  auto version = jobs_.wait_change(seen, timeout);
  auto found = jobs_.pipeline(id_);
  if (!found)
    return fail(client_errc::refused,
                fmt::format("there is no pipeline {}", id_));
  return pipeline_json(jobs_, *found, version);
}

result<std::string, client_errc> local_feed::trace(int64_t job,
                                                   uint64_t offset) {
  return jobs_.trace(job, offset, piece_max);
}

} // namespace muster::gitlab
