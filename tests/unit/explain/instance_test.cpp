#include "messages/errors.hpp"
#include "tests/unit/explain/recording.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::explain;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

const filter of_i1{.instance = "i-1"};

instance_story only_instance(hand_recording& x) {
  auto all = x.finish();
  REQUIRE_EQ(all.instances.size(), 1);
  return all.instances[0];
}

bool tells(const instance_story& x, const std::string& part) {
  for (const auto& y : x.told.all())
    if (y.text.find(part) != std::string::npos)
      return true;
  return false;
}

void gone(hand_recording& x, decision_rule rule, const std::string& reason) {
  instance_note note;
  note.instance = instance_id{"i-1"};
  note.what = instance_event::gone;
  note.rule = rule;
  note.reason = reason;
  x.note("runner:r/group", note);
}

} // namespace

TEST_CASE("an instance was made by the decision at the time of its request") {
  hand_recording x{of_i1};
  decision_note idle;
  idle.rule = decision_rule::idle_count;
  idle.unrestricted = idle.asked = idle.idle_count = 1;
  x.note("runner:r/group", idle);
  x.after(2s);
  x.grows(); // another one
  x.after(5s);
  x.appears("i-1", 7s);
  auto it = only_instance(x);
  CHECK_EQ(it.made_because,
           "idle_count asks for 1 slot kept free; there is no instance");
  CHECK(tells(it, "an instance was asked for: idle_count"));
  CHECK_EQ(it.asked->us, it.listed->us - 7'000'000);
}

TEST_CASE("why an instance is kept is told: idle time, reservations, demand") {
  hand_recording x{of_i1};
  x.appears("i-1", 0s);
  x.becomes_ready("i-1");
  decision_note surplus;
  surplus.rule = decision_rule::surplus;
  surplus.required = surplus.unrestricted = -1;
  surplus.idle_time_ms = 300'000;
  surplus.not_taken = {{decision_rule::idle_time, 1, 60'000}};
  x.note("runner:r/group", surplus);
  surplus.rule = decision_rule::reserved;
  surplus.required = 0;
  surplus.reserved = 1;
  surplus.not_taken = {{decision_rule::reserved, 1, 0}};
  x.note("runner:r/group", surplus);
  surplus.not_taken.clear();
  surplus.cordoned = {{instance_id{"i-1"}, decision_rule::max_idle_time}};
  x.note("runner:r/group", surplus);
  decision_note back;
  back.rule = decision_rule::pending;
  back.unrestricted = 1;
  back.pending = 1;
  back.taken_back = {instance_id{"i-1"}};
  x.note("runner:r/group", back);
  auto it = only_instance(x);
  CHECK(tells(it, "kept: 1 too many is kept, since idle_time is 5 min"));
  CHECK(tells(it, "kept: 1 fewer would do, but 1 reservation"));
  CHECK(tells(it, "to be removed: it is more than is wanted"));
  CHECK(tells(it, "it stays after all: 1 job waits"));
  CHECK_FALSE(it.retired);
  CHECK(it.retired_because.empty());
}

TEST_CASE("each cause of a removal is told") {
  struct row {
    decision_rule rule;
    const char* text;
  };
  const row rows[] = {
    {decision_rule::max_idle_time, "has been idle for idle_time"},
    {decision_rule::max_use_count, "as many jobs as max_use_count allows"},
    {decision_rule::unhealthy, "it does not work"},
    {decision_rule::reconfigured, "settings that have changed"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    hand_recording x{of_i1};
    x.appears("i-1", 0s);
    decision_note decision;
    decision.cordoned = {{instance_id{"i-1"}, r.rule}};
    x.note("runner:r/group", decision);
    x.sent("runner:r/group/provider", decrease{{instance_id{"i-1"}}, {}});
    gone(x, decision_rule::satisfied, "");
    auto it = only_instance(x);
    CHECK_NE(it.retired_because.find(r.text), std::string::npos);
    CHECK(it.retired);
    CHECK(it.deletion);
    CHECK(it.gone);
    CHECK(tells(it, "the cloud is asked to remove it"));
  }
}

TEST_CASE("an instance that is not used is told with the reason") {
  for (auto rule : {decision_rule::unknown_instance, decision_rule::job_left,
                    decision_rule::lost_before, decision_rule::shutdown}) {
    hand_recording x{of_i1};
    instance_note note;
    note.instance = instance_id{"i-1"};
    note.what = instance_event::refused;
    note.cause = instance_cause::preexisted;
    note.rule = rule;
    x.note("runner:r/group", note);
    auto all = x.finish();
    REQUIRE_EQ(all.instances.size(), 1);
    CHECK(tells(all.instances[0], "it is not used but removed: "));
    CHECK_FALSE(all.instances[0].retired_because.empty());
    CHECK_EQ(all.rules.at(rule), 1);
    CHECK_EQ(all.problems.all().size(), 1);
  }
}

TEST_CASE("what goes wrong with an instance is told, and is a problem") {
  hand_recording x{of_i1};
  x.appears("i-1", 0s);
  auto role = x.instance_role("i-1");
  x.handled(role, provider_state{cloud_state::running});
  x.handled(role, dialed{instance_id{"i-1"}, "",
                         error_of(connection_errc::unreachable, "refused")});
  command_ended command;
  command.exit_code = 4;
  command.error_output = "no disk";
  x.handled(role, command);
  instance_status status;
  status.instance = instance_id{"i-1"};
  status.problem = "ready command: exit code 4";
  x.handled("runner:r/group", status);
  instance_note lost;
  lost.instance = instance_id{"i-1"};
  lost.what = instance_event::lost;
  lost.reason = "no answer";
  x.note("runner:r/group", lost);
  auto all = x.finish();
  REQUIRE_EQ(all.instances.size(), 1);
  const auto& it = all.instances[0];
  CHECK(tells(it, "no connection: "));
  CHECK(tells(it, "exit code 4: no disk"));
  CHECK(tells(it, "a try failed: ready command"));
  CHECK(tells(it, "lost: no answer"));
  CHECK_FALSE(it.dialed);
  CHECK_EQ(all.problems.all().back().text, "i-1 was lost: no answer");
}

TEST_CASE("one that somebody else has removed is a problem") {
  hand_recording x{of_i1};
  x.appears("i-1", 0s);
  gone(x, decision_rule::removed_outside, "instance externally removed");
  auto all = x.finish();
  CHECK_EQ(all.problems.all().back().text, "i-1: instance externally removed");
  CHECK(tells(all.instances.at(0), "gone: instance externally removed"));
}

TEST_CASE("the provider's and the group's troubles are problems") {
  hand_recording x;
  auto why = error_of(provider_errc::call_failed, "quota");
  x.handled("runner:r/group", increased{2, 0, why});
  x.handled("runner:r/group", listing{1, {}, why});
  x.handled("runner:r/group", decreased{{}, {}, why});
  provider_ready ready;
  ready.why = why;
  x.handled("runner:r/group", ready);
  x.note("runner:r/group", request_note{2, 600'000});
  x.ended("runner:r/group", why);
  x.ended("runner:r/coordinator", caf::exit_reason::user_shutdown); // none
  x.lost(7);
  auto all = x.finish();
  CHECK_EQ(all.missing, 7);
  std::string told;
  for (const auto& y : all.problems.all())
    told += y.text + "\n";
  for (const auto* part :
       {"gave 0 of 2 instances: ", "could not list", "did not remove",
        "could not be started", "2 instances asked for had not appeared",
        "runner:r/group failed: ", "7 records are missing"})
    CHECK_NE(told.find(part), std::string::npos);
  CHECK_EQ(all.problems.all().size(), 7);
}

TEST_CASE("an instance that outlives muster keeps its story") {
  hand_recording x{of_i1};
  x.grows();
  x.appears("i-1", 0s);
  x.note("", run_begun{"run2", "1.1", "def", 1});
  x.appears("i-1", 0s, instance_cause::preexisted);
  auto it = only_instance(x);
  CHECK_EQ(it.cause, instance_cause::requested);
  CHECK_FALSE(it.made_because.empty());
  CHECK(tells(it, "muster was started anew, and found it"));
}

TEST_CASE("an instance's id may have anything in it") {
  auto x = place::of("runner:r/group/instance:projects/x/zones/a/slot:b");
  CHECK_EQ(x.what, place::kind::other); // a slot of projects/x/zones/a
  CHECK_EQ(place::of("runner:r/group/instance:projects/x").instance,
           "projects/x");
  CHECK_EQ(place::of("runner:r/group/instance:projects/x").what,
           place::kind::instance);
  CHECK_EQ(place::of("runner:r/job:4").what, place::kind::job);
  CHECK_EQ(place::of("runner:r/job:4/trace").what, place::kind::other);
  CHECK_EQ(place::of("").what, place::kind::other);
}
