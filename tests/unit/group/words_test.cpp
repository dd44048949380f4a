#include "actors/group/words.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace muster;
using namespace std::chrono_literals;

TEST_CASE("times are told as people tell them") {
  struct row {
    std::chrono::milliseconds what;
    const char* text;
  };
  const row rows[] = {
    {0ms, "0 s"},
    {-5s, "0 s"},
    {340ms, "0.3 s"},
    {5s, "5 s"},
    {9'960ms, "10 s"},
    {14'400ms, "14 s"},
    {60s, "1 min"},
    {185s, "3 min 5 s"},
    {59min + 59s, "59 min 59 s"},
    {1h, "1 h"},
    {2h + 3min, "2 h 3 min"},
  };
  for (const auto& r : rows)
    CHECK_EQ(spoken(r.what), r.text);
}

TEST_CASE("every rule has a name of its own") {
  std::set<std::string> names;
  for (size_t i = 0; i <= static_cast<size_t>(last_decision_rule); ++i)
    names.insert(to_string(static_cast<decision_rule>(i)));
  CHECK_EQ(names.size(), static_cast<size_t>(last_decision_rule) + 1);
  CHECK_EQ(names.count("unknown"), 0);
  CHECK_EQ(to_string(static_cast<decision_rule>(200)), "unknown");
  CHECK(names.count("request_expired") == 1);
}

TEST_CASE("a decision is told with its reason and the options left out") {
  decision_note x;
  x.rule = decision_rule::pending;
  x.required = 3;
  x.pending = 3;
  x.instances = 1;
  x.acquired = 2;
  x.capacity_per_instance = 2;
  x.asked = 1;
  x.not_taken = {{decision_rule::scale_throttle, 2, 1000}};
  CHECK_EQ(action_text(x), "1 instance asked for");
  CHECK_EQ(reason_text(x), "3 jobs wait for a slot; there is 1 instance of 2 "
                           "slots, 2 slots in use");
  CHECK_EQ(options_text(x), "2 more wait for scale_throttle for another 1 s");
  CHECK_EQ(policy_text(x), "the built-in policy");
  x.policy = 1;
  x.periods = "* * 8-18 * * mon-fri";
  CHECK_EQ(policy_text(x), "policy 2 (* * 8-18 * * mon-fri)");
}

TEST_CASE("what takes up room below the limit is told with it") {
  decision_note x;
  x.rule = decision_rule::pending;
  x.pending = 1;
  x.instances = 3;
  x.max_instances = 4;
  x.not_taken = {{decision_rule::max_instances, 1, 0}};
  CHECK_EQ(options_text(x),
           "1 more would be asked for, but max_instances is 4");
  x.removing = 1;
  CHECK_EQ(options_text(x), "1 more would be asked for, but max_instances is "
                            "4, and 1 that is being removed counts until gone");
  x.removing = 2;
  x.unconfirmed = 1;
  CHECK_EQ(options_text(x),
           "1 more would be asked for, but max_instances is 4, and 2 that are "
           "being removed count until gone, and 1 request given up may still "
           "appear");
}

TEST_CASE("what is kept and what goes is told with the cause") {
  decision_note x;
  x.rule = decision_rule::surplus;
  x.instances = 3;
  x.idle_time_ms = 300'000;
  x.cordoned = {{instance_id{"i-1"}, decision_rule::max_idle_time}};
  x.not_taken
    = {{decision_rule::reserved, 1, 0}, {decision_rule::idle_time, 1, 20'000}};
  x.reserved = 1;
  CHECK_EQ(action_text(x), "i-1 is to be removed: it is more than is wanted, "
                           "and has been idle for idle_time");
  CHECK_EQ(options_text(x),
           "1 fewer would do, but 1 reservation may still become jobs; 1 too "
           "many is kept, since idle_time is 5 min (the next runs out in 20 "
           "s)");
  CHECK_EQ(action_text({}), "nothing");
}

TEST_CASE("a refused promise is told with its numbers") {
  refusal_note x;
  x.rule = decision_rule::no_capacity;
  x.acquired = 4;
  x.reserved = 0;
  x.max_instances = 2;
  x.capacity_per_instance = 2;
  CHECK_EQ(reason_text(x), "0 slots free, 4 in use, 0 promised to "
                           "others, and no more than 2 instances of 2 slots "
                           "may be there");
  x.rule = decision_rule::not_ready;
  CHECK_EQ(reason_text(x), "the group has not listed its instances yet");
}
