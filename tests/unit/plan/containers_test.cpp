#include "executors/cache/digest.hpp"
#include "executors/plan/build.hpp"
#include "executors/plan/container_names.hpp"

#include <doctest/doctest.h>
#include <functional>
#include <nlohmann/json.hpp>

using namespace muster;
using json = nlohmann::json;

namespace {

using texts = std::vector<std::string>;

struct bed {
  job_payload job;
  runner_config runner;
  plan_facts facts;

  bed() {
    job.id = 101;
    job.token = secret{"glcbt-job-token"};
    job.allow_git_fetch = true;
    job.project_id = 7;
    job.pipeline_id = 9;
    job.git.repo_url = secret{
      "https://gitlab-ci-token:glcbt-job-token@git.example.com/g/p.git"};
    job.git.ref = "main";
    job.git.sha = "0123456789abcdef";
    job.steps = {{"script", {"make"}}, {"after_script", {"true"}}};
    job.image.name = "alpine:3.20";
    runner.url = "https://git.example.com";
    runner.token = secret{"glrt-ABCDEFGHIJKL"};
    runner.executor = "docker-autoscaler";
    runner.builds_dir = "/builds";
    runner.cache_dir = "/cache";
    runner.docker = docker_config{};
    facts.key = "key-1";
    facts.short_token = "ABCDEFGHI";
    facts.manager_host = "manager-1";
    facts.version = "1.0.0";
    facts.system_id = "s_0123456789ab";
    facts.unique = "00112233445566ff";
    facts.concurrent_id = 2;
    facts.concurrent_project_id = 3;
    facts.slot = 3;
  }

  void set(const char* key, const char* value) {
    job_variable x;
    x.key = key;
    x.value = secret{value};
    job.variables.push_back(x);
  }

  docker_config& docker() {
    return *runner.docker;
  }

  plan_result plan() const {
    auto made = build_plan(job, runner, facts);
    CAPTURE(made ? "" : made.error().text);
    REQUIRE(made);
    REQUIRE(made->plan.containers);
    return *made;
  }

  container_plan containers() const {
    return *plan().plan.containers;
  }

  /// Why there is no plan.
  std::string refusal() const {
    auto made = build_plan(job, runner, facts);
    REQUIRE(!made);
    CHECK_EQ(made.error().code, job_errc::configuration_error);
    return made.error().text;
  }
};

docker_gpus gpus(int count) {
  docker_gpus out;
  out.count = count;
  out.capabilities = {"gpu"};
  return out;
}

docker_service_config configured(const char* name) {
  docker_service_config out;
  out.name = name;
  return out;
}

json body_of(const container_request& x) {
  return json::parse(x.body.reveal());
}

bool has(const json& list, const std::string& text) {
  return std::find(list.begin(), list.end(), json(text)) != list.end();
}

} // namespace

TEST_CASE("each stage of a job in containers has its place") {
  bed x;
  x.job.caches = {{.key = "k", .paths = {"lib"}}};
  x.job.artifacts = {{.paths = {"out"}}};
  std::vector<std::pair<std::string, stage_place>> places;
  auto made = x.plan();
  for (const auto& stage : made.plan.stages)
    places.emplace_back(stage.name, stage.place);
  using enum stage_place;
  CHECK(places
        == std::vector<std::pair<std::string, stage_place>>{
          {"prepare_executor", engine},
          {"prepare_script", helper},
          {"get_sources", helper},
          {"restore_cache", helper},
          {"step_script", build},
          {"after_script", build},
          {"archive_cache", helper},
          {"upload_artifacts_on_success", helper},
          {"cleanup_file_variables", helper}});
  CHECK(made.plan.stages[0].script.empty());
  CHECK_EQ(made.plan.stages[0].phase, stage_phase::prepare);
  CHECK(made.plan.temp_dir.empty());
  // The image has the only helper, whatever the job's variables say.
  CHECK_NE(made.plan.stages[3].script.find("muster_helper=\n"),
           std::string::npos);
  CHECK_EQ(made.plan.stages[3].script.find("MUSTER_HELPER"), std::string::npos);
}

TEST_CASE("a job of the instance executor has no containers") {
  bed x;
  x.runner.executor = "instance";
  x.runner.docker.reset();
  auto made = build_plan(x.job, x.runner, x.facts);
  REQUIRE(made);
  CHECK(!made->plan.containers);
  CHECK_EQ(made->plan.stages[0].name, "prepare_script");
  CHECK_EQ(made->plan.stages[0].place, stage_place::host);
  CHECK_EQ(made->variables.value("CI_SHARED_ENVIRONMENT"), "true");
}

TEST_CASE("without [runners.docker] no job in containers runs anywhere") {
  bed x;
  x.runner.docker.reset();
  CHECK_NE(x.refusal().find("[runners.docker]"), std::string::npos);
}

TEST_CASE("containers have GitLab Runner's names, labels and variables") {
  bed x;
  x.set("A", "1");
  x.set("B", "$A/2");
  auto plan = x.containers();
  const std::string project = "runner-abcdefghi-project-7-concurrent-3";
  CHECK_EQ(plan.build.name, project + "-00112233445566ff-build");
  CHECK_EQ(plan.helper.name, project + "-00112233445566ff-predefined");
  CHECK_EQ(plan.job_label,
           "101\nrunner.id=ABCDEFGHI\nrunner.system_id=s_0123456789ab");
  auto build = body_of(plan.build);
  CHECK_EQ(build["Hostname"], project);
  CHECK_EQ(build["Cmd"][0], "sh");
  CHECK_EQ(build["Cmd"][1], "-c");
  CHECK_NE(build["Cmd"][2].get<std::string>().find("exec /busybox/sh"),
           std::string::npos);
  CHECK_EQ(build["OpenStdin"], true);
  CHECK_EQ(build["StdinOnce"], true);
  CHECK_EQ(build["Tty"], false);
  CHECK(!build.contains("Entrypoint"));
  CHECK(!build.contains("User"));
  CHECK(!build.contains("NetworkingConfig"));
  CHECK(has(build["Env"], "A=1"));
  CHECK(has(build["Env"], "B=1/2"));
  CHECK(has(build["Env"], "CI_JOB_IMAGE=alpine:3.20"));
  CHECK(has(build["Env"], "CI_DISPOSABLE_ENVIRONMENT=true"));
  CHECK(has(build["Env"], "CI_PROJECT_DIR=/builds/g/p"));
  const std::string prefix = "com.gitlab.gitlab-runner.";
  const std::map<std::string, std::string> labels{
    {"job.id", "101"},
    {"job.url", "https://git.example.com/g/p/-/jobs/101"},
    {"job.sha", "0123456789abcdef"},
    {"job.before_sha", ""},
    {"job.ref", "main"},
    {"job.timeout", "2h0m0s"},
    {"project.id", "7"},
    {"project.runner_id", "3"},
    {"pipeline.id", "9"},
    {"runner.id", "ABCDEFGHI"},
    {"runner.local_id", "2"},
    {"runner.system_id", "s_0123456789ab"},
    {"managed", "true"},
    {"type", "build"}};
  CHECK_EQ(build["Labels"].size(), labels.size());
  for (const auto& [key, value] : labels)
    CHECK_EQ(build["Labels"][prefix + key], value);
  auto helper = body_of(plan.helper);
  CHECK_EQ(helper["Labels"][prefix + "type"], "predefined");
  CHECK_EQ(helper["Cmd"], json{"gitlab-runner-build"});
  CHECK_EQ(helper["Env"], build["Env"]);
  const auto& host = build["HostConfig"];
  CHECK_EQ(host["OomKillDisable"], false);
  CHECK_EQ(host["RestartPolicy"]["Name"], "no");
  CHECK_EQ(host["LogConfig"]["Type"], "json-file");
  CHECK_EQ(host["Privileged"], false);
}

TEST_CASE("variables of files are paths, too large ones are left to scripts") {
  bed x;
  x.set("BIG", std::string(200'000, 'x').c_str());
  x.set("CERT", "content");
  x.job.variables.back().file = true;
  auto env = body_of(x.containers().build)["Env"];
  CHECK(has(env, "CERT=/builds/g/p.tmp/CERT"));
  for (const auto& entry : env)
    CHECK(!entry.get<std::string>().starts_with("BIG="));
}

TEST_CASE("every key of [runners.docker] is where the Engine reads it") {
  struct row {
    const char* what;
    std::function<void(docker_config&)> change;
    const char* pointer; ///< in the body
    const char* build;   ///< JSON; empty: not there
    const char* helper;
    const char* service;
  };
  const row rows[] = {
    {"memory", [](auto& d) { d.build.memory = 5; }, "/HostConfig/Memory", "5",
     "5", ""},
    {"memory_swap", [](auto& d) { d.build.memory_swap = -1; },
     "/HostConfig/MemorySwap", "-1", "-1", ""},
    {"memory_reservation", [](auto& d) { d.build.memory_reservation = 3; },
     "/HostConfig/MemoryReservation", "3", "3", ""},
    {"service_memory", [](auto& d) { d.services_limits.memory = 6; },
     "/HostConfig/Memory", "", "", "6"},
    {"service_memory_swap", [](auto& d) { d.services_limits.memory_swap = 6; },
     "/HostConfig/MemorySwap", "", "", "6"},
    {"service_memory_reservation",
     [](auto& d) { d.services_limits.memory_reservation = 6; },
     "/HostConfig/MemoryReservation", "", "", "6"},
    {"cpus", [](auto& d) { d.build.nano_cpus = 500'000'000; },
     "/HostConfig/NanoCpus", "500000000", "500000000", ""},
    {"service_cpus", [](auto& d) { d.services_limits.nano_cpus = 5; },
     "/HostConfig/NanoCpus", "", "", "5"},
    {"cpu_shares", [](auto& d) { d.build.cpu_shares = 9; },
     "/HostConfig/CpuShares", "9", "9", ""},
    {"service_cpu_shares", [](auto& d) { d.services_limits.cpu_shares = 9; },
     "/HostConfig/CpuShares", "", "", "9"},
    {"cpuset_cpus", [](auto& d) { d.build.cpuset_cpus = "0-1"; },
     "/HostConfig/CpusetCpus", "\"0-1\"", "\"0-1\"", ""},
    {"service_cpuset_cpus",
     [](auto& d) { d.services_limits.cpuset_cpus = "0"; },
     "/HostConfig/CpusetCpus", "", "", "\"0\""},
    {"cpuset_mems", [](auto& d) { d.cpuset_mems = "0"; },
     "/HostConfig/CpusetMems", "\"0\"", "\"0\"", ""},
    {"cgroup_parent", [](auto& d) { d.build.cgroup_parent = "c"; },
     "/HostConfig/CgroupParent", "\"c\"", "\"c\"", ""},
    {"service_cgroup_parent",
     [](auto& d) { d.services_limits.cgroup_parent = "c"; },
     "/HostConfig/CgroupParent", "", "", "\"c\""},
    {"oom_kill_disable", [](auto& d) { d.oom_kill_disable = true; },
     "/HostConfig/OomKillDisable", "true", "true", ""},
    {"oom_score_adjust", [](auto& d) { d.oom_score_adjust = 5; },
     "/HostConfig/OomScoreAdj", "5", "5", ""},
    {"devices",
     [](auto& d) {
       d.devices = {{"/a", "/b", "r"}};
     },
     "/HostConfig/Devices/0",
     R"({"PathOnHost":"/a","PathInContainer":"/b","CgroupPermissions":"r"})",
     R"({"PathOnHost":"/a","PathInContainer":"/b","CgroupPermissions":"r"})",
     ""},
    {"services_devices",
     [](auto& d) {
       d.services_devices["postgres:*"] = {{"/a", "/b", "r"}};
     },
     "/HostConfig/Devices/0/PathOnHost", "", "", "\"/a\""},
    {"services_devices of others",
     [](auto& d) {
       d.services_devices["redis"] = {{"/a", "/b", "r"}};
     },
     "/HostConfig/Devices", "", "", ""},
    {"device_cgroup_rules",
     [](auto& d) { d.device_cgroup_rules = {"c 1:3 mr"}; },
     "/HostConfig/DeviceCgroupRules", R"(["c 1:3 mr"])", R"(["c 1:3 mr"])", ""},
    {"gpus", [](auto& d) { d.build.gpus = gpus(-1); },
     "/HostConfig/DeviceRequests/0",
     R"({"Driver":"","Count":-1,"Capabilities":[["gpu"]],"Options":{}})",
     R"({"Driver":"","Count":-1,"Capabilities":[["gpu"]],"Options":{}})", ""},
    {"service_gpus", [](auto& d) { d.services_limits.gpus = gpus(2); },
     "/HostConfig/DeviceRequests/0/Count", "", "", "2"},
    {"ulimit",
     [](auto& d) {
       d.ulimits = {{"nofile", 1, 2}};
     },
     "/HostConfig/Ulimits/0", R"({"Name":"nofile","Soft":1,"Hard":2})",
     R"({"Name":"nofile","Soft":1,"Hard":2})", ""},
    {"dns", [](auto& d) { d.dns = {"192.0.2.1"}; }, "/HostConfig/Dns",
     R"(["192.0.2.1"])", R"(["192.0.2.1"])", R"(["192.0.2.1"])"},
    {"dns_search", [](auto& d) { d.dns_search = {"x"}; },
     "/HostConfig/DnsSearch", R"(["x"])", R"(["x"])", R"(["x"])"},
    {"extra_hosts", [](auto& d) { d.extra_hosts = {"x:1"}; },
     "/HostConfig/ExtraHosts", R"(["x:1"])", R"(["x:1"])", R"(["x:1"])"},
    {"privileged", [](auto& d) { d.build.privileged = true; },
     "/HostConfig/Privileged", "true", "true", "false"},
    {"services_privileged",
     [](auto& d) { d.services_limits.privileged = true; },
     "/HostConfig/Privileged", "false", "false", "true"},
    {"allowed_privileged_images",
     [](auto& d) {
       d.build.privileged = true;
       d.allowed_privileged_images = {"alpine:*"};
     },
     "/HostConfig/Privileged", "true", "false", "false"},
    {"allowed_privileged_services",
     [](auto& d) {
       d.services_limits.privileged = true;
       d.allowed_privileged_services = {"redis"};
     },
     "/HostConfig/Privileged", "false", "false", "false"},
    {"group_add", [](auto& d) { d.group_add = {"g"}; }, "/HostConfig/GroupAdd",
     R"(["g"])", R"(["g"])", ""},
    {"user", [](auto& d) { d.user = "1000:1000"; }, "/User", "\"1000:1000\"",
     "", ""},
    {"hostname", [](auto& d) { d.hostname = "h"; }, "/Hostname", "\"h\"",
     "\"h\"", ""},
    {"userns_mode", [](auto& d) { d.userns_mode = "host"; },
     "/HostConfig/UsernsMode", "\"host\"", "\"host\"", "\"host\""},
    {"pid_mode", [](auto& d) { d.pid_mode = "host"; }, "/HostConfig/PidMode",
     "\"host\"", "", ""},
    {"ipcmode", [](auto& d) { d.ipc_mode = "host"; }, "/HostConfig/IpcMode",
     "\"host\"", "\"host\"", ""},
    {"cap_add", [](auto& d) { d.cap_add = {"CAP_X"}; }, "/HostConfig/CapAdd",
     R"(["CAP_X"])", R"(["CAP_X"])", ""},
    {"cap_drop", [](auto& d) { d.cap_drop = {"ALL"}; }, "/HostConfig/CapDrop",
     R"(["ALL"])", R"(["ALL"])", ""},
    {"security_opt", [](auto& d) { d.build.security_opt = {"s"}; },
     "/HostConfig/SecurityOpt", R"(["s"])", R"(["s"])", ""},
    {"services_security_opt",
     [](auto& d) { d.services_limits.security_opt = {"s"}; },
     "/HostConfig/SecurityOpt", "", "", R"(["s"])"},
    {"runtime", [](auto& d) { d.runtime = "runsc"; }, "/HostConfig/Runtime",
     "\"runsc\"", "\"runsc\"", "\"runsc\""},
    {"shm_size", [](auto& d) { d.shm_size = 300; }, "/HostConfig/ShmSize",
     "300", "300", "300"},
    {"sysctls",
     [](auto& d) {
       d.sysctls = {{"a", "1"}};
     },
     "/HostConfig/Sysctls", R"({"a":"1"})", R"({"a":"1"})", ""},
    {"isolation", [](auto& d) { d.isolation = "default"; },
     "/HostConfig/Isolation", "\"default\"", "\"default\"", "\"default\""},
    {"links", [](auto& d) { d.links = {"a:b"}; }, "/HostConfig/Links",
     R"(["a:b"])", R"(["a:b"])", ""},
    {"network_mode", [](auto& d) { d.network_mode = "host"; },
     "/HostConfig/NetworkMode", "\"host\"", "\"host\"", "\"host\""},
    {"mac_address", [](auto& d) { d.mac_address = "m"; },
     "/NetworkingConfig/EndpointsConfig/default/MacAddress", "\"m\"", "\"m\"",
     ""},
    {"volume_driver", [](auto& d) { d.volume_driver = "v"; },
     "/HostConfig/VolumeDriver", "\"v\"", "\"v\"", ""},
    {"volumes_from", [](auto& d) { d.volumes_from = {"c"}; },
     "/HostConfig/VolumesFrom", R"(["c"])", R"(["c"])", ""},
    {"tmpfs",
     [](auto& d) {
       d.build.tmpfs = {{"/t", "rw"}};
     },
     "/HostConfig/Tmpfs", R"({"/t":"rw"})", R"({"/t":"rw"})", ""},
    {"services_tmpfs",
     [](auto& d) {
       d.services_limits.tmpfs = {{"/t", "rw"}};
     },
     "/HostConfig/Tmpfs", "", "", R"({"/t":"rw"})"},
    {"log_options",
     [](auto& d) {
       d.log_options = {{"env", "A"}};
     },
     "/HostConfig/LogConfig/Config", R"({"env":"A"})", R"({"env":"A"})",
     R"({"env":"A"})"},
    {"container_labels",
     [](auto& d) {
       d.container_labels = {{"l", "$A"}};
     },
     "/Labels/l", "\"1\"", "\"1\"", "\"1\""},
    {"container_labels of services",
     [](auto& d) {
       d.container_labels = {{"l", "$A"}};
     },
     "/Labels/com.gitlab.gitlab-runner.l", "", "", "\"1\""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    bed x;
    x.set("A", "1");
    x.job.services = {{.name = "postgres:16"}};
    r.change(x.docker());
    auto plan = x.containers();
    REQUIRE_EQ(plan.services.size(), 1);
    json::json_pointer at{r.pointer};
    for (const auto& [request, expected] :
         {std::pair{&plan.build, r.build}, std::pair{&plan.helper, r.helper},
          std::pair{&plan.services[0].container, r.service}}) {
      CAPTURE(request->name);
      auto body = body_of(*request);
      REQUIRE_EQ(body.contains(at), *expected != '\0');
      if (*expected != '\0')
        CHECK_EQ(body[at], json::parse(expected));
    }
  }
}

TEST_CASE("in a network of somebody's own containers have host names") {
  bed x;
  x.job.services = {{.name = "postgres:16", .alias = "db"}};
  x.docker().network_mode = "lan";
  auto plan = x.containers();
  auto aliases = [](const container_request& of) {
    return body_of(of)["NetworkingConfig"]["EndpointsConfig"]["lan"]["Aliases"];
  };
  CHECK_EQ(aliases(plan.build), json({"build", plan.build.name}));
  CHECK_EQ(aliases(plan.helper), json({plan.helper.name}));
  CHECK_EQ(aliases(plan.services[0].container), json({"postgres", "db"}));
  CHECK(!plan.network);
}

TEST_CASE("feature flags change the containers") {
  bed x;
  x.job.services = {{.name = "postgres"}};
  x.set("FF_USE_INIT_WITH_DOCKER_EXECUTOR", "1");
  x.set("FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR", "1");
  x.set("FF_NETWORK_PER_BUILD", "1");
  x.docker().network_mtu = 1400;
  x.docker().enable_ipv6 = true;
  auto made = x.plan();
  const auto& plan = *made.plan.containers;
  CHECK_EQ(body_of(plan.build)["HostConfig"]["Init"], true);
  CHECK_EQ(body_of(plan.services[0].container)["HostConfig"]["Init"], true);
  CHECK(!body_of(plan.helper)["HostConfig"].contains("Init"));
  CHECK_EQ(body_of(plan.helper)["Cmd"], json{"/bin/bash"});
  REQUIRE_EQ(plan.given_to_user.size(), 2);
  CHECK(plan.given_to_user[0].starts_with("/builds/"));
  REQUIRE(plan.network);
  CHECK_EQ(plan.network->name, "runner-ABCDEFGHI-7-3-101");
  auto network = json::parse(plan.network->body);
  CHECK_EQ(network["Name"], plan.network->name);
  CHECK_EQ(network["EnableIPv6"], true);
  CHECK_EQ(network["Options"]["com.docker.network.driver.mtu"], "1400");
  CHECK_EQ(network["Labels"]["com.gitlab.gitlab-runner.job.id"], "101");
  CHECK_EQ(made.variables.value("CI_BUILD_NETWORK_NAME"), plan.network->name);
  x.docker().network_mode = "bridge";
  CHECK(!x.containers().network);
}

TEST_CASE("volumes have GitLab Runner's names and stay, unless told") {
  bed x;
  auto owner
    = "runner-"
      + hex_of(sha256("glrt-ABCDEFGHIJKL-s_0123456789ab-7-3").substr(0, 16));
  // md5 of "/cache" and of "/builds"
  const std::string cache = "3c3f060a0374fc8bc39395164f415a70";
  const std::string builds = "c33bcaa1fd2c77edfc3893b41966cea8";
  x.docker().volumes = {"/cache", "/srv/x:/x:ro", "named:/y"};
  SUBCASE("fetched sources stay") {
    auto plan = x.containers();
    REQUIRE_EQ(plan.volumes.size(), 2);
    CHECK_EQ(plan.volumes[0].name, owner + "-cache-" + cache);
    CHECK_EQ(plan.volumes[0].destination, "/cache");
    CHECK(!plan.volumes[0].temporary);
    CHECK_EQ(plan.volumes[1].name, owner + "-cache-" + builds);
    CHECK(!plan.volumes[1].temporary);
    auto binds = json({plan.volumes[0].name + ":/cache", "/srv/x:/x:ro",
                       "named:/y", plan.volumes[1].name + ":/builds"});
    CHECK_EQ(body_of(plan.build)["HostConfig"]["Binds"], binds);
    CHECK_EQ(body_of(plan.helper)["HostConfig"]["Binds"], binds);
    auto body = json::parse(plan.volumes[0].body);
    CHECK_EQ(body["Name"], plan.volumes[0].name);
    auto label = [&body](const char* name) {
      return body["Labels"][std::string{"com.gitlab.gitlab-runner."} + name];
    };
    CHECK_EQ(label("type"), "cache");
    CHECK_EQ(label("destination"), "/cache");
    CHECK_EQ(label("protected"), "false");
    CHECK_EQ(label("reusable"), "true");
    CHECK_EQ(label("job.id"), "101");
  }
  SUBCASE("cloned ones do not") {
    x.set("GIT_STRATEGY", "clone");
    auto plan = x.containers();
    CHECK(plan.volumes[1].temporary);
    CHECK_EQ(plan.volumes[1].name,
             "runner-abcdefghi-project-7-concurrent-3-00112233445566ff-cache-"
               + builds);
    CHECK(!plan.volumes[0].temporary);
  }
  SUBCASE("of protected references") {
    x.job.git.is_protected = true;
    CHECK_EQ(x.containers().volumes[0].name,
             owner + "-cache-" + cache + "-protected");
  }
  SUBCASE("of protected caches") {
    x.job.caches = {{.key = "a-non_protected", .paths = {"p"}}};
    CHECK(!x.containers().volumes[0].name.ends_with("-protected"));
    x.job.caches.push_back({.key = "b-protected", .paths = {"p"}});
    CHECK(x.containers().volumes[0].name.ends_with("-protected"));
  }
  SUBCASE("disable_cache") {
    x.docker().disable_cache = true;
    for (const auto& volume : x.containers().volumes)
      CHECK(volume.temporary);
  }
  SUBCASE("cache_dir") {
    x.docker().cache_dir = "/srv/caches/";
    auto plan = x.containers();
    CHECK(plan.volumes.empty());
    CHECK_EQ(body_of(plan.build)["HostConfig"]["Binds"][0],
             "/srv/caches/" + owner + '/' + cache + ":/cache");
  }
  SUBCASE("driver") {
    x.docker().volume_driver = "d";
    x.docker().volume_driver_options = {{"o", "1"}};
    auto body = json::parse(x.containers().volumes[0].body);
    CHECK_EQ(body["Driver"], "d");
    CHECK_EQ(body["DriverOpts"]["o"], "1");
  }
  SUBCASE("a volume of the builds' own place") {
    x.docker().volumes = {"/builds"};
    CHECK_EQ(x.containers().volumes.size(), 1);
  }
  SUBCASE("places with references and relative ones") {
    x.set("WHERE", "/w");
    x.docker().volumes = {"$WHERE/a", "./deps/", "/h:${WHERE}/b"};
    auto plan = x.containers();
    CHECK_EQ(plan.volumes[0].destination, "/w/a");
    CHECK_EQ(plan.volumes[1].destination, "/builds/g/p/deps");
    CHECK_EQ(body_of(plan.build)["HostConfig"]["Binds"][2], "/h:/w/b");
  }
  SUBCASE("the same place twice") {
    x.set("WHERE", "/cache/");
    x.docker().volumes = {"/cache", "$WHERE"};
    CHECK_NE(x.refusal().find("the same place"), std::string::npos);
  }
  SUBCASE("no place at all") {
    x.docker().volumes = {"$NOTHING"};
    CHECK_NE(x.refusal().find("its place is"), std::string::npos);
    x.docker().volumes = {"/x:/"};
    CHECK_NE(x.refusal().find("would hide"), std::string::npos);
  }
}

TEST_CASE("builds on a mount of the host are apart for each slot") {
  bed x;
  CHECK_EQ(x.plan().variables.value("CI_PROJECT_DIR"), "/builds/g/p");
  x.docker().volumes = {"/srv/builds:/builds"};
  auto made = x.plan();
  CHECK_EQ(made.variables.value("CI_PROJECT_DIR"), "/builds/ABCDEFGHI/3/g/p");
  CHECK(made.plan.containers->volumes.empty());
  x.docker().volumes = {"/srv/builds:/buildsx"};
  CHECK_EQ(x.plan().variables.value("CI_PROJECT_DIR"), "/builds/g/p");
}

TEST_CASE("images are the job's, else the runner's, if they are allowed") {
  bed x;
  x.docker().image = "busybox:$TAG";
  x.set("TAG", "1");
  CHECK_EQ(x.containers().build.image.name, "alpine:3.20");
  CHECK(!x.plan().uses_default_image);
  x.docker().allowed_images = {"ruby:*", "reg.example.com/**"};
  CHECK_EQ(x.refusal(), "the \"alpine:3.20\" image is not present on list of "
                        "allowed images: ruby:*, reg.example.com/**");
  for (const auto* good : {"ruby:3", "reg.example.com/a/b:1", "busybox:1"}) {
    x.job.image.name = good;
    CHECK_EQ(x.containers().build.image.name, good);
  }
  for (const auto* bad : {"ruby", "ruby/x:3", "reg.example.org/a", "busybox"}) {
    x.job.image.name = bad;
    CHECK_NE(x.refusal().find("allowed images"), std::string::npos);
  }
  x.job.image.name = "";
  CHECK_EQ(x.containers().build.image.name, "busybox:1");
  CHECK(x.plan().uses_default_image);
  x.docker().image = "$NOTHING";
  CHECK_NE(x.refusal().find("names no image"), std::string::npos);
  x.job.image.name = "a b";
  x.docker().allowed_images.clear();
  CHECK_NE(x.refusal().find("not the name of an image"), std::string::npos);
}

TEST_CASE("options of the job's image") {
  bed x;
  x.set("WHO", "app");
  x.job.image.entrypoint = {""};
  x.job.image.user = "$WHO";
  x.job.image.platform = "arm64";
  auto plan = x.containers();
  auto body = body_of(plan.build);
  CHECK_EQ(body["Entrypoint"], json({""}));
  CHECK_EQ(body["User"], "app");
  CHECK_EQ(plan.build.image.platform, "linux/arm64");
  CHECK(!body_of(plan.helper).contains("Entrypoint"));
  CHECK(plan.helper.image.platform.empty());
  x.docker().disable_entrypoint_overwrite = true;
  auto made = x.plan();
  CHECK(!body_of(made.plan.containers->build).contains("Entrypoint"));
  REQUIRE_EQ(made.warnings.size(), 1);
  CHECK_NE(made.warnings[0].find("disable_entrypoint_overwrite"),
           std::string::npos);
  x.docker().allowed_users = {"app"};
  CHECK_EQ(body_of(x.containers().build)["User"], "app");
  x.docker().allowed_users = {"other"};
  CHECK_EQ(x.refusal(), "user \"app\" is not an allowed user: other");
  x.job.image.user = "";
  CHECK(!body_of(x.containers().build).contains("User"));
}

TEST_CASE("pull policies are those that job and runner have in common") {
  using enum pull_policy;
  bed x;
  CHECK_EQ(x.containers().build.image.policies, std::vector{always});
  x.docker().allowed_pull_policies = {"always", "if-not-present"};
  x.job.image.pull_policies = {"never", "if-not-present", "always"};
  CHECK_EQ(x.containers().build.image.policies,
           std::vector{if_not_present, always});
  CHECK_EQ(x.containers().helper.image.policies, std::vector{always});
  x.docker().allowed_pull_policies = {"never"};
  x.job.image.pull_policies = {"never"};
  CHECK_EQ(x.containers().build.image.policies, std::vector{never});
  CHECK_EQ(x.containers().helper.image.policies, std::vector{always});
  x.docker().allowed_pull_policies = {"always", "if-not-present"};
  CHECK_EQ(x.refusal(), "pull_policy (never) defined in GitLab pipeline config "
                        "is not one of the allowed_pull_policies (always, "
                        "if-not-present)");
  x.job.image.pull_policies = {"sometimes"};
  CHECK_NE(x.refusal().find("unsupported pull policy"), std::string::npos);
  x.job.image.pull_policies.clear();
  x.docker().pull_policies = {"never"};
  CHECK_NE(x.refusal().find("defined in Runner config"), std::string::npos);
}

TEST_CASE("the helper's image is GitLab's, by its rules") {
  const std::string name
    = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:";
  bed x;
  auto image = [&x] { return x.containers().helper.image; };
  CHECK_EQ(image().name, name + "{arch}-v19.4.0");
  CHECK(image().kept);
  x.docker().helper_image_flavor = "ubuntu";
  CHECK_EQ(image().name, name + "ubuntu-{arch}-v19.4.0");
  x.runner.helper_image_version = "latest";
  CHECK_EQ(image().name, name + "ubuntu-{arch}-latest");
  x.runner.helper_image_version = "18.1.0";
  x.docker().helper_image = "own/helper:x86_64-v${CI_RUNNER_VERSION}";
  CHECK_EQ(image().name, "own/helper:x86_64-v18.1.0");
  CHECK(!image().kept);
}

TEST_CASE("services have names, aliases and variables of their own") {
  bed x;
  x.set("PASSWORD", "hidden");
  x.set("SHOWN", "1");
  x.job.variables.back().is_public = true;
  x.docker().services = {configured("redis")};
  x.docker().services[0].alias = "cache";
  x.docker().services[0].environment = {"R=$SHOWN"};
  job_image postgres;
  postgres.name = "reg.example.com:5000/g/postgres:16";
  postgres.alias = "db, sql cache";
  postgres.command = {"-c"};
  postgres.user = "pg";
  job_variable own;
  own.key = "POSTGRES_PASSWORD";
  own.value = secret{"$PASSWORD"};
  postgres.variables
    = {own,
       {.key = "POSTGRES_DB", .value = secret{"${POSTGRES_USER}_db"}},
       {.key = "POSTGRES_USER", .value = secret{"app"}}};
  x.job.services = {postgres};
  auto made = x.plan();
  const auto& services = made.plan.containers->services;
  REQUIRE_EQ(services.size(), 2);
  CHECK_EQ(services[0].label, "redis:latest");
  CHECK_EQ(services[0].aliases, texts{"redis", "cache"});
  CHECK(services[0].container.name.ends_with("-redis-0"));
  auto redis = body_of(services[0].container);
  CHECK(has(redis["Env"], "R=1"));
  CHECK(has(redis["Env"], "SHOWN=1"));
  CHECK(!has(redis["Env"], "PASSWORD=hidden"));
  CHECK(!redis.contains("OpenStdin"));
  CHECK(!redis.contains("Hostname"));
  CHECK_EQ(services[1].label, "reg.example.com/g/postgres:16");
  CHECK_EQ(services[1].aliases,
           texts{"reg.example.com__g__postgres", "reg.example.com-g-postgres",
                 "db", "sql"});
  CHECK(
    services[1].container.name.ends_with("-reg.example.com__g__postgres-1"));
  auto body = body_of(services[1].container);
  CHECK(has(body["Env"], "POSTGRES_PASSWORD=hidden"));
  CHECK(has(body["Env"], "POSTGRES_DB=app_db"));
  CHECK_EQ(body["Cmd"], json({"-c"}));
  CHECK_EQ(body["User"], "pg");
  CHECK_EQ(body["Labels"]["com.gitlab.gitlab-runner.service.version"], "16");
  REQUIRE_EQ(made.warnings.size(), 1);
  CHECK_NE(made.warnings[0].find("is not known as cache"), std::string::npos);
}

TEST_CASE("a service of whose names each is taken is there once") {
  bed x;
  x.docker().services = {configured("docker:dind")};
  job_image again;
  again.name = "docker:dind";
  x.job.services = {again};
  auto made = x.plan();
  CHECK_EQ(made.plan.containers->services.size(), 1);
  REQUIRE_EQ(made.warnings.size(), 2);
  CHECK_NE(made.warnings[1].find("docker:dind is not started again"),
           std::string::npos);
}

TEST_CASE("patterns of services_devices see a service's version") {
  bed x;
  x.job.services = {{.name = "postgres"}};
  x.docker().services_devices["postgres:*"] = {{"/a", "/b", "r"}};
  CHECK_EQ(
    body_of(x.containers().services[0].container)["HostConfig"]["Devices"]
      .size(),
    1);
}

TEST_CASE("services that are too many or not allowed are refused") {
  bed x;
  x.docker().services = {configured("redis")};
  x.job.services = {{.name = "postgres:16"}};
  x.docker().allowed_services = {"mysql"};
  CHECK_NE(x.refusal().find("list of allowed services: mysql"),
           std::string::npos);
  x.job.services[0].name = "redis";
  x.job.services[0].alias = "second";
  CHECK_EQ(x.containers().services.size(), 2);
  x.docker().services_max = 1;
  CHECK_NE(x.refusal().find("the runner's limit is 1"), std::string::npos);
  x.docker().services_max = -1;
  x.docker().allowed_services.clear();
  x.job.services[0].name = "$NOTHING";
  CHECK_NE(x.refusal().find("has no image"), std::string::npos);
}

TEST_CASE("what the instance is told of services and volumes") {
  bed x;
  x.set("CI_DEBUG_SERVICES", "true");
  x.docker().wait_for_services_timeout_s = 5;
  x.docker().volume_keep = true;
  x.docker().host = "unix:///run/d.sock";
  x.docker().api_version = "1.41";
  auto made = x.plan();
  const auto& plan = *made.plan.containers;
  CHECK(plan.services_logs);
  CHECK_EQ(plan.services_timeout_ms, 5'000);
  CHECK(plan.keep_anonymous_volumes);
  CHECK_EQ(plan.host, "unix:///run/d.sock");
  CHECK_EQ(plan.api_version, "1.41");
  REQUIRE_EQ(made.warnings.size(), 1);
  CHECK_NE(made.warnings[0].find("volume_keep"), std::string::npos);
  x.docker().wait_for_services_timeout_s = -1;
  x.runner.debug_trace_disabled = true;
  CHECK_EQ(x.containers().services_timeout_ms, -1);
  CHECK(!x.containers().services_logs);
}

TEST_CASE("slots name the cgroups of jobs in and out of containers") {
  struct row {
    const char* text;
    int slot;
    const char* expected;
  };
  for (const auto& r :
       {row{"", 10, "gitlab-runner/slot-10"},
        row{"runner/slot-${slot}", 5, "runner/slot-5"},
        row{"runner-slot-$slot.slice", 2, "runner-slot-2.slice"},
        row{"a-${foo}-${slot}", 1, "a--1"}, row{"slot-$slotX", 1, "slot-"}})
    CHECK_EQ(slot_cgroup(r.text, r.slot), r.expected);
  bed x;
  x.job.services = {{.name = "postgres"}};
  x.docker().build.cgroup_parent = "own";
  auto parent = [](const container_request& of) {
    return body_of(of)["HostConfig"].value("CgroupParent", "");
  };
  CHECK_EQ(parent(x.containers().build), "own");
  x.runner.use_slot_cgroups = true;
  x.runner.slot_cgroup_template = "s-${slot}";
  CHECK_EQ(parent(x.containers().build), "s-3");
  CHECK_EQ(parent(x.containers().helper), "s-3");
  CHECK_EQ(parent(x.containers().services[0].container), "s-3");
  CHECK_EQ(x.plan().variables.value("GITLAB_RUNNER_SLOT_CGROUP"), "s-3");
  x.docker().services_limits.slot_cgroup_template = "t-$slot";
  CHECK_EQ(parent(x.containers().services[0].container), "t-3");
  x.facts.slot = -1;
  CHECK_EQ(parent(x.containers().build), "own");
  CHECK(!x.plan().variables.find("GITLAB_RUNNER_SLOT_CGROUP"));
  x.facts.slot = 0;
  x.runner.executor = "instance";
  x.runner.docker.reset();
  auto made = build_plan(x.job, x.runner, x.facts);
  REQUIRE(made);
  CHECK_EQ(made->variables.value("GITLAB_RUNNER_SLOT_CGROUP"), "s-0");
}

TEST_CASE("logins are found by the longest part of an image's path") {
  std::vector<registry_login> logins{
    {"reg.example.com", secret{"host"}, "a"},
    {"reg.example.com/g/p", secret{"project"}, "b"},
    {"reg.example.com", secret{"second"}, "c"},
    {"docker.io", secret{"hub"}, "d"},
    {"reg.example.com:5000", secret{"port"}, "e"}};
  struct row {
    const char* image;
    const char* auth;
  };
  for (const auto& r :
       {row{"reg.example.com/x:1", "host"},
        row{"REG.example.com/g/p/image@sha256:00", "project"},
        row{"reg.example.com/g/p2", "host"},
        row{"reg.example.com:5000/g/p:1", "port"}, row{"alpine", "hub"},
        row{"library/alpine:3", "hub"}, row{"index.docker.io/a/b", "hub"},
        row{"other.example.com/x", ""}}) {
    CAPTURE(r.image);
    const auto* login = find_login(logins, r.image);
    CHECK_EQ(login == nullptr ? "" : login->auth.reveal(), r.auth);
  }
  bed x;
  x.job.logins = logins;
  x.job.image.name = "reg.example.com/g/p";
  auto image = x.containers().build.image;
  CHECK_EQ(image.auth.reveal(), "project");
  CHECK_EQ(image.auth_source, "b");
}

TEST_CASE("keys of logins are hosts and paths") {
  struct row {
    const char* written;
    const char* key;
  };
  for (const auto& r : {row{"https://index.docker.io/v1/", "docker.io"},
                        row{"index.docker.io/v1/", "docker.io"},
                        row{"https://Reg.example.com/v2/x", "reg.example.com"},
                        row{"Reg.example.com/G/p/", "reg.example.com/G/p"},
                        row{"reg:5000", "reg:5000"}})
    CHECK_EQ(registry_key(r.written), r.key);
}

TEST_CASE("an image's name says what a service is called") {
  struct row {
    const char* image;
    const char* name;
    const char* version;
    const char* label;
  };
  for (const auto& r :
       {row{"postgres", "postgres", "latest", "postgres:latest"},
        row{"postgres:16", "postgres", "16", "postgres:16"},
        row{"a/b:1", "a/b", "1", "a/b:1"},
        row{"h:5000/a/b", "h/a/b", "latest", "h/a/b:latest"},
        row{"h:5000/a:1", "h/a", "1", "h/a:1"},
        row{"a@sha256:0f", "a", "@sha256:0f", "a@sha256:0f"},
        row{"a:1@sha256:0f", "a", "@sha256:0f", "a@sha256:0f"}}) {
    CAPTURE(r.image);
    auto name = service_name_of(r.image);
    CHECK_EQ(name.name, r.name);
    CHECK_EQ(name.version, r.version);
    CHECK_EQ(name.label(), r.label);
  }
}
