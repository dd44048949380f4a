#include "actors/job/recorder.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace muster;

namespace {

using frames::output_stream;

constexpr int64_t base_us = 1'790'000'000'000'000;

/// What a helper keeps of a job whose output is cut in the worst places: within
/// characters, masked values and lines, on both streams.
std::vector<std::string> records() {
  std::vector<std::string> out;
  auto add = [&out](frames::frame x) {
    std::visit(
      [&out](auto& y) {
        if constexpr (requires { y.record; })
          y.record = out.size();
      },
      x);
    out.push_back(frames::encode(x));
  };
  auto print = [&add](int64_t time_us, output_stream to, const char* text) {
    add(frames::output{0, time_us, to, text});
  };
  add(frames::stage_begun{0, 10, 0, 1});
  print(20, output_stream::out, "price 5 \xe2\x82");
  print(30, output_stream::err, "warning: hunter2");
  print(40, output_stream::out, "\xac, password hun");
  print(50, output_stream::err, "hunter2\n");
  print(60, output_stream::out, "ter2hunter2 and more\r");
  print(70, output_stream::out, "no end of line");
  add(frames::stage_ended{0, 80, 0, 1, plan_outcome::failed, 3, ""});
  add(frames::stage_begun{0, 90, 0, 2});
  print(100, output_stream::out, "second try\n");
  add(frames::stage_ended{0, 110, 0, 2, plan_outcome::success, 0, ""});
  add(frames::stage_begun{0, 120, 1, 1});
  print(130, output_stream::out, "\xff no character\n");
  add(frames::stage_ended{0, 140, 1, 1, plan_outcome::timed_out, 143, "late"});
  add(frames::job_ended{0, 150, plan_outcome::timed_out, 1, 143, 7, "late"});
  return out;
}

/// A recorder whose helper is played: any stream to it may end at any byte.
struct bed {
  explicit bed(bool timestamps) {
    trace_settings with;
    with.masked = {secret{"hunter2hunter2"}};
    with.timestamps = timestamps;
    log = std::make_shared<trace_buffer>(with);
    std::vector<stage_text> stages{
      {"get_sources", "Getting", stage_phase::sources, 3, true, {}},
      {"after_script", "After", stage_phase::after, 1, false, {}}};
    it = std::make_shared<job_recorder>(log, stages, true, base_us, job.handle);
  }

  /// A stream from `first` on that breaks after so many bytes, which come in
  /// pieces as `chance` wishes. Returns the record to go on from; nothing once
  /// the job has ended.
  std::optional<uint64_t> stream(const std::vector<std::string>& all,
                                 uint64_t first, size_t bytes,
                                 std::mt19937& chance) {
    auto number = ++streams;
    job_stream to{it, number, [this] { ++asked_to_pack; }};
    to.opened();
    auto sent = frames::encode(frames::accepted{"k"});
    for (auto i = first; i < all.size(); ++i)
      sent += all[i];
    sent.resize(std::min(sent.size(), bytes));
    for (size_t at = 0; at < sent.size();) {
      auto size = std::min<size_t>(1 + chance() % 40, sent.size() - at);
      to.data(std::string_view{sent}.substr(at, size));
      at += size;
    }
    to.closed({connection_errc::lost, "cut"});
    world.run();
    if (job.count<plan_ended>() > 0)
      return std::nullopt;
    CHECK_EQ(job.last<stream_lost>().stream, number);
    CHECK_FALSE(job.last<stream_lost>().refused);
    return job.last<stream_lost>().next_record;
  }

  std::string text() {
    log->finish(base_us + 1000);
    auto size = log->render().size;
    return log->read(0, static_cast<size_t>(size));
  }

  test::virtual_system world;
  test::probe<stream_listener_actor> job
    = world.spawn_probe<stream_listener_actor>();
  std::shared_ptr<trace_buffer> log;
  std::shared_ptr<job_recorder> it;
  uint64_t streams = 0;
  int asked_to_pack = 0;
};

std::string undisturbed(bool timestamps) {
  std::mt19937 chance{1};
  bed x{timestamps};
  CHECK_FALSE(x.stream(records(), 0, SIZE_MAX, chance));
  return x.text();
}

} // namespace

TEST_CASE("a stream that is cut at any byte gives the same log") {
  auto all = records();
  size_t total = frames::encode(frames::accepted{"k"}).size();
  for (const auto& x : all)
    total += x.size();
  for (auto timestamps : {true, false}) {
    auto expected = undisturbed(timestamps);
    if (timestamps) // else the two outputs are one: nobody puts it together
      REQUIRE_NE(expected.find("price 5 \xe2\x82\xac, password [MASKED] and"),
                 std::string::npos);
    for (size_t cut = 0; cut < total; ++cut) {
      CAPTURE(cut);
      std::mt19937 chance{static_cast<unsigned>(cut)};
      bed x{timestamps};
      auto next = x.stream(all, 0, cut, chance);
      REQUIRE(next);
      CHECK_FALSE(x.stream(all, *next, SIZE_MAX, chance));
      REQUIRE_EQ(x.text(), expected);
      CHECK_EQ(x.job.count<plan_ended>(), 1);
    }
  }
}

TEST_CASE("a stream that is cut again and again gives the same log") {
  auto all = records();
  auto expected = undisturbed(true);
  auto seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937 chance{seed};
  for (int round = 0; round < 50; ++round) {
    bed x{true};
    std::optional<uint64_t> next = 0;
    for (int i = 0; next && i < 1000; ++i)
      next = x.stream(all, *next, chance() % 150, chance);
    CHECK_FALSE(next);
    REQUIRE_EQ(x.text(), expected);
  }
}

TEST_CASE("a helper that sends older records than it was asked for adds none") {
  auto all = records();
  auto expected = undisturbed(true);
  std::mt19937 chance{2};
  bed x{true};
  REQUIRE(x.stream(all, 0, 300, chance));
  CHECK_FALSE(x.stream(all, 0, SIZE_MAX, chance)); // from the start again
  CHECK_EQ(x.text(), expected);
}

TEST_CASE("a hole in the records ends the stream, and is asked for") {
  auto all = records();
  std::mt19937 chance{3};
  bed x{true};
  auto next = x.stream(all, 2, SIZE_MAX, chance);
  REQUIRE(next);
  CHECK_EQ(*next, 0);
  CHECK_FALSE(x.stream(all, 0, SIZE_MAX, chance));
  CHECK_EQ(x.text(), undisturbed(true));
}

TEST_CASE("much output is asked for packed, once, of a helper that can") {
  struct row {
    uint32_t version;
    size_t bytes;
    int asked;
  };
  const row rows[] = {
    {frames::version_packs, 300'000, 1},
    {frames::version_packs, 60'000, 0},
    {frames::version_packs - 1, 300'000, 0},
  };
  for (const auto& r : rows) {
    CAPTURE(r.version);
    CAPTURE(r.bytes);
    bed x{false};
    job_stream to{x.it, 1, [&x] { ++x.asked_to_pack; }};
    to.opened();
    to.data(frames::encode(frames::welcome{r.version, "helper"}));
    to.data(frames::encode(frames::accepted{"k"}));
    std::string bytes;
    for (uint64_t i = 0; i < r.bytes / 10'000; ++i)
      bytes += frames::encode(frames::output{i, 1, frames::output_stream::out,
                                             std::string(10'000, 'x')});
    for (size_t at = 0; at < bytes.size(); at += 9'000)
      to.data(std::string_view{bytes}.substr(at, 9'000));
    CHECK_EQ(x.asked_to_pack, r.asked);
    to.closed({connection_errc::lost, "cut"});
    x.world.run();
  }
}

TEST_CASE("a packed stream gives the same log, and less is asked for at once") {
  auto all = records();
  std::string inside;
  for (const auto& x : all)
    inside += x;
  auto packed = frames::packed_frame(inside);
  REQUIRE(packed.has_value());
  bed x{true};
  job_stream to{x.it, 1, [] {}};
  to.opened();
  auto before = to.wanted();
  to.data(frames::encode(frames::accepted{"k"}) + *packed);
  CHECK_LE(to.wanted(), before / 2);
  CHECK_GE(to.wanted(), 1);
  x.world.run();
  CHECK_EQ(x.job.count<plan_ended>(), 1);
  CHECK_EQ(x.text(), undisturbed(true));
}
