#include "actors/trace/flow.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace muster;
using namespace muster::trace_flow;
using namespace std::chrono_literals;

namespace {

template <class T>
const T* find(const std::vector<action>& todo) {
  for (const auto& x : todo)
    if (const auto* found = std::get_if<T>(&x))
      return found;
  return nullptr;
}

reply answered(int status) {
  return {status, {}, 0ms, 0ms, {}};
}

/// A job's flow with a clock that is moved by hand. Sends are answered by the
/// test, timers fire when time passes them.
struct world {
  explicit world(settings with = {}) : st(begin(with, now)) {
    note(start(st, now));
  }

  void say(const event& what) {
    note(step(st, what, now));
  }

  void note(const std::vector<action>& actions) {
    todo = actions;
    for (const auto& x : actions)
      if (const auto* timer = std::get_if<arm_timer>(&x))
        armed = *timer;
  }

  /// Lets time pass; returns what the timers brought.
  std::vector<action> pass(milliseconds how_long) {
    auto until = now + how_long;
    std::vector<action> all;
    while (armed && armed->at <= until) {
      now = std::max(now, armed->at);
      auto version = armed->version;
      armed.reset();
      say(timer{version});
      all.insert(all.end(), todo.begin(), todo.end());
    }
    now = until;
    return all;
  }

  void grow(int64_t bytes) {
    size += bytes;
    say(grew{});
  }

  /// Answers the patch under way.
  void patched(reply what, int64_t next_offset = 0) {
    auto sent = std::min(size - st.offset, st.with.patch_max);
    say(patch_answered{std::move(what), sent, next_offset, size});
  }

  void updated(reply what) {
    say(update_answered{std::move(what)});
  }

  time_point now{1000h};
  state st;
  std::vector<action> todo;
  std::optional<arm_timer> armed;
  int64_t size = 0;
};

/// A job that is over, with its log acknowledged: the final update is under
/// way.
world finished(settings with = {}) {
  world x{with};
  x.grow(100);
  x.say(finish{});
  REQUIRE(find<send_patch>(x.todo));
  x.patched(answered(202));
  REQUIRE(find<flushed>(x.todo));
  REQUIRE(find<send_update>(x.todo));
  REQUIRE_EQ(find<send_update>(x.todo)->kind, update_kind::final);
  return x;
}

} // namespace

TEST_CASE("the first lines go out within 100 ms, later ones every 500") {
  world x;
  x.grow(10);
  CHECK_FALSE(find<send_patch>(x.pass(99ms)));
  auto todo = x.pass(1ms);
  REQUIRE(find<send_patch>(todo));
  CHECK_EQ(find<send_patch>(todo)->offset, 0);
  CHECK_EQ(find<send_patch>(todo)->length_max, 1 << 20);
  x.grow(10);
  CHECK(x.todo.empty()); // one request at a time
  x.patched(answered(202));
  CHECK_EQ(x.st.offset, 20); // both lines were there when it was made
  x.grow(5);
  CHECK_FALSE(find<send_patch>(x.pass(499ms)));
  todo = x.pass(1ms);
  REQUIRE(find<send_patch>(todo));
  CHECK_EQ(find<send_patch>(todo)->offset, 20);
}

TEST_CASE("full patches follow each other at once") {
  world x;
  x.grow(5 << 20);
  x.pass(100ms);
  x.patched(answered(202));
  REQUIRE(find<send_patch>(x.todo));
  CHECK_EQ(find<send_patch>(x.todo)->offset, 1 << 20);
}

TEST_CASE("the server's interval is obeyed, up to 15 minutes") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.patched({202, "running", 60s, 0ms, {}});
  x.grow(5 << 20);
  CHECK_FALSE(find<send_patch>(x.pass(59s)));
  CHECK(find<send_patch>(x.pass(1s)));
  x.patched({202, "running", 24h, 0ms, {}});
  CHECK_FALSE(find<send_patch>(x.pass(14min)));
  CHECK(find<send_patch>(x.pass(1min)));
}

TEST_CASE("a job that falls silent is touched after 5 s") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.patched(answered(202));
  CHECK_FALSE(find<send_update>(x.pass(4'999ms)));
  auto todo = x.pass(1ms);
  REQUIRE(find<send_update>(todo));
  CHECK_EQ(find<send_update>(todo)->kind, update_kind::touch);
  x.updated({200, "canceling", 0ms, 0ms, {}});
  CHECK(find<canceling>(x.todo));
}

/// Lets a job be silent; returns when it was touched.
std::vector<milliseconds> touches_of(world& x, milliseconds time) {
  std::vector<milliseconds> out;
  auto began = x.now;
  while (x.now < began + time)
    if (find<send_update>(x.pass(100ms))) {
      out.push_back(std::chrono::duration_cast<milliseconds>(x.now - began));
      x.updated(answered(200));
    }
  return out;
}

TEST_CASE("a job that has not said a word is touched after 30 s") {
  world x;
  CHECK_FALSE(find<send_update>(x.pass(29'999ms)));
  CHECK(find<send_update>(x.pass(1ms)));
}

TEST_CASE("touches become rarer with silence, down to one in 30 s") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.patched(answered(202));
  auto first = touches_of(x, 10min);
  REQUIRE_GE(first.size(), 3);
  CHECK_EQ(first[0], 5s);
  CHECK_EQ(first[1], 10s);
  for (size_t i = 1; i < first.size(); ++i)
    CHECK_LE(first[i] - first[i - 1], 30'100ms);
  CHECK_LE(first.size(), 20 + 6); // one every 30 s would be 20
  CHECK_LE(touches_of(x, 10min).size(), 20);
  x.grow(10); // it speaks again, and is listened to again
  x.pass(500ms);
  x.patched(answered(202));
  CHECK_EQ(touches_of(x, 6s).size(), 1);
}

TEST_CASE("touches keep the interval that the server named") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.patched({202, {}, 60s, 0ms, {}});
  auto touches = touches_of(x, 5min);
  REQUIRE_FALSE(touches.empty());
  CHECK_GE(touches.front(), 60s);
  CHECK_LE(touches.size(), 5);
}

TEST_CASE("with the feature flag four intervals lie between touches") {
  struct row {
    milliseconds interval;
    milliseconds gap;
  };
  const row rows[]
    = {{0s, 30s}, {3s, 30s}, {10s, 40s}, {60s, 240s}, {15min, 30min}};
  for (const auto& r : rows) {
    CAPTURE(r.interval.count());
    settings with;
    with.touch_by_interval = true;
    world x{with};
    x.grow(10);
    x.pass(100ms);
    x.patched({202, {}, r.interval, 0ms, {}});
    CHECK_FALSE(find<send_update>(x.pass(r.gap - 1ms)));
    CHECK(find<send_update>(x.pass(1ms)));
  }
}

TEST_CASE("a job whose log is taken needs no touch") {
  world x;
  for (auto i = 0; i < 10; ++i) {
    x.grow(10);
    CHECK_FALSE(find<send_update>(x.pass(4s)));
    x.patched(answered(202));
  }
}

TEST_CASE("what an answer to a patch means while the job runs") {
  struct row {
    const char* what;
    reply answer;
    int64_t next_offset;
    int64_t offset; ///< afterwards
    bool is_aborted;
    bool is_canceling;
  };
  const row rows[] = {
    {"accepted", answered(202), 0, 100, false, false},
    {"unknown job", answered(404), 0, 0, false, false},
    {"forbidden", answered(403), 0, 0, true, false},
    {"another offset", answered(416), 70, 70, false, false},
    {"another offset, malformed", answered(416), -1, 0, false, false},
    {"another offset, none named", answered(416), 0, 0, false, false},
    {"another offset, beyond what there is", answered(416), 101, 0, false,
     false},
    {"another offset, far beyond", answered(416), INT64_MAX, 0, false, false},
    {"all of it is there already", answered(416), 100, 100, false, false},
    {"too many requests", {429, {}, 0ms, 1s, {}}, 0, 0, false, false},
    {"another success", answered(200), 0, 100, false, false},
    {"a redirection", answered(302), 0, 0, false, false},
    {"garbage", answered(999), 0, 0, false, false},
    {"server error", answered(500), 0, 0, false, false},
    {"no answer", answered(0), 0, 0, false, false},
    {"unauthorized", answered(401), 0, 0, false, false},
    {"canceled", {202, "canceled", 0ms, 0ms, {}}, 0, 0, true, false},
    {"failed", {202, "failed", 0ms, 0ms, {}}, 0, 0, true, false},
    {"canceling", {202, "canceling", 0ms, 0ms, {}}, 0, 100, false, true},
    {"canceling with an error",
     {500, "canceling", 0ms, 0ms, {}},
     0,
     0,
     false,
     true},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    world x;
    x.grow(100);
    x.pass(100ms);
    x.patched(r.answer, r.next_offset);
    CHECK_EQ(x.st.offset, r.offset);
    CHECK_EQ(find<aborted>(x.todo) != nullptr, r.is_aborted);
    CHECK_EQ(find<canceling>(x.todo) != nullptr, r.is_canceling);
    if (!r.is_aborted && r.offset < 100)
      CHECK(find<send_patch>(x.pass(4s)));
  }
}

TEST_CASE("what an answer to a patch means when the job is over") {
  struct row {
    const char* what;
    reply answer;
    int64_t next_offset;
    bool flushes_on; ///< else the final state follows at once
    int64_t offset;  ///< of the next patch
  };
  const row rows[] = {
    {"accepted, there is more", answered(202), 0, true, 1 << 20},
    {"unknown job", answered(404), 0, false, 0},
    {"forbidden", answered(403), 0, false, 0},
    {"canceled", {202, "canceled", 0ms, 0ms, {}}, 0, false, 0},
    {"failed", {500, "failed", 0ms, 0ms, {}}, 0, false, 0},
    {"canceling", {202, "canceling", 0ms, 0ms, {}}, 0, true, 1 << 20},
    {"another offset", answered(416), 70, true, 70},
    {"another offset, malformed", answered(416), -1, true, 0},
    {"server error", answered(500), 0, true, 0},
    {"unauthorized", answered(401), 0, true, 0},
    {"too many requests", {429, {}, 0ms, 3s, {}}, 0, true, 0},
    {"too large", answered(413), 0, true, 0},
    {"no answer", answered(0), 0, true, 0},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    world x;
    x.grow(3 << 20);
    x.say(finish{});
    REQUIRE(find<send_patch>(x.todo));
    x.patched(r.answer, r.next_offset);
    CHECK_EQ(find<flushed>(x.todo) == nullptr, r.flushes_on);
    CHECK_EQ(find<send_update>(x.todo) == nullptr, r.flushes_on);
    CHECK_FALSE(find<aborted>(x.todo));
    CHECK_FALSE(find<canceling>(x.todo));
    if (!r.flushes_on)
      continue;
    auto todo = x.todo;
    if (!find<send_patch>(todo))
      todo = x.pass(4s);
    REQUIRE(find<send_patch>(todo));
    CHECK_EQ(find<send_patch>(todo)->offset, r.offset);
  }
}

TEST_CASE("patches get no smaller than 16 KiB, and that ends too") {
  settings with;
  with.final_tries = 3;
  with.final_span = final_span(3);
  world x{with};
  x.grow(5 << 20);
  x.say(finish{});
  int64_t least = 1 << 20;
  auto patches = 0;
  for (; patches < 200 && x.st.at != phase::done; ++patches) {
    x.patched(answered(413));
    auto todo = x.todo;
    if (!find<send_patch>(todo) && x.st.at != phase::done)
      todo = x.pass(4s);
    if (const auto* patch = find<send_patch>(todo))
      least = std::min(least, patch->length_max);
  }
  CHECK_EQ(least, 16 << 10);
  CHECK(find<gave_up>(x.todo));
  CHECK_LE(patches, 30);
}

TEST_CASE("a server that names no sensible offset is not asked in a loop") {
  for (int64_t wanted : {int64_t{-5}, int64_t{0}, int64_t{50}, INT64_MAX}) {
    CAPTURE(wanted);
    world x;
    x.grow(100);
    auto asked = 0;
    auto until = x.now + 1min;
    while (x.now < until) {
      if (find<send_patch>(x.pass(100ms))) {
        ++asked;
        x.patched(answered(416), wanted);
      }
    }
    CHECK_LE(asked, 30);
    CHECK_GE(asked, 5);
  }
}

TEST_CASE("intervals that make no sense are not taken over") {
  for (auto interval :
       {milliseconds{0}, milliseconds{-1}, milliseconds::min()}) {
    world x;
    x.grow(10);
    x.pass(100ms);
    x.patched({202, {}, 5s, 0ms, {}});
    x.grow(10);
    x.pass(5s);
    x.patched({202, {}, interval, 0ms, {}});
    CHECK_EQ(x.st.interval, 5s); // the last one that made sense
    x.grow(10);
    CHECK_FALSE(find<send_patch>(x.pass(4'999ms)));
    CHECK(find<send_patch>(x.pass(1ms)));
  }
}

TEST_CASE("an answer to a touch changes the interval too") {
  world x;
  x.pass(30s);
  REQUIRE(x.st.in_flight);
  x.updated({200, {}, 20s, 0ms, {}});
  x.grow(10);
  x.pass(100ms);
  x.patched(answered(202));
  x.grow(10);
  CHECK_FALSE(find<send_patch>(x.pass(19'999ms)));
  CHECK(find<send_patch>(x.pass(1ms)));
}

TEST_CASE("cancelling is told once") {
  world x;
  for (auto i = 0; i < 3; ++i) {
    x.grow(10);
    x.pass(500ms);
    x.patched({202, "canceling", 0ms, 0ms, {}});
    CHECK_EQ(find<canceling>(x.todo) != nullptr, i == 0);
  }
}

TEST_CASE("an answer lost after the server acted costs no time") {
  world x;
  x.grow(100);
  x.pass(100ms);
  x.patched(answered(0));
  CHECK(find<send_patch>(x.pass(500ms)));
  x.grow(20);
  x.patched(answered(416), 100);
  x.pass(500ms);
  x.patched(answered(202));
  CHECK_EQ(x.st.offset, 120);
}

TEST_CASE("a patch that is too large is halved") {
  world x;
  x.grow(5 << 20);
  x.pass(100ms);
  x.patched(answered(413));
  auto todo = x.todo;
  if (!find<send_patch>(todo))
    todo = x.pass(500ms);
  REQUIRE(find<send_patch>(todo));
  CHECK_EQ(find<send_patch>(todo)->length_max, 512 << 10);
}

TEST_CASE("what an answer to a touch means") {
  struct row {
    const char* what;
    reply answer;
    bool is_aborted;
  };
  const row rows[] = {
    {"fine", answered(200), false},
    {"accepted", answered(202), false},
    {"checksum disliked", answered(412), false},
    {"unknown job", answered(404), true},
    {"forbidden", answered(403), true},
    {"canceled", {200, "canceled", 0ms, 0ms, {}}, true},
    {"failed, with an error", {500, "failed", 0ms, 0ms, {}}, true},
    {"server error", answered(502), false},
    {"unauthorized", answered(401), false},
    {"too many requests", {429, {}, 0ms, 7s, {}}, false},
    {"no answer", answered(0), false},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    world x;
    x.pass(30s);
    REQUIRE(x.st.in_flight);
    x.updated(r.answer);
    CHECK_EQ(find<aborted>(x.todo) != nullptr, r.is_aborted);
    if (!r.is_aborted)
      CHECK(find<send_update>(x.pass(31s))); // it goes on
  }
}

TEST_CASE("a job whose patches are not found is looked for by a touch") {
  world x;
  x.grow(10);
  auto touched = false;
  for (auto i = 0; i < 100 && !touched; ++i) {
    auto todo = x.pass(4s);
    touched = find<send_update>(todo) != nullptr;
    if (!touched && find<send_patch>(todo))
      x.patched(answered(404));
  }
  REQUIRE(touched);
  x.updated(answered(404));
  CHECK(find<aborted>(x.todo));
}

TEST_CASE("after an abort nothing is sent until the job is over") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.patched(answered(403));
  x.grow(10);
  CHECK(x.todo.empty());
  CHECK(x.pass(1h).empty());
  x.say(pressed{});
  CHECK(find<render>(x.todo)); // the job's last output must not stall it
  x.say(finish{});
  CHECK(find<send_patch>(x.todo));
  x.patched(answered(403));
  CHECK(find<flushed>(x.todo));
  REQUIRE(find<send_update>(x.todo));
  x.updated(answered(403));
  CHECK(find<gone>(x.todo));
}

TEST_CASE("Retry-After is obeyed, up to 15 minutes") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.patched({429, {}, 0ms, 20s, {}});
  CHECK_FALSE(find<send_patch>(x.pass(19s)));
  CHECK(find<send_patch>(x.pass(1s)));
  x.patched({429, {}, 0ms, 24h, {}});
  x.say(finish{}); // also by the end of the job
  CHECK_FALSE(find<send_patch>(x.pass(14min)));
  CHECK(find<send_patch>(x.pass(1min)));
}

TEST_CASE("a full queue is rendered even when nothing may be sent yet") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.patched({202, {}, 60s, 0ms, {}});
  x.say(pressed{});
  CHECK(find<render>(x.todo));
  CHECK_FALSE(find<send_patch>(x.todo));
}

TEST_CASE("the end of a job sends what is left, then its state") {
  world x;
  x.grow((1 << 20) + 10);
  x.say(finish{});
  REQUIRE(find<send_patch>(x.todo)); // at once
  x.patched(answered(202));
  REQUIRE(find<send_patch>(x.todo));
  CHECK_EQ(find<send_patch>(x.todo)->offset, 1 << 20);
  CHECK_FALSE(find<flushed>(x.todo));
  x.patched(answered(202));
  CHECK(find<flushed>(x.todo));
  REQUIRE(find<send_update>(x.todo));
  x.updated(answered(200));
  CHECK(find<confirmed>(x.todo));
  x.say(grew{});
  CHECK(x.todo.empty());
}

TEST_CASE("a patch under way when the job ends is not taken for the last one") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.say(finish{});
  CHECK(x.todo.empty());
  x.patched(answered(202)); // rendered before the end
  REQUIRE(find<send_patch>(x.todo));
  x.size += 30;
  x.patched(answered(202));
  CHECK(find<flushed>(x.todo));
  CHECK_EQ(x.st.offset, 40);
}

TEST_CASE("a job without output ends without a patch") {
  world x;
  x.say(finish{});
  REQUIRE(find<send_patch>(x.todo));
  x.say(patch_answered{{}, 0, 0, 0}); // there was nothing
  CHECK(find<flushed>(x.todo));
  CHECK(find<send_update>(x.todo));
}

TEST_CASE("a request that was lost on its way is not taken for an empty log") {
  world x;
  x.grow(10);
  x.say(finish{});
  x.say(patch_answered{});
  CHECK_FALSE(find<flushed>(x.todo));
  CHECK(find<send_patch>(x.pass(250ms)));
}

TEST_CASE("what an answer to the final update means") {
  struct row {
    const char* what;
    reply answer;
    bool is_confirmed;
    bool is_gone;
  };
  const row rows[] = {
    {"done", answered(200), true, false},
    {"done, cancelled meanwhile",
     {200, "canceling", 0ms, 0ms, {}},
     true,
     false},
    {"canceled", {200, "canceled", 0ms, 0ms, {}}, false, true},
    {"failed", {409, "failed", 0ms, 0ms, {}}, false, true},
    {"forbidden", answered(403), false, true},
    {"unknown job", answered(404), false, true},
    {"accepted", answered(202), false, false},
    {"another log", answered(412), false, false},
    {"unauthorized", answered(401), false, false},
    {"server error", answered(500), false, false},
    {"no answer", answered(0), false, false},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto x = finished();
    x.updated(r.answer);
    CHECK_EQ(find<confirmed>(x.todo) != nullptr, r.is_confirmed);
    CHECK_EQ(find<gone>(x.todo) != nullptr, r.is_gone);
    CHECK_FALSE(find<aborted>(x.todo));
    CHECK_FALSE(find<canceling>(x.todo));
    auto is_over = r.is_confirmed || r.is_gone;
    CHECK_EQ(x.st.at == phase::done, is_over);
    if (!is_over) {
      auto todo = x.pass(4s);
      CHECK((find<send_update>(todo) || find<send_patch>(todo)));
    }
  }
}

TEST_CASE("412 sends the whole log again, and at last the state without it") {
  settings with;
  with.resets_max = 2;
  auto x = finished(with);
  for (auto i = 0; i < 2; ++i) {
    x.updated(answered(412));
    auto todo = x.pass(4s);
    REQUIRE(find<send_patch>(todo));
    CHECK_EQ(find<send_patch>(todo)->offset, 0);
    x.patched(answered(202));
    REQUIRE(find<send_update>(x.todo));
    CHECK_EQ(find<send_update>(x.todo)->kind, update_kind::final);
    CHECK_FALSE(find<flushed>(x.todo)); // told already
  }
  x.updated(answered(412));
  auto todo = x.pass(4s);
  REQUIRE(find<send_update>(todo));
  CHECK_EQ(find<send_update>(todo)->kind, update_kind::final_unchecked);
  for (auto i = 0; i < 10 && x.st.at != phase::done; ++i) {
    x.updated(answered(412));
    x.pass(4s);
  }
  CHECK_EQ(x.st.at, phase::done);
}

TEST_CASE("202 asks again until it is completed, but not for ever") {
  auto x = finished();
  auto began = x.now;
  auto asked = 0;
  while (x.st.at != phase::done && x.now - began < 1h) {
    x.updated(answered(202));
    x.pass(3s);
    ++asked;
  }
  CHECK(find<gave_up>(x.todo));
  CHECK_GE(x.now - began, 15min);
  CHECK_LE(x.now - began, 16min);
  CHECK_GE(asked, 100);
}

TEST_CASE("final updates are tried soon after the server is back") {
  struct row {
    milliseconds outage;
    milliseconds late_max;
  };
  const row rows[] = {{20s, 4s}, {20min, 30s}};
  for (const auto& r : rows) {
    auto x = finished();
    auto back = x.now + r.outage;
    while (x.now < back) {
      x.updated(answered(500));
      REQUIRE_NE(x.st.at, phase::done);
      REQUIRE(x.armed);
      x.pass(std::chrono::ceil<milliseconds>(x.armed->at - x.now));
    }
    CHECK_LE(x.now - back, r.late_max);
    x.updated(answered(200));
    CHECK(find<confirmed>(x.todo));
  }
}

TEST_CASE("final updates end when tries and time are used up") {
  settings with;
  with.final_tries = 3;
  with.final_span = final_span(3);
  auto x = finished(with);
  auto began = x.now;
  for (auto i = 0; i < 100 && x.st.at != phase::done; ++i) {
    x.updated({503, {}, 0ms, 0ms, "GitLab is away"});
    if (x.st.at != phase::done)
      x.pass(4s);
  }
  REQUIRE(find<gave_up>(x.todo));
  CHECK_EQ(find<gave_up>(x.todo)->reason, "GitLab is away");
  CHECK_GE(x.now - began, 14s);
  CHECK_LE(x.now - began, 30s);
}

TEST_CASE("the span of final updates follows the configured tries") {
  CHECK_EQ(final_span(0), 0ms);
  CHECK_EQ(final_span(1), 2s);
  CHECK_EQ(final_span(3), 14s);
  CHECK_EQ(final_span(10), 2046s);
  CHECK_EQ(final_span(1'000'000), 24h);
}

TEST_CASE("a server that always wants another offset does not hold a job") {
  world x;
  x.grow(100);
  x.say(finish{});
  for (auto i = 0; i < 20 && !x.st.flush_told; ++i) {
    x.patched(answered(416), 0);
    x.pass(30s);
  }
  CHECK(x.st.flush_told);
}

TEST_CASE("outdated timers and answers change nothing") {
  world x;
  x.grow(10);
  x.pass(100ms);
  x.patched(answered(202));
  auto before = x.st.offset;
  x.say(patch_answered{answered(202), 50, 0, 100});
  CHECK(x.todo.empty());
  x.say(update_answered{answered(404)});
  CHECK(x.todo.empty());
  x.say(timer{12345});
  CHECK(x.todo.empty());
  CHECK_EQ(x.st.offset, before);
}

TEST_CASE("every flow ends, with one request at a time, whatever is answered") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  const int statuses[]
    = {0, 200, 202, 202, 202, 401, 403, 404, 412, 413, 416, 429, 500};
  const char* job_statuses[] = {"", "", "", "running", "canceling", "canceled"};
  for (auto round = 0; round < 300; ++round) {
    world x;
    auto in_flight = 0;
    auto ends = 0;
    auto began = x.now;
    auto look = [&](const std::vector<action>& todo) {
      for (const auto& what : todo) {
        in_flight += std::holds_alternative<send_patch>(what)
                     || std::holds_alternative<send_update>(what);
        ends += std::holds_alternative<confirmed>(what)
                || std::holds_alternative<gone>(what)
                || std::holds_alternative<gave_up>(what);
      }
      REQUIRE_LE(in_flight, 1);
      REQUIRE_LE(ends, 1);
    };
    for (auto i = 0; i < 20'000 && ends == 0; ++i) {
      if (i == 50) {
        x.say(finish{});
        look(x.todo);
      } else if (i < 50) {
        x.size += chance() % 1000;
        x.say(grew{});
        look(x.todo);
      }
      look(x.pass(milliseconds{chance() % 60'000}));
      if (!x.st.in_flight)
        continue;
      --in_flight;
      reply what{statuses[chance() % std::size(statuses)],
                 job_statuses[chance() % std::size(job_statuses)],
                 milliseconds{chance() % 3 * 1000},
                 milliseconds{chance() % 3},
                 {}};
      auto is_patch = x.st.at != phase::updating && !x.st.touched;
      if (is_patch)
        x.patched(what, static_cast<int64_t>(chance() % 1000));
      else
        x.updated(what);
      look(x.todo);
    }
    CHECK_EQ(ends, 1);
    CHECK_EQ(x.st.at, phase::done);
    CHECK_LE(x.now - began, 240h);
  }
}

namespace {

/// A flow that goes on with a log of which GitLab has `there` bytes.
world remade(int64_t there, int64_t here) {
  settings with;
  with.probes = true;
  world x{with};
  x.grow(here);
  auto probe = x.pass(100ms);
  REQUIRE(find<send_patch>(probe));
  CHECK_EQ(find<send_patch>(probe)->offset, 0);
  CHECK_EQ(find<send_patch>(probe)->length_max, 1);
  if (there == 0)
    x.say(patch_answered{answered(202), 1, 0, x.size});
  else
    x.say(patch_answered{answered(416), 1, there, x.size});
  return x;
}

} // namespace

TEST_CASE("a log made again is sent from where GitLab has it") {
  SUBCASE("all of it is there") {
    auto x = remade(1000, 100);
    x.grow(900);
    CHECK_FALSE(find<send_patch>(x.todo));
    x.pass(1s); // nothing new: the question finds nothing to send
    x.say(patch_answered{{}, 0, 0, x.size});
    x.grow(50);
    auto todo = x.pass(1s);
    REQUIRE(find<send_patch>(todo));
    CHECK_EQ(find<send_patch>(todo)->offset, 1000);
    CHECK_EQ(find<send_patch>(todo)->shift, 0);
    CHECK_EQ(find<send_patch>(todo)->length_max, x.st.with.patch_max);
  }
  SUBCASE("nothing is") {
    auto x = remade(0, 100);
    auto todo = x.pass(1s);
    REQUIRE(find<send_patch>(todo));
    CHECK_EQ(find<send_patch>(todo)->offset, 1);
  }
}

TEST_CASE("last words of a log that was not made again follow on GitLab's") {
  auto x = remade(1000, 100);
  x.size = 130;
  x.say(finish{100});
  REQUIRE(find<send_patch>(x.todo));
  CHECK_EQ(find<send_patch>(x.todo)->offset, 100);
  CHECK_EQ(find<send_patch>(x.todo)->shift, 900);
  SUBCASE("taken") {
    x.say(patch_answered{answered(202), 30, 0, x.size});
  }
  SUBCASE("taken, but the answer was lost") {
    x.say(patch_answered{answered(0), 30, 0, x.size});
    auto again = x.pass(5s);
    REQUIRE(find<send_patch>(again));
    x.say(patch_answered{answered(416), 30, 1030, x.size});
  }
  // A checksum of what is here would have GitLab throw its log away.
  REQUIRE(find<send_update>(x.todo));
  CHECK_EQ(find<send_update>(x.todo)->kind, update_kind::final_unchecked);
}

TEST_CASE("the answer to the question may come after the end") {
  settings with;
  with.probes = true;
  world x{with};
  x.grow(100);
  x.pass(100ms);
  x.size = 130;
  x.say(finish{100});
  CHECK(x.todo.empty());
  x.say(patch_answered{answered(416), 1, 1000, x.size});
  REQUIRE(find<send_patch>(x.todo));
  CHECK_EQ(find<send_patch>(x.todo)->offset, 100);
  CHECK_EQ(find<send_patch>(x.todo)->shift, 900);
}

TEST_CASE("a log that was made again as far as GitLab has it ends as any") {
  auto x = remade(80, 100);
  x.size = 130;
  x.say(finish{100});
  REQUIRE(find<send_patch>(x.todo));
  CHECK_EQ(find<send_patch>(x.todo)->offset, 80);
  CHECK_EQ(find<send_patch>(x.todo)->shift, 0);
  x.say(patch_answered{answered(202), 50, 0, x.size});
  REQUIRE(find<send_update>(x.todo));
  CHECK_EQ(find<send_update>(x.todo)->kind, update_kind::final);
}
