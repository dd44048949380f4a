#include "actors/group/schedule.hpp"
#include "actors/group/time_zone.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>

using namespace muster;
using namespace std::chrono_literals;

namespace {

using namespace std::chrono;

schedule::time utc(int year_, unsigned month_, unsigned day_, int hour,
                   int minute, int second = 0) {
  return sys_days{year{year_} / month{month_} / day{day_}} + hours{hour}
         + minutes{minute} + seconds{second};
}

policy_config entry(std::vector<std::string> periods, std::string zone = "UTC",
                    int idle = 1) {
  policy_config result;
  result.periods = std::move(periods);
  result.timezone = std::move(zone);
  result.idle_count = idle;
  return result;
}

schedule made(const std::vector<policy_config>& policies,
              const std::string& local = "UTC") {
  auto result = schedule::make(policies, local);
  REQUIRE(result);
  return *result;
}

/// Sets an environment variable for the length of a scope.
class variable {
public:
  variable(const char* name, const char* value) : name_(name) {
    if (const auto* old = std::getenv(name))
      old_ = old;
    ::setenv(name, value, 1);
  }

  variable(const variable&) = delete;
  variable& operator=(const variable&) = delete;

  ~variable() {
    if (old_)
      ::setenv(name_, old_->c_str(), 1);
    else
      ::unsetenv(name_);
  }

private:
  const char* name_;
  std::optional<std::string> old_;
};

} // namespace

TEST_CASE("without any policy the built-in one is always in force") {
  schedule none;
  auto built_in = none.at(utc(2026, 1, 1, 0, 0));
  CHECK_EQ(built_in.index, -1);
  CHECK_EQ(built_in.idle_count, 0);
  CHECK_EQ(built_in.idle_time, 5min);
  CHECK_FALSE(built_in.preemptive);
  CHECK_EQ(none.next_change(utc(2026, 1, 1, 0, 0)), schedule::time::max());
}

TEST_CASE("a policy that is always in force never changes") {
  for (const auto* period :
       {"* * * * *", "0-59 0-23 1-31 1-12 0-6", "*/1 * * * sun-sat"}) {
    CAPTURE(period);
    auto x = made({entry({period}, "No/Such_Zone_Is_Needed")});
    CHECK_EQ(x.at(utc(2026, 1, 1, 0, 0)).index, 0);
    CHECK_EQ(x.next_change(utc(2026, 1, 1, 0, 0)), schedule::time::max());
  }
}

TEST_CASE("the values of a policy are taken over as a whole") {
  auto x = entry({"* * * * *"}, "", 4);
  x.idle_time = 20min;
  x.scale_factor = 1.5;
  x.scale_factor_limit = 9;
  auto at = utc(2026, 1, 1, 0, 0);
  CHECK(made({x}).at(at) == policy{0, 4, 20min, 1.5, 9, true});
  x.preemptive_mode = false;
  CHECK_FALSE(made({x}).at(at).preemptive);
  x.preemptive_mode.reset();
  x.idle_count = 0;
  CHECK_FALSE(made({x}).at(at).preemptive);
  x.preemptive_mode = true;
  CHECK(made({x}).at(at).preemptive);
}

TEST_CASE("the next change is the first minute of another policy") {
  auto x = made({entry({"* 8-15 * * mon-fri"}, "America/New_York", 7)});
  struct row {
    schedule::time when;
    schedule::time next;
  };
  const row rows[] = {
    {utc(2026, 7, 6, 11, 59, 59), utc(2026, 7, 6, 12, 0)},
    {utc(2026, 7, 6, 12, 0), utc(2026, 7, 6, 20, 0)},
    {utc(2026, 7, 6, 12, 0, 1), utc(2026, 7, 6, 20, 0)},
    {utc(2026, 1, 5, 5, 0), utc(2026, 1, 5, 13, 0)}, // winter time
    // Nothing within the horizon: asked again then.
    {utc(2026, 7, 10, 20, 0), utc(2026, 7, 11, 20, 0)},
  };
  for (const auto& r : rows)
    CHECK_EQ((x.next_change(r.when) - r.when).count(),
             (r.next - r.when).count());
}

TEST_CASE("between a moment and its next change the policy stays the same") {
  auto x = made({entry({"*/7 3-9 * * *"}, "Europe/Berlin"),
                 entry({"* 2 * * sun", "30-40 * * * *"}, "Australia/Lord_Howe"),
                 entry({"15 4 * 3,10 *"}, "America/St_Johns")});
  for (auto at : {utc(2026, 3, 28, 22, 13, 5), utc(2026, 10, 24, 22, 0),
                  utc(2026, 4, 4, 12, 0)})
    for (auto i = 0; i < 60; ++i) {
      auto next = x.next_change(at);
      REQUIRE_GT(next.time_since_epoch().count(),
                 at.time_since_epoch().count());
      auto index = x.at(at).index;
      for (auto t = at; t < next; t += 20s)
        REQUIRE_EQ(x.at(t).index, index);
      at = next;
    }
}

TEST_CASE("an empty time zone is the process's own") {
  auto at_eight = utc(2026, 1, 5, 7, 0); // 8 o'clock in Berlin
  for (const auto* zone : {"", "Local"}) {
    CAPTURE(zone);
    auto x = entry({"* 8 * * *"}, zone, 3);
    CHECK_EQ(made({x}, "Europe/Berlin").at(at_eight).index, 0);
    CHECK_EQ(made({x}, "UTC").at(at_eight).index, -1);
    variable tz{"TZ", "Europe/Berlin"};
    CHECK_EQ(made({x}, "").at(at_eight).index, 0);
  }
}

TEST_CASE("the process's own time zone is what TZ names") {
  struct row {
    const char* value;
    const char* name;
  };
  const row rows[] = {
    {"Europe/Berlin", "Europe/Berlin"},
    {":Europe/Berlin", "Europe/Berlin"},
    {"/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"},
    {"", "UTC"},
    {"UTC", "UTC"},
    {"EST5EDT,M3.2.0,M11.1.0", "UTC"}, // no name of a zone
    {"No/Such", "UTC"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.value);
    variable tz{"TZ", r.value};
    CHECK_EQ(local_zone_name(), r.name);
  }
}

TEST_CASE("an unknown time zone is refused by its name") {
  auto refused = schedule::make({entry({"* 8 * * *"}, "Mars/Olympus")}, "UTC");
  REQUIRE_FALSE(refused);
  CHECK_EQ(refused.error().code, config_errc::not_valid);
  CHECK(refused.error().text.starts_with("loading timezone: "));
  CHECK_NE(refused.error().text.find("Mars/Olympus"), std::string::npos);
}

TEST_CASE("a policy without periods is never in force") {
  auto x = made({entry({})});
  CHECK_EQ(x.at(utc(2026, 1, 1, 0, 0)).index, -1);
}
