#include "actors/metrics/series.hpp"
#include "actors/metrics/table.hpp"
#include "tests/support/exposition.hpp"

#include <doctest/doctest.h>
#include <optional>
#include <set>
#include <string>

using namespace muster;
using namespace std::chrono_literals;
using muster::test::exposition;

namespace {

constexpr auto r = R"(runner="abcdefghi",runner_name="fleet",system_id="s_1")";

runner_facts facts() {
  runner_facts out;
  out.token = "abcdefghi";
  out.name = "fleet";
  out.system_id = "s_1";
  out.api_path = "/gitlab/api/v4/";
  out.limit = 3;
  out.request_concurrency = 2;
  return out;
}

job_facts a_job(int64_t id = 7) {
  job_facts out;
  out.job = id;
  out.url = "https://gitlab.test/group/demo";
  out.executor = "instance";
  return out;
}

struct fixture {
  metrics_table table{{"1.0", "abc", "main", 4}};
  std::shared_ptr<runner_metrics> runner = table.runner(facts());

  exposition now() const {
    return exposition{table.text()};
  }
};

/// `name{more,labels of a runner}`, all sorted: `after` is what comes before
/// the last of them.
std::string of(const std::string& name, const std::string& before = "",
               const std::string& after = "") {
  return name + "{" + before + (before.empty() ? "" : ",")
         + R"(runner="abcdefghi",runner_name="fleet",)" + after
         + (after.empty() ? "" : ",") + R"(system_id="s_1"})";
}

/// The labels of a sample, without `le`.
std::set<std::string> label_names(const std::string& sample) {
  std::set<std::string> out;
  auto at = sample.find('{');
  while (at != std::string::npos && at + 1 < sample.size()
         && sample[at] != '}') {
    auto equals = sample.find('=', at);
    auto name = sample.substr(at + 1, equals - at - 1);
    if (name != "le")
      out.insert(name);
    at = sample.find('"', equals + 2) + 1;
  }
  return out;
}

std::set<std::string> words(std::string_view list) {
  std::set<std::string> out;
  while (!list.empty()) {
    auto end = std::min(list.find(", "), list.size());
    out.emplace(list.substr(0, end));
    list.remove_prefix(std::min(end + 2, list.size()));
  }
  return out;
}

} // namespace

TEST_CASE("a runner without a job has one series, idle and zero") {
  fixture f;
  auto idle = of("gitlab_runner_jobs", R"(executor_stage="idle")",
                 R"(stage="idle",state="idle")");
  CHECK_EQ(f.now().at(idle), 0);
  CHECK_EQ(f.now().at(of("gitlab_runner_jobs_total")), 0);
  CHECK_EQ(f.now().at(of("gitlab_runner_limit")), 3);
  CHECK_EQ(f.now().at("gitlab_runner_concurrent"), 4);
}

TEST_CASE("a job is counted once, and shown as long as it is there") {
  fixture f;
  auto job = f.runner->job(a_job());
  auto pending = of("gitlab_runner_jobs", R"(executor_stage="created")",
                    R"(stage="",state="pending")");
  CHECK_EQ(f.now().at(pending), 1);
  job->at(executor_stage::prepare);
  job->stage_begun("get_sources", 0us);
  auto running = of("gitlab_runner_jobs", R"(executor_stage="prepare")",
                    R"(stage="get_sources",state="running")");
  CHECK_EQ(f.now().at(running), 1);
  CHECK_FALSE(f.now().has(pending));
  CHECK_EQ(f.table.jobs_text().find(
             "url=https://gitlab.test/group/demo/-/jobs/7 state=running "
             "stage=get_sources executor_stage=prepare duration="),
           0);
  job->ended({true, false, false, "", 90s});
  CHECK_EQ(f.now().sum("gitlab_runner_jobs", {R"(state="success")"}), 1);
  job.reset();
  CHECK_EQ(f.now().sum("gitlab_runner_jobs"), 0);
  CHECK_EQ(f.table.jobs_text(), "");
  CHECK_EQ(f.now().at(of("gitlab_runner_jobs_total")), 1);
  CHECK_EQ(f.now().at("gitlab_runner_job_execution_mode_total{executor="
                      "\"instance\",mode=\"traditional\"}"),
           1);
  auto took = std::string{"gitlab_runner_job_duration_seconds_bucket{mode="
                          "\"traditional\","}
              + r + ",le=";
  CHECK_EQ(f.now().at(took + "\"60\"}"), 0);
  CHECK_EQ(f.now().at(took + "\"300\"}"), 1);
}

TEST_CASE("a job of an earlier manager was counted there") {
  fixture f;
  auto facts = a_job();
  facts.is_new = false;
  auto job = f.runner->job(facts);
  CHECK_EQ(f.now().sum("gitlab_runner_jobs"), 1);
  CHECK_EQ(f.now().at(of("gitlab_runner_jobs_total")), 0);
}

TEST_CASE("failures are counted by muster's own reason") {
  fixture f;
  auto failed = [&](const char* reason) {
    return f.now().sum("gitlab_runner_failed_jobs_total",
                       {std::string{"failure_reason=\""} + reason + "\""});
  };
  f.runner->job(a_job(5))->ended({false, false, true, "job_canceled", 1s});
  CHECK_EQ(failed("job_canceled"), 1);
  f.runner->job(a_job(6))->ended(
    {false, false, false, "a\nword of GitLab", 1s});
  CHECK_EQ(failed("unknown_failure"), 1);
  f.runner->job_failed(7, "runner_system_failure");
  CHECK_EQ(failed("runner_system_failure"), 1);
  CHECK_EQ(f.now().sum("gitlab_runner_worker_processing_failures_total",
                       {R"(failure_type="job_failure")"}),
           3);
}

TEST_CASE("what GitLab tells of its queue is counted") {
  fixture f;
  auto facts = a_job();
  facts.queued_s = 4;
  facts.queue_size = 12;
  facts.queue_depth = 2;
  facts.project_jobs_running = "+Inf";
  f.runner->job(facts);
  facts.project_jobs_running = "a foreign word";
  f.runner->job(facts);
  auto count = [&](const char* value) {
    return f.now().sum("gitlab_runner_job_queue_duration_seconds_count",
                       {std::string{"project_jobs_running=\""} + value + "\""});
  };
  CHECK_EQ(count("+Inf"), 1);
  CHECK_EQ(count("unknown"), 1);
  CHECK_EQ(f.now().at(of("gitlab_runner_job_queue_size")), 12);
  CHECK_EQ(f.now().at(of("gitlab_runner_job_queue_depth")), 2);
}

TEST_CASE("times of stages are told for jobs that want it, in a closed set") {
  fixture f;
  auto facts = a_job();
  f.runner->job(facts)->stage_begun("get_sources", 0us);
  CHECK_EQ(f.now().sum("gitlab_runner_job_stage_duration_seconds_count"), 0);
  facts.tells_stages = true;
  auto job = f.runner->job(facts);
  job->stage_begun("get_sources", 0us);
  job->stage_begun("step_of-this-job-alone", 0us);
  job->ended({true, false, false, "", 1s});
  auto count = [&](const char* stage) {
    return f.now().sum("gitlab_runner_job_stage_duration_seconds_count",
                       {std::string{"stage=\""} + stage + "\""});
  };
  CHECK_EQ(count("get_sources"), 1);
  CHECK_EQ(count("step_other"), 1);
  CHECK_EQ(f.table.text().find("of-this-job-alone"), std::string::npos);
}

TEST_CASE("calls of GitLab's API are told by endpoint and status") {
  fixture f;
  f.runner->called(api_endpoint::request_job, 204, 40ms);
  f.runner->called(api_endpoint::request_job, 0, 1s);
  f.runner->called(api_endpoint::update_job, 200, 20ms);
  f.runner->called(api_endpoint::patch_trace, 0, 1s);
  f.runner->called(api_endpoint::patch_trace, 416, 1s);
  f.runner->called(api_endpoint::reset_token, 7, 1s);
  auto x = f.now();
  auto statuses
    = [&](const char* endpoint, const char* status, const char* method) {
        return x.at(std::string{"gitlab_runner_api_request_statuses_total{"}
                    + "endpoint=\"" + endpoint + "\",method=\"" + method
                    + R"(",runner="abcdefghi",status=")" + status
                    + R"(",system_id="s_1"})");
      };
  CHECK_EQ(statuses("request_job", "204", "post"), 1);
  CHECK_EQ(statuses("request_job", "-1", "post"), 1);
  CHECK_EQ(statuses("update_job", "200", "put"), 1);
  CHECK_EQ(statuses("patch_trace", "416", "patch"), 1);
  CHECK_EQ(statuses("reset_token", "-1", "post"), 1);
  CHECK_EQ(x.sum("gitlab_runner_api_request_statuses_total"), 5);
  CHECK_EQ(x.sum("gitlab_runner_api_request_duration_seconds_count",
                 {R"(status_class="2xx")"}),
           2);
  CHECK_EQ(x.at("gitlab_runner_api_request_retries_total{method=\"PATCH\","
                "path=\"/gitlab/api/v4/jobs/{id}/trace\"}"),
           2);
}

TEST_CASE("instances are shown by state, with the times that they took") {
  fixture f;
  auto group = f.runner->group();
  time_point start{100s};
  group->limits({5, 2, 10});
  group->counts({1, 0, 3, 0, 4, 0});
  auto instances = [&](const char* state) {
    return f.now().at(of("fleeting_provisioner_instances", "",
                         std::string{"state=\""} + state + "\""));
  };
  CHECK_EQ(instances("requested"), 1);
  group->seen("i-1", cloud_state::creating, start + 4s, start);
  group->counts({});
  CHECK_EQ(instances("requested"), 0);
  CHECK_EQ(instances("creating"), 1);
  group->seen("i-1", cloud_state::running, start + 20s, {});
  group->ready("i-1", start + 28s);
  group->ready("i-1", start + 90s); // once
  CHECK_EQ(instances("creating"), 0);
  CHECK_EQ(instances("running"), 1);
  group->deletion_accepted("i-1", start + 100s);
  group->seen("i-1", cloud_state::deleting, start + 101s, {});
  CHECK_EQ(instances("deleting"), 1);
  group->gone("i-1", start + 150s);
  group->gone("i-1", start + 151s); // once
  CHECK_EQ(instances("deleting"), 0);
  auto x = f.now();
  auto sum = [&](const char* name) {
    return x.at(of(std::string{name} + "_seconds_sum"));
  };
  CHECK_EQ(sum("fleeting_provisioner_instance_creation_time"), 4);
  CHECK_EQ(sum("fleeting_provisioner_instance_is_running_time"), 20);
  CHECK_EQ(sum("fleeting_taskscaler_task_instance_readiness_time"), 8);
  CHECK_EQ(sum("fleeting_provisioner_instance_deletion_time"), 50);
  CHECK_EQ(sum("fleeting_provisioner_instance_life_duration"), 146);
  for (const auto* operation : {"create", "delete"})
    CHECK_EQ(x.at(of("fleeting_provisioner_instance_operations_total",
                     std::string{"operation=\""} + operation + "\"")),
             1);
  CHECK_EQ(x.at(of("fleeting_provisioner_max_instances")), 5);
  CHECK_EQ(x.at(of("fleeting_taskscaler_max_tasks_per_instance")), 2);
  CHECK_EQ(x.at(of("fleeting_taskscaler_max_use_count_per_instance")), 10);
}

TEST_CASE("a group's histograms have the bounds that it is given") {
  fixture f;
  time_buckets bounds;
  bounds.creation = {2, 7.5};
  auto group = f.runner->group(bounds);
  group->seen("i-1", cloud_state::creating, time_point{104s}, time_point{100s});
  auto x = f.now();
  auto sample = [](const char* name, const char* le) {
    auto out = of(std::string{name} + "_seconds_bucket");
    out.pop_back();
    return out + ",le=\"" + le + "\"}";
  };
  auto bucket
    = [&](const char* name, const char* le) { return x.at(sample(name, le)); };
  constexpr auto creation = "fleeting_provisioner_instance_creation_time";
  CHECK_EQ(bucket(creation, "2"), 0);
  CHECK_EQ(bucket(creation, "7.5"), 1);
  CHECK_EQ(bucket(creation, "+Inf"), 1);
  CHECK_FALSE(x.has(sample(creation, "5"))); // built in
  CHECK_EQ(bucket("fleeting_provisioner_instance_deletion_time", "5"), 0);
}

TEST_CASE("an instance that nobody asked for has no time of creation") {
  fixture f;
  auto group = f.runner->group();
  group->seen("i-1", cloud_state::running, time_point{5s}, {});
  group->gone("i-1", time_point{9s});
  auto x = f.now();
  for (const auto* name : {"creation_time", "is_running_time", "deletion_time"})
    CHECK_EQ(x.at(of(std::string{"fleeting_provisioner_instance_"} + name
                     + "_seconds_count")),
             0);
  CHECK_EQ(x.at(of("fleeting_provisioner_instance_life_duration_seconds_sum")),
           4);
}

TEST_CASE("a group that is gone shows nothing, and what it counted stays") {
  fixture f;
  auto group = f.runner->group();
  group->seen("i-1", cloud_state::running, time_point{5s}, {});
  group->counts({1, 2, 3, 4, 5, 6});
  group->did(task_operation::acquire);
  group->did(group_operation::provision);
  group->scaled(false);
  group->wanted(-2);
  auto before = f.now();
  CHECK_EQ(before.sum("fleeting_taskscaler_tasks"), 20);
  CHECK_EQ(before.at(of("fleeting_taskscaler_desired_instances")), -2);
  group.reset();
  auto x = f.now();
  CHECK_EQ(x.sum("fleeting_provisioner_instances"), 0);
  CHECK_EQ(x.sum("fleeting_taskscaler_tasks"), 0);
  CHECK_EQ(x.at(of("fleeting_taskscaler_task_operations_total",
                   R"(operation="acquire")")),
           1);
  CHECK_EQ(x.at(of("fleeting_provisioner_internal_operations_total",
                   R"(operation="provision")")),
           1);
  CHECK_EQ(x.at(of("fleeting_taskscaler_scale_operations_total",
                   R"(operation="down")")),
           1);
}

TEST_CASE("a group that takes another's place is shown alone, and stays") {
  fixture f;
  auto failed = f.runner->group();
  failed->seen("i-1", cloud_state::running, time_point{5s}, {});
  failed->counts({1, 2, 3, 4, 5, 6});
  auto next = f.runner->group();
  next->seen("i-1", cloud_state::running, time_point{6s}, {});
  next->counts({0, 1, 0, 2, 0, 0});
  failed.reset();
  auto x = f.now();
  CHECK_EQ(x.sum("fleeting_provisioner_instances"), 1);
  CHECK_EQ(x.sum("fleeting_taskscaler_tasks"), 3);
  next->gone("i-1", time_point{9s});
  CHECK_EQ(f.now().sum("fleeting_provisioner_instances"), 0);
}

TEST_CASE("a stage that is told too late leaves a job as it ended") {
  fixture f;
  job_facts facts;
  facts.job = 5;
  auto job = f.runner->job(facts);
  job->stage_begun("step_script", 0us);
  job->ended({true, false, false, "", 1s});
  job->stage_begun("after_script", 0us);
  auto list = f.table.jobs_text();
  CHECK_NE(list.find("state=success"), std::string::npos);
  CHECK_EQ(list.find("after_script"), std::string::npos);
}

TEST_CASE("a job ends once, whoever tells it and how often") {
  fixture f;
  auto failed = [&f](const char* reason) {
    return f.now().sum("gitlab_runner_failed_jobs_total",
                       {std::string{"failure_reason=\""} + reason + "\""});
  };
  auto job = f.runner->job(a_job());
  job->ended({false, false, false, "script_failure", 1s});
  job->ended({true, false, false, "", 2s});
  CHECK_EQ(f.now().sum("gitlab_runner_jobs", {R"(state="failed")"}), 1);
  CHECK_EQ(f.now().sum("gitlab_runner_job_duration_seconds_count"), 1);
  job.reset();
  SUBCASE("its actor is lost then") {
    f.runner->job_failed(7, "runner_system_failure");
    CHECK_EQ(failed("runner_system_failure"), 0);
    // It comes again in another manager's time, or another one is lost.
    f.runner->job_failed(7, "runner_system_failure");
    f.runner->job_failed(8, "runner_system_failure");
    CHECK_EQ(failed("runner_system_failure"), 2);
  }
  SUBCASE("its actor ends in order") {
    f.runner->job_over(7);
    f.runner->job_failed(7, "runner_system_failure");
    CHECK_EQ(failed("runner_system_failure"), 1);
  }
  CHECK_EQ(failed("script_failure"), 1);
}

TEST_CASE("a job that cannot be begun is a failure of another type") {
  fixture f;
  f.runner->happened(runner_event::job_refused);
  auto types = [&f](const char* type) {
    return f.now().sum("gitlab_runner_worker_processing_failures_total",
                       {std::string{"failure_type=\""} + type + "\""});
  };
  CHECK_EQ(types("other"), 1);
  CHECK_EQ(types("job_failure"), 0);
  CHECK_EQ(f.now().sum("gitlab_runner_failed_jobs_total",
                       {R"(failure_reason="runner_system_failure")"}),
           1);
}

TEST_CASE("stages that ended under an earlier manager were counted there") {
  fixture f;
  auto facts = a_job();
  facts.is_new = false;
  facts.age = 1h;
  facts.tells_stages = true;
  auto job = f.runner->job(facts);
  CHECK_NE(f.table.jobs_text().find("duration=1h0m"), std::string::npos);
  job->stage_begun("prepare_executor", 0us);
  job->stage_begun("prepare_script", 50min);
  job->stage_begun("get_sources", 40min);
  job->stage_begun("step_script", 30min); // goes on
  job->stage_begun("after_script", 0us);
  job->ended({true, false, false, "", 1h});
  auto x = f.now();
  auto told = [&x](const char* what, const char* stage) {
    return x.sum(std::string{"gitlab_runner_job_stage_duration_seconds_"}
                   + what,
                 {std::string{"stage=\""} + stage + "\""});
  };
  CHECK_EQ(x.sum("gitlab_runner_job_stage_duration_seconds_count"), 2);
  CHECK_EQ(told("count", "step_script"), 1);
  CHECK_GE(told("sum", "step_script"), 1800);
  CHECK_LT(told("sum", "step_script"), 1860);
  CHECK_EQ(told("count", "after_script"), 1);
  CHECK_LT(told("sum", "after_script"), 60);
}

TEST_CASE("a queue is what all who have it hold, and those alone") {
  fixture f;
  auto depth = [&f](const char* what) {
    return f.now().sum(std::string{"muster_queue_"} + what,
                       {R"(queue="gitlab_requests")"});
  };
  auto failed = f.runner->queue(told_queue::gitlab_requests);
  failed->holds(5);
  auto next = f.runner->queue(told_queue::gitlab_requests);
  next->holds(2);
  CHECK_EQ(depth("depth"), 7);
  failed.reset();
  CHECK_EQ(depth("depth"), 2);
  next.reset();
  CHECK_EQ(depth("depth"), 0);
  CHECK_EQ(depth("high_water"), 7);
}

TEST_CASE("runners with one token are shown as their sum") {
  fixture f;
  auto x = facts();
  x.name = "other";
  auto other = f.table.runner(x);
  f.runner->requests(1, 2);
  other->requests(2, 2);
  auto shown = [&f](const char* name) {
    return f.now().at(std::string{"gitlab_runner_request_concurrency"} + name
                      + R"({runner="abcdefghi",system_id="s_1"})");
  };
  CHECK_EQ(shown(""), 3);
  CHECK_EQ(shown("_hard_limit"), 4);
  CHECK_EQ(shown("_used_limit"), 4);
  other.reset(); // it was removed
  CHECK_EQ(shown(""), 1);
  CHECK_EQ(shown("_hard_limit"), 2);
  f.runner->bounds(7, 5);
  CHECK_EQ(shown("_hard_limit"), 5);
  CHECK_EQ(f.now().at(of("gitlab_runner_limit")), 7);
}

TEST_CASE("a queue tells its depth, and the most that it ever had") {
  fixture f;
  auto asked = f.runner->queue(told_queue::gitlab_requests);
  for (size_t depth : {3, 17, 2})
    asked->holds(depth);
  auto written = f.table.queue(told_queue::journal);
  written->holds(4);
  process_samples sampled;
  sampled.log_bytes = 100;
  sampled.log_bytes_peak = 200;
  sampled.ssh_commands_peak = 9;
  sampled.errors = 6;
  f.table.sample_with([sampled] { return sampled; });
  auto x = f.now();
  auto requests = std::string{R"({queue="gitlab_requests",)"} + r + "}";
  CHECK_EQ(x.at("muster_queue_depth" + requests), 2);
  CHECK_EQ(x.at("muster_queue_high_water" + requests), 17);
  CHECK_EQ(x.at(R"(muster_queue_high_water{queue="journal"})"), 4);
  CHECK_EQ(x.at(R"(muster_queue_depth{queue="log_bytes"})"), 100);
  CHECK_EQ(x.at(R"(muster_queue_high_water{queue="log_bytes"})"), 200);
  CHECK_EQ(x.at(R"(muster_queue_high_water{queue="ssh_commands"})"), 9);
  CHECK_EQ(x.at(R"(gitlab_runner_errors_total{level="error"})"), 6);
}

TEST_CASE("a name that holds quotes and line breaks does not break the text") {
  fixture f;
  auto x = facts();
  x.name = "a \"name\"\nof \\ two lines";
  auto other = f.table.runner(x);
  other->happened(runner_event::fed);
  CHECK_EQ(f.now().sum("gitlab_runner_worker_feeds_total",
                       {R"(a \"name\"\nof \\ two lines)"}),
           1);
}

TEST_CASE("every series that is shown has the labels of the table") {
  fixture f;
  auto facts = a_job();
  facts.queued_s = 1;
  facts.queue_size = 1;
  facts.queue_depth = 1;
  facts.tells_stages = true;
  auto job = f.runner->job(facts);
  job->stage_begun("get_sources", 0us);
  job->ended({false, false, false, "script_failure", 1s});
  auto group = f.runner->group();
  group->limits({});
  group->missed();
  group->wanted(1);
  group->counts({});
  f.runner->slot_released();
  f.runner->called(api_endpoint::patch_trace, 202, 1ms);
  f.runner->called(provider_call::update, true);
  f.table.sample_with([] { return process_samples{}; });
  f.table.is(process_state::running);
  auto x = f.now();
  for (const auto& info : known_series()) {
    std::string name{info.name};
    CAPTURE(name);
    REQUIRE(x.types().contains(name));
    CHECK_EQ(x.types().at(name), info.type == series_type::counter ? "counter"
                                 : info.type == series_type::gauge
                                   ? "gauge"
                                   : "histogram");
    auto own = name.starts_with("muster_queue_");
    for (const auto& [sample, value] : x.samples())
      if (sample.starts_with(name + "{") || sample == name
          || sample.starts_with(name + "_bucket{")) {
        CAPTURE(sample);
        auto have = label_names(sample);
        if (own && have.size() == 1)
          CHECK_EQ(have, std::set<std::string>{"queue"});
        else
          CHECK_EQ(have, words(info.labels));
      }
  }
  for (const auto& type : x.types()) {
    CAPTURE(type.first);
    CHECK_EQ(series_named(type.first).name, type.first);
  }
}

TEST_CASE("the process tells its state and what it uses") {
  fixture f;
  CHECK_EQ(f.now().at(R"(gitlab_runner_process_state_info{state="starting"})"),
           1);
  f.table.is(process_state::graceful_shutdown);
  CHECK_EQ(f.now().sum("gitlab_runner_process_state_info"), 1);
  CHECK_EQ(f.now().at(
             R"(gitlab_runner_process_state_info{state="graceful-shutdown"})"),
           1);
  auto x = f.now();
  CHECK_GT(x.at("process_resident_memory_bytes"), 1 << 20);
  CHECK_GT(x.at("process_virtual_memory_bytes"),
           x.at("process_resident_memory_bytes"));
  CHECK_GE(x.at("process_open_fds"), 3);
  CHECK_GE(x.at("process_max_fds"), x.at("process_open_fds"));
  CHECK_GT(x.at("process_start_time_seconds"), 1.7e9);
}
