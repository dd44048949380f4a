#include "tests/e2e/fleeting/bed.hpp"
#include "tests/e2e/manager/world.hpp"

#include <algorithm>
#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using nlohmann::json;

namespace {

/// A manager whose instances are made by the test plugin: they are all one
/// sshd.
struct fleeting_world {
  plugin_bed bed;
  sshd host{{.config = {"MaxSessions 100"}}};
  world with{
    {.manager = {}, .accept_within = std::chrono::minutes{2}, .start = false}};

  explicit fleeting_world(const json& settings = json::object(),
                          const std::vector<std::string>& autoscaler = {}) {
    bed.settings = {{"address", fmt::format("127.0.0.1:{}", host.port())},
                    {"username", host.user()},
                    {"key", host.user_key()}};
    bed.settings.update(settings);
    write_config(bed.plugin(), autoscaler);
  }

  void write_config(const std::string& plugin,
                    const std::vector<std::string>& autoscaler = {}) {
    std::string more;
    for (const auto& line : autoscaler)
      more += line + "\n";
    // JSON of these values is TOML as well, but for its colons.
    std::string table;
    auto config = bed.config();
    for (const auto& [key, value] : config.items())
      table += fmt::format("{} = {}\n", key, toml(value));
    std::ofstream{with.place.config_file()} << fmt::format(
      "concurrent = 20\ncheck_interval = 1\nlog_level = \"debug\"\n"
      "[muster]\nstate_dir = \"{}\"\nhelper_path = \"{}\"\n"
      "[[runners]]\nname = \"cloud\"\nurl = \"{}\"\ntoken = \"{}\"\n"
      "executor = \"instance\"\n[runners.autoscaler]\nplugin = \"{}\"\n"
      "capacity_per_instance = 2\nmax_instances = 10\n"
      "update_interval = \"1s\"\nupdate_interval_when_expecting = \"100ms\"\n"
      "{}[runners.autoscaler.plugin_config]\n{}"
      "[[runners.autoscaler.policy]]\nidle_count = 0\nidle_time = \"10m\"\n",
      with.place.state().string(), std::getenv("MUSTER_HELPER_PROGRAM"),
      with.gitlab.url(), with.gitlab.token(), plugin, more, table);
  }

  static std::string toml(const json& value) {
    if (!value.is_object())
      return value.dump();
    std::string out;
    for (const auto& [key, one] : value.items())
      out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", key, toml(one));
    return "{" + out + "}";
  }

  /// The plugin's process; -1: there is none, or more than one.
  pid_t plugin() const {
    auto found = test::processes_with(bed.plugin(), 0);
    std::erase_if(found, [this](const seen_process& x) {
      return x.parent != with.manager->pid();
    });
    return found.size() == 1 ? found[0].pid : -1;
  }

  size_t count(const std::string& call) const {
    return static_cast<size_t>(std::ranges::count(bed.calls(), call));
  }

  size_t sockets() const {
    size_t found = 0;
    std::error_code none;
    for (const auto& x : std::filesystem::directory_iterator{
           with.place.state() / "plugins", none})
      found += x.is_directory() ? 1 : 0;
    return found;
  }
};

std::string maps_of(pid_t pid) {
  return file_text(fmt::format("/proc/{}/maps", pid));
}

} // namespace

TEST_CASE("a job runs on an instance that a plugin made") {
  fleeting_world x{json::object(), {"delete_instances_on_shutdown = true"}};
  x.with.start_manager();
  auto& manager = *x.with.manager;
  CHECK(
    manager.says("plugin initialized", {{"group", "test-group"},
                                        {"version", "1.2.3"},
                                        {"build_info", "sha=0; ref=test"}}));
  // The plugin's own words, with their level and fields.
  CHECK(manager.says("group is open",
                     {{"level", "info"},
                      {"size", "7"},
                      {"timestamp", "2026-01-02T03:04:05.678901Z"},
                      {"runner_name", "cloud"},
                      {"subsystem", "fleeting-plugin.fleeting-plugin-test"}}));
  CHECK(manager.says("plugin address", {{"level", "debug"}}));
  auto id = x.with.enqueue_script("echo it works");
  CHECK_EQ(x.with.ended(id).state, job_state::success);
  auto log = x.with.log(id);
  CHECK_NE(log.find("Dialing instance i-1"), std::string::npos);
  CHECK_NE(log.find("\nit works"), std::string::npos);
  CHECK_EQ(x.count("Init"), 1);
  CHECK_EQ(x.bed.with("Increase"), 1);
  CHECK_NE(maps_of(manager.pid()).find("libgrpc"), std::string::npos);
  auto plugin = x.plugin();
  CHECK_GT(plugin, 0);
  CHECK_EQ(x.with.stop_manager(), 0);
  CHECK(!is_running(plugin));
  CHECK_EQ(x.sockets(), 0);
  auto calls = x.bed.calls();
  CHECK_EQ(calls.back(), "Shutdown");
  CHECK_EQ(x.bed.with("Decrease"), json{"i-1"});
  x.with.check_rules();
}

TEST_CASE("a manager without a plugin does not have gRPC") {
  world x;
  REQUIRE(x.serves_a_job());
  auto maps = maps_of(x.manager->pid());
  CHECK_NE(maps.find("libcaf_core"), std::string::npos);
  for (const auto* part : {"grpc", "protobuf", "muster-fleeting"})
    CHECK_EQ(maps.find(part), std::string::npos);
}

TEST_CASE("a plugin that is killed is started again, and no job fails") {
  fleeting_world x;
  x.with.start_manager();
  auto id = x.with.enqueue_script("echo begun; sleep 3; echo ended");
  REQUIRE(x.with.shows(id, "\nbegun"));
  auto first = x.plugin();
  REQUIRE_GT(first, 0);
  kill(first, SIGKILL);
  CHECK(x.with.manager->says("plugin process exited", {{"level", "error"}}));
  CHECK(x.with.manager->says("the provider failed and is started again"));
  CHECK_EQ(x.with.ended(id).state, job_state::success);
  CHECK_NE(x.with.log(id).find("\nended"), std::string::npos);
  CHECK(soon([&] { return x.plugin() > 0; }));
  CHECK_NE(x.plugin(), first);
  CHECK_EQ(x.count("Init"), 2);
  // The instance is known by its id: it is used again.
  auto next = x.with.enqueue_script("echo again");
  CHECK_EQ(x.with.ended(next).state, job_state::success);
  CHECK_NE(x.with.log(next).find("Dialing instance i-1"), std::string::npos);
  CHECK_EQ(x.count("Increase"), 1);
  CHECK_EQ(x.with.stop_manager(), 0);
  CHECK_EQ(x.sockets(), 0);
}

TEST_CASE("a plugin that fails in the middle of a call loses nothing") {
  for (const auto* call : {"Increase", "ConnectInfo", "Update"}) {
    CAPTURE(call);
    fleeting_world x;
    x.bed.faults({{call, "exit"}});
    x.with.start_manager();
    auto id = x.with.enqueue_script("echo served");
    CHECK(x.with.manager->says("plugin process exited", {{"level", "error"}}));
    x.bed.faults(json::object());
    CHECK_EQ(x.with.ended(id).state, job_state::success);
    // An Increase that may have been done is not made again at once.
    CHECK_EQ(x.count("Increase"), 1);
    x.with.stop_manager();
  }
}

TEST_CASE("an instance whose connect info never comes holds up no other") {
  fleeting_world x;
  x.bed.faults({{"ConnectInfo", "hang1"}});
  x.with.start_manager();
  std::vector<int64_t> ids;
  for (int i = 0; i < 3; ++i) // two instances of two slots
    ids.push_back(x.with.enqueue_script("sleep 0.1"));
  for (auto id : ids) {
    CHECK_EQ(x.with.ended(id).state, job_state::success);
    CHECK_NE(x.with.log(id).find("Dialing instance i-2"), std::string::npos);
  }
  CHECK_EQ(x.with.stop_manager(), 0); // it does not wait for i-1 either
}

TEST_CASE("a plugin that hangs is started again while jobs run") {
  fleeting_world x;
  x.with.start_manager();
  auto id = x.with.enqueue_script("echo begun; sleep 40; echo ended");
  REQUIRE(x.with.shows(id, "\nbegun"));
  auto plugin = x.plugin();
  REQUIRE_GT(plugin, 0);
  kill(plugin, SIGSTOP);
  CHECK(x.with.manager->says("the provider failed and is started again"));
  CHECK_NE(x.with.manager->log().find("hangs: it answers nothing any more"),
           std::string::npos);
  CHECK(soon([&] { return x.count("Init") == 2; }));
  auto job = x.with.ended(id);
  INFO(x.with.log(id), x.with.manager->log());
  CHECK_EQ(job.state, job_state::success);
}

TEST_CASE("a plugin dies with its manager, however that ends") {
  fleeting_world x;
  x.with.start_manager();
  REQUIRE(x.with.serves_a_job());
  auto plugin = x.plugin();
  REQUIRE_GT(plugin, 0);
  x.with.manager->kill();
  CHECK(soon([&] { return !is_running(plugin); }));
  CHECK_EQ(x.sockets(), 1); // left behind, and removed by the next one
  x.with.start_manager();
  REQUIRE(x.with.serves_a_job());
  CHECK_EQ(x.sockets(), 1);
  CHECK_EQ(x.with.stop_manager(SIGQUIT), 0);
  CHECK_EQ(x.sockets(), 0);
}

TEST_CASE("a manager leaves while its plugin is stuck") {
  fleeting_world x;
  x.with.start_manager();
  REQUIRE(x.with.serves_a_job());
  x.bed.faults({{"Update", "hang"}, {"Shutdown", "hang"}, {"Stop", "ignore"}});
  auto before = x.count("Update");
  CHECK(soon([&] { return x.count("Update") > before; }));
  auto plugin = x.plugin();
  CHECK_EQ(x.with.stop_manager(), 0);
  CHECK(!is_running(plugin));
}

TEST_CASE("an instance is gone when six listings leave it out, not before") {
  fleeting_world x;
  x.with.start_manager();
  auto id = x.with.enqueue_script("echo begun; sleep 300");
  REQUIRE(x.with.shows(id, "\nbegun"));
  auto drop_for = [&x](size_t listings) {
    x.bed.faults({{"Update", "drop"}});
    auto until = x.count("Update") + listings;
    CHECK(soon([&] { return x.count("Update") >= until; }));
    x.bed.faults(json::object());
  };
  drop_for(3);
  auto until = x.count("Update") + 2;
  CHECK(soon([&] { return x.count("Update") >= until; }));
  CHECK_EQ(x.with.gitlab.job(id)->state, job_state::running);
  drop_for(8);
  auto job = x.with.ended(id);
  CHECK_EQ(job.failure_reason, "runner_system_failure");
  CHECK_NE(x.with.log(id).find("missing from 6 listings"), std::string::npos);
}

TEST_CASE("jobs are served though one in five increases fails") {
  fleeting_world x;
  x.bed.faults({{"Increase", "error20"}});
  x.with.start_manager();
  std::vector<int64_t> ids;
  for (int i = 0; i < 12; ++i)
    ids.push_back(x.with.enqueue_script("sleep 1"));
  for (auto id : ids)
    CHECK_EQ(x.with.ended(id).state, job_state::success);
}

TEST_CASE("keys of every format lead to the instances of a plugin") {
  constexpr auto phrase = "open-sesame-4711";
  struct row {
    const char* kind; ///< for ssh-keygen -t
    bool is_operators = false;
    const char* phrase = "";
  };
  const row rows[] = {
    {"rsa -b 2048 -m PEM"},
    {"ecdsa -m PKCS8"},
    {"rsa -b 2048 -m PKCS8", true},
    {"ed25519", true, phrase},
  };
  for (const auto& r : rows) {
    CAPTURE(r.kind);
    fleeting_world x{json{{"key", ""}}};
    auto file = (x.bed.path() / "key").string();
    run_command(
      fmt::format("ssh-keygen -q -N '{}' -f {} -t {}", r.phrase, file, r.kind));
    x.host.authorize(read_text(file + ".pub"));
    std::vector<std::string> lines;
    if (r.is_operators)
      lines = {"[runners.autoscaler.connector_config]",
               "key_path = \"" + file + "\"", "[runners.muster]",
               fmt::format("key_passphrase = \"{}\"", r.phrase)};
    else
      x.bed.settings["key"] = read_text(file);
    x.write_config(x.bed.plugin(), lines);
    x.with.start_manager();
    CHECK(x.with.serves_a_job());
    CHECK_EQ(x.with.stop_manager(), 0);
    CHECK_EQ(x.with.manager->log().find("PRIVATE KEY"), std::string::npos);
    CHECK_EQ(x.with.manager->log().find(phrase), std::string::npos);
  }
}

TEST_CASE("a plugin is asked for the way anew before a dial when what it said "
          "has expired or was refused") {
  SUBCASE("expired") {
    fleeting_world x{json{{"expires_in", 1}}};
    x.with.start_manager();
    REQUIRE(x.with.serves_a_job());
    auto before = x.count("ConnectInfo");
    CHECK_GE(before, 2); // the first answer had expired before it was used
    x.host.drop_connections();
    CHECK(soon([&] { return x.count("ConnectInfo") > before; }));
    CHECK(x.with.serves_a_job());
  }
  SUBCASE("refused, until the instance knows the key") {
    fleeting_world x{json{{"key", ""}}};
    auto file = (x.bed.path() / "key").string();
    run_command("ssh-keygen -q -N '' -t ed25519 -f " + file);
    x.bed.settings["key"] = read_text(file);
    x.write_config(x.bed.plugin());
    x.with.start_manager();
    auto id = x.with.enqueue_script("echo fine");
    CHECK(soon([&] { return x.count("ConnectInfo") >= 3; }));
    x.host.authorize(read_text(file + ".pub"));
    CHECK_EQ(x.with.ended(id).state, job_state::success);
    auto at_rest = x.count("ConnectInfo");
    x.host.drop_connections();
    CHECK(x.with.serves_a_job());
    CHECK_EQ(x.count("ConnectInfo"), at_rest); // neither expired nor refused
  }
}

TEST_CASE("instances of a plugin are reached at the address that is wanted") {
  fleeting_world x{json{{"address", "192.0.2.1"}}};
  SUBCASE("the external one") {
    x.bed.settings["external"] = fmt::format("127.0.0.1:{}", x.host.port());
    x.write_config(x.bed.plugin(), {"[runners.autoscaler.connector_config]",
                                    "use_external_addr = true"});
  }
  SUBCASE("a port of the operator's") {
    x.bed.settings["address"] = "localhost";
    x.write_config(x.bed.plugin(),
                   {"[runners.autoscaler.connector_config]",
                    fmt::format("protocol_port = {}", x.host.port())});
  }
  x.with.start_manager();
  CHECK(x.with.serves_a_job());
}

TEST_CASE("instances of a plugin are reached over IPv6"
          * doctest::skip(!has_address("::1"))) {
  sshd six{{.address = "::1"}};
  fleeting_world x{json{{"address", fmt::format("[::1]:{}", six.port())},
                        {"key", six.user_key()}}};
  x.with.start_manager();
  CHECK(x.with.serves_a_job());
}

TEST_CASE("an instance that wants WinRM is refused by name") {
  fleeting_world x{json{{"protocol", "winrm"}},
                   {"instance_acquire_timeout = \"15s\""}};
  x.with.start_manager();
  auto id = x.with.enqueue_script("echo never");
  CHECK(x.with.shows(id, "protocol winrm is not supported: muster speaks ssh"));
  CHECK_EQ(x.with.ended(id).failure_reason, "runner_system_failure");
}

TEST_CASE("a plugin that cannot start says why, to check and at start") {
  fleeting_world x;
  auto config = x.with.place.config_file().string();
  auto fine = run_muster({"check", "--config", config});
  CHECK_MESSAGE(fine.status == 0, fine.output);
  CHECK_MESSAGE(fine.output.find("valid") != std::string::npos, fine.output);
  struct row {
    std::string plugin;
    const char* says;
  };
  const row rows[] = {
    {x.bed.script("echo cannot find my library >&2; exit 7"),
     "exited with status 7; it said: cannot find my library"},
    {"aws", "fleeting install"},
  };
  for (const auto& r : rows) {
    x.write_config(r.plugin);
    auto ran = run_muster({"check", "--config", config});
    CHECK_EQ(ran.status, 1);
    CHECK_MESSAGE(ran.output.find(r.says) != std::string::npos, ran.output);
    CHECK_NE(ran.output.find(config + ":13:10: error: plugin "),
             std::string::npos);
    x.with.start_manager();
    CHECK(x.with.manager->says("the provider group cannot work and is tried "
                               "again"));
    CHECK_NE(x.with.manager->log().find(r.says), std::string::npos);
    CHECK_EQ(x.with.stop_manager(), 0);
  }
  // One that is mended meanwhile is taken into service.
  auto plugin = x.bed.script("exit 1");
  x.write_config(plugin);
  x.with.start_manager();
  CHECK(x.with.manager->says("the provider group cannot work"));
  x.bed.script("exec " + x.bed.plugin());
  CHECK(x.with.serves_a_job());
}
