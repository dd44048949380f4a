#include "executors/docker/commands.hpp"
#include "executors/docker/containers.hpp"
#include "executors/docker/explanations.hpp"
#include "executors/docker/job_containers.hpp"
#include "executors/docker/ownership.hpp"
#include "executors/docker/run_script.hpp"
#include "executors/docker/script_run.hpp"

#include <future>
#include <memory>
#include <optional>
#include <thread>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using helper::stage_result;

constexpr auto exit_time = 30s;         ///< from the output's end to the exit
constexpr auto watchdog_time = 1s;      ///< before the container is stopped
constexpr auto script_time = 24h * 365; ///< ended elsewhere

/// The script with what a container that is started again cannot have in its
/// environment, and with bash's clock as in one that was just started.
std::string with_beginning(const container_script& what, bool has_waited) {
  std::string text;
  if (!what.job_status.empty())
    text = "export CI_JOB_STATUS=" + what.job_status + "\n";
  if (has_waited)
    text += "[ -z \"${BASH_VERSION-}\" ] || SECONDS=0\n";
  return text.append(what.text);
}

enum class exit_kind : uint8_t {
  next,    ///< of a container that is not started yet
  running, ///< of one that runs
};

/// Waits beside for a container's exit. Its thread ends with the container or
/// with this process.
class exit_watch {
public:
  /// Returns once the Engine waits, too: a container that is started then is
  /// not missed.
  exit_watch(const engine& at, const std::string& id, exit_kind which) {
    auto begun = std::make_shared<std::promise<void>>();
    auto exit = std::make_shared<std::promise<engine_result<int32_t>>>();
    auto waits = begun->get_future();
    exit_ = exit->get_future();
    std::string condition
      = which == exit_kind::next ? "next-exit" : "not-running";
    std::thread{[at, id, condition, begun, exit] {
      bool told = false;
      call what{"POST", "/containers/" + id + "/wait?condition=" + condition};
      what.time = script_time;
      auto x = at.ask_slowly(what, [&] {
        told = true;
        begun->set_value();
      });
      exit->set_value(code_of(x));
      if (!told)
        begun->set_value();
    }}.detach();
    waits.wait();
  }

  bool ended_within(std::chrono::milliseconds time) const {
    return exit_.wait_for(time) == std::future_status::ready;
  }

  engine_result<int32_t> get() {
    return exit_.get();
  }

private:
  static engine_result<int32_t> code_of(const engine_result<json>& x) {
    if (!x)
      return tl::unexpected{x.error()};
    auto code = x->is_object() ? x->value("StatusCode", json{}) : json{};
    if (!code.is_number_integer())
      return fail(engine_errc::lost,
                  "the Docker Engine does not tell the container's exit code");
    return code.get<int32_t>();
  }

  std::future<engine_result<int32_t>> exit_;
};

/// A build container with a stream of its output.
struct ready_container {
  attached stream;
  bool runs = false; ///< else it is to be started
};

engine_result<attached> attach(const engine& at, const std::string& id) {
  return at.attach({"POST", "/containers/" + id
                              + "/attach?stream=1&stdin=1&stdout=1&stderr=1"});
}

bool is_running(const engine& at, const std::string& id) {
  auto x = at.ask({"GET", "/containers/" + id + "/json"});
  return x && x->is_object() && x->contains("State")
         && (*x)["State"].is_object()
         && (*x)["State"].value("Running", json{}) == true;
}

/// Attaches to a build container whose shell waits for the script; nothing if
/// it has ended meanwhile. Only one that runs after it was attached to is known
/// to have this stream.
std::optional<attached> attach_to_waiting(const workplace& with) {
  auto build = with.state.get().build;
  with.state.change([](job_state& x) {
    x.build.in_use = true;
    x.build.waits = false;
  });
  auto stream = attach(with.at, build.id);
  if (!stream || !is_running(with.at, build.id))
    return std::nullopt;
  return std::move(*stream);
}

/// Attaches to the build container; one that is gone is made anew.
job_result<ready_container> attach_to_build(const workplace& with) {
  if (with.state.get().build.waits) {
    if (auto stream = attach_to_waiting(with))
      return ready_container{std::move(*stream), true};
    if (auto dropped = drop_used(with); !dropped)
      return tl::unexpected{dropped.error()};
  }
  for (int i = 0;; ++i) {
    if (with.state.get().build.id.empty())
      if (auto made = make_build(with); !made)
        return tl::unexpected{made.error()};
    mark_used(with, &job_state::build, true);
    auto stream = attach(with.at, with.state.get().build.id);
    if (stream)
      return ready_container{std::move(*stream)};
    if (i > 0 || stream.error().code != engine_errc::not_found)
      return tl::unexpected{
        job_failure(stream.error(), "attaching to the build container")};
    with.state.change([](job_state& x) { x.build.id.clear(); });
  }
}

/// A container's own life for one script: attached before it is started, or
/// before it has anything to do.
stage_result run_attached(const workplace& with, ready_container& container,
                          const std::string& script) {
  const auto& what = with.containers().build;
  auto id = with.state.get().build.id;
  auto& stream = container.stream;
  exit_watch exit{with.at, id,
                  container.runs ? exit_kind::running : exit_kind::next};
  if (!container.runs && exit.ended_within(0ms)) {
    auto why = exit.get();
    return broken({plan_outcome::broken,
                   "waiting for the build container: "
                     + (why ? std::string{"it has ended before it was started"}
                            : why.error().text)});
  }
  if (!container.runs)
    if (auto started = start_container(with.at, id); !started)
      return broken(start_failure(started.error(), "build", what.image.name));
  with.signals.on_signal([&with, &what, id] {
    stop_container(with.at, id, sees_own_processes_only(what));
  });
  engine_result<void> output;
  {
    script_writer writer{stream, script};
    output = stream.read_all(pass_on);
  }
  // Nobody is to work on unheard.
  if (!output || !exit.ended_within(watchdog_time))
    stop_container(with.at, id, false);
  if (!output)
    return broken(went_away(with.at, {id, what.name}, output.error().text));
  if (!exit.ended_within(exit_time))
    return broken(
      {plan_outcome::broken, "the Docker Engine does not stop the container "
                               + what.name + ", whose output has ended"});
  auto code = exit.get();
  if (!code)
    return broken(went_away(with.at, {id, what.name}, code.error().text));
  if (auto why = explain_exit(with, {id, what.name}, *code))
    return broken(*why);
  return exited(*code);
}

} // namespace

stage_result run_in_build(const workplace& with, const container_script& what) {
  if (auto dropped = drop_used(with); !dropped)
    return broken(dropped.error());
  if (auto given = give_to_user(with); !given)
    return broken(given.error());
  auto container = attach_to_build(with);
  if (!container)
    return broken(container.error());
  auto ended
    = run_attached(with, *container, with_beginning(what, container->runs));
  bool by_itself = ended.outcome == plan_outcome::success
                   || ended.outcome == plan_outcome::failed;
  if (by_itself && !with.signals.interrupted())
    mark_used(with, &job_state::build, false);
  return ended;
}

} // namespace muster::docker
