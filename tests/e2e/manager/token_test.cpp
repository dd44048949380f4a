#include "tests/e2e/manager/world.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A manager whose token should have been rotated long ago.
world::settings overdue() {
  world::settings how;
  how.manager.runner
    = {"# keep this", "token_obtained_at = 2020-01-01T00:00:00Z",
       "token_expires_at = 2020-02-01T00:00:00Z # and this"};
  how.start = false;
  return how;
}

} // namespace

TEST_CASE("a token is rotated, and jobs go on with the new one") {
  world x{overdue()};
  auto old = x.gitlab.token();
  x.start_manager();
  CHECK(x.manager->says("Token rotated"));
  auto config = file_text(x.place.config_file());
  CAPTURE(config);
  CHECK_FALSE(contains(config, old));
  CHECK(contains(config, "# keep this\n"));
  CHECK(contains(config, "token_expires_at = 0001-01-01T00:00:00Z # and this"));
  CHECK_FALSE(contains(config, "2020"));
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
  // The file is all that the next manager needs.
  x.start_manager();
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
  CHECK_FALSE(contains(x.manager->log(), old));
}

TEST_CASE("a new token that cannot be written is kept, and found again") {
  if (::geteuid() != 0)
    return; // only root can mount
  world x{overdue()};
  auto file = x.place.config_file();
  // Mounted by itself, to be read only: as a container may see it.
  REQUIRE_EQ(::mount(file.c_str(), file.c_str(), nullptr, MS_BIND, nullptr), 0);
  REQUIRE_EQ(::mount(nullptr, file.c_str(), nullptr,
                     MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr),
             0);
  auto before = file_text(file);
  x.start_manager();
  auto told = x.manager->says("new token cannot be written into config.toml");
  auto serves = x.serves_a_job();
  auto status = x.stop_manager();
  auto between = file_text(file);
  ::umount(file.c_str());
  CHECK(told);
  CHECK(serves);
  CHECK_EQ(status, 0);
  CHECK_EQ(between, before);
  CHECK_FALSE(std::filesystem::is_empty(x.place.state() / "tokens"));
  x.start_manager();
  CHECK(x.manager->says("config.toml has the runner's new token"));
  CHECK(x.serves_a_job());
  CHECK_EQ(x.stop_manager(), 0);
  CHECK_FALSE(contains(file_text(file), x.gitlab.token()));
  CHECK(std::filesystem::is_empty(x.place.state() / "tokens"));
}

TEST_CASE("run-single serves the jobs that were asked for, and ends") {
  world::settings how;
  how.start = false;
  world x{how};
  auto first = x.enqueue_script("echo one");
  auto second = x.enqueue_script("echo two");
  auto file = x.place.config_file().string();
  auto out = run_muster(
    {"run-single", "--config", file, "--runner", "e2e", "--max-builds", "1"});
  CAPTURE(out.output);
  CHECK_EQ(out.status, 0);
  CHECK_EQ(x.ended(first).state, job_state::success);
  CHECK_EQ(x.gitlab.job(second)->state, job_state::pending);
  out = run_muster(
    {"run-single", "-c", file, "-r", "e2e", "--wait-timeout", "3"});
  CHECK_EQ(out.status, 0);
  CHECK_EQ(x.ended(second).state, job_state::success);
  CHECK(contains(out.output, "no job came in time"));
  x.check_rules();
}

TEST_CASE("run-single says what it lacks") {
  world::settings how;
  how.start = false;
  world x{how};
  auto file = x.place.config_file().string();
  struct row {
    std::vector<std::string> words;
    const char* says;
  };
  const row rows[] = {
    {{"run-single"}, "--url, --token and --executor are needed"},
    {{"run-single", "-u", x.gitlab.url(), "-t", "glrt-x", "--executor",
      "instance"},
     "requires [runners.autoscaler]"},
    {{"run-single", "-u", x.gitlab.url(), "-t", "glrt-x", "--executor",
      "magic"},
     "unknown executor"},
    {{"run-single", "-c", file, "-r", "nobody"}, "no runner of this name"},
    {{"run-single", "-c", file + ".none", "-r", "e2e"}, "cannot read"},
  };
  for (const auto& r : rows) {
    auto out = run_muster(r.words);
    CAPTURE(out.output);
    CHECK_EQ(out.status, 1);
    CHECK(contains(out.output, r.says));
    CHECK_FALSE(contains(out.output, "glrt-x"));
  }
}
