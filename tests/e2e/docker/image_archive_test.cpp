#include "tests/e2e/docker/docker_world.hpp"

#include "executors/docker/image_archive.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>

using namespace muster;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

std::string text_of(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream{file}.rdbuf();
  return out.str();
}

struct told {
  int status = 0;
  std::string error;
};

/// Runs the helper as a manager does, over SSH, with a file for its input.
told container_image(const std::string& words,
                     const std::string& input = "/dev/null") {
  auto errors = std::filesystem::temp_directory_path()
                / ("muster-image-" + std::to_string(::getpid()));
  auto status = std::system((std::string{MUSTER_HELPER} + " container-image "
                             + words + " < " + input + " 2> " + errors.string())
                              .c_str());
  told out{WIFEXITED(status) ? WEXITSTATUS(status) : -1,
           text_of(errors.string())};
  std::filesystem::remove(errors);
  return out;
}

struct archive {
  archive() {
    auto& engine = engine_with_image();
    REQUIRE_EQ(std::system(("docker -H " + engine.address() + " save -o " + path
                            + " " + test_image)
                             .c_str()),
               0);
  }

  ~archive() {
    std::filesystem::remove(path);
  }

  std::string path = (std::filesystem::temp_directory_path()
                      / ("muster-archive-" + std::to_string(::getpid())))
                       .string();
};

} // namespace

TEST_CASE("an instance's Engine is given an image from a file"
          * doctest::skip(no_engine())) {
  archive from;
  auto& engine = engine_with_image();
  auto words = "--host " + engine.address() + " --name muster-given:ab12";
  CHECK_EQ(container_image(words).status, 3);
  auto loaded = container_image(words + " --load", from.path);
  CHECK_EQ(loaded.error, "");
  CHECK_EQ(loaded.status, 0);
  CHECK_EQ(container_image(words).status, 0);
  // A job gets it without a registry.
  auto plan = docker_plan(engine, "given", {helper_stage("echo from $0")});
  plan.containers->helper.image = image_of("muster-given:ab12");
  plan.containers->helper.image.policies = {pull_policy::never};
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::success);
}

TEST_CASE("a file that is no image is told as that"
          * doctest::skip(no_engine())) {
  archive from;
  auto& engine = engine_with_image();
  auto words = "--host " + engine.address() + " --name muster-bad:1 --load";
  SUBCASE("cut off, as by a connection that broke") {
    std::filesystem::resize_file(from.path,
                                 std::filesystem::file_size(from.path) / 2);
    auto x = container_image(words, from.path);
    CHECK_EQ(x.status, 1);
    CHECK(has(x.error, "Docker Engine"));
  }
  SUBCASE("empty") {
    auto x = container_image(words);
    CHECK_EQ(x.status, 1);
    CHECK(has(x.error, "Docker Engine"));
  }
  SUBCASE("of something else") {
    std::ofstream{from.path} << std::string(100'000, 'x');
    auto x = container_image(words, from.path);
    CHECK_EQ(x.status, 1);
    CHECK(!x.error.empty());
  }
  auto& at = engine;
  auto there = docker::has_image(at.api(), "muster-bad:1");
  REQUIRE(there);
  CHECK(!*there);
}

TEST_CASE("no Engine is told with what to do" * doctest::skip(no_engine())) {
  auto x = container_image("--host unix:///nonexistent.sock --name a:1");
  CHECK_EQ(x.status, 1);
  CHECK(has(x.error, "/nonexistent.sock"));
  CHECK(has(x.error, "is a Docker Engine installed"));
  CHECK_EQ(container_image("--name noversion").status, 1);
}
