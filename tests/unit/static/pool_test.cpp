#include "providers/static/pool.hpp"

#include <doctest/doctest.h>

using namespace muster::given;
using namespace std::chrono_literals;

namespace {

using names = std::vector<std::string>;

constexpr auto start = pool::time_point{} + 1000h;

} // namespace

TEST_CASE("hosts are given out in their order, each once") {
  pool x{{"c", "a", "b"}};
  CHECK_EQ(x.take(2, start), names{"c", "a"});
  CHECK_EQ(x.take(2, start), names{"b"});
  CHECK_EQ(x.take(1, start), names{});
  CHECK_EQ(x.used(), names{"c", "a", "b"});
  CHECK(x.put_back("a", start));
  CHECK_FALSE(x.put_back("a", start));
  CHECK_FALSE(x.put_back("unknown", start));
  CHECK_EQ(x.used(), names{"c", "b"});
}

TEST_CASE("who has been free for longest comes first") {
  pool x{{"a", "b", "c"}};
  x.take(3, start);
  for (const auto* host : {"c", "a", "b"})
    x.put_back(host, start);
  CHECK_EQ(x.take(3, start), names{"c", "a", "b"});
}

TEST_CASE("a host that failed comes after its pause, and behind the others") {
  pool x{{"bad", "good"}};
  CHECK_EQ(x.take(1, start), names{"bad"});
  x.failed("bad");
  x.put_back("bad", start);
  CHECK_EQ(x.pausing(start).hosts, names{"bad"});
  CHECK_EQ(x.take(2, start), names{"good"});
  x.put_back("good", start);
  CHECK_EQ(x.take(2, start + 4999ms), names{"good"});
  x.put_back("good", start);
  CHECK_EQ(x.pausing(start + 5s).hosts, names{});
  CHECK_EQ(x.take(2, start + 5s), names{"good", "bad"});
}

TEST_CASE("the pause of a host doubles up to two minutes and ends with a "
          "success") {
  pool x{{"bad"}};
  auto now = start;
  for (auto pause : {5s, 10s, 20s, 40s, 80s, 120s, 120s}) {
    REQUIRE_EQ(x.take(1, now), names{"bad"});
    x.failed("bad");
    x.put_back("bad", now);
    CHECK_EQ(x.pausing(now).first_in, pause);
    now += pause;
  }
  x.take(1, now);
  x.put_back("bad", now); // not failed
  CHECK_EQ(x.take(1, now), names{"bad"});
  x.failed("bad");
  x.put_back("bad", now);
  CHECK_EQ(x.pausing(now).first_in, 5s);
}

TEST_CASE("hosts that an earlier manager used are in use, as far as known") {
  pool x{{"a", "b"}};
  CHECK_EQ(x.restore({"b", "gone"}), names{"gone"});
  CHECK_EQ(x.used(), names{"b"});
  CHECK(x.is_used("b"));
  CHECK_FALSE(x.is_used("a"));
  CHECK_EQ(x.take(5, start), names{"a"});
}
