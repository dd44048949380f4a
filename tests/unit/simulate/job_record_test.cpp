#include "tools/muster/simulate/job_record.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::simulate;
using namespace std::chrono_literals;

namespace {

history_time utc(std::chrono::year_month_day day,
                 std::chrono::milliseconds clock) {
  return std::chrono::sys_days{day} + clock;
}

} // namespace

TEST_CASE("a time is read as GitLab, databases and people write it") {
  auto day = 2026y / 11 / 23;
  struct row {
    const char* text;
    history_time is;
  };
  const row rows[] = {
    {"2026-11-23T08:15:30Z", utc(day, 8h + 15min + 30s)},
    {"2026-11-23T08:15:30.5Z", utc(day, 8h + 15min + 30s + 500ms)},
    {"2026-11-23T08:15:30.123456789Z", utc(day, 8h + 15min + 30s + 123ms)},
    {"2026-11-23t08:15:30z", utc(day, 8h + 15min + 30s)},
    {"2026-11-23 08:15", utc(day, 8h + 15min)},
    {"2026-11-23 08:15:30 UTC", utc(day, 8h + 15min + 30s)},
    {"2026-11-23T08:15:30+01:00", utc(day, 7h + 15min + 30s)},
    {"2026-11-23 08:15:30.25-0530", utc(day, 13h + 45min + 30s + 250ms)},
    {"2026-11-23 08:15:30+01", utc(day, 7h + 15min + 30s)},
    {"2026-12-31T23:59:60Z", utc(2027y / 1 / 1, 0ms)},
    {"2028-02-29T00:00:00Z", utc(2028y / 2 / 29, 0ms)},
    {"0", utc(1970y / 1 / 1, 0ms)},
    {"20261323", history_time{20'261'323s}}, // no date
    {"1795421730.25", history_time{1795421730250ms}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto read = parse_history_time(r.text);
    REQUIRE(read);
    CHECK_EQ((*read - r.is).count(), 0);
  }
  for (const auto* text : {"",
                           "yesterday",
                           "2026-11-23",
                           "2026-11-23T",
                           "20261123",
                           "19700101",
                           "2026-11-23T08",
                           "2026-11-23T24:00:00Z",
                           "2026-11-23T08:60:00Z",
                           "2026-11-23T08:15:61Z",
                           "2026-11-23T08:15:30.Z",
                           "2026-02-29T08:15:30Z",
                           "2026-13-01T08:15:30Z",
                           "1969-12-31T08:15:30Z",
                           "2026-11-23T08:15:30 CET",
                           "2026-11-23T08:15:30+1",
                           "2026-11-23T08:15:30+01:0",
                           "2026-11-23T08:15:30+24:00",
                           "2026-11-23T08:15:30Zx",
                           "2026/11/23 08:15",
                           "-1",
                           "nan",
                           "inf",
                           "1e30",
                           "1795421730250",
                           "12x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_history_time(text));
  }
}

TEST_CASE("a duration is seconds, or has units") {
  struct row {
    const char* text;
    std::chrono::milliseconds is;
  };
  const row rows[]
    = {{"0", 0ms},     {"90", 90s},     {"12.5", 12500ms},    {"0.0004", 0ms},
       {"1m30s", 90s}, {"1.5h", 90min}, {"86400000", 24000h}, {"1e3", 1000s}};
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto read = parse_history_duration(r.text);
    REQUIRE(read);
    CHECK_EQ(read->count(), r.is.count());
  }
  for (const auto* text : {"", "-1", "-1s", "nan", "inf", "1e300", "86400001",
                           "24001h", "1 s", "long"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_history_duration(text));
  }
}

TEST_CASE("a job is queued when a runner could have taken it") {
  auto queued = [](const std::vector<std::pair<job_field, const char*>>& of) {
    history_builder into{{}};
    job_record x;
    for (const auto& [field, text] : of)
      REQUIRE_FALSE(x.set(field, text));
    REQUIRE_FALSE(x.set(job_field::duration, "1"));
    auto wrong = into.add(x, 1);
    auto out = into.finish();
    return wrong ? -1 : out.jobs.at(0).queued.time_since_epoch() / 1s;
  };
  using enum job_field;
  CHECK_EQ(queued({{created_at, "100"}}), 100);
  CHECK_EQ(queued({{created_at, "100"}, {started_at, "900"}}), 100);
  // Other jobs of the pipeline came first.
  CHECK_EQ(
    queued({{created_at, "100"}, {started_at, "900"}, {queued_duration, "30"}}),
    870);
  CHECK_EQ(queued({{queued_at, "5"},
                   {created_at, "100"},
                   {started_at, "900"},
                   {queued_duration, "30"}}),
           5);
  CHECK_EQ(queued({{queued_duration, "30"}}), -1);
  CHECK_EQ(queued({{started_at, "30"}}), -1);
}

TEST_CASE("a job takes its duration, or from its start to its end") {
  auto taken = [](const std::vector<std::pair<job_field, const char*>>& of) {
    history_builder into{{}};
    job_record x;
    REQUIRE_FALSE(x.set(job_field::queued_at, "0"));
    for (const auto& [field, text] : of)
      REQUIRE_FALSE(x.set(field, text));
    if (auto wrong = into.add(x, 1))
      return *wrong;
    auto out = into.finish();
    return out.jobs.empty() ? "not run"
                            : std::to_string(out.jobs[0].duration / 1ms);
  };
  using enum job_field;
  CHECK_EQ(taken({{duration, "1.25"}}), "1250");
  CHECK_EQ(taken({{started_at, "10"}, {finished_at, "70"}}), "60000");
  CHECK_EQ(taken({{duration, "1"}, {started_at, "10"}, {finished_at, "70"}}),
           "1000");
  CHECK_EQ(taken({}), "not run");
  CHECK_EQ(taken({{started_at, "10"}}), "not run");
  CHECK_EQ(taken({{started_at, "70"}, {finished_at, "10"}}),
           "the job took -1m0s, from started_at to finished_at: it must be "
           "between 0 and 24000h0m0s");
  for (const auto* text : {"success", "failed", "canceled", "Whatever"}) {
    CAPTURE(text);
    CHECK_EQ(taken({{duration, "1"}, {status, text}}), "1000");
  }
  for (const auto* text :
       {"running", "pending", "created", "manual", "skipped", "scheduled",
        "preparing", "waiting_for_resource", "RUNNING"}) {
    CAPTURE(text);
    CHECK_EQ(taken({{duration, "1"}, {status, text}}), "not run");
  }
}

TEST_CASE("equal sets of tags are one, in any order") {
  history_builder into{{}};
  for (const auto* text :
       {"b,a", "a b", "", "{a,b}", "a;b;a", "[\"b\", \"a\"]", "c"}) {
    job_record x;
    REQUIRE_FALSE(x.set(job_field::queued_at, "0"));
    REQUIRE_FALSE(x.set(job_field::duration, "1"));
    REQUIRE_FALSE(x.set(job_field::tags, text));
    REQUIRE_FALSE(into.add(x, 1));
  }
  auto out = into.finish();
  CHECK_EQ(out.tag_sets,
           std::vector<std::vector<std::string>>{{}, {"a", "b"}, {"c"}});
  std::vector<uint32_t> tags;
  for (const auto& x : out.jobs)
    tags.push_back(x.tags);
  CHECK_EQ(tags, std::vector<uint32_t>{1, 1, 0, 1, 1, 1, 2});
}

TEST_CASE("names of fields are known in any case, others do not matter") {
  CHECK_EQ(job_field_of("tag_list"), job_field::tags);
  CHECK_EQ(job_field_of(" Queued_At "), job_field::queued_at);
  CHECK_FALSE(job_field_of("erased_at"));
  CHECK_FALSE(job_field_of(""));
}
