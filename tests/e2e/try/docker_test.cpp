#include "tests/e2e/try/try_world.hpp"
#include "tests/support/engine_host.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

using namespace muster::test;

namespace fs = std::filesystem;

namespace {

bool no_engine() {
  return !can_run_engine();
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// An Engine, and a `muster` that is in its network as on a machine of its own.
class engine_machine {
public:
  explicit engine_machine(engine_host::options how = {})
    : engine(how),
      program_(std::getenv("MUSTER_PROGRAM")) {
    engine.import_image("muster-test:latest");
    engine.import_image("muster-web:latest", {"EXPOSE 8080/tcp"});
    std::string name = "/tmp/muster-in-XXXXXX";
    REQUIRE_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto wrapper = folder_ / "muster";
    std::ofstream{wrapper} << "#!/bin/sh\nDOCKER_HOST=" << engine.address()
                           << " exec nsenter --net=" << engine.network() << " "
                           << program_ << " \"$@\"\n";
    fs::permissions(wrapper, fs::perms::owner_all);
    setenv("MUSTER_PROGRAM", wrapper.c_str(), 1);
  }

  ~engine_machine() {
    setenv("MUSTER_PROGRAM", program_.c_str(), 1);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  engine_machine(const engine_machine&) = delete;
  engine_machine& operator=(const engine_machine&) = delete;

  engine_host engine;

private:
  std::string program_;
  fs::path folder_;
};

engine_machine& machine() {
  static engine_machine shared;
  return shared;
}

const std::vector<std::string> in_containers{"--executor", "docker-autoscaler"};

} // namespace

TEST_CASE("a pipeline runs in containers of its images, with a service, a "
          "cache and artifacts, and nothing is left"
          * doctest::skip(no_engine())) {
  auto& engine = machine().engine;
  try_world x{R"yml(
stages: [build, test]
image: muster-test
made:
  stage: build
  script: [cat sub/file.txt, echo made here > made.txt, 'echo "at $(hostname)"']
  artifacts: {paths: [made.txt]}
  cache: {key: k, paths: [kept/]}
  before_script: ['test ! -e kept/mark || echo "a cache was there"']
  after_script: [mkdir -p kept, touch kept/mark]
served:
  stage: test
  image: {name: "muster-test:latest", entrypoint: [""], pull_policy: never}
  services:
    - name: muster-web
      alias: web
      command: [sh, -c, 'while :; do echo "said $WORD" | nc -l -p 8080; done']
      variables: {WORD: hello}
  script: [cat made.txt, nc web 8080 < /dev/null]
)yml"};
  auto done = x.run(in_containers);
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(done.output, "made   | committed\n"));
  CHECK(has(done.output, "made   | at runner-"));
  CHECK(has(done.output, "served | made here\n"));
  CHECK(has(done.output, "served | said hello\n"));
  CHECK_FALSE(has(done.output, "no effect"));
  CHECK_FALSE(has(done.output, "made   | a cache was there"));
  CHECK(has(x.run(in_containers).output, "made   | a cache was there\n"));
  CHECK(x.leftovers().empty());
  CHECK(engine.containers().empty());
  CHECK(engine.volumes().empty());
}

TEST_CASE(
  "an Engine in its first run tells no gateway, and is used all the same"
  * doctest::skip(no_engine())) {
  engine_machine fresh{{.has_own_network = true}};
  try_world x{"job: {image: muster-test, script: [cat sub/file.txt]}\n"};
  auto done = x.run(in_containers);
  CAPTURE(done.output);
  CHECK_EQ(done.status, 0);
  CHECK(has(done.output, "job | committed\n"));
}

TEST_CASE("jobs that name no image have that of --image, and a failure is told "
          "as one"
          * doctest::skip(no_engine())) {
  machine();
  try_world x{"job: {script: [exit 3]}\n"};
  auto words = in_containers;
  words.insert(words.end(), {"--image", "muster-test"});
  auto done = x.run(words);
  CAPTURE(done.output);
  CHECK_EQ(done.status, 1);
  CHECK(has(done.output, "Using Docker executor with image muster-test ..."));
  CHECK(has(done.output, "failed, exit code 3"));
}

TEST_CASE("Ctrl-C ends what runs in a container, runs after_script in another, "
          "and leaves nothing behind"
          * doctest::skip(no_engine())) {
  auto& engine = machine().engine;
  try_world x{R"yml(
job:
  image: muster-test
  script: [touch /mark, echo begun, sleep 7654322]
  after_script: ['test -e /mark || echo "after it, $CI_JOB_STATUS"']
)yml"};
  auto process = x.start(in_containers);
  REQUIRE(process->shows("job | begun"));
  process->signal(SIGINT);
  CHECK_EQ(process->wait_exit(), 130);
  CAPTURE(process->shown());
  CHECK(has(process->shown(), "job | after it, canceled\n"));
  CHECK(x.leftovers().empty());
  CHECK(engine.containers().empty());
  CHECK(engine.volumes().empty());
}

TEST_CASE("containers of a killed try are removed by the next one"
          * doctest::skip(no_engine())) {
  auto& engine = machine().engine;
  try_world x{
    "job: {image: muster-test, script: [echo begun, sleep 7654321]}\n"};
  auto process = x.start(in_containers);
  REQUIRE(process->shows("job | begun"));
  CHECK_FALSE(engine.containers().empty());
  process->signal(SIGKILL);
  process->wait_exit();
  x.write("other.yml", "job: {image: muster-test, script: 'true'}\n");
  auto words = in_containers;
  words.insert(words.end(), {"-f", "other.yml"});
  CHECK(eventually([&] { return x.run(words).status == 0; }));
  CHECK(x.leftovers().empty());
  CHECK(engine.containers().empty());
  CHECK(engine.volumes().empty());
}
