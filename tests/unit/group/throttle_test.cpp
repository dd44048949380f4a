#include "actors/group/throttle.hpp"
#include "tests/unit/group/books.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;

TEST_CASE("a group grows by its burst, then by its rate") {
  growth_throttle x{{.per_second = 2, .burst = 5}};
  CHECK_EQ(x.allowed(3, start), 3);
  CHECK_EQ(x.allowed(9, start), 5);
  CHECK_EQ(x.next(start), never);
  x.asked(5, start);
  CHECK_EQ(x.allowed(9, start), 0);
  CHECK_EQ(x.next(start), start + 500ms);
  CHECK_EQ(x.allowed(9, start + 499ms), 0);
  CHECK_EQ(x.allowed(9, start + 500ms), 1);
  x.asked(1, start + 700ms);
  CHECK_EQ(x.next(start + 700ms), start + 1000ms);
  CHECK_EQ(x.allowed(9, start + 1h), 5); // no more than the burst
  x.asked(1, start + 1h);
  CHECK_EQ(x.allowed(9, start + 1h), 4);
}

TEST_CASE("GitLab's example: 60 at once, then one a second") {
  growth_throttle x{{.per_second = 1, .burst = 60}};
  CHECK_EQ(x.allowed(100, start), 60);
  x.asked(60, start);
  for (int i = 1; i < 10; ++i) {
    CHECK_EQ(x.allowed(100, start + i * 1s), 1);
    x.asked(1, start + i * 1s);
  }
}

TEST_CASE("without a rate anything is allowed") {
  growth_throttle x{{.per_second = 0, .burst = 1}};
  x.asked(1000, start);
  CHECK_EQ(x.allowed(1000, start), 1000);
  CHECK_EQ(x.next(start), never);
}

TEST_CASE("failed instances make a pause that doubles up to five minutes") {
  growth_throttle x{{.per_second = 0}};
  auto now = start;
  for (auto pause : {5s, 10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
    x.instance_failed(now);
    x.instance_failed(now); // of the same batch
    CHECK(x.is_pausing(now));
    CHECK_EQ(x.allowed(1, now), 0);
    CHECK_EQ(x.next(now), now + pause);
    now += pause;
    CHECK_EQ(x.allowed(1, now), 1);
  }
  x.instance_failed(now);
  x.instance_ready();
  CHECK_EQ(x.allowed(1, now), 1);
  x.instance_failed(now);
  CHECK_EQ(x.next(now), now + 5s);
}
