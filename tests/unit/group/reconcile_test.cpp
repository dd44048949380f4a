#include "actors/group/reconcile.hpp"

#include "tests/unit/group/books.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace muster;
using namespace muster::test;

namespace {

using enum cloud_state;
using kind = observation::kind;

listed one(const std::string& name, cloud_state state = running) {
  return {id_of(name), state};
}

/// What an observation says, without its times.
std::string words(const observation& x) {
  static const char* const kinds[]
    = {"discovered", "changed", "missed", "gone"};
  return std::string{kinds[static_cast<int>(x.what)]} + " " + x.instance.value
         + " " + to_string(x.state) + " " + to_string(x.cause);
}

std::vector<std::string> words(const std::vector<observation>& all) {
  std::vector<std::string> result;
  for (const auto& x : all)
    result.push_back(words(x));
  return result;
}

using list = std::vector<std::string>;

} // namespace

TEST_CASE("what the first listing shows was there before") {
  cloud_view x;
  CHECK_FALSE(x.has_listed());
  x.requested(1, start);
  CHECK_EQ(words(x.reconcile({one("a"), one("b", deleting)}, start)),
           list{"discovered a running preexisted",
                "discovered b deleting preexisted"});
  CHECK(x.has_listed());
  CHECK_EQ(x.requests(), 1);
}

TEST_CASE("a new instance is on request while a request is open") {
  cloud_view x;
  x.reconcile({}, start);
  x.requested(1, start + 1s);
  x.requested(1, start + 2s);
  auto seen = x.reconcile({one("b"), one("a"), one("c")}, start + 3s);
  CHECK_EQ(words(seen), list{"discovered b running requested",
                             "discovered a running requested",
                             "discovered c running unexpected"});
  CHECK_EQ(seen[0].requested, start + 1s); // the oldest request first
  CHECK_EQ(seen[1].requested, start + 2s);
  CHECK_EQ(seen[2].requested, group_time{});
  CHECK_EQ(seen[0].since, start + 3s);
  CHECK_EQ(x.requests(), 0);
}

TEST_CASE("an unknown instance that is over is ignored") {
  cloud_view x;
  x.reconcile({}, start);
  x.requested(1, start);
  CHECK(x.reconcile({one("a", deleted), one("b", timeout)}, start).empty());
  CHECK_EQ(x.requests(), 1);
  CHECK_EQ(x.known(), 0);
}

TEST_CASE("a known instance is told by its change, its end, its absence") {
  cloud_view x;
  x.reconcile({one("a", creating), one("b")}, start);
  CHECK_EQ(words(x.reconcile({one("a"), one("b")}, start)),
           list{"changed a running preexisted"});
  CHECK(x.reconcile({one("a"), one("b")}, start).empty());
  CHECK_EQ(words(x.reconcile({one("a", deleted), one("b")}, start)),
           list{"gone a deleted preexisted"});
  CHECK_EQ(words(x.reconcile({one("b", timeout)}, start)),
           list{"gone b timeout preexisted"});
  CHECK_EQ(x.known(), 0);
}

TEST_CASE("an instance that is left out is gone at the sixth time") {
  cloud_view x;
  x.reconcile({one("a")}, start);
  for (auto i = 1; i < cloud_view::missed_max; ++i) {
    auto seen = x.reconcile({}, start + i * 1s);
    REQUIRE_EQ(words(seen), list{"missed a running preexisted"});
    CHECK_EQ(seen[0].missed, i);
  }
  SUBCASE("unless it is seen again") {
    x.reconcile({one("a")}, start);
    CHECK_EQ(x.reconcile({}, start)[0].missed, 1);
  }
  SUBCASE("by its absence") {
    auto seen = x.reconcile({}, start + 9s);
    REQUIRE_EQ(words(seen), list{"gone a timeout preexisted"});
    CHECK_EQ(seen[0].missed, 6);
    CHECK_EQ(seen[0].last_seen, start);
    CHECK_FALSE(seen[0].was_asked);
  }
}

TEST_CASE("the absence of what is being removed is no surprise") {
  cloud_view x;
  x.reconcile({one("asked"), one("going", deleting)}, start);
  x.removal_asked(id_of("asked"));
  x.removal_asked(id_of("unknown"));
  auto seen = x.reconcile({}, start);
  CHECK_EQ(words(seen), list{"gone asked deleted preexisted",
                             "gone going deleted preexisted"});
  CHECK(seen[0].was_asked);
  CHECK_FALSE(seen[1].was_asked);
}

TEST_CASE("ids that come twice, or not at all, are tolerated") {
  cloud_view x;
  CHECK_EQ(words(x.reconcile({one("a"), one("a"), one("")}, start)),
           list{"discovered a running preexisted"});
  SUBCASE("the more alive entry counts, in either order") {
    CHECK(x.reconcile({one("a", deleted), one("a")}, start).empty());
    CHECK(x.reconcile({one("a"), one("a", deleted)}, start).empty());
  }
  SUBCASE("one that is going is less alive than one that is not") {
    CHECK(x.reconcile({one("a", deleting), one("a")}, start).empty());
    CHECK(x.reconcile({one("a"), one("a", deleting)}, start).empty());
  }
  SUBCASE("both over: it is over") {
    CHECK_EQ(words(x.reconcile({one("a", deleted), one("a", timeout)}, start)),
             list{"gone a deleted preexisted"});
  }
}

TEST_CASE("what the provider did not accept is not waited for") {
  struct row {
    int asked;
    int accepted;
    bool certain;
    int left;
  };
  const row rows[] = {
    {3, 3, true, 3},  {3, 1, true, 1},  {3, 0, true, 0},  {3, 9, true, 3},
    {3, -4, true, 0}, {3, 0, false, 3}, {3, 1, false, 3},
  };
  for (const auto& r : rows) {
    CAPTURE(r.accepted);
    CAPTURE(r.certain);
    cloud_view x;
    x.reconcile({}, start);
    x.requested(2, start - 1s);
    x.answered(2, 2, true, never);
    x.requested(r.asked, start);
    x.answered(r.asked, r.accepted, r.certain, never);
    CHECK_EQ(x.requests(), 2 + r.left);
  }
}

TEST_CASE("many listings in a short time are no proof that one is gone") {
  cloud_view x;
  x.reconcile({one("a"), one("asked")}, start, 12s);
  x.removal_asked(instance_id{"asked"});
  for (auto i = 1; i <= 40; ++i)
    for (const auto& seen : x.reconcile({}, start + i * 250ms, 12s))
      CHECK(seen.what
            == (seen.instance.value == "asked" ? observation::kind::gone
                                               : observation::kind::missed));
  CHECK_EQ(x.known(), 1);
  CHECK_EQ(words(x.reconcile({}, start + 12s, 12s)),
           list{"gone a timeout preexisted"});
}

TEST_CASE(
  "what was found dead is not out of the way before a listing says so") {
  cloud_view x;
  x.reconcile({one("a"), one("b")}, start);
  x.forget(instance_id{"a"}, false);
  x.forget(instance_id{"b"}, true);
  CHECK_EQ(x.unconfirmed(), 1);
  CHECK_EQ(x.requests(), 1);
  SUBCASE("it is gone") {
    x.reconcile({}, start);
  }
  SUBCASE("its end is told") {
    x.reconcile({one("a", deleted), one("b", timeout)}, start);
    CHECK_EQ(x.known(), 0);
  }
  SUBCASE("it is there all the same") {
    x.reconcile({one("a"), one("b")}, start);
    CHECK_EQ(x.known(), 2);
  }
  CHECK_EQ(x.unconfirmed(), 0);
  CHECK_EQ(x.requests(), 0);
}

TEST_CASE("a request that is never delivered is given up at its deadline") {
  cloud_view x;
  x.reconcile({}, start);
  x.requested(2, start);
  x.requested(1, start);
  // As long as the provider works on it, it is not late.
  CHECK_EQ(x.give_up(start + 1h), 0);
  x.answered(2, 2, true, start + 10min);
  x.answered(1, 1, true, start + 20min);
  CHECK_EQ(x.give_up(start + 10min - 1ns), 0);
  CHECK_EQ(x.give_up(start + 10min), 2);
  CHECK_EQ(x.requests(), 1);
  CHECK_EQ(x.give_up(start + 1h), 1);
  // It comes after all.
  CHECK_EQ(words(x.reconcile({one("late")}, start + 2h)),
           list{"discovered late running unexpected"});
}

TEST_CASE("an instance whose actor failed counts until the next listing") {
  cloud_view x;
  x.reconcile({one("a"), one("b")}, start);
  CHECK_FALSE(x.expects_change());
  x.forget(id_of("a"), true);
  CHECK_EQ(x.requests(), 1);
  CHECK(x.expects_change());
  SUBCASE("which has it") {
    CHECK_EQ(words(x.reconcile({one("a"), one("b")}, start)),
             list{"discovered a running unexpected"});
  }
  SUBCASE("which has it no more") {
    CHECK_EQ(words(x.reconcile({one("b")}, start)), list{});
  }
  CHECK_EQ(x.requests(), 0);
  CHECK_FALSE(x.expects_change());
}

TEST_CASE("what nobody answers is given up, too") {
  cloud_view x;
  x.reconcile({}, start);
  x.requested(2, start, start + 10min);
  CHECK_EQ(x.give_up(start + 9min), 0);
  CHECK_EQ(x.requests(), 2);
  CHECK_EQ(x.give_up(start + 10min), 2);
  CHECK_EQ(x.requests(), 0);
}

TEST_CASE("an instance that was found dead and is listed is discovered anew") {
  cloud_view x;
  x.reconcile({one("a")}, start);
  x.forget(id_of("a"), false);
  x.requested(1, start);
  CHECK_EQ(words(x.reconcile({one("a")}, start)),
           list{"discovered a running unexpected"});
  CHECK_EQ(x.requests(), 1); // it is not the one that was asked for
  SUBCASE("once it was away it is like any other") {
    x.forget(id_of("a"), false);
    x.reconcile({}, start);
    CHECK_EQ(words(x.reconcile({one("a")}, start)),
             list{"discovered a running requested"});
  }
}

TEST_CASE("listings come faster while one is expected to show something") {
  cloud_view x;
  CHECK(x.expects_change());
  x.reconcile({one("a"), one("s", suspended)}, start);
  CHECK_FALSE(x.expects_change());
  x.requested(1, start);
  CHECK(x.expects_change());
  x.reconcile({one("a"), one("s", suspended), one("b", creating)}, start);
  CHECK_EQ(x.requests(), 0);
  CHECK(x.expects_change());
  x.reconcile({one("a"), one("s", suspended), one("b")}, start);
  CHECK_FALSE(x.expects_change());
  CHECK_EQ(x.state_of(id_of("s")), suspended);
  CHECK_EQ(x.state_of(id_of("never seen")), deleted);
  x.removal_asked(id_of("a"));
  CHECK(x.expects_change());
}

TEST_CASE("an instance is expected from its request until it runs") {
  cloud_view x;
  x.reconcile({one("a")}, start);
  CHECK_FALSE(x.expects_instance());
  x.requested(1, start);
  CHECK(x.expects_instance());
  x.reconcile({one("a"), one("b", creating)}, start);
  CHECK(x.expects_instance());
  SUBCASE("it runs") {
    x.reconcile({one("a"), one("b")}, start);
  }
  SUBCASE("it is not wanted any more") {
    x.removal_asked(id_of("b"));
  }
  CHECK_FALSE(x.expects_instance());
  x.removal_asked(id_of("a"));
  CHECK_FALSE(x.expects_instance());
  x.reconcile({one("s", cloud_state::resuming)}, start);
  CHECK(x.expects_instance());
}

TEST_CASE(
  "each instance is discovered once and gone once, whatever is listed") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  auto below
    = [&chance](unsigned bound) { return static_cast<int>(chance() % bound); };
  cloud_view x;
  std::set<instance_id> alive;
  for (auto i = 0; i < 5'000; ++i) {
    std::vector<listed> listing;
    for (auto k = below(6); k > 0; --k)
      listing.push_back(
        {id_of(std::string(1, static_cast<char>('a' + below(5)))),
         static_cast<cloud_state>(below(8))});
    if (below(3) == 0)
      if (auto count = below(3); count > 0) {
        x.requested(count, start);
        x.answered(count, count, true, start);
      }
    for (const auto& what : x.reconcile(listing, start)) {
      auto known = alive.contains(what.instance);
      REQUIRE_EQ(known, what.what != kind::discovered);
      if (what.what == kind::discovered)
        alive.insert(what.instance);
      else if (what.what == kind::gone)
        alive.erase(what.instance);
    }
    REQUIRE_EQ(static_cast<int>(alive.size()), x.known());
    x.give_up(start);
  }
}
