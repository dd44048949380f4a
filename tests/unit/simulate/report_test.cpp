#include "tools/muster/simulate/report.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <vector>

using namespace muster;
using namespace muster::simulate;
using namespace std::chrono_literals;

namespace {

outcome made(const std::string& name) {
  run_facts x;
  x.begins = time_point{1h};
  x.ends = x.begins + 48h;
  x.capacity = 2;
  x.machines.push_back({x.begins, x.begins + 1min, simulated::far});
  auto at = x.begins + 1h;
  x.jobs.push_back({at, at + 90s, at + 1h, simulated::job_fate::done});
  x.calls = {10, 1, 2, 3, 4};
  return {name, figures_of(x, 0.25, 10)};
}

const report_head head{"config.toml", "jobs.csv", "r",   2,   1,
                       1'795'420'800, 7,          "40s", 0.25};

/// Whether each element that is opened is closed, in its order.
bool is_balanced(const std::string& text) {
  std::vector<std::string> open;
  for (size_t at = 0; (at = text.find('<', at)) != std::string::npos;) {
    auto end = text.find('>', at);
    if (end == std::string::npos)
      return false;
    auto tag = text.substr(at + 1, end - at - 1);
    at = end;
    if (tag.starts_with("!") || tag.ends_with("/"))
      continue;
    auto name = tag.substr(0, tag.find_first_of(" \n"));
    if (!name.starts_with("/")) {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}

} // namespace

TEST_CASE("the table has a column a policy") {
  auto text = text_of(head, {made("one"), made("two")});
  CHECK_NE(text.find("one  "), std::string::npos);
  CHECK_NE(text.find("two\n"), std::string::npos);
  CHECK_NE(text.find("3 jobs of jobs.csv are left out: 2 did not run to an "
                     "end, 1 has tags that the runner has not\n"),
           std::string::npos);
  CHECK_NE(text.find("boot time 40s, seed 7, 0.25 an instance-hour\n"),
           std::string::npos);
  CHECK_NE(text.find("instance-hours"), std::string::npos);
  CHECK_NE(text.find("1m30s"), std::string::npos);
  CHECK_NE(text.find("12.00"), std::string::npos); // 48 h of 0.25
  CHECK_EQ(text.find("lost"), std::string::npos);  // there are none
}

TEST_CASE("programs get the figures as numbers") {
  auto x = nlohmann::json::parse(json_of(head, {made("one")}));
  const auto& one = x["policies"][0];
  CHECK_EQ(x["seed"], 7);
  CHECK_EQ(x["price_per_hour"], 0.25);
  CHECK_EQ(x["jobs_left_out"], 3);
  CHECK_EQ(x["left_out"]["not_run"], 2);
  CHECK_EQ(x["left_out"]["other_tags"], 1);
  CHECK_EQ(one["policy"], "one");
  CHECK_EQ(one["waiting_s"]["p50"], 90.0);
  CHECK_EQ(one["instance_hours"], doctest::Approx(48));
  CHECK_EQ(one["calls"]["heartbeat"], 4);
  CHECK_EQ(one["over_time"]["instances"].size(), 10);
}

TEST_CASE("where no job got a slot no waiting time is told") {
  run_facts x;
  x.begins = time_point{1h};
  x.ends = x.begins + 1h;
  simulated::job_course none;
  none.queued = x.begins;
  none.ended = x.begins + 10s;
  none.fate = simulated::job_fate::timed_out;
  x.jobs.push_back(none);
  outcome bad{"bad", figures_of(x, {}, 10)};
  auto cell = [&bad](const std::string& name) -> std::string {
    for (const auto& row : rows_of({bad, made("good")}))
      if (row.name == name)
        return row.cells[0] + " " + row.cells[1];
    return "no such row";
  };
  CHECK_EQ(cell("jobs done"), "0 of 1 1 of 1");
  CHECK_EQ(cell("jobs without a slot in time"), "1 0");
  CHECK_EQ(cell("waiting time p50"), "- 1m30s");
  CHECK_EQ(cell("waiting time, longest"), "- 1m30s");
  auto json = nlohmann::json::parse(json_of(head, {bad}));
  const auto& is = json["policies"][0];
  CHECK_EQ(is["jobs"]["timed_out"], 1);
  for (const auto* name : {"p50", "p95", "p99", "max"})
    CHECK(is["waiting_s"][name].is_null());
  CHECK_NE(html_of(head, {bad}).find("<td>-</td>"), std::string::npos);
}

TEST_CASE("a name that is not UTF-8 does not spoil the JSON") {
  auto bad = head;
  bad.history_path = "\xff.csv";
  CHECK_NOTHROW(nlohmann::json::parse(json_of(bad, {made("\xfe")})));
}

TEST_CASE("the page is well-formed, and what is foreign in it is text") {
  auto evil = head;
  evil.config_path = "<script>alert('&')</script>.toml";
  auto page = html_of(evil, {made("a<b"), made("two"), made("three")});
  CHECK(is_balanced(page));
  CHECK_EQ(page.find("<script"), std::string::npos);
  CHECK_NE(page.find("a&lt;b"), std::string::npos);
  size_t charts = 0;
  for (size_t at = 0; (at = page.find("<polyline", at)) != std::string::npos;
       ++at)
    ++charts;
  CHECK_EQ(charts, 9); // three kinds of three policies
  CHECK_EQ(page.find("nan"), std::string::npos);
  CHECK_EQ(page.find("http"), page.find("http://www.w3.org/2000/svg"));
}

TEST_CASE("the page says what was played, and its charts what they count") {
  auto page = html_of(head, {made("one"), made("two")});
  for (const auto* part :
       {"boot time 40s, seed 7, 0.25 an instance-hour.</p>",
        "3 jobs of jobs.csv are left out: 2 did not run to an end, 1 has tags "
        "that the runner has not.</p>",
        ">instances</text>", ">slots</text>", ">jobs</text>",
        ">time (UTC)</text>", "class=\"axis\"", "</svg>two</span>"}) {
    CAPTURE(part);
    CHECK_NE(page.find(part), std::string::npos);
  }
  auto all = head;
  all.not_run = all.other_tags = 0;
  CHECK_EQ(html_of(all, {made("one")}).find("left out"), std::string::npos);
}

TEST_CASE("curves of policies that end at other times have one time axis") {
  run_facts x;
  x.begins = time_point{1h};
  x.ends = x.begins + 24h;
  outcome half{"half", figures_of(x, {}, 10)};
  auto page = html_of(head, {made("whole"), half}); // of 48 h
  auto last_x = [&page](size_t from) {
    auto end = page.find("\"/>", page.find("points=", from));
    auto at = page.rfind(' ', page.rfind(',', end));
    return page.substr(at + 1, page.rfind(',', end) - at - 1);
  };
  auto first = page.find("<polyline");
  CHECK_EQ(last_x(first), "888.0");
  CHECK_EQ(last_x(page.find("<polyline", first + 1)), "472.0");
}

TEST_CASE("a page of nothing is a page") {
  CHECK(is_balanced(html_of(head, {{"none", figures_of({}, {}, 1)}})));
}
