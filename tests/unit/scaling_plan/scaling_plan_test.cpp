#include "tests/unit/scaling_plan/read.hpp"

#include "actors/group/capacity.hpp"

#include <nlohmann/json.hpp>
#include <optional>

using namespace muster;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

plan::file_plan planned(const std::string& text,
                        std::chrono::year_month_day day = 2026y / 6 / 3) {
  plan::plan_options with;
  with.zone = "Europe/Berlin";
  with.day = day;
  auto out = plan::plan_of(read(text), with);
  REQUIRE(out);
  return *out;
}

std::string shown(const std::string& text, std::optional<plan::price> at = {},
                  std::chrono::year_month_day day = 2026y / 6 / 3) {
  return plan::text_of(planned(text, day), at);
}

const auto office = policy_of("idle_time = \"1m\"")
                    + policy_of("periods = [\"* 8-17 * * mon-fri\"]\n"
                                "timezone = \"Europe/Berlin\"\nidle_count = 8\n"
                                "idle_time = \"20m\"");

} // namespace

TEST_CASE("a plan tells the week, the jobs, the hours and the cost") {
  CHECK_EQ(
    shown("concurrent = 100\n"
            + runner("big", "capacity_per_instance = 4\nmax_instances = 5\n"
                            "max_use_count = 50\n"
                              + office),
          plan::price{0.17}),
    R"(runner "big" (instance, plugin p, group "big")
  week of 2026-06-01, Europe/Berlin
    mon-fri 00:00-08:00  policy 1: idle_count 0, idle_time 1m0s
    mon-fri 08:00-18:00  policy 2: idle_count 8 (2 instances), idle_time 20m0s, preemptive_mode
    mon-fri 18:00-24:00  policy 1: idle_count 0, idle_time 1m0s
    sat-sun 00:00-24:00  policy 1: idle_count 0, idle_time 1m0s
  an instance is replaced after 50 jobs
  jobs at once: 20, the slots of 5 instances with 4 slots each
  instance-hours a week: 100 for idle_count alone, 840 at most (5 instances all week)
  instance-hours of June 2026: 440 for idle_count alone, 3600 at most
  cost a week at 0.17 an hour: 17.00 for idle_count alone, 142.80 at most
  cost of June 2026 at 0.17 an hour: 74.80 for idle_count alone, 612.00 at most
)");
}

TEST_CASE("a plan tells of gaps and of periods that are not the same weekly") {
  CHECK_EQ(
    shown(runner("x", "max_instances = 1\n"
                        + policy_of("periods = [\"* * 1-7 * mon\"]\n"
                                    "timezone = \"Europe/Berlin\"\n"
                                    "idle_count = 1\nidle_time = \"90s\"\n"
                                    "preemptive_mode = false"))),
    R"(runner "x" (instance, plugin p, group "x")
  week of 2026-06-01, Europe/Berlin
    mon 00:00-24:00      policy 1: idle_count 1 (1 instance), idle_time 1m30s, preemptive_mode off
    tue-sun 00:00-24:00  built in: idle_count 0, idle_time 5m0s
  other weeks differ: periods name days of the month, or months
  gaps, in which no policy is in force: tue-sun 00:00-24:00
  jobs at once: 1, the slots of 1 instance with 1 slot each
  instance-hours a week: 24 for idle_count alone, 168 at most (1 instance all week)
  instance-hours of June 2026: 24 for idle_count alone, 720 at most
)");
}

TEST_CASE("without policies the built-in one is in force, and is no gap") {
  CHECK_EQ(shown("concurrent = 3\n" + runner("x"), plan::price{1}),
           R"(runner "x" (instance, plugin p, group "x")
  week of 2026-06-01, Europe/Berlin
    mon-sun 00:00-24:00  built in: idle_count 0, idle_time 5m0s
  jobs at once: 3, by concurrent; max_instances is not set: the plugin's own limit counts, which is not known here
  instance-hours a week: 0 for idle_count alone, 504 at most (3 instances all week: no more are asked for with 3 jobs at once)
  instance-hours of June 2026: 0 for idle_count alone, 2160 at most
  cost a week at 1 an hour: 0.00 for idle_count alone, 504.00 at most
  cost of June 2026 at 1 an hour: 0.00 for idle_count alone, 2160.00 at most
)");
}

TEST_CASE("policies that alternate are told by the minutes of an hour") {
  auto text = shown(
    runner("x", policy_of("idle_time = \"1h\"")
                  + policy_of("periods = [\"*/3 * * * *\"]\nidle_count = 2\n"
                              "idle_time = \"2h\"\nscale_factor = 0.5\n"
                              "scale_factor_limit = 9")));
  CHECK_NE(text.find(R"(
    mon-sun 00:00-24:00  20 min of each hour policy 2: idle_count 2 (2 instances), scale_factor 0.5 up to 9, idle_time 2h0m0s, preemptive_mode
                         40 min of each hour policy 1: idle_count 0, idle_time 1h0m0s
)"),
           std::string::npos);
  CHECK_NE(text.find("instance-hours a week: 112 for"), std::string::npos);
}

TEST_CASE("jobs at once are bounded by slots, limit or concurrent") {
  struct row {
    const char* what;
    int concurrent;
    int limit;
    const char* autoscaler;
    const char* group;
    const char* shown;
  };
  const row rows[] = {
    {"slots", 9, 9, "max_instances = 2\ncapacity_per_instance = 4", "",
     "jobs at once: 8, the slots of 2 instances with 4 slots each\n"},
    {"limit", 9, 5, "max_instances = 2\ncapacity_per_instance = 4", "",
     "jobs at once: 5, by limit; there can be 2 instances with 4 slots each\n"},
    {"concurrent", 2, 0, "max_instances = 3", "",
     "jobs at once: 2, by concurrent; there can be 3 instances with 1 slot "
     "each\n"},
    {"the provider's limit", 9, 0, "", "three",
     "jobs at once: 3, the slots of 3 instances with 1 slot each\n"},
    {"none known", 9, 4, "", "", "jobs at once: 4, by limit; max_instances"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto text = shown("concurrent = " + std::to_string(r.concurrent) + "\n"
                      + runner("x", r.autoscaler, r.group,
                               "limit = " + std::to_string(r.limit)));
    CAPTURE(text);
    CHECK_NE(text.find(r.shown), std::string::npos);
  }
}

TEST_CASE("slots that max_use_count leaves unused count for nothing") {
  struct row {
    int uses;
    const char* kept;
    const char* jobs;
  };
  const row rows[] = {
    {0, "idle_count 8 (2 instances)", "jobs at once: 20, by concurrent"},
    {1, "idle_count 8 (8 instances)",
     "jobs at once: 10, the slots of 10 instances with 1 slot each (of 4: "
     "max_use_count is 1)\n"},
    {2, "idle_count 8 (4 instances)",
     "jobs at once: 20, the slots of 10 instances with 2 slots each (of 4: "
     "max_use_count is 2)\n"},
    {3, "idle_count 8 (3 instances)", "jobs at once: 20, by concurrent"},
    {4, "idle_count 8 (2 instances)", "jobs at once: 20, by concurrent"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.uses);
    auto text = shown("concurrent = 20\n"
                      + runner("x", "capacity_per_instance = 4\n"
                                    "max_instances = 10\nmax_use_count = "
                                      + std::to_string(r.uses) + "\n"
                                      + policy_of("idle_count = 8\n"
                                                  "idle_time = \"10m\"")));
    CAPTURE(text);
    CHECK_NE(text.find(r.kept), std::string::npos);
    CHECK_NE(text.find(r.jobs), std::string::npos);
  }
}

TEST_CASE("what a plan says to be kept is where the group comes to rest") {
  for (int each = 1; each <= 5; ++each)
    for (int uses = 0; uses <= 6; ++uses)
      for (int idle = 0; idle <= 12; ++idle)
        for (int most = 0; most <= 4; ++most) {
          CAPTURE(each);
          CAPTURE(uses);
          CAPTURE(idle);
          CAPTURE(most);
          plan::group_plan group;
          group.capacity_per_instance = each;
          group.max_use_count = uses;
          group.max_instances = most;
          scaling limits;
          limits.max_instances = most;
          limits.capacity_per_instance = each;
          limits.idle_count = idle;
          capacity now;
          while (auto more = instances_to_add(now, limits)) {
            REQUIRE_GT(more, 0);
            now.instances += more;
            now.unavailable
              = now.instances * unavailable_slots(0, 0, uses, each, false);
          }
          policy what;
          what.idle_count = idle;
          CHECK_EQ(plan::instances_kept(group, what), now.instances);
        }
}

TEST_CASE("max_instances bounds what idle_count keeps") {
  auto text = shown(runner("x", "max_instances = 2\n"
                                  + policy_of("idle_count = 5\nidle_time = "
                                              "\"1h\"")));
  CHECK_NE(text.find("idle_count 5 (2 instances)"), std::string::npos);
  CHECK_NE(text.find("336 for idle_count alone, 336 at most"),
           std::string::npos);
}

TEST_CASE("weeks in which clocks change are as long as they are") {
  auto text = runner("x", "max_instances = 1\n"
                            + policy_of("idle_count = 1\nidle_time = \"1h\""));
  CHECK_NE(shown(text, {}, 2026y / 3 / 29)
             .find(": 167 for idle_count alone, "
                   "167 at most"),
           std::string::npos);
  CHECK_NE(shown(text, {}, 2026y / 10 / 25).find(": 169 for idle_count"),
           std::string::npos);
  CHECK_NE(shown(text, {}, 2026y / 3 / 18).find("March 2026: 743 for idle"),
           std::string::npos);
  CHECK_NE(shown(text, {}, 2026y / 10 / 7).find("October 2026: 745 for idle"),
           std::string::npos);
}

TEST_CASE("a month is the one that most of the week is in, as it is") {
  auto text = runner("x", policy_of("periods = [\"* * 1-7 * *\"]\n"
                                    "timezone = \"Europe/Berlin\"\n"
                                    "idle_count = 1\nidle_time = \"1h\""));
  struct row {
    std::chrono::year_month_day day;
    const char* shown;
  };
  const row rows[] = {
    {2026y / 6 / 10, " June 2026: 168 for idle_count alone, "},
    {2026y / 2 / 10, " February 2026: 168 for idle_count alone, "},
    {2028y / 2 / 29, " March 2028: 168 for idle_count alone, "},
    {2026y / 12 / 28, " December 2026: 168 for idle_count alone, "},
    {2026y / 11 / 30, " December 2026: 168 for idle_count alone, "},
    {2027y / 1 / 1, " December 2026: 168 for idle_count alone, "},
  };
  for (const auto& r : rows) {
    CAPTURE(r.shown);
    auto out = shown(text, {}, r.day);
    CAPTURE(out);
    CHECK_NE(out.find(r.shown), std::string::npos);
  }
}

TEST_CASE("without max_instances jobs and policies bound the instances") {
  struct row {
    const char* what;
    const char* runner;
    const char* autoscaler;
    const char* policy;
    int most;
  };
  const row rows[] = {
    {"concurrent", "", "", "", 10},
    {"limit", "limit = 4", "", "", 4},
    {"slots", "", "capacity_per_instance = 4\n", "", 3},
    {"idle_count", "", "capacity_per_instance = 4\n", "idle_count = 7", 5},
    {"factor", "", "", "scale_factor = 1.5\nidle_count = 2", 25},
    {"factor, limited", "", "",
     "scale_factor = 1.5\nscale_factor_limit = 4\nidle_count = 2", 14},
    {"an instance that has one job left", "",
     "capacity_per_instance = 4\nmax_use_count = 9\n", "idle_count = 7", 17},
    {"the limit, if there is one", "", "max_instances = 30\n", "", 30},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto made = planned(
      "concurrent = 10\n"
      + runner("x",
               r.autoscaler
                 + policy_of("idle_time = \"1h\"\n" + std::string{r.policy}),
               "", r.runner));
    const auto& group = *made.runners[0].group;
    CHECK_EQ(group.instances_most, r.most);
    CHECK_EQ(group.week_hours.most, 168.0 * r.most);
    CHECK_EQ(group.month_hours.most, 720.0 * r.most);
  }
}

TEST_CASE("several runners are summed up") {
  auto text = shown("concurrent = 10\n"
                      + runner("a", "max_instances = 4\n"
                                      + policy_of("idle_count = 2\n"
                                                  "idle_time = \"1h\""))
                      + runner("b", "max_instances = 8"),
                    plan::price{0.5});
  CHECK(text.ends_with(R"(all runners
  jobs at once: 10 (concurrent 10)
  cost a week at 0.5 an hour: 168.00 for idle_count alone, 1008.00 at most
  cost of June 2026 at 0.5 an hour: 720.00 for idle_count alone, 4320.00 at most
)"));
  text = shown("concurrent = 10\n" + runner("a", "max_instances = 4")
                 + runner("b"),
               plan::price{0.5});
  CHECK_NE(text.find("all runners\n  jobs at once: 10 (concurrent 10)\n"
                     "  cost a week at 0.5 an hour: 0.00 for idle_count alone, "
                     "1176.00 at most\n"),
           std::string::npos);
}

TEST_CASE("without a runner a plan says so") {
  CHECK_EQ(shown("concurrent = 1\n"), "config.toml: no runner is served\n");
}

TEST_CASE("a plan shows no more of a token than logs do") {
  auto text = runner("", "max_instances = 1");
  text += "\n" + runner("y", "max_instances = 1");
  auto shown_text = shown(text);
  CHECK_EQ(shown_text.find("glrt-"), std::string::npos);
  CHECK_EQ(shown_text.find("token-of-y"), std::string::npos);
  CHECK_NE(shown_text.find("runner token-of- (instance"), std::string::npos);
  auto json = plan::json_of(planned(text), {}, {});
  CHECK_EQ(json.find("glrt-"), std::string::npos);
  CHECK_EQ(json.find("token-of-y"), std::string::npos);
}

TEST_CASE("a zone that is not there is an error") {
  plan::plan_options with;
  with.zone = "Mars/Olympus";
  auto out = plan::plan_of(read(runner("x")), with);
  REQUIRE_FALSE(out);
  CHECK_NE(out.error().text.find("Mars/Olympus"), std::string::npos);
}

TEST_CASE("the week is today's unless another is asked for") {
  plan::plan_options with;
  with.zone = "Europe/Berlin";
  with.now = std::chrono::sys_days{2026y / 6 / 7} + 22h; // Monday there
  auto out = plan::plan_of(read(runner("x")), with);
  REQUIRE(out);
  CHECK_EQ(out->runners[0].group->week.monday, 2026y / 6 / 8);
}

TEST_CASE("for programs a plan is JSON") {
  auto made
    = planned("concurrent = 100\n"
              + runner("big", "capacity_per_instance = 4\n"
                              "max_instances = 5\n"
                                + office)
              + runner("small", policy_of("periods = [\"* 1 * * *\"]\n"
                                          "timezone = \"Europe/Berlin\"\n"
                                          "idle_time = \"1500ms\"")));
  auto json = nlohmann::json::parse(plan::json_of(made, plan::price{0.5}, {}));
  CHECK_EQ(json["file"], "config.toml");
  CHECK_EQ(json["concurrent"], 100);
  CHECK_EQ(json["jobs_at_once"], 100);
  CHECK_FALSE(json.contains("reload"));
  auto big = json["runners"][0];
  CHECK_EQ(big["name"], "big");
  CHECK_EQ(big["token"], "token-of-");
  CHECK_EQ(big["executor"], "instance");
  CHECK_EQ(big["jobs_at_once"], 20);
  CHECK_EQ(big["bound_by"], "max_instances");
  CHECK_EQ(big["slots"], 20);
  auto group = big["group"];
  CHECK_EQ(group["plugin"], "p");
  CHECK_EQ(group["max_instances"], 5);
  CHECK_EQ(group["capacity_per_instance"], 4);
  CHECK_EQ(group["max_use_count"], 0);
  CHECK_EQ(group["week"], "2026-06-01");
  CHECK_EQ(group["timezone"], "Europe/Berlin");
  CHECK_EQ(group["times"].size(), 4);
  CHECK_EQ(group["times"][1]["when"], "mon-fri 08:00-18:00");
  auto policy = group["times"][1]["policies"][0];
  CHECK_EQ(policy.dump(),
           R"({"idle_count":8,"idle_time":1200.0,"instances":2,)"
           R"("minutes_of_hour":60,"policy":2,"preemptive_mode":true,)"
           R"("scale_factor":0.0,"scale_factor_limit":0})");
  CHECK_EQ(group["gaps"].size(), 0);
  CHECK_EQ(group["other_weeks_differ"], false);
  CHECK_EQ(group["instance_hours"]["idle_count"], 100.0);
  CHECK_EQ(group["instance_hours"]["most"], 840.0);
  CHECK_EQ(group["instances_most"], 5);
  CHECK_EQ(group["month"], "2026-06");
  CHECK_EQ(group["instance_hours_of_month"]["idle_count"], 440.0);
  CHECK_EQ(group["instance_hours_of_month"]["most"], 3600.0);
  CHECK_EQ(group["cost_of_month"]["most"], 1800.0);
  CHECK_EQ(group["cost"]["idle_count"], 50.0);
  CHECK_EQ(group["cost"]["most"], 420.0);
  auto small = json["runners"][1];
  CHECK_EQ(small["bound_by"], "concurrent");
  CHECK(small["slots"].is_null());
  CHECK(small["group"]["max_instances"].is_null());
  CHECK_EQ(small["group"]["instances_most"], 100);
  CHECK_EQ(small["group"]["instance_hours"]["most"], 16800.0);
  CHECK_EQ(small["group"]["cost"]["most"], 8400.0);
  CHECK(small["group"]["times"][0]["policies"][0]["policy"].is_null());
  CHECK_EQ(small["group"]["times"][1]["policies"][0]["idle_time"], 1.5);
  CHECK_EQ(small["group"]["gaps"].dump(),
           R"(["mon-sun 00:00-01:00","mon-sun 02:00-24:00"])");
  json = nlohmann::json::parse(plan::json_of(made, {}, {}));
  CHECK_FALSE(json["runners"][0]["group"].contains("cost"));
  CHECK_FALSE(json["runners"][0]["group"].contains("cost_of_month"));
}
