#include "executors/docker/cleaning.hpp"

#include "executors/helper/processes.hpp"
#include "tests/support/scripted_engine.hpp"

#include <atomic>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::docker;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

/// Its thread lives as long as this program.
interrupts& watched_signals() {
  static auto* signals = new interrupts;
  return *signals;
}

/// What a job's cleaning stands on, with a state made by hand.
struct bed {
  job_plan plan;
  helper::unique_fd file = std::move(*helper::make_file_in_memory(""));
  kept_state state{helper::stage_report{file.get()}};
  interrupts& signals = watched_signals();

  bed() {
    auto& x = plan.containers.emplace();
    x.job_label = "17";
    x.helper.name = "job-predefined";
    x.build.name = "job-build";
    x.volumes
      = {{"kept", "/cache", "{}", false}, {"temporary", "/builds", "{}", true}};
    x.network = network_request{"job-net", "{}"};
    state.change([](job_state& x) {
      x.api_version = "1.41";
      x.helper.id = "id-helper";
      x.build.begun = true; // cut off before its id was known
      x.services = {"id-service"};
    });
  }

  std::string clean(const scripted_engine& engine,
                    std::chrono::milliseconds time = 10s) {
    auto at = engine.api();
    auto until = std::chrono::steady_clock::now() + time;
    at.end_by(until);
    return docker::clean({plan, at, state, signals}, until);
  }
};

bool asked(const scripted_engine& engine, const std::string& begin) {
  for (const auto& x : engine.requests())
    if (x.rfind(begin, 0) == 0)
      return true;
  return false;
}

bool is_list(const std::string& line) {
  return line.rfind("GET /v1.41/containers/json", 0) == 0;
}

} // namespace

TEST_CASE("all that a job made is removed, and what has its label") {
  scripted_engine engine{[](const std::string& line) {
    return is_list(line) ? answer_of("200 OK", R"([{"Id":"id-labelled"}])")
                         : answer_of("204 No Content", "");
  }};
  bed job;
  CHECK_EQ(job.clean(engine), "");
  for (const char* id : {"id-helper", "job-build", "id-service", "id-labelled"})
    CHECK(asked(engine, std::string{"DELETE /v1.41/containers/"} + id
                          + "?force=1&v=1 "));
  CHECK(asked(engine, "DELETE /v1.41/volumes/temporary?force=1 "));
  CHECK_FALSE(asked(engine, "DELETE /v1.41/volumes/kept"));
  CHECK(asked(engine, "DELETE /v1.41/networks/job-net "));
}

TEST_CASE("what was being made when a stage was cut off is looked for again") {
  int lists = 0;
  scripted_engine engine{[&lists](const std::string& line) {
    if (is_list(line))
      return answer_of("200 OK", ++lists == 2 ? R"([{"Id":"late"}])" : "[]");
    return answer_of("404 Not Found", "{}");
  }};
  bed job;
  job.state.change([](job_state& x) { x.cut_off = true; });
  CHECK_EQ(job.clean(engine), "");
  CHECK(asked(engine, "DELETE /v1.41/containers/late?"));
}

TEST_CASE("what cannot be removed is said, in the Engine's words") {
  scripted_engine engine{[](const std::string& line) {
    if (is_list(line))
      return answer_of("200 OK", "[]");
    return line.find("/volumes/") != std::string::npos
             ? answer_of("409 Conflict", R"({"message":"volume is in use"})")
             : answer_of("204 No Content", "");
  }};
  bed job;
  CHECK_EQ(job.clean(engine, 700ms), "volume is in use");
}

TEST_CASE("an Engine that hangs keeps nobody from hearing the reason in time") {
  std::atomic<bool> hangs = false;
  scripted_engine engine{[&hangs](const std::string& line) {
    if (hangs)
      return std::string{scripted_engine::hang};
    if (is_list(line))
      return answer_of("200 OK", "[]");
    hangs = line.find("/volumes/") != std::string::npos;
    return hangs ? answer_of("409 Conflict", R"({"message":"in use"})")
                 : answer_of("204 No Content", "");
  }};
  bed job;
  auto begun = std::chrono::steady_clock::now();
  CHECK_EQ(job.clean(engine, 1500ms), "in use");
  CHECK_LT(std::chrono::steady_clock::now() - begun, 60s);
}

TEST_CASE("what is looked for has the labels of this runner, as far as told") {
  scripted_engine engine{[](const std::string& line) {
    return is_list(line) ? answer_of("200 OK", "[]")
                         : answer_of("204 No Content", "");
  }};
  bed job;
  const std::string prefix = "com.gitlab.gitlab-runner.";
  auto labels = R"("label":[")" + prefix + R"(managed=true",")" + prefix;
  SUBCASE("by this manager") {
    job.plan.containers->job_label = "17\nrunner.id=abc\nrunner.system_id=s_1";
    labels += R"(job.id=17",")" + prefix + R"(runner.id=abc",")" + prefix
              + R"(runner.system_id=s_1"])";
  }
  SUBCASE("by an earlier one") {
    labels += R"(job.id=17"])";
  }
  CHECK_EQ(job.clean(engine), "");
  CHECK(asked(engine, "GET /v1.41/containers/json?all=1&filters="
                        + url_encoded("{" + labels + "}") + " "));
}

TEST_CASE("a network goes with what others have put into it") {
  std::atomic<bool> emptied = false;
  scripted_engine engine{[&emptied](const std::string& line) {
    if (is_list(line))
      return answer_of("200 OK", "[]");
    if (line.rfind("GET /v1.41/networks/job-net", 0) == 0)
      return answer_of("200 OK", R"({"Containers":{"guest":{}}})");
    if (line.find("/containers/guest?") != std::string::npos)
      emptied = true;
    if (line.find("/networks/") != std::string::npos && !emptied)
      return answer_of("403 Forbidden", R"({"message":"active endpoints"})");
    return answer_of("204 No Content", "");
  }};
  bed job;
  CHECK_EQ(job.clean(engine), "");
  CHECK(emptied);
}

TEST_CASE("without an Engine ever reached nothing is left") {
  scripted_engine engine{[](const std::string&) { return std::string{}; }};
  bed job;
  job.state.change([](job_state& x) { x.api_version.clear(); });
  CHECK_EQ(job.clean(engine), "");
  CHECK(engine.requests().empty());
}
