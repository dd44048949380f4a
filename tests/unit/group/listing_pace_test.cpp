#include "actors/group/listing_pace.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

constexpr listing_intervals defaults{60s, 2s};
constexpr listing_hopes instance{true, true};
constexpr listing_hopes removal{true, false};

/// Listings in the time after a change that nothing is seen of.
int listings_within(milliseconds time, const listing_hopes& hopes,
                    const listing_intervals& configured = defaults) {
  int out = 0;
  for (milliseconds at{0}; at <= time; ++out)
    at += listing_pause(hopes, at, configured);
  return out;
}

} // namespace

TEST_CASE("listings are as far apart as what is hoped for allows") {
  struct row {
    const char* what;
    listing_hopes hopes;
    milliseconds waited;
    listing_intervals configured;
    milliseconds expected;
  };
  const row rows[] = {
    {"nothing is to come", {}, 1s, defaults, 60s},
    {"just asked for", instance, 0ms, defaults, 50ms},
    {"a boot of 2 s", instance, 2s, defaults, 200ms},
    {"a boot of 20 s", instance, 20s, defaults, 2s},
    {"a boot of an hour", instance, 1h, defaults, 2s},
    {"just removed", removal, 0ms, defaults, 50ms},
    {"removed a while ago", removal, 400ms, defaults, 400ms},
    {"removed long ago", removal, 1h, defaults, 2s},
    {"configured shorter", instance, 0ms, {60s, 10ms}, 10ms},
    {"configured longer", instance, 1h, {60s, 5min}, 5min},
    {"the clock was read before", instance, -1ms, defaults, 50ms},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(listing_pause(r.hopes, r.waited, r.configured), r.expected);
  }
}

TEST_CASE("an instance is found at most a tenth later than it is there") {
  for (milliseconds boot : {500ms, 700ms, 2000ms, 7300ms, 20'000ms}) {
    milliseconds at{0};
    while (at < boot)
      at += listing_pause(instance, at, defaults);
    CAPTURE(boot.count());
    CHECK_LE(at - boot, boot / 10);
  }
}

TEST_CASE("quick listings are few") {
  CHECK_LE(listings_within(20s, instance), 50);
  CHECK_LE(listings_within(20s, removal), 16);
}

TEST_CASE("listings are a hundred at once and two a second at most") {
  listing_budget budget;
  auto now = group_time{} + 1h;
  auto made = 0;
  for (; budget.pause(now) == 0ms; ++made)
    budget.spend(now, 2s);
  CHECK_EQ(made, 101);
  CHECK_EQ(budget.pause(now), 500ms);
  for (auto i = 0; i < 20; ++i) {
    now += budget.pause(now);
    CHECK_EQ(budget.pause(now), 0ms);
    budget.spend(now, 2s);
    CHECK_EQ(budget.pause(now), 500ms);
  }
  SUBCASE("after a rest there may be some again") {
    now += 10s;
    for (made = 0; budget.pause(now) == 0ms; ++made)
      budget.spend(now, 2s);
    CHECK_EQ(made, 20);
  }
  SUBCASE("however long it was") {
    now += 24h;
    for (made = 0; budget.pause(now) == 0ms; ++made)
      budget.spend(now, 2s);
    CHECK_EQ(made, 101);
  }
}

TEST_CASE("in an hour there are six hundred more listings than configured") {
  listing_budget budget;
  auto now = group_time{} + 24h;
  auto end = now + 1h;
  auto made = 0;
  for (; now < end;
       now += std::max<group_time::duration>(budget.pause(now), 1ms)) {
    budget.spend(now, 2s);
    ++made;
  }
  CHECK_GE(made, 2'399);
  CHECK_LE(made, 2'402);
}
