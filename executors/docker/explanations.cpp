#include "executors/docker/explanations.hpp"

#include "executors/docker/run_script.hpp"
#include "executors/docker/trace.hpp"

#include <chrono>
#include <thread>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int32_t killed_exit_code = 137;
/// What ends a container shows there a little later than in its processes.
constexpr auto killed_time = 2s;
constexpr auto look_pause = 50ms;

failure<plan_outcome> removed(const named_container& what) {
  return {plan_outcome::broken,
          "the container " + what.name
            + " was killed or removed by somebody while the script ran in it"};
}

void tell_of_memory() {
  trace::warning("the container reached its memory limit, and the kernel "
                 "killed a process in it (OOMKilled)");
}

/// What the Engine says about a container: its `State`; null: it is gone, or
/// being removed.
engine_result<json> state_of(const engine& at, const std::string& id) {
  auto x = at.ask({"GET", "/containers/" + id + "/json"});
  if (!x && x.error().code == engine_errc::not_found)
    return json{};
  if (!x)
    return x;
  auto state = x->is_object() ? x->value("State", json{}) : json{};
  if (!state.is_object())
    return json::object();
  auto status = state.value("Status", json{});
  return status == "removing" || status == "dead" ? json{} : state;
}

/// The kernel's count of the helper container, in both versions of cgroups:
/// that container does not end by it, so that the Engine does not tell.
bool has_killed_for_memory(const workplace& with) {
  constexpr std::string_view count = "oom_kill ";
  auto read = run_command(with,
                          {"sh", "-c",
                           "cat /sys/fs/cgroup/memory.events "
                           "/sys/fs/cgroup/memory/memory.oom_control "
                           "2>/dev/null"},
                          {});
  if (!read)
    return false;
  auto at = read->output.find(count);
  return at != std::string::npos
         && read->output.compare(at + count.size(), 2, "0\n") != 0;
}

} // namespace

failure<plan_outcome> went_away(const engine& at, const named_container& what,
                                const std::string& text) {
  auto there = at.ask({"GET", "/containers/" + what.id + "/json", "", "", 10s});
  if (!there && there.error().code == engine_errc::not_found)
    return removed(what);
  bool gone = !there && there.error().code != engine_errc::refused;
  return {plan_outcome::broken,
          (gone ? "the Docker Engine went away while the script ran: "
                : "the Docker Engine lost the script's container, or was "
                  "started again, while the script ran: ")
            + text};
}

std::optional<failure<plan_outcome>>
explain_exit(const workplace& with, const named_container& what, int32_t code) {
  if (code != killed_exit_code)
    return std::nullopt;
  auto state = state_of(with.at, what.id);
  if (!state)
    return std::nullopt;
  if (state->is_null())
    return removed(what);
  if (state->value("OOMKilled", json{}) == true)
    tell_of_memory();
  return std::nullopt;
}

std::optional<failure<plan_outcome>>
explain_command(const workplace& with, const named_container& what,
                int32_t code) {
  if (code != killed_exit_code)
    return std::nullopt;
  for (auto until = steady_clock::now() + killed_time;;) {
    auto state = state_of(with.at, what.id);
    if (!state)
      break;
    if (state->is_null())
      return removed(what);
    if (state->value("Status", json{}) == "exited") {
      if (state->value("OOMKilled", json{}) != true)
        return removed(what);
      tell_of_memory();
      return std::nullopt;
    }
    if (steady_clock::now() >= until)
      break;
    std::this_thread::sleep_for(look_pause);
  }
  if (has_killed_for_memory(with))
    tell_of_memory();
  return std::nullopt;
}

} // namespace muster::docker
