#pragma once

#include "tests/e2e/manager/world.hpp"
#include "tests/support/engine_host.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace muster::test {

constexpr const char* test_image = "muster-test:latest";

/// A line of plugin_config: instances refuse to run programs wherever the
/// helper could be put.
constexpr auto no_programs
  = "user_data = 'for d in \"$HOME\" /tmp /dev/shm /run/user; do "
    "mkdir -p \"$d\"; mount -t tmpfs -o noexec,mode=1777 tmpfs \"$d\"; done'";

/// The Engine that the tests of this program share, with `test_image`.
engine_host& engine_with_image();

/// A folder on this machine, for what a test and the scripts in containers tell
/// each other: these have it as `/marks`.
class marks_folder {
public:
  marks_folder();
  ~marks_folder();
  marks_folder(const marks_folder&) = delete;
  marks_folder& operator=(const marks_folder&) = delete;

  const std::filesystem::path& path() const {
    return path_;
  }

  /// Whether there is such a file; waits for it.
  bool shows(const std::string& name) const;

  void make(const std::string& name) const;

private:
  std::filesystem::path path_;
};

/// A manager whose jobs are in containers of an Engine.
struct docker_bed {
  struct settings {
    test::world::settings manager = {};
    engine_host* engine = &engine_with_image();
    std::vector<std::string> docker = {}; ///< lines of [runners.docker]
    bool has_helper_image = true; ///< `test_image`; else the lines name one
  };

  explicit docker_bed(settings how);
  docker_bed() : docker_bed(settings{}) {
  }

  /// Queues a job that clones nothing; `more` is merged over it.
  int64_t enqueue(const std::string& script,
                  const nlohmann::json& more = nlohmann::json::object());

  /// Waits until nothing of a job is at the Engine.
  bool is_engine_empty() const;

  engine_host& engine;
  marks_folder marks;
  world x;
};

/// A log as it is but for times, a project's slot, and a name.
std::string timeless(std::string text, const std::string& name);

bool has(const std::string& text, const std::string& part);

} // namespace muster::test
