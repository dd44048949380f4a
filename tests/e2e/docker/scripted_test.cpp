// What a real Engine cannot be brought to, at the Engine of a whole job.

#include "tests/e2e/docker/docker_world.hpp"
#include "tests/support/scripted_engine.hpp"

#include <atomic>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

constexpr const char* changed
  = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
constexpr const char* endless
  = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

/// One frame of a container's output.
std::string frame_of(const std::string& text) {
  std::string head(8, '\0');
  head[0] = 1;
  head[6] = static_cast<char>(text.size() >> 8);
  head[7] = static_cast<char>(text.size());
  return head + text;
}

std::string json_of(const std::string& body) {
  return answer_of("200 OK", body);
}

/// An Engine that serves a simple job but for one call.
class odd_engine {
public:
  /// @param part of a request's first line
  odd_engine(std::string part, std::string answer)
    : part_(std::move(part)),
      answer_(std::move(answer)),
      engine_([this](const std::string& line) { return say(line); }) {
  }

  job_plan plan(const std::string& key, std::vector<stage_plan> stages) const {
    stages.insert(stages.begin(), engine_stage());
    auto plan = plan_of(job_key(key), std::move(stages));
    auto& x = plan.containers.emplace();
    x.host = way_to_engine(engine_.socket());
    x.job_label = key;
    for (auto* container : {&x.helper, &x.build}) {
      container->image = image_of();
      container->body = secret{R"({"HostConfig":{}})"};
    }
    // With an entrypoint its container is started when the script is to run.
    x.build.body = secret{R"({"HostConfig":{},"Entrypoint":["/run"]})"};
    x.helper.name = key + "-predefined";
    x.build.name = key + "-build";
    return plan;
  }

  /// From now on it behaves; what hangs ends.
  void mend() {
    mended_ = true;
    CHECK(engine_.api().ask({"GET", "/images/any/json"}).has_value());
  }

private:
  std::string say(const std::string& line) {
    if (mended_)
      engine_.end_held("");
    else if (has(line, part_.c_str()))
      return answer_;
    if (has(line, "/_ping"))
      return answer_of("200 OK", "OK", "Api-Version: 1.41\r\n");
    if (has(line, "GET /v1.41/images/"))
      return json_of(R"({"Id":"sha256:1111","Config":{}})");
    if (has(line, "/containers/create"))
      return answer_of("201 Created", R"({"Id":"c1"})");
    if (has(line, "/containers/json"))
      return json_of("[]");
    if (has(line, "/wait"))
      return std::string{endless} + scripted_engine::hang;
    if (has(line, "/attach"))
      return changed + frame_of("hello\n");
    if (has(line, "/start") && has(line, "/containers/")) {
      if (part_ == "/wait" || part_ == "DELETE "
          || !has(answer_, scripted_engine::hang))
        engine_.end_held(R"({"StatusCode":0})");
      return answer_of("204 No Content", "");
    }
    if (has(line, "POST /v1.41/containers/") && has(line, "/exec"))
      return answer_of("201 Created", R"({"Id":"e1"})");
    if (has(line, "/exec/e1/start"))
      return changed + frame_of("from the helper\n");
    if (has(line, "/exec/e1/json"))
      return json_of(R"({"Running":false,"ExitCode":0})");
    if (has(line, "GET /v1.41/containers/c1/json"))
      return json_of(R"({"State":{"Status":"exited"}})");
    return answer_of("204 No Content", "");
  }

  std::string part_;
  std::string answer_;
  std::atomic<bool> mended_ = false;
  scripted_engine engine_;
};

std::string message(const char* status) {
  return answer_of(status, R"({"message":"words of the Engine"})");
}

} // namespace

TEST_CASE("an Engine of which only one answer is odd ends the job with what "
          "was odd") {
  struct row {
    const char* what;
    std::string part;
    std::string answer;
    plan_outcome expected;
    const char* says;
  };
  const std::string hang = scripted_engine::hang;
  const row rows[] = {
    {"nothing is odd", "/nothing", "", plan_outcome::success, ""},
    {"an old version of its API", "/_ping",
     answer_of("200 OK", "OK", "Api-Version: 1.39\r\n"), plan_outcome::broken,
     "muster needs 1.40"},
    {"a version that is none", "/_ping",
     answer_of("200 OK", "OK", "Api-Version: new\r\n"), plan_outcome::broken,
     "muster needs 1.40"},
    {"half a JSON", "/containers/create",
     answer_of("201 Created", R"({"Id":"c)"), plan_outcome::broken,
     "the Docker Engine's answer is no JSON"},
    {"a container without an ID", "/containers/create", json_of("{}"),
     plan_outcome::broken, "the Docker Engine's answer has no ID"},
    {"an ID that is a number", "/containers/create", json_of(R"({"Id":5})"),
     plan_outcome::broken, "the Docker Engine's answer has no ID"},
    {"an image that is a list", "GET /v1.41/images/", json_of("[1]"),
     plan_outcome::broken, "describes an image without an ID"},
    {"an answer without an end", "GET /v1.41/images/",
     endless + std::string(17u << 20, ' '), plan_outcome::broken,
     "has more than 16777216 bytes"},
    {"a fault of its own", "/containers/create",
     message("500 Internal Server Error"), plan_outcome::broken,
     "words of the Engine"},
    {"a name that stays taken", "/containers/create", message("409 Conflict"),
     plan_outcome::broken, "words of the Engine"},
    {"a wish that it refuses", "/containers/create", message("400 Bad Request"),
     plan_outcome::misconfigured, "words of the Engine"},
    {"no change of protocols", "/attach", json_of("{}"), plan_outcome::broken,
     "does not change to a stream"},
    {"output without frames", "/attach", changed + std::string(64, 'x'),
     plan_outcome::broken, "comes without frames"},
    {"output cut off within a frame", "/attach",
     changed + frame_of("hello\n").substr(0, 10), plan_outcome::broken,
     "was cut off by the Docker Engine"},
    {"an exit without a code", "/wait", json_of("{}"), plan_outcome::broken,
     "does not tell the container's exit code"},
    {"an answer to an attach, then another start", "/wait",
     endless + std::string{"{\"Stat"} + hang, plan_outcome::broken,
     "was started again"},
    {"a command without an ID", "/c1/exec", json_of("[]"), plan_outcome::broken,
     "has no ID"},
    {"a helper that has ended", "/c1/exec", message("409 Conflict"),
     plan_outcome::broken, "must run the command it is given"},
    {"a command that is not known any more", "/exec/e1/json",
     message("404 Not Found"), plan_outcome::broken, "was started again"},
  };
  for (const auto& r : rows) {
    CAPTURE(std::string{r.what});
    odd_engine engine{r.part, r.answer};
    auto done = run_to_end(
      engine.plan("odd", {helper_stage("true"), build_stage("true")}));
    check_end(done.log, r.expected);
    INFO(done.log.end->text);
    CHECK(has(done.log.end->text, r.says));
    if (r.expected == plan_outcome::success)
      CHECK(has(done.log.out, "from the helper\nhello\n"));
    CHECK(done.cleaned.clean);
  }
}

TEST_CASE("a pull that breaks off in whatever way is tried again, then told") {
  struct row {
    const char* what;
    std::string answer;
    plan_outcome expected;
    const char* says;
    size_t tries;
  };
  const row rows[] = {
    {"within a line", endless + std::string{"{\"status\":\"Pull\n{\"st"},
     plan_outcome::dependency_failed, "broken JSON", 3},
    {"within a chunk",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"status\"",
     plan_outcome::dependency_failed, "the Docker Engine", 3},
    {"by a fault of its own", message("500 Internal Server Error"),
     plan_outcome::image_missing, "words of the Engine", 1},
    {"by an error in the midst",
     json_of("{\"status\":\"Pulling\"}\n{\"error\":\"disk quota\"}\n"),
     plan_outcome::image_missing, "disk quota", 1},
  };
  for (const auto& r : rows) {
    CAPTURE(std::string{r.what});
    odd_engine engine{"/images/create", r.answer};
    auto plan = engine.plan("pulls", {build_stage("true")});
    plan.containers->build.image.policies = {pull_policy::always};
    auto done = run_to_end(plan);
    check_end(done.log, r.expected);
    INFO(done.log.end->text);
    CHECK(has(done.log.end->text, r.says));
    size_t tries = 0;
    for (auto at = done.log.out.find("Pulling docker image");
         at != std::string::npos;
         at = done.log.out.find("Pulling docker image", at + 1))
      ++tries;
    CHECK_EQ(tries, r.tries);
    CHECK(done.cleaned.clean);
  }
}

TEST_CASE("a call that never ends ends with the job's time, or with its "
          "cancelling") {
  const std::string hang = scripted_engine::hang;
  struct row {
    const char* what;
    std::string part;
    std::string answer;
  };
  const row rows[] = {
    {"an image", "GET /v1.41/images/", hang},
    {"a pull", "/images/create", endless + std::string{"{}\n"} + hang},
    {"a container", "/containers/create", hang},
    {"a command", "/exec/e1/start", changed + hang},
    {"a script", "/attach", changed + hang},
  };
  for (const auto& r : rows)
    for (bool canceled : {true, false}) {
      CAPTURE(std::string{r.what});
      CAPTURE(canceled);
      odd_engine engine{r.part, r.answer};
      auto plan
        = engine.plan("hangs", {helper_stage("true"), build_stage("true")});
      plan.containers->build.image.policies = {pull_policy::always};
      if (!canceled)
        plan.timeout_ms = 1'000;
      host machine;
      auto job = machine.run(plan);
      if (canceled)
        machine.connect().send(
          frames::cancel{job_key("hangs"), cancel_mode::now});
      auto log = collect(job);
      check_end(log,
                canceled ? plan_outcome::canceled : plan_outcome::timed_out);
      engine.mend();
      CHECK(machine.clean(job_key("hangs")).clean);
    }
}

TEST_CASE("a command whose output has ended and whose process has not breaks "
          "the job after a while") {
  odd_engine engine{"/exec/e1/json", json_of(R"({"Running":true})")};
  auto done = run_to_end(engine.plan("zombie", {helper_stage("true")}));
  check_end(done.log, plan_outcome::broken);
  INFO(done.log.end->text);
  CHECK(has(done.log.end->text, "its process has not"));
  CHECK(done.cleaned.clean);
}

TEST_CASE(
  "a removal that hangs holds up the slot, not the job's end, and takes "
  "no processor meanwhile") {
  odd_engine engine{"DELETE ", scripted_engine::hang};
  host machine;
  auto job = machine.run(
    engine.plan("removed", {helper_stage("true"), build_stage("true")}));
  check_end(collect(job), plan_outcome::success);
  auto supervisors = machine.supervisors();
  REQUIRE_EQ(supervisors.size(), 1);
  auto asking = machine.connect();
  asking.send(frames::clean{job_key("removed")});
  // Longer than processes are waited for.
  CHECK_FALSE(asking.next(milliseconds{11'000}).has_value());
  auto before = processor_time_of(supervisors[0]);
  CHECK_FALSE(asking.next(milliseconds{2'000}).has_value());
  CHECK_LT((processor_time_of(supervisors[0]) - before).count(), 500);
  engine.mend();
  CHECK(machine.clean(job_key("removed")).clean);
}
