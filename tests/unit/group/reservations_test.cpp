#include "actors/group/reservations.hpp"

#include "tests/unit/group/books.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

namespace {

const slot_room plenty{.idle = 100};

void reserve(reservations& x, const std::string& key) {
  REQUIRE(x.reserve(key_of(key), plenty, 0, false));
}

void wait(reservations& x, const std::string& key, group_time deadline = never,
          group_time now = start) {
  reserve(x, key);
  REQUIRE(x.wait(key_of(key), now, deadline));
}

} // namespace

TEST_CASE("a reservation is refused when nothing is there and nothing may be") {
  struct row {
    const char* what;
    slot_room room;
    int reserved;
    int idle_count;
    bool preemptive;
    const char* refusal; ///< empty: granted
  };
  constexpr const char* nothing
    = "no capacity: no immediately available or potential capacity";
  constexpr const char* not_now = "no capacity: no immediately available "
                                  "capacity";
  const row rows[] = {
    {"an idle slot", {.idle = 1, .max_instances = 1}, 0, 0, false, ""},
    {"no idle slot, room to grow", {.max_instances = 1}, 0, 0, false, ""},
    {"no limit", {.acquired = 9}, 50, 0, false, ""},
    {"all held", {.acquired = 1, .max_instances = 1}, 0, 0, false, nothing},
    {"all promised", {.idle = 1, .max_instances = 1}, 1, 0, false, nothing},
    {"worn out", {.unavailable = 1, .max_instances = 1}, 0, 0, false, nothing},
    {"above the limit",
     {.acquired = 9, .max_instances = 1},
     0,
     0,
     false,
     nothing},
    {"preemptive and nothing idle", {}, 0, 1, true, not_now},
    {"preemptive and something idle", {.idle = 1}, 0, 1, true, ""},
    {"preemptive and all promised", {.idle = 1}, 1, 1, true, not_now},
    {"preemptive without an idle count", {}, 0, 0, true, ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    reservations x;
    for (auto i = 0; i < r.reserved; ++i)
      reserve(x, "other" + std::to_string(i));
    auto answer = x.reserve(key_of("k"), r.room, r.idle_count, r.preemptive);
    CHECK_EQ(answer ? "" : answer.error().text, std::string{r.refusal});
    CHECK_EQ(x.reserved(), r.reserved + (answer ? 1 : 0));
  }
}

TEST_CASE("a key that is reserved is granted again, whatever the room") {
  reservations x;
  reserve(x, "k");
  CHECK(x.reserve(key_of("k"), {.max_instances = 1, .capacity_per_instance = 0},
                  0, false));
  CHECK_EQ(x.reserved(), 1);
}

TEST_CASE("only a reserved key may wait") {
  reservations x;
  auto refused = x.wait(key_of("k"), start, never);
  REQUIRE_FALSE(refused);
  CHECK_EQ(refused.error().code, capacity_errc::reservation_not_found);
  CHECK_EQ(refused.error().text, "reservation not found");
  CHECK_EQ(x.pending(), 0);
}

TEST_CASE("who waits is served in the order of arrival") {
  reservations x;
  for (const auto* key : {"c", "a", "b"})
    wait(x, key);
  CHECK_EQ(x.pending(), 3);
  CHECK_EQ(x.reserved(), 3);
  CHECK_EQ(x.position(key_of("b")), 3);
  for (const auto* key : {"c", "a", "b"}) {
    REQUIRE_EQ(x.head(), key_of(key));
    x.serve(key_of(key));
  }
  CHECK_FALSE(x.head());
  CHECK_EQ(x.pending(), 0);
  CHECK_EQ(x.reserved(), 0);
  CHECK_EQ(x.serving(), 3);
}

TEST_CASE("asking twice keeps the place and takes the new deadline") {
  reservations x;
  wait(x, "a", start + 1h);
  wait(x, "b", start + 1h);
  REQUIRE(x.wait(key_of("a"), start + 1s, start + 2h));
  CHECK_EQ(x.position(key_of("a")), 1);
  CHECK_EQ(x.waiting_since(key_of("a")), start);
  CHECK_EQ(x.expire(start + 1h), std::vector{key_of("b")});
}

TEST_CASE("who was refused by the slot is back at its place in the line") {
  reservations x;
  for (const auto* key : {"a", "b", "c"})
    wait(x, key);
  x.serve(key_of("a"));
  x.serve(key_of("b"));
  CHECK(x.refused(key_of("b")));
  CHECK(x.refused(key_of("a")));
  CHECK_EQ(x.position(key_of("a")), 1);
  CHECK_EQ(x.position(key_of("b")), 2);
  CHECK_EQ(x.position(key_of("c")), 3);
  CHECK_EQ(x.reserved(), 3);
  CHECK_FALSE(x.refused(key_of("a"))); // waits, is not being served
}

TEST_CASE("a slot that nobody wants any more is to be vacated") {
  reservations x;
  wait(x, "a");
  x.serve(key_of("a"));
  CHECK(x.unreserve(key_of("a")));
  CHECK_FALSE(x.confirm(key_of("a")));
  CHECK_FALSE(x.refused(key_of("a")));
  CHECK_EQ(x.serving(), 0);
}

TEST_CASE("giving back ends a wait, and unknown keys are fine") {
  reservations x;
  wait(x, "a");
  CHECK_FALSE(x.unreserve(key_of("a")));
  CHECK_FALSE(x.unreserve(key_of("a")));
  CHECK_FALSE(x.unreserve(key_of("never seen")));
  CHECK_EQ(x.pending(), 0);
  CHECK_EQ(x.reserved(), 0);
}

TEST_CASE("a deadline ends the wait, not the reservation") {
  reservations x;
  wait(x, "late", start + 3s);
  wait(x, "soon", start + 1s);
  wait(x, "soon too", start + 2s);
  CHECK_EQ(x.next_deadline(), start + 1s);
  CHECK(x.expire(start).empty());
  CHECK_EQ(x.expire(start + 2s),
           std::vector{key_of("soon"), key_of("soon too")});
  CHECK_EQ(x.next_deadline(), start + 3s);
  CHECK_EQ(x.pending(), 1);
  CHECK_EQ(x.reserved(), 3);
  REQUIRE(x.wait(key_of("soon"), start + 2s, start + 9s));
  CHECK_EQ(x.position(key_of("soon")), 2); // behind those who stayed
}

TEST_CASE("a deadline does not take back a slot that is on its way") {
  reservations x;
  wait(x, "a", start + 1s);
  x.serve(key_of("a"));
  CHECK_EQ(x.next_deadline(), never);
  CHECK(x.expire(start + 1h).empty());
  CHECK(x.confirm(key_of("a")));
}

TEST_CASE("serving who does not wait changes nothing") {
  reservations x;
  reserve(x, "a");
  auto before = x;
  x.serve(key_of("a"));
  x.serve(key_of("unknown"));
  CHECK_EQ(x, before);
}
