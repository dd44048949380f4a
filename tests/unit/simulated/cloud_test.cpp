#include "providers/simulated/cloud.hpp"

#include <doctest/doctest.h>

using namespace muster::simulated;
using namespace std::chrono_literals;

namespace {

constexpr cloud_time start{1h};

cloud_options plain() {
  cloud_options out;
  out.boot = {boot_time::shape::constant, 40s, 0s, 0};
  out.removal = 5s;
  return out;
}

std::vector<listed_machine> listing(cloud& of, cloud_time now) {
  std::vector<listed_machine> out;
  REQUIRE(of.list(now, out));
  return out;
}

} // namespace

TEST_CASE("a machine is made, runs, and is removed") {
  cloud it{plain(), 1};
  CHECK_EQ(it.increase(1, start), 1);
  auto seen = listing(it, start);
  REQUIRE_EQ(seen.size(), 1);
  CHECK_EQ(seen[0].state, machine_state::creating);
  CHECK_FALSE(it.is_alive(seen[0].id, start + 39s));
  CHECK(it.is_alive(seen[0].id, start + 40s));
  CHECK_EQ(listing(it, start + 40s)[0].state, machine_state::running);
  CHECK_EQ(it.decrease({seen[0].id}, start + 1min).size(), 1);
  CHECK_EQ(listing(it, start + 1min)[0].state, machine_state::deleting);
  CHECK_EQ(it.present(start + 64s).size(), 1);
  CHECK(listing(it, start + 65s).empty());
  CHECK(it.lives()
        == std::vector<machine_life>{{start, start + 40s, start + 65s}});
}

TEST_CASE("a second removal does not bring a machine's end forward or back") {
  cloud it{plain(), 1};
  it.increase(1, start);
  auto id = listing(it, start)[0].id;
  it.decrease({id}, start + 1s);
  it.decrease({id}, start + 3s);
  CHECK(listing(it, start + 6s).empty());
  CHECK_EQ(it.decrease({id, "stranger"}, start + 7s).size(), 2);
}

TEST_CASE("a cloud has its own limit") {
  auto options = plain();
  options.max_size = 3;
  cloud it{options, 1};
  CHECK_EQ(it.increase(2, start), 2);
  CHECK_EQ(it.increase(5, start), 1);
  CHECK_EQ(it.increase(-1, start), 0);
}

TEST_CASE("a machine that is lost is gone at once") {
  cloud it{plain(), 1};
  it.increase(2, start);
  auto id = listing(it, start)[0].id;
  it.lose(id, start + 1min);
  CHECK_FALSE(it.is_alive(id, start + 1min));
  CHECK_EQ(listing(it, start + 1min).size(), 1);
  it.lose("stranger", start + 1min);
  CHECK_EQ(it.present(start + 1min).size(), 1);
}

TEST_CASE("a cloud does wrong what it is told to, and nothing else") {
  auto with = [](double cloud_faults::*fault) {
    auto options = plain();
    options.faults.*fault = 1;
    return cloud{options, 1};
  };
  auto refuses = with(&cloud_faults::refused);
  CHECK_EQ(refuses.increase(2, start), 0);
  auto fewer = with(&cloud_faults::fewer);
  CHECK_LT(fewer.increase(2, start), 2);
  auto never = with(&cloud_faults::undelivered);
  CHECK_EQ(never.increase(2, start), 2);
  CHECK(listing(never, start + 24h).empty());
  auto late = with(&cloud_faults::overdue);
  CHECK_EQ(late.increase(1, start), 1);
  CHECK(listing(late, start).empty());
  CHECK_EQ(listing(late, start + 15min).size(), 1);
  auto stuck = with(&cloud_faults::stuck);
  stuck.increase(1, start);
  CHECK_EQ(listing(stuck, start + 24h)[0].state, machine_state::creating);
  auto drops = with(&cloud_faults::left_out);
  drops.increase(1, start);
  CHECK(listing(drops, start).empty());
  auto repeats = with(&cloud_faults::repeated);
  repeats.increase(1, start);
  CHECK_EQ(listing(repeats, start).size(), 2);
  auto goes_back = with(&cloud_faults::goes_back);
  goes_back.increase(1, start);
  CHECK_EQ(listing(goes_back, start + 1h)[0].state, machine_state::creating);
  auto strange = with(&cloud_faults::unexpected);
  CHECK_EQ(listing(strange, start).size(), 1);
  auto failing = with(&cloud_faults::failing);
  std::vector<listed_machine> into;
  CHECK_FALSE(failing.list(start, into));
}
