#include "tests/e2e/manager/world.hpp"
#include "tests/support/exposition.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fstream>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

/// A manager that is looked at.
struct watched_world : world {
  explicit watched_world(const std::vector<std::string>& more = {})
    : world([&more] {
        settings how;
        how.manager.file = {"listen_address = \"127.0.0.1:0\""};
        how.manager.file.insert(how.manager.file.end(), more.begin(),
                                more.end());
        return how;
      }()) {
  }

  /// The port that the log tells: 0 was asked for.
  int port() const {
    REQUIRE(manager->says("Metrics server listening"));
    for (const auto& line : manager->lines())
      if (line.value("msg", "") == "Metrics server listening") {
        auto at = line.at("address").get<std::string>();
        return std::stoi(at.substr(at.rfind(':') + 1));
      }
    return 0;
  }

  bool is_ready() const {
    auto answer = httplib::Client{"127.0.0.1", port()}.Get("/health/ready");
    return answer && answer->status == 200 && answer->body == "ready";
  }

  std::string get(const std::string& path) const {
    auto answer = httplib::Client{"127.0.0.1", port()}.Get(path);
    REQUIRE(answer);
    REQUIRE_EQ(answer->status, 200);
    return answer->body;
  }

  exposition now() const {
    return exposition{get("/metrics")};
  }
};

/// A scraper that never says the end of its request.
class half_request {
public:
  half_request() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  }

  ~half_request() {
    close(fd_);
  }

  half_request(const half_request&) = delete;
  half_request& operator=(const half_request&) = delete;

  bool begins(int port) const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0
           && send(fd_, "GET /met", 8, MSG_NOSIGNAL) == 8;
  }

private:
  const int fd_;
};

} // namespace

TEST_CASE("a manager is scraped while a job runs and after it") {
  watched_world x;
  CHECK(eventually([&] { return x.is_ready(); }));
  CHECK_EQ(x.get("/debug/process/state"), "running\n");
  CHECK_EQ(x.now().sum("gitlab_runner_jobs_total"), 0);
  auto id = x.enqueue_script("echo begun; while [ ! -e go ]; do sleep 0.1; done"
                             "; exit 3");
  REQUIRE(x.shows(id, "\nbegun"));
  auto during = x.now();
  CHECK_EQ(during.sum("gitlab_runner_jobs",
                      {R"(state="running")", R"(stage="step_script")",
                       R"(executor_stage="prepare")"}),
           1);
  CHECK_EQ(during.sum("gitlab_runner_jobs_total"), 1);
  CHECK_EQ(during.sum("fleeting_taskscaler_tasks", {R"(state="acquired")"}), 1);
  CHECK_EQ(during.sum("fleeting_provisioner_instances", {R"(state="running")"}),
           1);
  auto list = x.get("/debug/jobs/list");
  CHECK_NE(list.find("/-/jobs/" + std::to_string(id)
                     + " state=running stage=step_script "),
           std::string::npos);
  REQUIRE(x.gitlab.cancel(id, false));
  x.ended(id);
  CHECK(eventually([&] { return x.get("/debug/jobs/list").empty(); }));
  auto after = x.now();
  CHECK_EQ(after.sum("gitlab_runner_jobs"), 0);
  CHECK_EQ(after.sum("gitlab_runner_failed_jobs_total",
                     {R"(failure_reason="job_canceled")"}),
           1);
  for (const auto* endpoint : {"request_job", "update_job", "patch_trace"})
    CHECK_GE(after.sum("gitlab_runner_api_request_statuses_total",
                       {std::string{"endpoint=\""} + endpoint + "\""}),
             1);
  CHECK_EQ(after.sum("fleeting_taskscaler_task_operations_total",
                     {R"(operation="acquire")"}),
           1);
  CHECK_EQ(
    after.sum("fleeting_taskscaler_task_instance_readiness_time_seconds_count"),
    1);
  for (const auto* queue : {"gitlab_requests", "acquires", "journal",
                            "provider_calls", "log_bytes", "ssh_commands"}) {
    CAPTURE(queue);
    CHECK_GE(after.sum("muster_queue_high_water",
                       {std::string{"queue=\""} + queue + "\""}),
             1);
  }
  auto text = x.get("/metrics");
  CHECK_EQ(text.find(x.gitlab.token()), std::string::npos);
  CHECK_EQ(text.find(x.gitlab.job(id)->token), std::string::npos);
  x.check_rules();
}

TEST_CASE("promtool finds no fault in the metrics of a manager at work") {
  watched_world x;
  CHECK(x.serves_a_job());
  x.ended(x.enqueue_script("exit 1"));
  auto id = x.enqueue({{"script", "echo begun; sleep 60"},
                       {"variables",
                        {{"GIT_STRATEGY", "none"},
                         {"FF_EXPORT_HIGH_CARDINALITY_METRICS", "true"}}}});
  REQUIRE(x.shows(id, "\nbegun"));
  auto file = x.place.path() / "metrics.txt";
  auto text = x.get("/metrics");
  for (const auto* seen :
       {"gitlab_runner_failed_jobs_total{", "fleeting_taskscaler_tasks{",
        "gitlab_runner_job_stage_duration_seconds_bucket{"})
    CHECK_NE(text.find(seen), std::string::npos);
  std::ofstream{file} << text;
  CHECK_EQ(run_shell("promtool check metrics < '" + file.string()
                     + "' 2>&1; echo \"status $?\""),
           "status 0\n");
  REQUIRE(x.gitlab.cancel(id, false));
  x.ended(id);
}

TEST_CASE("a scraper that hangs holds neither jobs nor the end up") {
  watched_world x;
  std::vector<half_request> hanging(20);
  for (auto& one : hanging)
    REQUIRE(one.begins(x.port()));
  CHECK(x.serves_a_job());
  CHECK_EQ(x.now().sum("gitlab_runner_jobs_total"), 1);
  CHECK_EQ(x.stop_manager(SIGQUIT), 0);
}

TEST_CASE(
  "an address that is taken ends the start, one that is none does not") {
  watched_world x;
  manager_folder place;
  auto config = x.config;
  config.file
    = {"listen_address = \"127.0.0.1:" + std::to_string(x.port()) + "\""};
  place.write_config(config);
  manager_process second{place};
  CHECK_EQ(second.wait_exit(), 1);
  CHECK(second.says("the metrics server cannot listen on 127.0.0.1:"));
  config.file = {"listen_address = \"::1\""};
  place.write_config(config);
  manager_process third{place};
  CHECK(third.says("too many colons"));
  CHECK(third.says(
    "listen_address not defined, metrics & debug endpoints disabled"));
  CHECK(third.says("Starting multi-runner"));
  third.signal(SIGTERM);
  CHECK_EQ(third.wait_exit(), 0);
}

TEST_CASE("a recorder that cannot write is told by the metrics") {
  watched_world fine;
  CHECK(fine.serves_a_job());
  CHECK_EQ(fine.now().at("muster_recorder_up"), 1);
  CHECK_EQ(fine.now().at("muster_recorder_dropped_records_total"), 0);
  CHECK_GT(fine.now().at("muster_recorder_records_total"), 0);

  watched_world x{{"[muster.recorder]", "dir = \"/dev/null/recordings\""}};
  CHECK(x.serves_a_job());
  CHECK(x.manager->says("/dev/null/recordings"));
  CHECK_EQ(x.now().at("muster_recorder_up"), 0);
  auto dropped = x.now().at("muster_recorder_dropped_records_total");
  CHECK_GT(dropped, 0);
  CHECK(x.serves_a_job());
  CHECK_GT(x.now().at("muster_recorder_dropped_records_total"), dropped);
}
