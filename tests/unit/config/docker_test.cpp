#include "config/load.hpp"
#include "config/readers.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace muster;

namespace {

loaded_config load(const std::string& docker, const std::string& runner = "") {
  load_options options;
  options.mode = check_mode::strict;
  options.state_dir = "/state";
  return parse_config("concurrent = 10\n[[runners]]\n"
                      "url = \"https://gitlab.example.com\"\n"
                      "token = \"glrt-abc\"\nexecutor = \"docker-autoscaler\"\n"
                        + runner
                        + "[runners.autoscaler]\nplugin = \"local\"\n"
                          "[runners.docker]\n"
                        + docker,
                      "config.toml", options);
}

std::string said(const loaded_config& x) {
  std::string out;
  for (const auto& d : x.diagnostics)
    if (d.level > severity::notice)
      out
        += std::to_string(d.line) + ": " + d.key_path + ": " + d.message + '\n';
  return out;
}

docker_config read(const std::string& docker, const std::string& runner = "") {
  auto loaded = load(docker, runner);
  CAPTURE(said(loaded));
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  CHECK(said(loaded).empty());
  REQUIRE(loaded.value.runners[0].docker);
  return *loaded.value.runners[0].docker;
}

} // namespace

TEST_CASE("a helper image's file names its image by its content") {
  auto path = std::filesystem::temp_directory_path()
              / ("muster-archive-" + std::to_string(::getpid()));
  auto own = [&](const std::string& docker = "") {
    return load("image = \"a\"\n" + docker,
                "[runners.muster]\nhelper_image_archive = \"" + path.string()
                  + "\"\n");
  };
  CHECK(said(own()).find("is no file that can be read") != std::string::npos);
  std::ofstream{path} << "one";
  auto one = own().value.runners.at(0).docker;
  REQUIRE(one);
  CHECK_EQ(one->helper_archive, path.string());
  CHECK_EQ(one->helper_archive_image.find("muster-helper-archive:"), 0);
  std::ofstream{path} << "two";
  auto two = own().value.runners.at(0).docker;
  REQUIRE(two);
  CHECK_NE(one->helper_archive_image, two->helper_archive_image);
  auto both = own("helper_image = \"b\"\n");
  CHECK(said(both).find("helper_image_archive has no effect")
        != std::string::npos);
  CHECK(both.value.runners.at(0).docker->helper_archive.empty());
  std::filesystem::remove(path);
}

TEST_CASE("a runner of the docker-autoscaler executor has its own defaults") {
  auto loaded = load("image = \"busybox:latest\"\n");
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  const auto& runner = loaded.value.runners[0];
  CHECK_EQ(runner.builds_dir, "/builds");
  CHECK_EQ(runner.cache_dir, "/cache");
  CHECK(runner.safe_directory_checkout);
  CHECK(runner.custom_build_dir_enabled);
  CHECK_EQ(runner.helper_image_version, "19.4.0");
  REQUIRE(runner.docker);
  CHECK_EQ(runner.docker->image, "busybox:latest");
  CHECK_EQ(runner.docker->pull_policies, std::vector<std::string>{"always"});
  CHECK_EQ(runner.docker->wait_for_services_timeout_s, 30);
  CHECK_EQ(runner.docker->services_max, -1);
}

TEST_CASE("values of [runners.docker] are read as the Engine wants them") {
  auto docker = read(R"(
memory = "512m"
memory_swap = "-1"
service_memory = "2GB"
cpus = "1.5"
service_cpus = "1/2"
cap_add = ["net_admin", "CAP_SYS_PTRACE", "NET_ADMIN"]
devices = ["/dev/kvm", "/dev/a:/dev/b", "/dev/c:/dev/d:r"]
gpus = "\"device=0,1\",capabilities=utility"
pull_policy = ["if-not-present", "always"]
services_privileged = true
wait_for_services_timeout = 0
[runners.docker.ulimit]
nofile = "1024:2048"
core = "0"
[runners.docker.services_devices]
"vm-*" = ["/dev/kvm"]
[[runners.docker.services]]
name = "postgres:16"
alias = "db"
environment = ["A=1"]
)");
  CHECK_EQ(docker.build.memory, 512LL << 20);
  CHECK_EQ(docker.build.memory_swap, -1);
  CHECK_EQ(docker.services_limits.memory, 2LL << 30);
  CHECK_EQ(docker.build.nano_cpus, 1'500'000'000);
  CHECK_EQ(docker.services_limits.nano_cpus, 500'000'000);
  CHECK_EQ(docker.cap_add,
           std::vector<std::string>{"CAP_NET_ADMIN", "CAP_SYS_PTRACE"});
  REQUIRE_EQ(docker.devices.size(), 3);
  CHECK_EQ(docker.devices[0].container, "/dev/kvm");
  CHECK_EQ(docker.devices[0].permissions, "rwm");
  CHECK_EQ(docker.devices[1].container, "/dev/b");
  CHECK_EQ(docker.devices[2].permissions, "r");
  REQUIRE(docker.build.gpus);
  CHECK_EQ(docker.build.gpus->device_ids, std::vector<std::string>{"0", "1"});
  CHECK_EQ(docker.build.gpus->capabilities,
           std::vector<std::string>{"utility", "gpu"});
  CHECK_EQ(docker.pull_policies,
           std::vector<std::string>{"if-not-present", "always"});
  CHECK(!docker.build.privileged);
  CHECK(docker.services_limits.privileged);
  CHECK_EQ(docker.wait_for_services_timeout_s, 30);
  REQUIRE_EQ(docker.ulimits.size(), 2);
  CHECK_EQ(docker.ulimits[0].name, "core");
  CHECK_EQ(docker.ulimits[1].hard, 2048);
  CHECK_EQ(docker.services_devices.at("vm-*").size(), 1);
  REQUIRE_EQ(docker.services.size(), 1);
  CHECK_EQ(docker.services[0].environment, std::vector<std::string>{"A=1"});
}

TEST_CASE("what the Engine would not take is told with its place") {
  struct row {
    const char* docker;
    const char* said;
    bool served = false;
  };
  const row rows[] = {
    {"memory = \"lots\"\n", "9: runners.docker.memory: memory: \"lots\" is no"},
    {"memory = \"1x\"\n", "unknown unit"},
    {"memory = \"-5\"\n", "is no size"},
    {"memory = \"-1\"\n", "is no size"},
    {"service_cpus = \"two\"\n", "no number of processors"},
    {"cpus = \"1/0\"\n", "no number of processors"},
    {"dns = [\"192.0.2.1\", \"dns.example.com\"]\n", "no IP address"},
    {"extra_hosts = [\"name\"]\n", "has no address"},
    {"extra_hosts = [\"name:\"]\n", "has no address"},
    {"extra_hosts = [\":192.0.2.1\"]\n", "has no name"},
    {"extra_hosts = [\"a:::1\", \"b:there\"]\n", "\"b:there\" has no IP"},
    {"device_cgroup_rules = [\"c 1:* rm\", \"d 1:2 r\"]\n",
     "\"d 1:2 r\" is no rule"},
    {"device_cgroup_rules = [\"c 1 r\"]\n", "is no rule"},
    {"device_cgroup_rules = [\"c 1:x r\"]\n", "is no rule"},
    {"device_cgroup_rules = [\"c 1:2 rx\"]\n", "is no rule"},
    {"volumes = [\"/x:/y:readonly\"]\n", "the unknown mode \"readonly\""},
    {"volumes = [\"/x:/y:ro:z\"]\n", "too many colons"},
    {"services_limit = -5\n", "taken for -1", true},
    {"devices = [\"/dev/a:/dev/b:x\"]\n", "is no device"},
    {"gpus = \"some\"\n", "no number of graphics processors"},
    {"gpus = \"count=1,count=2\"\n", "stands twice"},
    {"mac_address = \"12:34\"\n", "no address of a network card"},
    {"volumes = [\"/cache\", \"/x:/cache/\"]\n", "has the place of"},
    {"volumes = [\"/x:/\"]\n", "would hide all"},
    {"volumes = [\"/x:\"]\n", "names no place"},
    {"pull_policy = \"sometimes\"\n", "unknown policy"},
    {"allowed_pull_policies = [\"Always\"]\n", "unknown policy"},
    {"pull_policy = \"always\"\nallowed_pull_policies = [\"never\"]\n",
     "is not among them", true},
    {"user = \"a\"\nallowed_users = [\"b\"]\n", "every job would fail"},
    {"host = \"ssh://x\"\n", "unix:///PATH or tcp://"},
    {"host = \"tcp://engine:2376\"\ntls_verify = true\n",
     "tls_verify has no effect", true},
    {"host = \"/var/run/docker.sock\"\n", "unix:///PATH or tcp://"},
    {"host = \"tcp://x:99999\"\n", "unix:///PATH or tcp://"},
    {"host = \"unix://run/docker.sock\"\n", "unix:///PATH or tcp://"},
    {"helper_image = \"h:${CI_RUNNER_REVISION}\"\n",
     "for which GitLab has no helper image", true},
    {"isolation = \"hyperv\"\n", "is for Windows", true},
    {"cache_dir = \"x\"\n", "no absolute path"},
    {"oom_score_adjust = 2000\n", "from -1000 to 1000"},
    {"security_opt = [\"seccomp=/nonexistent.json\"]\n", "seccomp profile"},
    {"[runners.docker.ulimit]\nnofile = \"many\"\n", "is no limit"},
    {"[runners.docker.ulimit]\nnofile = \"5:4\"\n", "is no limit"},
    {"[runners.docker.log_options]\nmax-size = \"1m\"\n",
     "not one of env and labels"},
    {"[[runners.docker.services]]\nalias = \"a\"\n", "has no name"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.docker);
    auto loaded = load(r.docker);
    auto text = said(loaded);
    CAPTURE(text);
    CHECK_NE(text.find(r.said), std::string::npos);
    CHECK_EQ(loaded.value.runners.size(), r.served ? 1 : 0);
  }
}

TEST_CASE("folders of containers are absolute") {
  auto text = said(load("", "builds_dir = \"b\"\n"));
  CHECK_NE(text.find("absolute path of the containers"), std::string::npos);
  auto loaded = load("", "builds_dir = \"/b\"\n");
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  CHECK_EQ(loaded.value.runners[0].builds_dir, "/b");
}

TEST_CASE("templates of slot cgroups without the slot are warned about") {
  CHECK(said(load("", "slot_cgroup_template = \"x\"\n")).empty());
  auto of_job
    = said(load("", "use_slot_cgroups = true\nslot_cgroup_template = \"x\"\n"));
  CHECK_NE(of_job.find("does not contain ${slot}"), std::string::npos);
  auto of_service = said(load("service_slot_cgroup_template = \"x\"\n",
                              "use_slot_cgroups = true\n"));
  CHECK_NE(of_service.find("runners.docker.service_slot_cgroup_template"),
           std::string::npos);
  CHECK(said(load("", "use_slot_cgroups = true\n"
                      "slot_cgroup_template = \"x-$slot.slice\"\n"))
          .empty());
}

TEST_CASE("a seccomp profile is read from its file") {
  auto path = std::filesystem::temp_directory_path()
              / ("muster-seccomp-" + std::to_string(::getpid()) + ".json");
  std::ofstream{path} << "{ \"defaultAction\" : \"SCMP_ACT_ALLOW\" }";
  auto docker = read("security_opt = [\"seccomp=" + path.string()
                     + "\", \"seccomp=unconfined\", \"no-new-privileges\"]\n");
  std::filesystem::remove(path);
  CHECK_EQ(
    docker.build.security_opt,
    std::vector<std::string>{"seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
                             "seccomp=unconfined", "no-new-privileges"});
}

TEST_CASE("sizes have docker's units") {
  struct row {
    const char* text;
    int64_t bytes;
  };
  for (const auto& r : {row{"5", 5}, row{"4b", 4}, row{"1.5k", 1536},
                        row{"2 MiB", 2 << 20}, row{"1G", 1 << 30}}) {
    CAPTURE(r.text);
    auto value = parse_memory(r.text);
    REQUIRE(value);
    CHECK_EQ(*value, r.bytes);
  }
  for (const auto* text : {"", "m", "1..5", "9999999p", "4bb", "4mx", "4zib"})
    CHECK(!parse_memory(text));
}

TEST_CASE("[runners.docker] without its executor is noticed") {
  load_options options;
  options.mode = check_mode::strict;
  options.state_dir = "/state";
  auto loaded = parse_config(
    "concurrent = 10\n[[runners]]\nurl = \"http://x\"\ntoken = \"t\"\n"
    "executor = \"instance\"\n[runners.docker]\nmemory = \"lots\"\n"
    "[runners.autoscaler]\nplugin = \"local\"\n",
    "config.toml", options);
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  CHECK(!loaded.value.runners[0].docker);
  size_t noticed = 0;
  for (const auto& what : loaded.diagnostics)
    noticed += what.message.find("has no effect with executor \"instance\"")
               != std::string::npos;
  CHECK_EQ(noticed, 1);
}

TEST_CASE("GitLab's examples for autoscaled instances are understood in full") {
  struct row {
    const char* plugin;
    const char* plugin_config;
    const char* connector;
  };
  const row rows[] = {
    {"aws", R"(
      name             = "my-docker-asg"
      profile          = "default"
      config_file      = "/home/user/.aws/config"
      credentials_file = "/home/user/.aws/credentials")",
     R"(
      username          = "ec2-user"
      use_external_addr = true)"},
    {"googlecloud", R"(
      name             = "my-docker-instance-group"
      project          = "my-gcp-project"
      zone             = "europe-west1"
      credentials_file = "/home/user/application_default_credentials.json")",
     R"(
      username          = "runner"
      use_external_addr = true)"},
    {"azure", R"(
      name = "my-docker-scale-set"
      subscription_id = "9b3c4602-cde2-4089-bed8-889e5a3e7102"
      resource_group_name = "my-resource-group")",
     R"(
      username = "azureuser"
      password = "my-scale-set-static-password"
      use_static_credentials = true
      timeout = "10m"
      use_external_addr = true)"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.plugin);
    load_options options;
    options.mode = check_mode::strict;
    options.state_dir = "/state";
    auto loaded = parse_config(std::string{R"(
concurrent = 10

[[runners]]
  name = "docker autoscaler example"
  url = "https://gitlab.com"
  token = "<token>"
  shell = "sh"                                        # use powershell or pwsh for Windows AMIs

  # uncomment for Windows AMIs when the Runner manager is hosted on Linux
  # environment = ["FF_USE_POWERSHELL_PATH_RESOLVER=1"]

  executor = "docker-autoscaler"

  # Docker Executor config
  [runners.docker]
    image = "busybox:latest"

  # Autoscaler config
  [runners.autoscaler]
    plugin = ")"} + r.plugin + R"("
    capacity_per_instance = 1
    max_use_count = 1
    max_instances = 10

    [runners.autoscaler.plugin_config])"
                                 + r.plugin_config + R"(

    [runners.autoscaler.connector_config])"
                                 + r.connector + R"(

    [[runners.autoscaler.policy]]
      idle_count = 5
      idle_time = "20m0s"
)",
                               "config.toml", options);
    CAPTURE(said(loaded));
    CHECK(loaded.passed);
    CHECK(said(loaded).empty());
    REQUIRE_EQ(loaded.value.runners.size(), 1);
    REQUIRE(loaded.value.runners[0].docker);
    CHECK_EQ(loaded.value.runners[0].docker->image, "busybox:latest");
    CHECK_EQ(loaded.value.runners[0].autoscaler->plugin, r.plugin);
  }
}

TEST_CASE("what the Engine takes is not told of") {
  const char* rows[] = {
    "extra_hosts = [\"a:192.0.2.1\", \"b=192.0.2.1\", \"c:::1\", "
    "\"d:[::1]\", \"e:host-gateway\"]\n",
    "device_cgroup_rules = [\"a *:* rwm\", \"c 42:0 r\", \"b 8:* m\"]\n",
    "volumes = [\"/a\", \"b:/b\", \"/c:/c:ro,z\", \"/d:/d:rshared\", "
    "\"e:/e:nocopy\"]\n",
    "services_limit = -1\n",
  };
  for (const auto* row : rows) {
    CAPTURE(row);
    auto loaded = load(row);
    CHECK_EQ(said(loaded), "");
    CHECK_EQ(loaded.value.runners.size(), 1);
  }
}
