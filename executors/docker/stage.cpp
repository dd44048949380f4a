#include "executors/docker/stage.hpp"

#include "executors/docker/address.hpp"
#include "executors/docker/cleaning.hpp"
#include "executors/docker/job_containers.hpp"
#include "executors/docker/prepare.hpp"
#include "executors/docker/run_script.hpp"
#include "executors/docker/services.hpp"
#include "executors/helper/container_work.hpp"
#include "executors/helper/frames.hpp"

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using helper::stage_result;
using std::chrono::steady_clock;

/// Less than what a supervisor has for it, so that the reason is heard.
constexpr auto clean_time = 270s;
constexpr int32_t terminated_exit_code = 143;

stage_result broken(std::string text) {
  return {plan_outcome::broken, 0, std::move(text)};
}

std::optional<job_plan> read_plan() {
  struct stat facts {};
  if (::fstat(helper::plan_descriptor, &facts) != 0)
    return std::nullopt;
  std::string bytes(static_cast<size_t>(facts.st_size), '\0');
  for (size_t done = 0; done < bytes.size();) {
    auto n = ::pread(helper::plan_descriptor, bytes.data() + done,
                     bytes.size() - done, static_cast<off_t>(done));
    if (n <= 0)
      return std::nullopt;
    done += static_cast<size_t>(n);
  }
  return frames::containers_plan_of(bytes);
}

/// One of the plan's stages, as the command line has it.
struct wanted_stage {
  const stage_plan* stage = nullptr;
  std::string_view script;
  std::string job_status;
};

std::optional<wanted_stage> find_stage(const job_plan& plan,
                                       const std::vector<std::string>& words) {
  size_t index = 0;
  if (words.size() != 4
      || std::from_chars(words[1].data(), words[1].data() + words[1].size(),
                         index)
             .ec
           != std::errc{}
      || index >= plan.stages.size())
    return std::nullopt;
  const auto& stage = plan.stages[index];
  return wanted_stage{
    &stage, words[2] == "before-retry" ? stage.before_retry : stage.script,
    words[3]};
}

stage_result carry_out(const workplace& with, const wanted_stage& wanted) {
  container_script script{wanted.script, wanted.job_status};
  switch (wanted.stage->place) {
    case stage_place::engine: {
      auto prepared = prepare(with);
      return prepared
               ? stage_result{}
               : stage_result{prepared.error().code, 0, prepared.error().text};
    }
    case stage_place::helper:
      return run_in_helper(with, script);
    case stage_place::build:
      return run_in_build(with, script);
    case stage_place::host:
      break;
  }
  return broken("a stage of the host is not one of containers");
}

/// Makes ready for the removal of what a dead supervisor's job has made.
/// @return why that cannot be, or nothing
std::string expect_anything(const workplace& with, deadline until) {
  for (;;) {
    auto met = with.at.negotiate();
    if (met) {
      with.state.change([&](job_state& x) {
        x.api_version = with.at.version();
        x.at_work = true;
        x.helper.begun = x.build.begun = true;
      });
      return "";
    }
    if (steady_clock::now() + 1s >= until)
      return met.error().text;
    std::this_thread::sleep_for(500ms);
  }
}

stage_result do_command(const job_plan& plan,
                        const std::vector<std::string>& words,
                        interrupts& signals) {
  kept_state state{helper::stage_report{helper::report_descriptor}};
  const auto& containers = *plan.containers;
  auto text
    = containers.host.empty() ? login_address(own_variable) : containers.host;
  auto at = parse_address(text);
  if (!at)
    return {plan_outcome::misconfigured, 0, at.error().text};
  auto known = state.get().api_version;
  engine speaker{make_socket_dialer(*at),
                 known.empty() ? containers.api_version : known, is_local(*at)};
  workplace with{plan, speaker, state, signals};
  if (words[0] == helper::container_logs_command) {
    follow_services(with);
    return {};
  }
  if (words[0] == helper::container_clean_command) {
    auto until = steady_clock::now() + clean_time;
    speaker.end_by(until); // an Engine that hangs would have each call longer
    if (words.size() > 1)  // nobody has noted how far the job was
      if (auto why = expect_anything(with, until); !why.empty())
        return broken(why);
    auto left = clean(with, until);
    return {left.empty() ? plan_outcome::success : plan_outcome::broken, 0,
            left};
  }
  auto wanted = find_stage(plan, words);
  if (!wanted)
    return broken("there is no such stage");
  state.change([](job_state& x) {
    x.cut_off = x.cut_off || x.at_work;
    x.at_work = true;
  });
  auto result = carry_out(with, *wanted);
  if (signals.interrupted()) // its end is our doing: no reason to be told
    return {plan_outcome::failed, terminated_exit_code, ""};
  state.change([](job_state& x) { x.at_work = false; });
  return result;
}

} // namespace

std::optional<int> run_stage(const std::vector<std::string>& arguments) {
  using namespace helper;
  if (arguments.empty()
      || (arguments[0] != container_stage_command
          && arguments[0] != container_logs_command
          && arguments[0] != container_clean_command))
    return std::nullopt;
  std::signal(SIGPIPE, SIG_IGN);
  // These end with the process, whatever their threads do.
  auto* signals = new interrupts;
  auto* plan = new std::optional<job_plan>{read_plan()};
  stage_result result = broken("this command is for a job's supervisor");
  if (*plan)
    result = do_command(**plan, arguments, *signals);
  if (arguments[0] != container_logs_command)
    stage_report{report_descriptor}.add(result);
  ::_exit(result.outcome == plan_outcome::success ? 0 : 1);
}

} // namespace muster::docker
