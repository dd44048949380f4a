#include "tests/e2e/admin/shell.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace muster::test;

namespace {

/// The plugin is one that is not installed, with a key that is not there.
std::string office(int concurrent, int idle) {
  return fmt::format(R"(concurrent = {}
[[runners]]
  name = "office"
  url = "https://gitlab.example.com"
  token = "glrt-office-0123456789"
  executor = "instance"
  [runners.autoscaler]
    plugin = "fleeting-plugin-nowhere"
    max_instances = 2
    [runners.autoscaler.connector_config]
      key_path = "/no/such/key"
    [[runners.autoscaler.policy]]
      periods = ["* 8-17 * * mon-fri"]
      timezone = "Europe/Berlin"
      idle_count = {}
      idle_time = "20m0s"
)",
                     concurrent, idle);
}

size_t files_in(const admin_place& place) {
  size_t out = 0;
  for (const auto& x :
       std::filesystem::recursive_directory_iterator{place.file("")})
    out += x.is_regular_file() && x.path().filename() != "stdin" ? 1 : 0;
  return out;
}

} // namespace

TEST_CASE("plan shows what a configuration will do, and changes nothing") {
  admin_place place;
  place.write(office(4, 1));
  auto out = place.muster("muster plan --week 2026-11-25 --price 0.5/h");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK_EQ(out.text,
           R"(runner "office" (instance, plugin fleeting-plugin-nowhere)
  week of 2026-11-23, Europe/Berlin
    mon-fri 00:00-08:00  built in: idle_count 0, idle_time 5m0s
    mon-fri 08:00-18:00  policy 1: idle_count 1 (1 instance), idle_time 20m0s, preemptive_mode
    mon-fri 18:00-24:00  built in: idle_count 0, idle_time 5m0s
    sat-sun 00:00-24:00  built in: idle_count 0, idle_time 5m0s
  gaps, in which no policy is in force: mon-fri 00:00-08:00, mon-fri 18:00-24:00, sat-sun 00:00-24:00
  jobs at once: 2, the slots of 2 instances with 1 slot each
  instance-hours a week: 50 for idle_count alone, 336 at most (2 instances all week)
  instance-hours of November 2026: 210 for idle_count alone, 1440 at most
  cost a week at 0.5 an hour: 25.00 for idle_count alone, 168.00 at most
  cost of November 2026 at 0.5 an hour: 105.00 for idle_count alone, 720.00 at most
)");
  CHECK_EQ(place.config(), office(4, 1));
  CHECK_EQ(files_in(place), 1);
  // By other clocks, and without a date that of today.
  out = place.muster("muster plan --timezone UTC --week 2026-07-01");
  CHECK(has(out.text, "week of 2026-06-29, UTC\n    mon-fri 00:00-06:00"));
  out = place.muster("muster plan");
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "mon-fri 08:00-18:00  policy 1"));
}

TEST_CASE("plan tells what a reload would do") {
  admin_place place;
  place.write(office(4, 1));
  place.write(office(8, 2), "new.toml");
  auto out = place.muster("muster plan --config new.toml --against "
                          "config.toml");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(out.text.ends_with(R"(
reload from config.toml to new.toml
  live       concurrent 4 -> 8
  runner "office"
    live       autoscaler.policy.idle_count 1 -> 2
)"));
  // The file in force from a pipe.
  out = place.muster("muster plan --against /dev/stdin", office(4, 1));
  CHECK_EQ(out.status, 0);
  CHECK(out.text.ends_with("\nreload from /dev/stdin to config.toml\n  nothing "
                           "changes\n"));

  SUBCASE("that is refused") {
    place.write("concurrent = 9\n[[runners]]\nname = \"office\"\n"
                "url = \"https://gitlab.example.com\"\nexecutor = \"ssh\"\n"
                "token = \"glrt-office-0123456789\"\n",
                "new.toml");
    out = place.muster("muster plan --config new.toml --against config.toml");
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "new.toml:5:"));
    CHECK(has(out.text, "  nothing: a runner that is served cannot be served"));
    CHECK_FALSE(has(out.text, "0123456789"));
  }

  SUBCASE("from a file that is none") {
    out = place.muster("muster plan --against none.toml");
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "none.toml: error: "));
    CHECK_FALSE(has(out.text, "runner "));
  }
}

TEST_CASE("plan is JSON for programs") {
  admin_place place;
  place.write(office(4, 1));
  auto out = place.muster("muster plan --json --price 1 --against config.toml");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  auto json = nlohmann::json::parse(out.text);
  CHECK_EQ(json["runners"][0]["group"]["instance_hours"]["idle_count"], 50);
  CHECK_EQ(json["runners"][0]["group"]["cost"]["idle_count"], 50);
  CHECK_EQ(json["reload"]["stays"], false);
  CHECK_FALSE(has(out.text, "0123456789"));
}

TEST_CASE("plan refuses what it cannot understand") {
  admin_place place;
  place.write(office(4, 1));
  struct row {
    const char* words;
    const char* says;
  };
  const row rows[] = {
    {"muster plan --price much", "\"much\" is no price of an instance-hour: "
                                 "write it like 0.17/h"},
    {"muster plan --week 23.11.2026",
     "\"23.11.2026\" is no date: write it like 2026-11-23"},
    {"muster plan --timezone Mars/Olympus",
     "muster: loading timezone: unknown time zone Mars/Olympus"},
    {"muster plan --config none.toml", "none.toml: error: "},
    {"muster plan other.toml", "other.toml"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.words);
    auto out = place.muster(r.words);
    CAPTURE(out.text);
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, r.says));
    CHECK_FALSE(has(out.text, "jobs at once"));
  }
  place.write(office(4, 1) + "  idle_cont = [\n");
  auto out = place.muster("muster plan");
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "config.toml:"));
  CHECK(has(out.text, "not valid TOML"));
}

TEST_CASE("plan shows the runners beside one that cannot be served") {
  admin_place place;
  auto text = office(4, 1);
  place.write(text
              + "[[runners]]\nname = \"bad\"\nexecutor = \"shell\"\n"
                "url = \"https://gitlab.example.com\"\ntoken = \"t\"\n");
  auto out = place.muster("muster plan");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "error: "));
  CHECK(has(out.text, "runner \"office\""));
  CHECK_FALSE(has(out.text, "runner \"bad\""));
}

TEST_CASE("plan says why a runner without url or token is not served") {
  admin_place place;
  for (const std::string line : {"  url = \"https://gitlab.example.com\"\n",
                                 "  token = \"glrt-office-0123456789\"\n"}) {
    CAPTURE(line);
    auto text = office(4, 1);
    text.erase(text.find(line), line.size());
    place.write(text);
    auto out = place.muster("muster plan");
    CAPTURE(out.text);
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "warning: the runner \"office\" has no "));
    CHECK(has(out.text, "no runner is served"));
  }
}

TEST_CASE("plan needs no token") {
  admin_place place;
  auto text = office(4, 1);
  const std::string token = "glrt-office-0123456789";
  text.replace(text.find(token), token.size(), "$MUSTER_TEST_NOT_SET");
  place.write(text, "before.toml");
  text.replace(text.find("max_instances = 2"), 17, "max_instances = 3");
  place.write(text);
  auto out = place.muster("muster plan --against "
                          + place.file("before.toml").string());
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "jobs at once: 3"));
  CHECK(has(out.text, "max_instances"));
  CHECK_FALSE(has(out.text, "no runner is served"));
}

TEST_CASE("only options lose a dash") {
  admin_place place;
  place.write(office(4, 1));
  auto out = place.muster("muster list -config \"$CONFIG_FILE\"");
  CHECK_EQ(out.status, 0);
  out = place.muster("muster explain --since -5m");
  CHECK(has(out.text, "\"-5m\" is neither a time span"));
  CHECK_FALSE(has(out.text, "--5m"));
}

TEST_CASE("check names the gaps between the policies, as a note") {
  admin_place place;
  auto text = office(4, 1);
  text.replace(text.find("fleeting-plugin-nowhere"), 23, "local");
  text.erase(text.find("    [runners.autoscaler.connector_config]"),
             text.find("    [[runners.autoscaler.policy]]")
               - text.find("    [runners.autoscaler.connector_config]"));
  place.write(text);
  auto out = place.muster("muster check");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(
    has(out.text,
        "note: this week no policy is in force mon-fri 00:00-08:00, mon-fri "
        "18:00-24:00, sat-sun 00:00-24:00: nothing is kept idle then, and "
        "instances go after 5 minutes"));
}
