#include "tests/e2e/fleeting/bed.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <sys/stat.h>

using namespace muster;
using namespace muster::test;
using namespace std::chrono_literals;
using nlohmann::json;
using state = provider_instance_state;

namespace {

instance_group::deadline in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

/// Generous: only a broken test waits for it.
instance_group::deadline later() {
  return in(60s);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> ids_of(const std::vector<listed_instance>& listing) {
  std::vector<std::string> out;
  for (const auto& x : listing)
    out.push_back(x.id);
  return out;
}

} // namespace

TEST_CASE("a plugin's instances come and go as it is told") {
  plugin_bed bed;
  bed.settings = {{"address", "10.0.0.7"},
                  {"username", "ec2-user"},
                  {"key", "a key"},
                  {"expires_in", 60},
                  {"max_size", 4294967295}};
  fleeting_group group{bed.options()};
  auto info = group.init(later());
  REQUIRE_MESSAGE(info, info.error().text);
  CHECK_EQ(info->id, "test-group");
  CHECK_EQ(info->max_size, 4294967295); // no limit
  CHECK_EQ(info->version, "1.2.3");
  CHECK_EQ(info->build_info, "sha=0; ref=test");
  CHECK(group.update(later())->empty());
  CHECK_EQ(group.increase(2, later()).value_or(-1), 2);
  auto first = group.update(later());
  REQUIRE(first);
  CHECK_EQ(ids_of(*first), std::vector<std::string>{"i-1", "i-2"});
  CHECK_EQ(first->at(0).state, state::creating);
  CHECK_EQ(group.update(later())->at(1).state, state::running);
  auto way = group.get_connect_info("i-1", later());
  REQUIRE(way);
  CHECK_EQ(way->instance, "i-1");
  CHECK_EQ(way->host, "10.0.0.7");
  CHECK_EQ(way->port, 22);
  CHECK_EQ(way->username, "ec2-user");
  CHECK_EQ(way->key.reveal(), "a key");
  CHECK_GT(way->expires_at, time(nullptr) + 30);
  CHECK(group.heartbeat("i-1", later()));
  CHECK_EQ(group.decrease({"i-2"}, later()).value(),
           std::vector<std::string>{"i-2"});
  CHECK_EQ(ids_of(*group.update(later())), std::vector<std::string>{"i-1"});
  group.shutdown(later());
  CHECK_EQ(group.plugin_pid(), -1);
  CHECK_EQ(bed.calls(),
           std::vector<std::string>{"Init", "Update", "Increase", "Update",
                                    "Update", "ConnectInfo", "Heartbeat",
                                    "Decrease", "Update", "Shutdown"});
}

TEST_CASE(
  "a plugin gets its configuration and connector_config to the letter") {
  plugin_bed bed;
  auto options = bed.options();
  // In no order and with no blanks of ours.
  options.config_json
    = fmt::format(R"({{"zEta":1, "Alpha" : {{"aB":[true,null,1.5,"\u00e9"]}})"
                  R"(,"cloud":"{}"}})",
                  (bed.path() / "cloud").string());
  std::ofstream{bed.path() / "key"} << "-----BEGIN KEY-----\nx\n";
  auto& how = options.connector;
  how.os = "linux";
  how.arch = "arm64";
  how.protocol = "ssh";
  how.username = "u";
  how.password = secret{"pw"};
  how.key_path = bed.path() / "key";
  how.key_passphrase = secret{"opened by phrase: "};
  how.use_static_credentials = true;
  how.protocol_port = 2222;
  fleeting_group group{options};
  REQUIRE(group.init(later()));
  auto told = bed.with("Init");
  CHECK_EQ(told["config"], options.config_json);
  CHECK_EQ(told["os"], "linux");
  CHECK_EQ(told["arch"], "arm64");
  CHECK_EQ(told["protocol"], "ssh");
  CHECK_EQ(told["username"], "u");
  CHECK_EQ(told["password"], "pw");
  CHECK_EQ(told["key"], "opened by phrase: -----BEGIN KEY-----\nx\n");
  CHECK_EQ(told["static"], true);
  CHECK_EQ(told["port"], 2222);
  CHECK_EQ(told["keepalive"], 30'000'000'000); // nanoseconds
  CHECK_EQ(told["timeout"], 600'000'000'000);
}

TEST_CASE("plugins of three generations are served") {
  for (int generation : {1, 2, 3}) {
    CAPTURE(generation);
    plugin_bed bed;
    bed.settings = {{"generation", generation},
                    {"address", "h"},
                    {"username", "u"},
                    {"protocol_port", 2222},
                    {"unhealthy", {"i-1"}}};
    fleeting_group group{bed.options()};
    REQUIRE(group.init(later()));
    CHECK_EQ(group.increase(2, later()).value_or(-1), 2);
    auto ill = group.heartbeat("i-1", later());
    if (generation == 1) { // it does not know the call
      CHECK(ill);
    } else {
      REQUIRE(!ill);
      CHECK(has(ill.error().text, "instance is unhealthy"));
    }
    CHECK(group.heartbeat("i-2", later()));
    CHECK_EQ(group.get_connect_info("i-1", later())->port,
             generation == 1 ? 22 : 2222);
    group.shutdown(later());
    auto calls = bed.calls();
    CHECK_EQ(std::ranges::count(calls, "Suspend"), 0);
    CHECK_EQ(calls.back(), "Shutdown");
  }
}

TEST_CASE("a plugin that cannot be started says why") {
  struct row {
    const char* what;
    std::string script; ///< empty: `plugin` as it is
    std::string plugin;
    const char* says;
  };
  const row rows[] = {
    {"absent", "", "/none/plugin", "there is no such file"},
    {"not installed", "", "no-such-cloud", "is not installed"},
    {"not on PATH", "", "fleeting-plugin-none", "is in no folder of PATH"},
    {"exits at once", "echo 'no such option' >&2; exit 3", "",
     "plugin exited before we could connect: it exited with status 3; it said: "
     "no such option"},
    {"is killed", "kill -9 $$", "", "was ended by signal 9"},
    {"not a plugin", "echo usage: tool; sleep 60", "",
     "unrecognised remote plugin message: \"usage: tool\""},
    {"another core", "echo '2|0|unix|/s|grpc|'; sleep 60", "",
     "core API version"},
    {"another version", "echo '1|7|unix|/s|grpc|'; sleep 60", "",
     "plugin version: 7, muster versions: [0]"},
    {"an old protocol", "echo '1|0|unix|/s'; sleep 60", "",
     "unsupported plugin protocol"},
    {"endless words", "tr '\\0' x </dev/zero", "",
     "unrecognised remote plugin message"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    plugin_bed bed;
    auto options = bed.options();
    options.plugin.plugin = r.script.empty() ? r.plugin : bed.script(r.script);
    fleeting_group group{options};
    auto info = group.init(later());
    REQUIRE(!info);
    CHECK_MESSAGE(has(info.error().text, r.says), info.error().text);
    CHECK(has(info.error().text, options.plugin.plugin));
    CHECK_EQ(info.error().text.find('\n'), std::string::npos);
    CHECK(!group.update(later())); // and nothing breaks
    auto tried
      = fleeting::try_plugin(options.plugin.plugin, options.plugin.module_path);
    CHECK_MESSAGE(has(tried, r.says), tried);
  }
}

TEST_CASE("files that are no programs are named") {
  plugin_bed bed;
  auto options = bed.options();
  auto file = bed.path() / "plugin";
  options.plugin.plugin = file;
  auto says = [&options](const char* part) {
    auto info = fleeting_group{options}.init(later());
    REQUIRE(!info);
    CHECK_MESSAGE(has(info.error().text, part), info.error().text);
  };
  std::ofstream{file} << "\x7f"
                         "ELF of nothing";
  chmod(file.c_str(), 0644);
  says("is not executable");
  chmod(file.c_str(), 0755);
  says("it is no program for this machine");
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  says("it is a folder");
}

TEST_CASE("a plugin that never says where it listens is given up") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.plugin = bed.script("sleep 600 & sleep 600");
  options.plugin.start_timeout = 200ms;
  {
    fleeting_group group{options};
    auto info = group.init(later());
    REQUIRE(!info);
    CHECK_EQ(info.error().code, provider_errc::timed_out);
    CHECK(has(info.error().text, "timeout while waiting for plugin to start"));
  }
  CHECK_EQ(bed.sockets(), 0);
}

TEST_CASE("a plugin that listens and speaks something else is named") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.plugin
    = bed.script("echo \"1|0|unix|$PLUGIN_UNIX_SOCKET_DIR/none|grpc|\"; "
                 "sleep 600");
  auto info = fleeting_group{options}.init(later());
  REQUIRE(!info);
  CHECK_MESSAGE(has(info.error().text, "takes no gRPC call"),
                info.error().text);
}

TEST_CASE("an Init that fails says what the plugin said") {
  plugin_bed bed;
  auto options = bed.options();
  options.config_json = "null"; // an absent table: the plugin decides
  auto info = fleeting_group{options}.init(later());
  REQUIRE(!info);
  CHECK_EQ(info.error().code, provider_errc::call_failed);
  CHECK_MESSAGE(has(info.error().text, "Init: no cloud in plugin_config"),
                info.error().text);
  options.connector.key_path = "/none/key";
  info = fleeting_group{options}.init(later());
  REQUIRE(!info);
  CHECK_EQ(info.error().text, "there is no key /none/key");
}

TEST_CASE("a plugin that dies is lost, and what it was asked is uncertain") {
  for (const auto* call : {"Update", "Increase", "Decrease", "ConnectInfo"}) {
    CAPTURE(call);
    plugin_bed bed;
    fleeting_group group{bed.options()};
    REQUIRE(group.init(later()));
    std::atomic<int> losses = 0;
    std::string why;
    std::mutex mutex;
    group.on_loss([&](const failure<provider_errc>& x) {
      std::lock_guard guard{mutex};
      why = x.text;
      ++losses;
    });
    bed.faults({{call, "exit"}});
    auto name = std::string{call};
    if (name == "Update")
      CHECK(!group.update(later()));
    else if (name == "Increase")
      CHECK_EQ(group.increase(1, later()).error().code,
               provider_errc::timed_out); // it may have been done
    else if (name == "Decrease")
      CHECK(!group.decrease({"i-1"}, later()));
    else
      CHECK(!group.get_connect_info("i-1", later()));
    CHECK(soon([&] { return losses == 1; }));
    std::lock_guard guard{mutex};
    CHECK_MESSAGE(has(why, "exited with status 2; it said: "), why);
    CHECK(has(why, "panic: this plugin was told to fail"));
    CHECK(!group.update(later()));
    CHECK(group.heartbeat("i-1", later())); // says nothing of the instance
  }
}

TEST_CASE("calls that hang end at their deadline, and two make a loss") {
  plugin_bed bed;
  fleeting_group group{bed.options()};
  REQUIRE(group.init(later()));
  std::atomic<bool> lost = false;
  group.on_loss([&](const failure<provider_errc>& x) {
    CHECK(has(x.text, "is stuck"));
    lost = true;
  });
  bed.faults({{"Update", "hang"},
              {"Increase", "hang"},
              {"ConnectInfo", "hang"},
              {"Heartbeat", "hang"}});
  auto way = group.get_connect_info("i-1", in(50ms));
  REQUIRE(!way);
  CHECK_EQ(way.error().code, provider_errc::timed_out);
  CHECK(group.heartbeat("i-1", in(50ms)));
  CHECK_EQ(group.update(in(50ms)).error().code, provider_errc::timed_out);
  CHECK(!lost);
  CHECK(group.decrease({}, later())); // in between it works again
  CHECK_EQ(group.increase(1, in(50ms)).error().code, provider_errc::timed_out);
  CHECK(!lost);
  CHECK(!group.update(in(50ms)));
  CHECK(soon([&] { return lost.load(); }));
  CHECK(soon([&] { return group.plugin_pid() < 0; }));
}

TEST_CASE("a plugin that hangs as a whole is found out while a call waits") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.pulse_interval = 50ms;
  options.plugin.pulse_timeout = 50ms;
  fleeting_group group{options};
  REQUIRE(group.init(later()));
  std::atomic<bool> lost = false;
  group.on_loss([&](const failure<provider_errc>& x) {
    CHECK(has(x.text, "hangs"));
    lost = true;
  });
  bed.faults({{"Update", "freeze"}});
  auto listing = group.update(later());
  REQUIRE(!listing);
  CHECK(has(listing.error().text, "hangs"));
  CHECK(soon([&] { return lost.load(); }));
}

TEST_CASE("a call that takes long is no hanging plugin") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.pulse_interval = 10ms;
  fleeting_group group{options};
  REQUIRE(group.init(later()));
  std::atomic<bool> lost = false;
  group.on_loss([&](const failure<provider_errc>&) { lost = true; });
  bed.faults({{"ConnectInfo", "hang"}});
  CHECK(!group.get_connect_info("i-1", in(500ms)));
  CHECK(!lost);
  CHECK(group.update(later()));
}

TEST_CASE("calls are ended when nobody waits for them any more") {
  plugin_bed bed;
  fleeting_group group{bed.options()};
  REQUIRE(group.init(later()));
  bed.faults({{"Update", "hang"}});
  std::thread other{[&] {
    CHECK(soon([&] {
      auto calls = bed.calls();
      return std::ranges::count(calls, "Update") > 0;
    }));
    group.cancel();
  }};
  CHECK(!group.update(later()));
  other.join();
  group.shutdown(later());
  CHECK_EQ(group.plugin_pid(), -1);
}

TEST_CASE("a plugin that lies harms nobody") {
  plugin_bed bed;
  fleeting_group group{bed.options()};
  REQUIRE(group.init(later()));
  for (const auto* lie : {"more", "huge"}) {
    bed.faults({{"Increase", lie}});
    CHECK_EQ(group.increase(1, later()).value_or(-1), 1);
  }
  bed.faults({{"Decrease", "others"}});
  CHECK_EQ(group.decrease({"i-1", "i-none"}, later()).value(),
           std::vector<std::string>{"i-1"});
  bed.faults({{"ConnectInfo", "empty"}});
  auto way = group.get_connect_info("i-2", later());
  REQUIRE(!way);
  CHECK(has(way.error().text, "it has no address"));
  bed.faults({{"ConnectInfo", "garbage"}});
  way = group.get_connect_info("i-2", later());
  REQUIRE(!way);
  CHECK(has(way.error().text, "ConnectInfo: "));
  CHECK(group.update(later())); // it goes on
}

TEST_CASE("listings that make no sense lose nobody") {
  plugin_bed bed;
  fleeting_group group{bed.options()};
  REQUIRE(group.init(later()));
  REQUIRE(group.increase(2, later()));
  const std::vector<std::string> both{"i-1", "i-2"};
  CHECK_EQ(ids_of(*group.update(later())), both);
  bed.faults({{"Update", "repeat"}}); // which of them counts: see cloud_view
  auto doubled = group.update(later());
  REQUIRE(doubled);
  CHECK_EQ(doubled->size(), 4);
  CHECK_EQ(doubled->at(0).state, state::running);
  CHECK_EQ(doubled->at(1).state, state::deleted);
  bed.faults({{"Update", "odd_ids"}});
  CHECK_EQ(ids_of(*group.update(later())), both);
  bed.faults({{"Update", "odd_states"}}); // they are taken for what they were
  auto odd = group.update(later());
  REQUIRE_EQ(odd->size(), 2);
  CHECK_EQ(odd->at(0).state, state::running);
  bed.faults({{"Update", "break"}});
  auto broken = group.update(later());
  REQUIRE(!broken);
  CHECK(has(broken.error().text, "Update: the listing broke off"));
  bed.faults({{"Update", "endless"}});
  auto endless = group.update(later());
  REQUIRE(!endless);
  CHECK(has(endless.error().text, "lists more than"));
  bed.faults(json::object());
  CHECK_EQ(ids_of(*group.update(later())), both);
}

TEST_CASE(
  "instances in states that nobody knows are left out if they are new") {
  plugin_bed bed;
  fleeting_group group{bed.options()};
  REQUIRE(group.init(later()));
  REQUIRE(group.increase(1, later()));
  bed.faults({{"Update", "odd_states"}});
  CHECK(group.update(later())->empty());
  bed.faults(json::object());
  CHECK_EQ(group.update(later())->size(), 1);
}

TEST_CASE("nothing is left of a plugin, nor of what it started") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.plugin = bed.script(
    fmt::format("sleep 600 & echo $! > {}/child\n"
                "ls -ld \"$PLUGIN_UNIX_SOCKET_DIR\" > {}/mode\nexec {}",
                bed.path().string(), bed.path().string(), bed.plugin()));
  pid_t plugin = -1;
  pid_t child = -1;
  {
    fleeting_group group{options};
    REQUIRE(group.init(later()));
    plugin = group.plugin_pid();
    child = std::atoi(read_text(bed.path() / "child").c_str());
    CHECK(read_text(bed.path() / "mode").starts_with("drwx------"));
    CHECK_EQ(bed.sockets(), 1);
    CHECK_EQ(getpgid(plugin), plugin);
    CHECK(is_running(child));
  } // not shut down
  CHECK(!is_running(plugin));
  CHECK(soon([&] { return !is_running(child); }));
  CHECK_EQ(bed.sockets(), 0);
  // What a killed manager left behind.
  std::filesystem::create_directories(bed.state() / "plugins/0000000.abcdef");
  fleeting_group group{bed.options()};
  REQUIRE(group.init(later()));
  CHECK_EQ(bed.sockets(), 1);
}

TEST_CASE("a socket elsewhere is removed, too") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.plugin
    = bed.script("unset PLUGIN_UNIX_SOCKET_DIR\nexec " + bed.plugin());
  std::string socket;
  {
    fleeting_group group{options};
    REQUIRE(group.init(later()));
    socket = "/tmp/plugin" + std::to_string(group.plugin_pid());
    CHECK(std::filesystem::exists(socket));
  }
  CHECK(!std::filesystem::exists(socket));
}

TEST_CASE("a plugin with a long state folder still has a short socket") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.state_dir
    = bed.state() / std::string(60, 'a') / std::string(60, 'b');
  std::filesystem::create_directories(options.plugin.state_dir);
  auto place = std::filesystem::path{};
  {
    fleeting_group group{options};
    auto info = group.init(later());
    REQUIRE_MESSAGE(info, info.error().text);
    auto environment
      = read_text("/proc/" + std::to_string(group.plugin_pid()) + "/environ");
    constexpr std::string_view name = "PLUGIN_UNIX_SOCKET_DIR=";
    auto at = environment.find(name);
    REQUIRE_NE(at, std::string::npos);
    place = environment.c_str() + at + name.size();
    CHECK(std::filesystem::is_directory(place));
  }
  CHECK(!std::filesystem::exists(place.parent_path()));
}

TEST_CASE("a plugin that does not exit is killed") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.exit_patience = 50ms;
  fleeting_group group{options};
  REQUIRE(group.init(later()));
  auto plugin = group.plugin_pid();
  bed.faults({{"Stop", "ignore"}, {"Shutdown", "error"}});
  group.shutdown(later());
  CHECK(soon([&] { return !is_running(plugin); }));
}

TEST_CASE("a plugin that writes much is not held up") {
  plugin_bed bed;
  auto options = bed.options();
  options.plugin.plugin = bed.script(
    "head -c 3000000 /dev/zero | tr '\\0' e >&2\nexec 3>&1\n"
    "(sleep 0.2; head -c 3000000 /dev/zero | tr '\\0' o >&3; echo done > "
    + (bed.path() / "written").string() + ") &\nexec " + bed.plugin());
  fleeting_group group{options};
  REQUIRE(group.init(later()));
  CHECK(soon([&] { return std::filesystem::exists(bed.path() / "written"); }));
  CHECK(group.update(later()));
}

TEST_CASE("one in five increases may fail") {
  plugin_bed bed;
  fleeting_group group{bed.options()};
  REQUIRE(group.init(later()));
  bed.faults({{"Increase", "error20"}});
  int failed = 0;
  for (int i = 0; i < 100; ++i) {
    auto done = group.increase(1, later());
    failed += done ? 0 : 1;
    if (!done)
      CHECK_EQ(done.error().code, provider_errc::call_failed);
  }
  CHECK_GT(failed, 5);
  CHECK_EQ(group.update(later())->size(), 100 - failed);
}
