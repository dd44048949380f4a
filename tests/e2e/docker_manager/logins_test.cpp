// Logins of registries: the variable DOCKER_AUTH_CONFIG, then the manager's
// file, then what GitLab gives.

#include "tests/e2e/docker_manager/docker_bed.hpp"
#include "tests/support/engine_network.hpp"
#include "tests/support/registry_process.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using nlohmann::json;

namespace {

bool no_engine() {
  return !can_run_engine();
}

/// `runner:s3cr3t-pass`, `runner:wrong-pass`, and the first one as the Engine
/// takes it.
constexpr auto right = "cnVubmVyOnMzY3IzdC1wYXNz";
constexpr auto wrong = "cnVubmVyOndyb25nLXBhc3M=";
constexpr auto right_for_engine
  = "eyJ1c2VybmFtZSI6InJ1bm5lciIsInBhc3N3b3JkIjoiczNjcjN0LXBhc3MifQ==";

/// HOME of the managers that are started meanwhile.
class home_folder {
public:
  explicit home_folder(const std::filesystem::path& path) {
    if (const char* home = std::getenv("HOME"))
      before_ = home;
    ::setenv("HOME", path.c_str(), 1);
  }

  home_folder(const home_folder&) = delete;
  home_folder& operator=(const home_folder&) = delete;

  ~home_folder() {
    ::setenv("HOME", before_.c_str(), 1);
  }

private:
  std::string before_ = "/root";
};

std::string config_of(const std::string& registry, const char* login) {
  return json{{"auths", {{registry, {{"auth", login}}}}}}.dump();
}

} // namespace

TEST_CASE("the login for a registry is the variable's, else the manager's "
          "file's, else the payload's, and the log names which"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine_network network{engine};
  std::optional<registry_process> registry;
  network.run([&] { registry.emplace(true); });
  auto image = registry->name() + "/group/app";
  REQUIRE(engine.api()
            .ask({"POST", fmt::format("/images/{}/tag?repo={}&tag=1",
                                      test_image, docker::url_encoded(image))})
            .has_value());
  docker::call push{"POST", "/images/" + image + "/push?tag=1"};
  push.registry_auth = right_for_engine;
  std::string said;
  REQUIRE(engine.api()
            .ask_lines(push,
                       [&said](std::string_view line) {
                         said += line;
                         return true;
                       })
            .has_value());
  REQUIRE_FALSE(has(said, "\"error\""));

  marks_folder home;
  home_folder in_force{home.path()};
  docker_bed b;
  struct row {
    const char* what;
    const char* variable;
    const char* file;
    const char* payload; ///< password
    bool works;
    const char* source;
  };
  const row rows[] = {
    {"nothing", nullptr, nullptr, nullptr, false, nullptr},
    {"payload", nullptr, nullptr, "s3cr3t-pass", true, "job payload"},
    {"file before payload", nullptr, right, "wrong-pass", true,
     "/.docker/config.json"},
    {"wrong file before payload", nullptr, wrong, "s3cr3t-pass", false,
     "/.docker/config.json"},
    {"variable before all", right, wrong, "wrong-pass", true,
     "$DOCKER_AUTH_CONFIG"},
    {"wrong variable before all", wrong, right, "s3cr3t-pass", false,
     "$DOCKER_AUTH_CONFIG"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    std::filesystem::create_directory(home.path() / ".docker");
    auto file = home.path() / ".docker" / "config.json";
    std::filesystem::remove(file);
    if (r.file != nullptr)
      std::ofstream{file} << config_of(registry->name(), r.file);
    json job{{"image", {{"name", image + ":1"}, {"pull_policy", {"always"}}}}};
    if (r.variable != nullptr)
      job["variables"]["DOCKER_AUTH_CONFIG"]
        = config_of(registry->name(), r.variable);
    if (r.payload != nullptr)
      job["payload"]["credentials"] = {{{"type", "registry"},
                                        {"url", registry->name()},
                                        {"username", "runner"},
                                        {"password", r.payload}}};
    auto id = b.enqueue("echo ran", job);
    auto ended = b.x.ended(id);
    auto log = b.x.log(id);
    CAPTURE(log);
    CHECK_EQ(ended.state, r.works ? job_state::success : job_state::failed);
    CHECK_EQ(has(log, "\nran"), r.works);
    if (!r.works) {
      CHECK(has(ended.failure_reason, "runner_configuration_error"));
      CHECK(has(log, image + ":1"));
    }
    CHECK_EQ(has(log, "Authenticating with credentials from"),
             r.source != nullptr);
    if (r.source != nullptr)
      CHECK(has(log, r.source));
    for (const auto* hidden : {"s3cr3t-pass", "wrong-pass", right, wrong}) {
      CHECK_FALSE(has(log, hidden));
      CHECK_FALSE(has(b.x.manager->log(), hidden));
    }
  }
  CHECK(b.is_engine_empty());
  b.x.check_rules();
  network.run([&] { registry.reset(); });
}
