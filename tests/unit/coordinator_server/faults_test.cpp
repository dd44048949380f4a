#include "tools/coordinator/control_json.hpp"
#include "tools/coordinator/faults.hpp"

#include <doctest/doctest.h>

using namespace muster::gitlab;
using namespace std::chrono_literals;

namespace {

bool hits(fault_list& list, fault_subject what, int64_t at_us = 0) {
  return list.decide(what, at_us).other.has_value();
}

} // namespace

TEST_CASE("a fault strikes where it is aimed, as often as it may") {
  fault_list list;
  fault rule;
  rule.at = endpoint::trace;
  rule.count = 2;
  rule.skip = 1;
  rule.job = 7;
  list.add(rule);
  CHECK_FALSE(hits(list, {endpoint::update, 7, {}}));
  CHECK_FALSE(hits(list, {endpoint::trace, 8, {}}));
  CHECK_FALSE(hits(list, {endpoint::trace, 7, {}})); // skipped
  CHECK(hits(list, {endpoint::trace, 7, {}}));
  CHECK(hits(list, {endpoint::trace, 7, {}}));
  CHECK_FALSE(hits(list, {endpoint::trace, 7, {}}));
  CHECK_EQ(list.list().front().hits, 2);
}

TEST_CASE("a fault can be for acceptances or for final updates alone") {
  fault_list list;
  fault rule;
  rule.state = "final";
  list.add(rule);
  CHECK_FALSE(hits(list, {endpoint::update, 1, "running"}));
  CHECK(hits(list, {endpoint::update, 1, "success"}));
  CHECK(hits(list, {endpoint::update, 1, "failed"}));
  CHECK_FALSE(hits(list, {endpoint::trace, 1, {}}));
}

TEST_CASE("a fault ends with its time") {
  fault_list list;
  fault rule;
  rule.expires_us = 1000;
  list.add(rule);
  CHECK(hits(list, {}, 999));
  CHECK_FALSE(hits(list, {}, 1000));
}

TEST_CASE("latencies add up and go together with another fault") {
  fault_list list;
  fault slow;
  slow.kind = fault_kind::latency;
  slow.latency = 20ms;
  list.add(slow);
  fault broken;
  broken.kind = fault_kind::reset;
  list.add(broken);
  list.add(slow);
  auto effect = list.decide({}, 0);
  CHECK_EQ(effect.latency, 40ms);
  REQUIRE(effect.other);
  CHECK_EQ(effect.other->kind, fault_kind::reset);
}

TEST_CASE("one seed gives one sequence") {
  auto sequence = [](uint64_t seed) {
    fault_list list;
    fault rule;
    rule.probability = 0.5;
    rule.seed = seed;
    list.add(rule);
    std::string text;
    for (int i = 0; i < 64; ++i)
      text += hits(list, {}) ? 'x' : '.';
    return text;
  };
  CHECK_EQ(sequence(1), sequence(1));
  CHECK_NE(sequence(1), sequence(2));
}

TEST_CASE("a hit that is taken back can strike again") {
  fault_list list;
  fault rule;
  rule.count = 1;
  auto id = list.add(rule);
  CHECK(hits(list, {}));
  list.take_back(id);
  CHECK(hits(list, {}));
  CHECK_FALSE(hits(list, {}));
}

TEST_CASE("faults are removed one by one or all") {
  fault_list list;
  auto first = list.add({});
  list.add({});
  CHECK_EQ(list.remove(first), 1);
  CHECK_EQ(list.remove(first), 0);
  CHECK_EQ(list.remove(0), 1);
  CHECK_FALSE(hits(list, {}));
}

TEST_CASE("a fault is read from JSON, and nonsense is refused by name") {
  auto good = fault_from_json({{"kind", "status"},
                               {"endpoint", "request"},
                               {"status", 429},
                               {"retry_after", 3},
                               {"count", 2},
                               {"for_ms", 5}},
                              1000);
  REQUIRE(good);
  CHECK_EQ(good->kind, fault_kind::status);
  CHECK(good->at == endpoint::request);
  CHECK_EQ(good->status, 429);
  CHECK_EQ(good->expires_us, 6000);
  struct row {
    nlohmann::json rule;
    const char* named;
  };
  const row rows[] = {
    {{{"kind", "explode"}}, "explode"},
    {{{"kind", "reset"}, {"endpoint", "moon"}}, "moon"},
    {{{"kind", "reset"}, {"cuont", 1}}, "cuont"},
    {{{"kind", "reset"}, {"count", "x"}}, "number"},
    {{{"kind", "status"}, {"status", 99}}, "99"},
    {{{"kind", "reset"}, {"state", "done"}}, "state"},
    {nlohmann::json::array(), "object"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.rule.dump());
    auto bad = fault_from_json(r.rule, 0);
    REQUIRE_FALSE(bad);
    CHECK_NE(bad.error().text.find(r.named), std::string::npos);
  }
}
