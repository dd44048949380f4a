#include "tests/e2e/coordinator_server/server_world.hpp"

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

TEST_CASE("a well-behaved client runs a job without a violation") {
  test_gitlab_options options;
  options.base_path = "/gitlab/";
  options.trace_interval = 7;
  server_world x{options};
  CHECK(x.server.url().ends_with("/gitlab"));
  auto id = x.server.enqueue({{"script", "true"}})->front();
  auto runner = x.runner();
  auto verified = runner.post("runners/verify", json::object());
  REQUIRE(verified);
  CHECK_EQ(verified->status, 200);
  auto answer = runner.request();
  REQUIRE(answer);
  REQUIRE_EQ(answer->status, 201);
  CHECK_EQ(answer->get_header_value("X-Request-Id").size(), 32);
  auto job = json::parse(answer->body);
  auto accepted = runner.update(job, "running");
  CHECK_EQ(accepted->status, 200);
  CHECK_EQ(accepted->get_header_value("Job-Status"), "running");
  std::string log(100'000, 'x');
  auto patched = runner.patch(job, 0, log);
  CHECK_EQ(patched->status, 202);
  CHECK_EQ(patched->get_header_value("Range"), "0-100000");
  CHECK_EQ(patched->get_header_value("X-GitLab-Trace-Update-Interval"), "7");
  auto gap = runner.patch(job, 100'001, "y");
  CHECK_EQ(gap->status, 416);
  CHECK_EQ(gap->get_header_value("Range"), "0-100000");
  CHECK_EQ(runner.update(job, "success", log)->status, 200);
  CHECK(x.server.wait(id, 1s));
  CHECK_EQ(x.server.trace(id), log);
  auto counts = x.server.violations().counts();
  CHECK_EQ(counts.size(), 1); // the gap
  CHECK_EQ(counts["trace-gap"], 1);
}

TEST_CASE("a long poll gets its job at once") {
  test_gitlab_options options;
  options.store.long_poll = 20s;
  server_world x{options};
  auto runner = x.runner();
  auto cursor = runner.request()->get_header_value("X-GitLab-Last-Update");
  std::atomic<int> status = 0;
  std::thread client{[&] { status = runner.request(cursor)->status; }};
  CHECK(wait_for([&] { return x.server.jobs().parked() == 1; }));
  x.server.enqueue({{"script", "true"}});
  client.join();
  CHECK_EQ(status, 201);
}

TEST_CASE("a port that another server has is refused") {
  server_world x;
  const auto& url = x.server.url();
  test_gitlab_options options;
  options.port = std::stoi(url.substr(url.rfind(':') + 1));
  test_gitlab second{options};
  auto started = second.start();
  REQUIRE_FALSE(started);
  CHECK_EQ(started.error().code, test_gitlab_errc::cannot_listen);
}

TEST_CASE("stopping ends open long polls and idle connections soon") {
  test_gitlab_options options;
  options.store.long_poll = 60s;
  server_world x{options};
  std::vector<std::thread> clients;
  for (int i = 0; i < 10; ++i)
    clients.emplace_back([&] {
      auto runner = x.runner();
      auto answer = runner.request();
      if (answer)
        runner.request(answer->get_header_value("X-GitLab-Last-Update"));
    });
  auto idle = x.runner();
  CHECK(idle.request());
  CHECK(wait_for([&] { return x.server.jobs().parked() == 10; }));
  auto begin = steady_clock::now();
  x.server.stop();
  CHECK_LT(steady_clock::now() - begin, 1s);
  for (auto& client : clients)
    client.join();
}

TEST_CASE("faults show at the wire as they are meant") {
  server_world x;
  auto id = x.server.enqueue({{"script", "true"}})->front();
  auto runner = x.runner();
  auto status_of = [&](const httplib::Result& answer) {
    return answer ? answer->status : 0;
  };
  SUBCASE("status with Retry-After, and asking too early is noticed") {
    auto rule = make_fault(fault_kind::status, endpoint::request);
    rule.status = 429;
    rule.retry_after = 30;
    x.server.fail_with(rule);
    auto answer = runner.request();
    CHECK_EQ(status_of(answer), 429);
    CHECK_EQ(answer->get_header_value("Retry-After"), "30");
    CHECK_EQ(status_of(runner.request()), 201);
    CHECK_EQ(x.server.violations().counts()["retry-after"], 1);
  }
  SUBCASE("garbage") {
    x.server.fail_with(make_fault(fault_kind::garbage, endpoint::request));
    auto answer = runner.request();
    CHECK_EQ(status_of(answer), 201);
    CHECK(json::parse(answer->body, nullptr, false).is_discarded());
    CHECK_EQ(status_of(runner.request()), 201);
  }
  SUBCASE("half a body, a reset, a closed connection") {
    for (auto kind : {fault_kind::half, fault_kind::reset, fault_kind::close}) {
      CAPTURE(to_string(kind));
      x.server.fail_with(make_fault(kind, endpoint::request));
      CHECK_EQ(status_of(runner.request()), 0);
    }
    CHECK_EQ(x.server.job(id)->handed_out_us, 0);
    CHECK_EQ(status_of(runner.request()), 201);
  }
  SUBCASE("an empty answer") {
    x.server.fail_with(make_fault(fault_kind::empty, endpoint::request));
    auto answer = runner.request();
    CHECK_EQ(status_of(answer), 201);
    CHECK(answer->body.empty());
  }
  SUBCASE("latency") {
    auto rule = make_fault(fault_kind::latency, endpoint::request);
    rule.latency = 150ms;
    x.server.fail_with(rule);
    auto begin = steady_clock::now();
    CHECK_EQ(status_of(runner.request()), 201);
    CHECK_GE(steady_clock::now() - begin, 150ms);
  }
  SUBCASE("answers lost after acting") {
    auto job = json::parse(runner.request()->body);
    runner.update(job, "running");
    x.server.fail_with(make_fault(fault_kind::lost, endpoint::trace));
    CHECK_EQ(status_of(runner.patch(job, 0, "line\n")), 0);
    CHECK_EQ(x.server.trace(id), "line\n");
    CHECK_EQ(status_of(runner.patch(job, 0, "line\n")), 202);
    x.server.fail_with(make_fault(fault_kind::lost, endpoint::update));
    CHECK_EQ(status_of(runner.update(job, "success", "line\n")), 0);
    auto again = runner.update(job, "success", "line\n");
    CHECK_EQ(status_of(again), 403);
    CHECK_EQ(again->get_header_value("Job-Status"), "success");
  }
  SUBCASE("416 names the offset to go on from") {
    auto job = json::parse(runner.request()->body);
    runner.update(job, "running");
    runner.patch(job, 0, "12345");
    auto rule = make_fault(fault_kind::status, endpoint::trace);
    rule.status = 416;
    x.server.fail_with(rule);
    auto answer = runner.patch(job, 5, "6");
    CHECK_EQ(status_of(answer), 416);
    CHECK_EQ(answer->get_header_value("Range"), "0-5");
  }
  if (x.server.violations().counts().count("retry-after") == 0)
    CHECK_EQ(x.server.violations().total(), 0);
}

TEST_CASE("a lost answer to a request waits for a job to lose") {
  test_gitlab_options options;
  options.store.accept_within = 0ms;
  server_world x{options};
  auto runner = x.runner();
  x.server.fail_with(make_fault(fault_kind::lost, endpoint::request));
  CHECK_EQ(runner.request()->status, 204);
  x.server.enqueue({{"script", "true"}});
  CHECK_FALSE(runner.request());
  CHECK_EQ(runner.request()->status, 201); // queued again: nobody accepted it
}

TEST_CASE("500 tiny jobs go through in seconds over a few connections") {
  server_world x;
  auto begin = steady_clock::now();
  REQUIRE(x.server.enqueue({{"script", "echo hello"}}, 500));
  std::vector<std::thread> runners;
  for (int i = 0; i < 20; ++i)
    runners.emplace_back([&] {
      auto runner = x.runner();
      while (runner.run_one())
        continue;
    });
  for (auto& runner : runners)
    runner.join();
  CHECK(x.server.wait_all(1s));
  CHECK_EQ(x.server.violations().total(), 0);
  auto took = steady_clock::now() - begin;
  MESSAGE("500 jobs in ",
          std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
          " ms");
  CHECK_LT(took, 30s);
}

TEST_CASE("a flood of trace arrives whole, cheaply") {
  server_world x;
  constexpr int jobs = 4;
  constexpr int patches = 12;
  REQUIRE(x.server.enqueue({{"script", "true"}}, jobs));
  const std::string piece(size_t{1} << 20, 'x');
  auto begin = steady_clock::now();
  auto cpu = std::clock();
  std::vector<std::thread> runners;
  for (int i = 0; i < jobs; ++i)
    runners.emplace_back([&] {
      auto runner = x.runner();
      auto job = json::parse(runner.request()->body);
      runner.update(job, "running");
      std::string log;
      for (int k = 0; k < patches; ++k) {
        runner.patch(job, log.size(), piece);
        log += piece;
      }
      runner.update(job, "success", log);
    });
  for (auto& runner : runners)
    runner.join();
  CHECK_EQ(x.server.violations().total(), 0);
  for (const auto& job : x.server.jobs().jobs()) {
    CHECK_EQ(job.state, job_state::success);
    CHECK_EQ(job.trace_size, patches * piece.size());
  }
  std::chrono::duration<double> took = steady_clock::now() - begin;
  MESSAGE((jobs * patches), " MiB in ", took.count(), " s, CPU of both sides ",
          static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC, " s");
}

TEST_CASE("a real git clones with the token of a running job, and only so") {
  scratch at;
  test_gitlab_options options;
  options.base_path = "/gitlab";
  options.repositories = {"group/demo=" + make_repository(at)};
  server_world x{options};
  REQUIRE(x.server.enqueue({{"script", "true"}}));
  auto runner = x.runner();
  auto job = json::parse(runner.request()->body);
  runner.update(job, "running");
  auto git = job["git_info"];
  auto url = git["repo_url"].get<std::string>();
  auto sha = git["sha"].get<std::string>();
  CHECK_EQ(git["ref"], "main");
  CHECK_EQ(git["ref_type"], "branch");
  auto in = [&](const std::string& script) {
    return shell(fmt::format("cd {}; export HOME=$PWD GIT_TERMINAL_PROMPT=0 "
                             "GIT_CONFIG_NOSYSTEM=1; {}",
                             at.path.string(), script));
  };
  for (int version : {0, 2}) {
    CAPTURE(version);
    auto fetched = in(
      fmt::format("rm -rf clone; git init -q clone; cd clone; "
                  "git -c protocol.version={} fetch -q --depth 20 {} '{}'; "
                  "git checkout -q {}; git log --format=%H; tail -1 file",
                  version, url, git["refspecs"][0].get<std::string>(), sha));
    if (!fetched)
      FAIL(fetched.error().text);
    CHECK(fetched->starts_with(sha));
    CHECK(fetched->ends_with("100000\n"));
  }
  auto one
    = in(fmt::format("git init -q one; cd one; git fetch -q --depth 1 {} "
                     "+{}:refs/pipelines/1",
                     url, sha));
  CHECK(one.has_value());
  CHECK_EQ(x.server.violations().total(), 0);

  auto wrong = url;
  wrong.replace(wrong.find("glcbt-"), 8, "glcbt-zz");
  CHECK_FALSE(in("git clone -q " + wrong + " wrong"));
  CHECK_GE(x.server.violations().counts()["git-token"], 1);
  runner.update(job, "success");
  CHECK_FALSE(in("git clone -q " + url + " late"));
  CHECK_FALSE(in("git clone -q " + url + "x.git none"));
}

TEST_CASE("the program serves, follows a pipeline, and stops") {
  const auto* program = std::getenv("MUSTER_COORDINATOR_PROGRAM");
  REQUIRE_NE(program, nullptr);
  scratch at;
  auto in = [&](const std::string& script) {
    return shell(
      fmt::format("cd {}; P={}; {}", at.path.string(), program, script));
  };
  std::ofstream{at.path / "ci.yml"} << R"(
stages: [build, test]
compile: {stage: build, script: [make]}
breaks: {script: [exit 3], variables: {EXPECT: "failed:3"}}
later: {script: [echo later], needs: [compile]}
)";
  auto server = child_process::start(
    {program, "serve", "--port-file", (at.path / "port").string(), "--strict"},
    {});
  REQUIRE(server);
  REQUIRE(wait_for([&] { return std::filesystem::exists(at.path / "port"); }));
  std::string port;
  std::ifstream{at.path / "port"} >> port;
  auto url = "http://127.0.0.1:" + port;
  std::atomic<bool> done = false;
  std::thread work{[&] {
    fake_runner runner{url, "glrt-test-token-1"};
    while (!done)
      if (!runner.run_one())
        std::this_thread::sleep_for(10ms);
  }};
  auto shown
    = in("$P pipeline ci.yml --server " + url + " --follow --timeout 30s");
  auto bad
    = in("printf 'job: {script: x, release: {}}' | $P pipeline - --server "
         + url + " 2>&1 || true");
  auto rest = in(fmt::format(
    "export MUSTER_COORDINATOR={}; id=$($P enqueue --script 'exit 1' --name "
    "n); "
    "$P wait --timeout 20s; $P trace $id --plain; $P status; "
    "$P fault reset --endpoint git --count 1; $P fault | grep -c reset; "
    "$P violations; $P counters | grep -c request; $P shutdown",
    url));
  done = true;
  work.join();
  if (!shown)
    FAIL(shown.error().text);
  CAPTURE(*shown);
  for (const char* text :
       {"compile | $ make", "breaks  | $ exit 3", "failed, exit code 3 (as",
        "job      instance  slot", "compile  i-1       0"})
    CHECK_NE(shown->find(text), std::string::npos);
  REQUIRE(bad);
  CHECK_NE(bad->find("\"release\" in job job is not supported"),
           std::string::npos);
  if (!rest)
    FAIL(rest.error().text);
  CAPTURE(*rest);
  CHECK_NE(rest->find("$ exit 1"), std::string::npos);
  CHECK_NE(rest->find("0 violations"), std::string::npos);
  while (!server->read(steady_clock::now() + 5s, [] { return true; }).empty())
    continue;
  CHECK_EQ(server->finish(), 0);
}
