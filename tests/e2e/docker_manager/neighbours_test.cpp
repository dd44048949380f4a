// Several jobs on one Engine: at the same time, and one after the other.

#include "tests/e2e/docker_manager/docker_bed.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

bool no_engine() {
  return !can_run_engine();
}

/// A service that answers with a word at its port, with a process beside it.
nlohmann::json service(const std::string& word) {
  return {{{"name", "muster-web:latest"},
           {"alias", "web"},
           {"command",
            {"sh", "-c",
             fmt::format("sleep 61.0763 & while :; do echo {} | nc -l -p 8080; "
                         "done",
                         word)}}}};
}

constexpr const char* look_around
  = "echo builds=$(ls -A /builds | tr '\\n' ' ')\n"
    "echo home=$(ls -A /tmp | tr '\\n' ' ')\n"
    "echo web=$(nc web 8080 < /dev/null)\n"
    "echo processes=$(ps | grep -c 61.0763)\n";

} // namespace

TEST_CASE("two jobs at once on an instance have volumes, services and names of "
          "their own"
          * doctest::skip(no_engine())) {
  engine_with_image().import_image("muster-web:latest", {"EXPOSE 8080/tcp"});
  for (const char* per_build : {"false", "true"}) {
    CAPTURE(per_build);
    docker_bed b;
    std::vector<std::pair<std::string, int64_t>> jobs;
    for (std::string name : {"one", "two"})
      jobs.emplace_back(
        name,
        b.enqueue(
          fmt::format("touch /builds/{0} /tmp/{0} /marks/{0}\n"
                      "until test -e /marks/one -a -e /marks/two; do sleep "
                      "0.05; done\n",
                      name)
            + look_around,
          {{"services", service(name)},
           {"variables", {{"FF_NETWORK_PER_BUILD", per_build}}}}));
    for (const auto& [name, id] : jobs) {
      CAPTURE(name);
      CHECK_EQ(b.x.ended(id).state, job_state::success);
      auto log = b.x.log(id);
      CAPTURE(log);
      CHECK(has(b.x.printed(id, "builds"), name));
      CHECK_FALSE(
        has(b.x.printed(id, "builds"), name == "one" ? "two" : "one"));
      CHECK_FALSE(has(b.x.printed(id, "home"), name == "one" ? "two" : "one"));
      CHECK_EQ(b.x.printed(id, "web"), name);
      CHECK_FALSE(has(log, "probably didn't start properly"));
    }
    CHECK(b.is_engine_empty());
    b.x.check_rules();
  }
}

TEST_CASE("the next job on an instance sees nothing of the last one"
          * doctest::skip(no_engine())) {
  auto& engine = engine_with_image();
  engine.import_image("muster-web:latest", {"EXPOSE 8080/tcp"});
  auto networks = engine.networks();
  docker_bed b;
  auto first
    = b.enqueue("(sleep 61.0763 &) ; touch /builds/mine /tmp/mine; echo left",
                {{"services", service("first")},
                 {"variables", {{"FF_NETWORK_PER_BUILD", "true"}}}});
  CHECK_EQ(b.x.ended(first).state, job_state::success);
  auto next = b.enqueue(look_around,
                        {{"services", service("next")},
                         {"variables", {{"FF_NETWORK_PER_BUILD", "true"}}}});
  CHECK_EQ(b.x.ended(next).state, job_state::success);
  CAPTURE(b.x.log(next));
  CHECK_EQ(b.x.instance_of(next), b.x.instance_of(first));
  CHECK_FALSE(has(b.x.printed(next, "builds"), "mine"));
  CHECK_FALSE(has(b.x.printed(next, "home"), "mine"));
  CHECK_EQ(b.x.printed(next, "web"), "next");
  CHECK(b.is_engine_empty());
  CHECK(eventually([&] { return engine.networks() == networks; }));
  CHECK(eventually([] { return processes_with("61.0763").empty(); }));
  b.x.check_rules();
}

TEST_CASE("a container of somebody else that has a name of the job's does not "
          "stop it"
          * doctest::skip(no_engine())) {
  docker_bed b;
  auto first = b.enqueue("echo host=$(hostname)");
  CHECK_EQ(b.x.ended(first).state, job_state::success);
  auto host = b.x.printed(first, "host");
  REQUIRE_FALSE(host.empty());
  docker::call create{"POST", "/containers/create?name=" + host};
  create.body
    = nlohmann::json{{"Image", test_image}, {"Cmd", {"sleep", "600"}}}.dump();
  REQUIRE(b.engine.api().ask(create).has_value());
  auto next = b.enqueue("echo host=$(hostname)");
  CHECK_EQ(b.x.ended(next).state, job_state::success);
  CHECK_FALSE(b.x.printed(next, "host").empty());
  CHECK(eventually([&] { return b.engine.containers().size() == 1; }));
  CHECK(b.engine.api()
          .ask({"DELETE", "/containers/" + host + "?force=1"})
          .has_value());
}
