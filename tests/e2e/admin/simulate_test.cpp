#include "tests/e2e/admin/shell.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace muster::test;

namespace {

std::string runner(const std::string& name, const std::string& group = "g") {
  return fmt::format(R"([[runners]]
name = "{0}"
url = "https://gitlab.example.com"
token = "glrt-{1}-0123456789"
executor = "instance"
[runners.autoscaler]
plugin = "fleeting-plugin-nowhere"
capacity_per_instance = 2
max_instances = 5
plugin_config = {{name = "{1}"}}
[[runners.autoscaler.policy]]
idle_count = 0
idle_time = "10m0s"
)",
                     name, group);
}

/// A configuration with one runner, jobs of two hours, two policies.
class played : public admin_place {
public:
  played() {
    write("concurrent = 10\n" + runner("ci"));
    write(
      "[runners.autoscaler]\n[[runners.autoscaler.policy]]\nidle_count = 4\n"
      "idle_time = \"30m0s\"\n",
      "warm.toml");
    write("[runners.autoscaler]\nmax_instances = 1\n", "small.toml");
    std::string jobs = "queued_at,duration,tags\n";
    for (int i = 0; i < 40; ++i)
      jobs += fmt::format("{},{},{}\n", 1'795'507'200 + i * 180,
                          120 + i * 7919 % 300, i % 4 == 0 ? "big" : "");
    write(jobs, "jobs.csv");
  }

  shell_result simulate(const std::string& words) const {
    return muster("muster simulate --jobs jobs.csv " + words);
  }

  nlohmann::json simulated(const std::string& words) const {
    auto out = simulate("--json " + words + " 2>/dev/null");
    CAPTURE(out.text);
    REQUIRE_EQ(out.status, 0);
    return nlohmann::json::parse(out.text);
  }

  std::string read(const std::string& name) const {
    return muster("cat " + name).text;
  }

  bool is_there(const std::string& name) const {
    return std::filesystem::exists(file(name));
  }
};

std::vector<std::string> names_of(const nlohmann::json& x) {
  std::vector<std::string> out;
  for (const auto& one : x["policies"])
    out.push_back(one["policy"]);
  return out;
}

} // namespace

TEST_CASE("simulate compares policies with the configuration as it is") {
  played place;
  auto out = place.simulate("--policy warm.toml --policy small.toml "
                            "--price 0.5/h --boot 60s");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "ci of config.toml, from 2026-11-24 08:00 UTC on, "));
  CHECK(has(out.text, "boot time 60s, seed 1, 0.5 an instance-hour\n"));
  CHECK(has(out.text, "as it is"));
  for (const auto* row : {"jobs done", "waiting time p95", "instance-hours",
                          "cost", "instances, peak", "calls to the provider"}) {
    CAPTURE(row);
    CHECK(has(out.text, std::string{"\n"} + row));
  }
  auto json = place.simulated("--policy warm.toml --policy small.toml "
                              "--price 0.5/h --boot 60s");
  CHECK_EQ(names_of(json),
           std::vector<std::string>{"as it is", "warm", "small"});
  const auto& cold = json["policies"][0];
  const auto& warm = json["policies"][1];
  const auto& small = json["policies"][2];
  for (const auto& x : json["policies"])
    CHECK_EQ(x["jobs"]["done"], 40);
  CHECK_GT(cold["waiting_s"]["max"], 60);
  CHECK_LT(warm["waiting_s"]["p95"], cold["waiting_s"]["p95"]);
  CHECK_GT(warm["instance_hours"], cold["instance_hours"]);
  CHECK_EQ(small["instances"]["peak"], 1);
  double hours = cold["instance_hours"];
  CHECK_EQ(cold["cost"], doctest::Approx(hours / 2));
  CHECK(place.simulated("")["policies"][0]["cost"].is_null());
}

TEST_CASE("the same seed makes the same bytes") {
  played place;
  auto with = [&place](int seed) {
    return place.simulate(fmt::format("--json --seed {}", seed)).text;
  };
  auto one = with(1);
  CHECK_EQ(one, place.simulate("--json").text);
  CHECK_EQ(one, with(1));
  CHECK_NE(one, with(2));
}

TEST_CASE("only jobs of the runner's tags are played, and the others counted") {
  played place;
  auto json = place.simulated("--tags 'small, gpu'");
  CHECK_EQ(json["policies"][0]["jobs"]["all"], 30);
  CHECK_EQ(json["left_out"]["other_tags"], 10);
  json = place.simulated("--tags 'small, big'");
  CHECK_EQ(json["policies"][0]["jobs"]["all"], 40);
  CHECK_EQ(json["jobs_left_out"], 0);
  auto out = place.simulate("--tags small --html page.html");
  const auto* told = "10 jobs of jobs.csv are left out: 10 have tags that the "
                     "runner has not";
  CHECK(has(out.text, told));
  CHECK(has(place.read("page.html"), told));
  place.write("queued_at,duration,tags\n1795507200,60,big\n", "jobs.csv");
  out = place.simulate("--tags small");
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "none of the jobs is for a runner with these --tags"));
}

TEST_CASE("a policy under which no job gets a slot in time is seen as such") {
  played place;
  place.write("[runners.autoscaler]\ninstance_acquire_timeout = \"10s\"\n",
              "hasty.toml");
  auto out = place.simulate("--policy hasty.toml --boot 40s");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "\njobs without a slot in time"));
  auto json = place.simulated("--policy hasty.toml --boot 40s");
  const auto& hasty = json["policies"][1];
  CHECK_GT(hasty["jobs"]["timed_out"], 0);
  CHECK_EQ(hasty["jobs"]["timed_out"].get<int>()
             + hasty["jobs"]["done"].get<int>(),
           40);
  place.write("queued_at,duration\n1795507200,60\n", "jobs.csv");
  json = place.simulated("--policy hasty.toml --boot 40s");
  CHECK(json["policies"][1]["waiting_s"]["p50"].is_null());
}

TEST_CASE("one of several runners is chosen by name, or by number") {
  played place;
  place.write("concurrent = 10\n" + runner("ci", "a") + runner("big", "b")
              + runner("ci", "c"));
  auto out = place.simulate("");
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "muster: config.toml: there are several runners: choose "
                      "one with --runner, by its name or number: 1 \"ci\", 2 "
                      "\"big\", 3 \"ci\"\n"));
  out = place.simulate("--runner ci");
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "2 runners are named \"ci\": choose one with --runner "
                      "NUMBER: 1 \"ci\", 2 \"big\", 3 \"ci\"\n"));
  out = place.simulate("--runner none");
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "there is no runner \"none\""));
  CHECK_EQ(place.simulated("--runner big")["runner"], "big");
  CHECK_EQ(place.simulated("--runner 2")["runner"], "big");
  CHECK_EQ(place.simulated("--runner 3 --policy warm.toml")["runner"], "ci");
}

TEST_CASE("mistakes in a policy are told with their place, as check does") {
  played place;
  place.write("[runners.autoscaler]\ncapacity_per_instance = -1\n"
              "[[runners.autoscaler.policy]]\n  idle_cuont = 4\n",
              "odd.toml");
  auto out = place.simulate("--policy warm.toml --policy odd.toml");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "odd.toml:2:"));
  CHECK(has(out.text, "odd.toml:4:3: warning: unknown key"));
  CHECK(has(out.text, "did you mean \"idle_count\"?"));
  CHECK_FALSE(has(out.text, "config.toml:"));

  place.write("[runners.autoscaler\nmax_instances = 1\n", "odd.toml");
  out = place.simulate("--policy odd.toml");
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "odd.toml:1:"));
  CHECK(has(out.text, "not valid TOML"));
  CHECK_FALSE(has(out.text, "config.toml"));

  place.write("concurrent = = 10\n" + runner("ci"));
  out = place.simulate("--policy warm.toml");
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "config.toml:1:14"));
  CHECK_FALSE(has(out.text, "warm.toml"));
}

TEST_CASE("the configuration's own mistakes are told once") {
  played place;
  auto text = runner("ci");
  text.replace(text.find("idle_time"), 9, "idle_tiem");
  place.write("concurrent = 10\n" + text);
  auto out = place.simulate("--policy small.toml --policy small.toml");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  auto at = out.text.find("warning: unknown key \"idle_tiem\"");
  REQUIRE_NE(at, std::string::npos);
  CHECK_EQ(out.text.find("warning: unknown key", at + 1), std::string::npos);
}

TEST_CASE("each policy has a column of its own name") {
  played place;
  place.muster("mkdir a b");
  for (const auto* name : {"a/x.toml", "b/x.toml"})
    place.write("[runners.autoscaler]\nmax_instances = 2\n", name);
  auto json = place.simulated("--policy a/x.toml --policy b/x.toml --policy "
                              "a/x.toml --policy warm.toml");
  CHECK_EQ(names_of(json),
           std::vector<std::string>{"as it is", "a/x.toml", "b/x.toml",
                                    "a/x.toml (2)", "warm"});
}

TEST_CASE("the page has a chart of each kind, with axes and a legend") {
  played place;
  auto out = place.simulate("--policy warm.toml --price 0.5 --html page.html");
  CHECK_EQ(out.status, 0);
  auto page = place.read("page.html");
  for (const auto* part :
       {"<title>Instances</title>", "<title>Busy slots</title>",
        "<title>Jobs that wait for a slot</title>", ">instances</text>",
        ">slots</text>", ">jobs</text>", ">time (UTC)</text>",
        "</svg>as it is</span>", "</svg>warm</span>", "0.5 an instance-hour"}) {
    CAPTURE(part);
    CHECK(has(page, part));
  }
  // A page that is there already is replaced as a whole.
  place.write(std::string(page.size() * 2, 'x'), "page.html");
  out = place.simulate("--policy warm.toml --price 0.5 --html page.html");
  CHECK_EQ(place.read("page.html"), page);
}

TEST_CASE("what cannot be written is told, with a status of its own") {
  played place;
  auto out = place.simulate("--html none/page.html");
  CHECK_EQ(out.status, 2);
  CHECK_EQ(out.text, "muster: none/page.html: cannot be written: No such file "
                     "or directory\n");
  out = place.simulate("--html /dev/full");
  CHECK_EQ(out.status, 2);
  CHECK(has(out.text, "/dev/full: cannot be written: No space left on device"));
  out = place.simulate(">/dev/full");
  CHECK_EQ(out.status, 2);
  CHECK_EQ(out.text, "muster: the output cannot be written: No space left on "
                     "device\n");
  out = place.muster("muster plan >/dev/full");
  CHECK_EQ(out.status, 2);
  for (const auto* name : {"jobs.csv", "config.toml", "./warm.toml"}) {
    CAPTURE(name);
    auto before = place.read(name);
    out = place.simulate(std::string{"--policy warm.toml --html "} + name);
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "which is read: name another file"));
    CHECK_EQ(place.read(name), before);
  }
}

TEST_CASE("simulate refuses what it cannot use") {
  played place;
  place.write("{\"message\":\"401 Unauthorized\"}", "refused.json");
  place.write("queued_at,duration\n2026-11-24T08:00:00Z,60\n0,60\n", "old.csv");
  struct row {
    const char* words;
    const char* says;
  };
  const row rows[] = {
    {"--jobs none.csv", "none.csv: No such file or directory"},
    {"--jobs refused.json", "refused.json: line 1, column 1: this is no job, "
                            "but an answer that says \"401 Unauthorized\""},
    {"--jobs old.csv", "old.csv: line 3, column 1: the job was queued at "
                       "1970-01-01 00:00:00 UTC, that of line 2 at"},
    {"--jobs jobs.csv --policy none.toml", "none.toml"},
    {"--jobs jobs.csv --policy jobs.csv", "jobs.csv:1:"},
    {"--jobs jobs.csv --config none.toml", "none.toml"},
    {"--jobs jobs.csv --seed abc",
     "\"abc\" is no seed: write a whole number, like 17"},
    {"--jobs jobs.csv --seed -1", "\"-1\" is no seed"},
    {"--jobs jobs.csv --price much", "\"much\" is no price"},
    {"--jobs jobs.csv --boot soon", "soon"},
    {"--jobs jobs.csv --record .", "--record"},
    {"", "[--jobs,--record] is required"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.words);
    auto out = place.muster(std::string{"muster simulate "} + r.words
                            + " --html page.html");
    CAPTURE(out.text);
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, r.says));
    CHECK_FALSE(has(out.text, "jobs done"));
    CHECK_FALSE(place.is_there("page.html"));
  }
}

TEST_CASE("plan warns of mistakes as check does") {
  played place;
  auto text = runner("ci");
  text.replace(text.find("idle_count = 0"), 14,
               "idle_count = -4\nidle_cuont = 1");
  place.write("concurrent = 10\n" + text);
  auto out = place.muster("muster plan");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "config.toml:13:14: warning: idle_count = -4"));
  CHECK(has(out.text, "config.toml:14:1: warning: unknown key \"idle_cuont\""));
  CHECK(has(out.text, "did you mean \"idle_count\"?"));
}
