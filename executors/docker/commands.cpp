#include "executors/docker/commands.hpp"

#include "executors/docker/outcome.hpp"

#include <chrono>
#include <future>
#include <memory>
#include <thread>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto exit_time = 30s;   ///< from the output's end to an exit code
constexpr auto exit_pause = 50ms; ///< between looks at it
constexpr auto sweep_time = 6s;   ///< for all to end by SIGTERM
constexpr auto stop_grace = 3s;   ///< then for the whole container

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

} // namespace

engine_result<std::string> create_command(const engine& at,
                                          const std::string& container,
                                          const json& body) {
  auto x = at.ask({"POST", "/containers/" + container + "/exec",
                   body.dump(-1, ' ', false, json::error_handler_t::replace)});
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

engine_result<int32_t> command_exit(const engine& at, const std::string& id) {
  for (auto until = steady_clock::now() + exit_time;;) {
    auto x = retried({}, [&] {
      return at.ask({"GET", "/exec/" + id + "/json"});
    });
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

} // namespace muster::docker
