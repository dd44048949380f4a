#include "executors/docker/job_state.hpp"

#include <nlohmann/json.hpp>

namespace muster::docker {

using nlohmann::json;

kept_state::kept_state(helper::stage_report report) : report_(report) {
  // Written by an earlier process of this program: it is what it should be.
  if (auto text = report_.state(); !text.empty())
    state_ = json::parse(text).get<job_state>();
}

job_state kept_state::get() const {
  std::lock_guard guard{mutex_};
  return state_;
}

void kept_state::keep() const {
  report_.add_state(
    json(state_).dump(-1, ' ', true, json::error_handler_t::replace));
}

} // namespace muster::docker
