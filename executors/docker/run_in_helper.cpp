#include "executors/docker/commands.hpp"
#include "executors/docker/explanations.hpp"
#include "executors/docker/job_containers.hpp"
#include "executors/docker/run_script.hpp"
#include "executors/docker/script_run.hpp"

#include <algorithm>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using helper::stage_result;

constexpr size_t command_output_max = 64u << 10;
constexpr size_t words_max = 1'000; ///< of a container's last ones

/// The first command in a helper container, with what comes before it: the
/// entrypoint of GitLab's image may still be about to make the mounted
/// certificate known, and the volumes' roots are opened.
json opening(const workplace& with, const json& command) {
  std::string script
    = "if [ -e /etc/gitlab-runner/certs/ca.crt ]; then i=0; until [ -e ";
  script += entered_mark;
  script += " ] || [ $i -ge 300 ]; do i=$((i + 1)); sleep 0.1; done; fi; "
            "n=$1; shift; while [ $n -gt 0 ]; do chmod 0777 \"$1\" "
            "2>/dev/null; shift; n=$((n - 1)); done; exec \"$@\"";
  json all = {"sh", "-c", script, "sh", ""};
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
