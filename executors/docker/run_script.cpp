#include "executors/docker/run_script.hpp"

#include "executors/docker/containers.hpp"
#include "executors/docker/explanations.hpp"
#include "executors/docker/job_containers.hpp"
#include "executors/docker/ownership.hpp"
#include "executors/docker/trace.hpp"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <unistd.h>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using helper::stage_result;
using std::chrono::steady_clock;

constexpr size_t command_output_max = 64u << 10;
constexpr size_t words_max = 1'000; ///< of a container's last ones
constexpr auto exit_time = 30s;     ///< from the output's end to an exit code
constexpr auto exit_pause = 50ms;   ///< between looks at it
constexpr auto watchdog_time = 1s;  ///< from the output's end to the exit
constexpr auto sweep_time = 6s;     ///< for the script to end by SIGTERM
constexpr auto stop_grace = 3s;     ///< then for the whole container
constexpr auto script_time = 24h * 365; ///< ended elsewhere

/// SIGTERM to all processes of a container but its first and itself, then
/// waits for them. Uses what every shell has.
constexpr const char* sweep_script = R"(all=
for d in /proc/[0-9]*; do
  n=${d#/proc/}
  [ "$n" = 1 ] || [ "$n" = $$ ] || all="$n $all"
done
for n in $all; do kill -TERM "$n" 2>/dev/null; done
i=0
while [ $i -lt 50 ]; do
  left=
  for n in $all; do
    s=
    read -r _ _ s _ < "/proc/$n/stat" 2>/dev/null
    case $s in ''|Z) ;; *) left=1 ;; esac
  done
  [ -n "$left" ] || exit 0
  i=$((i + 1))
  sleep 0.1 2>/dev/null || sleep 1
done)";

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

engine_result<std::string> create_command(const engine& at,
                                          const std::string& container,
                                          const json& what) {
  auto x = at.ask({"POST", "/containers/" + container + "/exec",
                   what.dump(-1, ' ', false, json::error_handler_t::replace)});
  if (!x)
    return tl::unexpected{x.error()};
  auto id = x->is_object() ? x->value("Id", json{}) : json{};
  if (!id.is_string())
    return fail(engine_errc::bad_answer,
                "the Docker Engine's answer to a command has no ID");
  return id.get<std::string>();
}

engine_result<attached> start_command(const engine& at, const std::string& id) {
  return at.attach(
    {"POST", "/exec/" + id + "/start", R"({"Detach":false,"Tty":false})"});
}

/// Output and exit code come on different ways: the code may be late.
engine_result<int32_t> command_exit(const engine& at, const std::string& id) {
  for (auto until = steady_clock::now() + exit_time;;) {
    auto x = at.ask({"GET", "/exec/" + id + "/json"});
    if (!x)
      return tl::unexpected{x.error()};
    auto code = x->is_object() ? x->value("ExitCode", json{}) : json{};
    bool running = x->is_object() && x->value("Running", json{}) == true;
    if (!running && code.is_number_integer())
      return code.get<int32_t>();
    if (steady_clock::now() >= until)
      return fail(engine_errc::timed_out,
                  "the command's output has ended, its process has not");
    std::this_thread::sleep_for(exit_pause);
  }
}

json command_body(const json& command,
                  const std::vector<std::string>& environment,
                  bool with_input) {
  return {{"AttachStdin", with_input},
          {"AttachStdout", true},
          {"AttachStderr", true},
          {"Tty", false},
          {"Cmd", command},
          {"Env", environment}};
}

void sweep(const engine& at, const std::string& id) {
  auto command = create_command(
    at, id, command_body({"sh", "-c", sweep_script}, {}, false));
  if (!command)
    return; // it has ended meanwhile
  auto running = start_command(at, *command);
  if (running) [[maybe_unused]]
    auto ended
      = running->read_all([](demultiplexer::origin, std::string_view) {});
}

void mark_used(const workplace& with, container_state job_state::*which,
               bool used) {
  with.state.change([&](job_state& x) { (x.*which).in_use = used; });
}

/// With the host's processes in sight no sweep is done: it would end those.
bool sees_own_processes_only(const container_request& what) {
  auto body = json::parse(what.body.reveal(), nullptr, false);
  if (!body.is_object())
    return false;
  auto host = body.value("HostConfig", json::object());
  return !host.is_object() || !host.contains("PidMode")
         || host["PidMode"] == "";
}

/// Ends what runs in a container: first all of its processes but the first are
/// told to, then the container is stopped.
void stop_container(const engine& at, const std::string& id, bool sweeps) {
  if (sweeps) {
    // If it hangs it ends with the container, or with this process.
    auto swept = std::make_shared<std::promise<void>>();
    auto done = swept->get_future();
    std::thread{[at, id, swept] {
      sweep(at, id);
      swept->set_value();
    }}.detach();
    done.wait_for(sweep_time);
  }
  auto path
    = "/containers/" + id + "/stop?t=" + std::to_string(stop_grace.count());
  [[maybe_unused]] auto stopped = at.ask({"POST", path});
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

/// Writes a script to a container while its output is read.
class script_writer {
public:
  script_writer(attached& to, std::string_view text)
    : to_(to),
      thread_([&to, text] { to.write_all(text); }) {
  }

  script_writer(const script_writer&) = delete;
  script_writer& operator=(const script_writer&) = delete;

  ~script_writer() {
    to_.shut_down();
    thread_.join();
  }

private:
  attached& to_;
  std::thread thread_;
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

/// The first command in a helper container, with what comes before it: the
/// entrypoint of GitLab's image may still be about to make the mounted
/// certificate known, and the volumes' roots are opened.
json opening(const workplace& with, const json& command) {
  json all = {"sh", "-c",
              "if [ -e /etc/gitlab-runner/certs/ca.crt ]; then i=0; "
              "until [ -e /tmp/.muster-entered ] || [ $i -ge 300 ]; do "
              "i=$((i + 1)); sleep 0.1; done; fi; "
              "n=$1; shift; while [ $n -gt 0 ]; do chmod 0777 \"$1\" "
              "2>/dev/null; shift; n=$((n - 1)); done; exec \"$@\"",
              "sh", ""};
  size_t count = 0;
  for (const auto& volume : with.containers().volumes)
    if (!volume.destination.empty()) {
      all.push_back(volume.destination);
      ++count;
    }
  all[4] = std::to_string(count);
  for (const auto& word : command)
    all.push_back(word);
  return all;
}

/// The last words of the helper container, which should not have ended.
failure<plan_outcome> helper_ended(const workplace& with,
                                   const failure<engine_errc>& why) {
  std::string words;
  call log{"GET", "/containers/" + with.state.get().helper.id
                    + "/logs?stdout=1&stderr=1&tail=5"};
  log.time = 10s;
  [[maybe_unused]] auto read
    = with.at.read_log(log, [&](demultiplexer::origin, std::string_view bytes) {
        words += bytes.substr(0, words_max - std::min(words.size(), words_max));
      });
  auto failed
    = job_failure(why, "running a command in the helper container (image "
                         + with.containers().helper.image.name + ")");
  if (why.code == engine_errc::conflict)
    failed.text += "; its entrypoint must run the command it is given, and an "
                   "`sh` must be there";
  if (!words.empty())
    failed.text += "; it said: " + words;
  return failed;
}

/// Prepares a command in the helper container; one that is gone is made anew.
job_result<std::string> make_command(const workplace& with, const json& body) {
  for (int i = 0;; ++i) {
    if (with.state.get().helper.id.empty())
      if (auto made = make_helper(with); !made)
        return tl::unexpected{made.error()};
    mark_used(with, &job_state::helper, true);
    auto made = create_command(with.at, with.state.get().helper.id, body);
    if (made)
      return *made;
    bool gone = made.error().code == engine_errc::not_found
                || made.error().code == engine_errc::conflict;
    if (i > 0 || !gone)
      return tl::unexpected{helper_ended(with, made.error())};
    if (auto dropped = drop_used(with); !dropped)
      return tl::unexpected{dropped.error()};
  }
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

stage_result run_in_helper(const workplace& with,
                           const container_script& what) {
  if (auto dropped = drop_used(with); !dropped)
    return broken(dropped.error());
  std::vector<std::string> environment;
  if (!what.job_status.empty())
    environment.push_back("CI_JOB_STATUS=" + what.job_status);
  auto command = helper_command(with);
  if (!with.state.get().roots_open)
    command = opening(with, command);
  auto made = make_command(with, command_body(command, environment, true));
  if (!made)
    return broken(made.error());
  auto stream = start_command(with.at, *made);
  if (!stream)
    return broken(job_failure(stream.error(),
                              "starting a command in the helper container"));
  auto id = with.state.get().helper.id;
  named_container container{id, with.containers().helper.name};
  with.signals.on_signal([&with, id] {
    stop_container(with.at, id,
                   sees_own_processes_only(with.containers().helper));
  });
  engine_result<void> output;
  {
    script_writer writer{*stream, what.text};
    output = stream->read_all(pass_on);
  }
  if (!output)
    return broken(went_away(with.at, container, output.error().text));
  auto code = command_exit(with.at, *made);
  if (!code)
    return broken(went_away(with.at, container, code.error().text));
  if (auto why = explain_command(with, container, *code))
    return broken(*why);
  with.state.change([&](job_state& x) {
    x.roots_open = true;
    x.helper.in_use = with.signals.interrupted();
  });
  return exited(*code);
}

job_result<command_end>
run_command(const workplace& with, const json& command,
            const std::vector<std::string>& environment) {
  auto id = with.state.get().helper.id;
  named_container container{id, with.containers().helper.name};
  auto made
    = create_command(with.at, id, command_body(command, environment, false));
  if (!made)
    return tl::unexpected{helper_ended(with, made.error())};
  auto stream = start_command(with.at, *made);
  if (!stream)
    return tl::unexpected{helper_ended(with, stream.error())};
  command_end end;
  auto output
    = stream->read_all([&end](demultiplexer::origin, std::string_view bytes) {
        auto room = command_output_max
                    - std::min(end.output.size(), command_output_max);
        end.output += bytes.substr(0, room);
      });
  if (!output)
    return tl::unexpected{went_away(with.at, container, output.error().text)};
  auto code = command_exit(with.at, *made);
  if (!code)
    return tl::unexpected{went_away(with.at, container, code.error().text)};
  end.exit_code = *code;
  return end;
}

job_result<void> open_roots(const workplace& with) {
  if (auto done = run_command(with, opening(with, {"true"}), {}); !done)
    return tl::unexpected{done.error()};
  with.state.change([](job_state& x) { x.roots_open = true; });
  return {};
}

} // namespace muster::docker
