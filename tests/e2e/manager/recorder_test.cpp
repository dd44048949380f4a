#include "tests/e2e/manager/world.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sys/mount.h>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
namespace fs = std::filesystem;

namespace {

fs::path recordings(const world& x) {
  return x.place.state() / "recordings";
}

/// What `muster trace` prints of the manager's recordings.
std::string trace(const world& x, const std::vector<std::string>& arguments) {
  std::vector<std::string> all{"trace"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  all.insert(all.end(), {"--config", x.place.config_file().string()});
  auto out = run_muster(all);
  CAPTURE(out.output);
  CHECK_EQ(out.status, 0);
  return out.output;
}

} // namespace

TEST_CASE("what a manager did can be read after it was killed") {
  world x;
  auto id = x.enqueue({{"script", "echo token-like-value-9; exit 3"},
                       {"variables", {{"GIT_STRATEGY", "none"}}},
                       {"masked", {{"SECRET", "xyzzy-plugh-1234"}}}});
  x.ended(id);
  // Recorded at the latest when it was told.
  auto shows = [&](const std::string& text) {
    return eventually([&] {
      return run_muster({"trace", "grep", text, "--config",
                         x.place.config_file().string()})
               .status
             == 0;
    });
  };
  CHECK(shows("job_ended"));
  x.manager->kill();
  auto stat = nlohmann::json::parse(trace(x, {"stat", "--json"}));
  CHECK_EQ(stat.at("runs").size(), 1);
  CHECK_EQ(stat.at("gaps"), 0);
  CHECK_EQ(stat.at("unreadable"), 0);
  CHECK(stat.at("problems").empty());
  CHECK_EQ(stat.at("types").at("job_offer").get<int>() > 0, true);
  CHECK_EQ(stat.at("types").at("plan_ended"), 1);
  CHECK_EQ(stat.at("types").at("config_in_force"), 1);
  for (const char* role :
       {"manager", "runner", "coordinator", "group", "instance", "slot", "job",
        "trace", "dialer", "connection", "provider", "journal", "worker"}) {
    CAPTURE(role);
    CHECK(stat.at("roles").contains(role));
  }
  auto job = fmt::format("job:{}", id);
  auto lines = trace(x, {"cat", "--role", job});
  CHECK_NE(lines.find(job + " begins"), std::string::npos);
  CHECK_NE(lines.find("acquired"), std::string::npos);
  CHECK_NE(lines.find("exit_code=3"), std::string::npos);
  CHECK_NE(lines.find(job + " ends: exit_told"), std::string::npos);
  // At most 200 records a tiny job, with what it has others do.
  CHECK_LE(count_of("\n", lines), 100);
  size_t bytes = 0;
  for (const auto& file : fs::directory_iterator{recordings(x)}) {
    CHECK_EQ(file.status().permissions(),
             fs::perms::owner_read | fs::perms::owner_write);
    auto text = file_text(file.path());
    bytes += text.size();
    for (const auto& secret :
         {std::string{"xyzzy-plugh-1234"}, std::string{"token-like-value-9"},
          x.config.token, std::string{"BEGIN OPENSSH"}})
      CHECK_EQ(text.find(secret), std::string::npos);
  }
  CHECK_GT(bytes, 5'000);
  CHECK_EQ(fs::status(recordings(x)).permissions(), fs::perms::owner_all);
}

TEST_CASE("a second run is a recording of its own beside the first") {
  world x;
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
  x.start_manager();
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
  auto stat = nlohmann::json::parse(trace(x, {"stat", "--json"}));
  CHECK_EQ(stat.at("runs").size(), 2);
  CHECK_EQ(stat.at("gaps"), 0);
  CHECK_EQ(stat.at("cut_off"), 0);
}

TEST_CASE("without a recorder nothing is recorded") {
  world::settings how;
  how.manager.file = {"[muster.recorder]", "enabled = false"};
  world x{how};
  CHECK(x.serves_a_job());
  CHECK_FALSE(fs::exists(recordings(x)));
  auto out
    = run_muster({"trace", "stat", "--config", x.place.config_file().string()});
  CHECK_EQ(out.status, 2);
  CHECK_NE(out.output.find("No such file or directory"), std::string::npos);
}

TEST_CASE("a recorder's disk that is full costs no job"
          * doctest::skip(::geteuid() != 0)) {
  world::settings how;
  how.start = false;
  world x{how};
  auto folder = x.place.path() / "small";
  fs::create_directory(folder);
  REQUIRE_EQ(::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=256k"), 0);
  struct guard {
    fs::path at;
    ~guard() {
      ::umount2(at.c_str(), MNT_DETACH);
    }
  } unmount{folder};
  x.config.file = {fmt::format("[muster.recorder]\ndir = \"{}\"",
                               (folder / "recordings").string())};
  x.place.write_config(x.config);
  x.start_manager();
  CHECK(x.serves_a_job());
  // Somebody else fills the disk.
  std::ofstream{folder / "else"} << std::string(1 << 20, 'x');
  for (int i = 0; i < 3; ++i)
    CHECK(x.serves_a_job());
  CHECK(x.manager->says("the recording cannot be"));
  CHECK_EQ(count_of("the recording cannot be", x.manager->log()), 1);
  fs::remove(folder / "else");
  CHECK(x.manager->says("is recorded to again"));
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
  auto out
    = run_muster({"trace", "stat", (folder / "recordings").string(), "--json"});
  CAPTURE(out.output);
  CHECK_EQ(out.status, 0);
  auto stat = nlohmann::json::parse(out.output);
  CHECK_GE(stat.at("files"), 2);
  CHECK_EQ(stat.at("gaps"), 1);
  CHECK_EQ(stat.at("unreadable"), 0);
}
