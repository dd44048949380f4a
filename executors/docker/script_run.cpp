#include "executors/docker/script_run.hpp"

#include "executors/docker/trace.hpp"

#include <unistd.h>

namespace muster::docker {

using helper::stage_result;

stage_result broken(const failure<plan_outcome>& why) {
  return {why.code, 0, why.text};
}

stage_result exited(int32_t code) {
  return {code == 0 ? plan_outcome::success : plan_outcome::failed, code, ""};
}

void pass_on(demultiplexer::origin from, std::string_view bytes) {
  bool out = from == demultiplexer::origin::out;
  trace::bytes(out ? STDOUT_FILENO : STDERR_FILENO, bytes);
}

void mark_used(const workplace& with, container_state job_state::*which,
               bool used) {
  with.state.change([&](job_state& x) { (x.*which).in_use = used; });
}

bool sees_own_processes_only(const container_request& what) {
  auto body = json::parse(what.body.reveal(), nullptr, false);
  if (!body.is_object())
    return false;
  auto host = body.value("HostConfig", json::object());
  return !host.is_object() || !host.contains("PidMode")
         || host["PidMode"] == "";
}

} // namespace muster::docker
