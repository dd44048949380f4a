#include "config/load.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

loaded_config load(const std::string& text) {
  load_options options;
  options.mode = check_mode::strict;
  options.state_dir = "/state";
  return parse_config(text, "config.toml", options);
}

} // namespace

TEST_CASE("the flight recorder is on, in the state folder, with bounds") {
  auto x = load("");
  CHECK(x.value.muster.recorder.enabled);
  CHECK_EQ(recordings_folder(x.value.muster), "/state/recordings");
  CHECK_EQ(x.value.muster.recorder.size_max, 256 << 20);
  CHECK_EQ(x.value.muster.recorder.age_max, 168h);
}

TEST_CASE("the flight recorder's settings are read, also from one line") {
  auto x = load("[muster]\nrecorder = {enabled = false, dir = \"/r\", "
                "max_size = \"64MiB\", max_age = \"36h\"}\n");
  CHECK(x.passed);
  CHECK_FALSE(x.value.muster.recorder.enabled);
  CHECK_EQ(recordings_folder(x.value.muster), "/r");
  CHECK_EQ(x.value.muster.recorder.size_max, 64 << 20);
  CHECK_EQ(x.value.muster.recorder.age_max, 36h);
}

TEST_CASE("settings of the flight recorder that cannot be are told") {
  struct row {
    const char* line;
    const char* message;
    int64_t size_max;
  };
  const row rows[] = {
    {"max_size = \"much\"", "\"much\" is no size: 256m is taken", 256 << 20},
    {"max_size = \"-1\"", "\"-1\" is no size: 256m is taken", 256 << 20},
    {"max_size = \"1k\"", "\"1k\" is too small for a recording: 1m is taken",
     1 << 20},
    {"dir = \"here\"", "dir must be an absolute path, not \"here\"", 256 << 20},
  };
  for (const auto& r : rows) {
    CAPTURE(r.line);
    auto x = load(std::string{"[muster.recorder]\n"} + r.line + "\n");
    CHECK_FALSE(x.passed);
    REQUIRE_FALSE(x.diagnostics.empty());
    CHECK_EQ(x.diagnostics[0].message, r.message);
    CHECK_EQ(x.value.muster.recorder.size_max, r.size_max);
  }
}
