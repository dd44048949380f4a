#include "tests/e2e/docker/docker_world.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

namespace muster::test {

namespace {

using docker::json;

constexpr const char* shell_detect
  = "if [ -x /bin/bash ]; then exec /bin/bash; fi; exec /bin/sh";

stage_plan place(stage_plan stage, stage_place where, const char* name) {
  stage.place = where;
  stage.name = name;
  return stage;
}

json labels_of(const std::string& key, const char* type) {
  return {{"com.gitlab.gitlab-runner.managed", "true"},
          {"com.gitlab.gitlab-runner.job.id", key},
          {"com.gitlab.gitlab-runner.type", type}};
}

container_request container_of(const std::string& key, const char* type,
                               json command) {
  container_request x;
  x.name = key + "-" + type;
  x.image = image_of();
  json body{{"Hostname", "runner-test"},
            {"Env", {"GREETING=hello", "CI_JOB_STATUS=running"}},
            {"Labels", labels_of(key, type)},
            {"HostConfig",
             {{"Binds", {key + "-builds:/builds"}},
              {"LogConfig", {{"Type", "json-file"}}}}}};
  body["Cmd"] = std::move(command);
  x.body = secret{body.dump()};
  return x;
}

} // namespace

engine_host& engine_with_image() {
  auto& host = engine_host::shared();
  static const bool imported = [&host] {
    host.import_image(test_image);
    return true;
  }();
  REQUIRE(imported);
  return host;
}

std::string job_key(const std::string& name) {
  return name + "-" + std::to_string(::getpid());
}

stage_plan engine_stage() {
  return place(stage_of(stage_phase::prepare, "", stage_condition::on_success),
               stage_place::engine, "prepare_executor");
}

stage_plan helper_stage(std::string script, stage_phase phase) {
  return place(stage_of(phase, std::move(script), stage_condition::on_success),
               stage_place::helper, "get_sources");
}

stage_plan build_stage(std::string script) {
  return place(step(std::move(script)), stage_place::build, "step_script");
}

stage_plan after_stage(std::string script) {
  auto stage = place(stage_of(stage_phase::after, std::move(script),
                              stage_condition::after_steps),
                     stage_place::build, "after_script");
  stage.status_variable = true;
  stage.failure_counts = false;
  return stage;
}

stage_plan cleanup_stage(std::string script) {
  return place(
    stage_of(stage_phase::cleanup, std::move(script), stage_condition::always),
    stage_place::helper, "cleanup_file_variables");
}

image_request image_of(const std::string& name) {
  image_request x;
  x.name = name;
  x.policies = {pull_policy::if_not_present};
  return x;
}

job_plan docker_plan(const engine_host& at, const std::string& key,
                     std::vector<stage_plan> stages) {
  stages.insert(stages.begin(), engine_stage());
  auto plan = plan_of(job_key(key), std::move(stages));
  auto& x = plan.containers.emplace();
  x.host = way_to_engine(at.socket());
  x.job_label = key;
  x.helper = container_of(key, "predefined", {"gitlab-runner-build"});
  x.helper.image.kept = true;
  x.build = container_of(key, "build", {"sh", "-c", shell_detect});
  x.volumes.push_back(
    {key + "-builds", "/builds", json{{"Name", key + "-builds"}}.dump(), true});
  return plan;
}

service_request service_of(const std::string& key, const std::string& name,
                           const std::string& image,
                           const std::string& script) {
  service_request x;
  x.container = container_of(key, name.c_str(), {"sh", "-c", script});
  x.container.image = image_of(image);
  x.label = name + ":latest";
  x.aliases = {name};
  return x;
}

finished_job run_to_end(const job_plan& plan) {
  host machine;
  auto job = machine.run(plan);
  finished_job done;
  done.log = collect(job);
  done.cleaned = machine.clean(plan.key);
  return done;
}

void check_end(const job_log& log, plan_outcome expected) {
  REQUIRE(log.end.has_value());
  INFO(log.out);
  INFO(log.err);
  INFO(log.end->text);
  CHECK_EQ(static_cast<int>(log.end->outcome), static_cast<int>(expected));
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace muster::test
