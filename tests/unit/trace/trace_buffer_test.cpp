#include "actors/trace/log_store.hpp"
#include "actors/trace/trace_buffer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>
#include <zlib.h>

using namespace muster;

namespace {

constexpr auto out = trace_source::job_out;
constexpr auto err = trace_source::job_err;
constexpr auto body = trace_source::manager_body;

trace_settings plain() {
  trace_settings with;
  with.timestamps = false;
  return with;
}

std::string all_of(const trace_buffer& buffer) {
  return buffer.read(0, 64u << 20);
}

uint32_t crc_of(const std::string& x) {
  return static_cast<uint32_t>(
    ::crc32_z(0, reinterpret_cast<const unsigned char*>(x.data()), x.size()));
}

/// A folder of its own, gone at the end.
struct scratch_folder {
  scratch_folder() {
    std::string form = "/tmp/muster-trace-test.XXXXXX";
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    path = form;
  }

  ~scratch_folder() {
    std::filesystem::remove_all(path);
  }

  std::filesystem::path path;
};

std::string notice_of(int64_t limit) {
  return "\n\x1b[33;1mJob's log exceeded limit of " + std::to_string(limit)
         + " bytes.\nJob execution will continue but no more output will be "
           "collected.\x1b[0;m\n";
}

std::string random_bytes(size_t size, std::mt19937& chance) {
  std::string bytes(size, ' ');
  for (auto& c : bytes)
    c = static_cast<char>('a' + chance() % 26);
  return bytes;
}

} // namespace

TEST_CASE("a log is what was appended, in order, once rendered") {
  trace_buffer buffer{plain()};
  buffer.append(trace_source::manager_header, 0, "head\n");
  buffer.append(body, 0, "body\n");
  CHECK_EQ(buffer.extent().size, 0);
  auto extent = buffer.render();
  CHECK_EQ(extent.size, 10);
  CHECK_EQ(all_of(buffer), "head\nbody\n");
  buffer.append(out, 0, "out");
  buffer.append(err, 0, "err");
  buffer.append(trace_source::manager_final, 0, "\nend\n");
  buffer.finish(0);
  extent = buffer.render();
  CHECK_EQ(all_of(buffer), "head\nbody\nouterr\nend\n");
  CHECK_EQ(extent.size, buffer.extent().size);
  CHECK_EQ(extent.crc32, crc_of("head\nbody\nouterr\nend\n"));
  CHECK_FALSE(extent.limit_reached);
}

TEST_CASE("masks reach over pieces and renderings") {
  auto with = plain();
  with.masked = {secret{" hunter22 "}, secret{""}};
  trace_buffer buffer{with};
  buffer.append(out, 0, "pass: hun");
  buffer.render();
  CHECK_EQ(all_of(buffer), "pass: ");
  buffer.append(err, 0, "other\n");
  buffer.append(out, 0, "ter22\n");
  buffer.render();
  CHECK_EQ(all_of(buffer), "pass: other\n[MASKED]\n");
}

TEST_CASE(
  "values are hidden before bytes are repaired, headers are put in after") {
  trace_settings with;
  with.masked = {secret{"p\xff\xfe\xe2\x82ss"}, secret{"two\nlines"}};
  for (auto cut : {false, true}) {
    CAPTURE(cut);
    trace_buffer buffer{with};
    const std::string text = "a p\xff\xfe\xe2\x82ss b two\nlines c\n";
    for (size_t i = 0; i < (cut ? text.size() : 1); ++i)
      buffer.append(out, 0, cut ? text.substr(i, 1) : text);
    buffer.finish(0);
    buffer.render();
    CHECK_EQ(all_of(buffer),
             "1970-01-01T00:00:00.000000Z 01O a [MASKED] b [MASKED] c\n");
  }
}

TEST_CASE("the flag decides whether GitLab's other tokens are hidden") {
  for (auto all : {false, true}) {
    auto with = plain();
    with.mask_all_default_tokens = all;
    with.job_token_prefixes = {"mytok_"};
    trace_buffer buffer{with};
    buffer.append(out, 0, "glpat-abc glrt-abc mytok_abc\n");
    buffer.render();
    CHECK_EQ(all_of(buffer), all
                               ? "glpat-[MASKED] glrt-[MASKED] mytok_[MASKED]\n"
                               : "glpat-[MASKED] glrt-abc mytok_[MASKED]\n");
  }
}

TEST_CASE("the end of a stage lets out what its filters held") {
  auto with = plain();
  with.masked = {secret{"hunter22"}};
  trace_buffer buffer{with};
  buffer.append(out, 0, "hunter");
  buffer.end_stage(0);
  buffer.append(body, 0, "\n");
  buffer.append(out, 0, "22");
  buffer.finish(0);
  buffer.render();
  CHECK_EQ(all_of(buffer), "hunter\n22");
}

TEST_CASE("an unfinished line of a stage is ended with it") {
  trace_buffer buffer{{}};
  buffer.append(out, 1, "a\rb");
  buffer.append(out, 2, "c");
  buffer.end_stage(3);
  buffer.append(out, 4, "d\n");
  buffer.render();
  CHECK_EQ(all_of(buffer), "1970-01-01T00:00:00.000001Z 01O a\rb\n"
                           "1970-01-01T00:00:00.000002Z 01O+c\n"
                           "1970-01-01T00:00:00.000004Z 01O d\n");
}

TEST_CASE("nothing follows the end of a log") {
  trace_buffer buffer{plain()};
  buffer.append(out, 0, "a\xe2\x82");
  buffer.finish(0);
  buffer.append(out, 0, "b");
  buffer.finish(0);
  buffer.render();
  CHECK_EQ(all_of(buffer), "a\ufffd\ufffd");
}

TEST_CASE("a character may come in two pieces") {
  trace_buffer buffer{plain()};
  buffer.append(out, 0, "\xe2\x82");
  buffer.render();
  buffer.append(out, 0, "\xac\n");
  buffer.render();
  CHECK_EQ(all_of(buffer), "\u20ac\n");
}

TEST_CASE("the limit ends a log with a notice and keeps the credit open") {
  auto with = plain();
  with.limit_bytes = 10;
  with.queue_max = 1000;
  trace_buffer buffer{with};
  buffer.append(out, 0, "0123456789abc");
  auto extent = buffer.render();
  CHECK(extent.limit_reached);
  CHECK_EQ(all_of(buffer), "0123456789" + notice_of(10));
  for (auto i = 0; i < 100; ++i)
    buffer.append(out, 0, std::string(100, 'x'));
  buffer.append(body, 0, "section_end");
  CHECK_EQ(buffer.wanted(), 1000);
  buffer.finish(0);
  CHECK_EQ(buffer.render().crc32, crc_of("0123456789" + notice_of(10)));
}

TEST_CASE("beyond the limit a log still tells how the job ended") {
  const std::string end = "\x1b[32;1mJob succeeded\x1b[0;m\n";
  struct row {
    const char* what;
    int64_t limit;
    std::string output;
    std::string expected;
  };
  const row rows[] = {
    {"far beyond", 10, std::string(500, 'x'),
     std::string(10, 'x') + notice_of(10) + end},
    {"reached by the end itself", 20, "0123456789\n", "0123456789\n" + end},
    {"within a character", 4, "abc\u20ac", "abc" + notice_of(4) + end},
    {"a broken character before the end", 20, "a\xe2\x82",
     "a\ufffd\ufffd" + end},
    {"a broken character at the limit", 4, "abcd\xe2\x82",
     "abcd" + notice_of(4) + end},
    {"within a mask", 12, "pass: hunter22!",
     "pass: [MASKE" + notice_of(12) + end},
    {"held back for a mask", 4, "a hunter2", "a hu" + notice_of(4) + end},
  };
  for (const auto& r : rows)
    for (auto pieces : {false, true}) {
      CAPTURE(r.what);
      CAPTURE(pieces);
      auto with = plain();
      with.limit_bytes = r.limit;
      with.masked = {secret{"hunter22"}};
      trace_buffer buffer{with};
      for (size_t i = 0; i < (pieces ? r.output.size() : 1); ++i) {
        buffer.append(out, 0, pieces ? r.output.substr(i, 1) : r.output);
        if (pieces)
          buffer.render();
      }
      buffer.append(trace_source::manager_final, 0, end);
      buffer.append(body, 0, "too late\n");
      buffer.finish(0);
      auto extent = buffer.render();
      CHECK_EQ(all_of(buffer), r.expected);
      CHECK_EQ(extent.crc32, crc_of(r.expected));
    }
}

TEST_CASE("the end of a log is stamped, masked and bounded like all of it") {
  trace_settings with;
  with.limit_bytes = 40;
  with.masked = {secret{"hunter22"}};
  trace_buffer buffer{with};
  buffer.append(out, 1, "0123456789\n");
  buffer.append(trace_source::manager_final, 2,
                "hunter22 " + std::string(1 << 20, 'x'));
  buffer.finish(3);
  auto size = buffer.render().size;
  auto log = all_of(buffer);
  auto begin = "1970-01-01T00:00:00.000001Z 01O 01234567" + notice_of(40)
               + "1970-01-01T00:00:00.000002Z 00O [MASKED] xxx";
  CHECK_EQ(log.substr(0, begin.size()), begin);
  CHECK_LT(size, 17 << 10);
}

TEST_CASE("credit falls with what is queued and comes back with rendering") {
  auto with = plain();
  with.queue_max = 1000;
  auto room = 0;
  trace_buffer buffer{with,
                      {.grew = {}, .pressed = {}, .room = [&] { ++room; }}};
  CHECK_EQ(buffer.wanted(), 1000);
  buffer.append(out, 0, std::string(400, 'x'));
  CHECK_LE(buffer.wanted(), 600);
  buffer.render();
  CHECK_EQ(room, 0);
  buffer.append(out, 0, std::string(1000, 'x'));
  CHECK_EQ(buffer.wanted(), 0);
  buffer.append(body, 0, "the manager's lines are always taken\n");
  buffer.render();
  CHECK_EQ(room, 1);
  CHECK_EQ(buffer.wanted(), 1000);
  CHECK_EQ(buffer.extent().size, 1437);
}

TEST_CASE(
  "when the budget of all logs is spent, each has a little credit left") {
  auto with = plain();
  with.queue_max = 1000;
  with.queue_min = 200;
  with.budget = std::make_shared<trace_budget>(900);
  auto pressed = 0;
  auto room = 0;
  trace_buffer loud{with};
  trace_buffer quiet{
    with, {.grew = {}, .pressed = [&] { ++pressed; }, .room = [&] { ++room; }}};
  CHECK_EQ(quiet.wanted(), 1000);
  loud.append(out, 0, std::string(950, 'x'));
  CHECK_EQ(quiet.wanted(), 200);
  CHECK_EQ(loud.wanted(), 0);
  quiet.append(out, 0, std::string(90, 'x'));
  CHECK_EQ(pressed, 1); // it is to be rendered soon
  quiet.append(out, 0, std::string(90, 'x'));
  CHECK_EQ(quiet.wanted(), 0);
  quiet.render();
  CHECK_EQ(room, 1);
  CHECK_EQ(quiet.wanted(), 200);
  loud.render();
  CHECK_EQ(with.budget->used(), 0);
  CHECK_EQ(quiet.wanted(), 1000);
}

TEST_CASE("a log that others' output has left no credit is rendered soon") {
  auto with = plain();
  with.queue_max = 1000;
  with.queue_min = 200;
  with.budget = std::make_shared<trace_budget>(900);
  auto pressed = 0;
  trace_buffer quiet{with,
                     {.grew = {}, .pressed = [&] { ++pressed; }, .room = {}}};
  trace_buffer loud{with};
  quiet.append(out, 0, std::string(300, 'x'));
  CHECK_EQ(pressed, 0);
  loud.append(out, 0, std::string(700, 'x'));
  CHECK_EQ(quiet.wanted(), 0);
  CHECK_EQ(quiet.wanted(), 0);
  CHECK_EQ(pressed, 1);
}

TEST_CASE("what waits in a log that is given up is not counted any more") {
  auto with = plain();
  with.budget = std::make_shared<trace_budget>();
  {
    trace_buffer log{with};
    log.append(out, 0, "never rendered");
    CHECK_GT(with.budget->used(), 0);
  }
  CHECK_EQ(with.budget->used(), 0);
}

TEST_CASE("many tiny pieces use up the credit too") {
  auto with = plain();
  with.queue_max = 1000;
  trace_buffer buffer{with};
  for (auto i = 0; i < 100; ++i)
    buffer.append(out, 0, "x");
  CHECK_EQ(buffer.wanted(), 0);
}

TEST_CASE("growth is told once until it is rendered, and so is pressure") {
  auto with = plain();
  with.queue_max = 1000;
  auto grew = 0;
  auto pressed = 0;
  trace_buffer buffer{
    with, {.grew = [&] { ++grew; }, .pressed = [&] { ++pressed; }, .room = {}}};
  for (auto i = 0; i < 3; ++i)
    buffer.append(out, 0, "x");
  CHECK_EQ(grew, 1);
  CHECK_EQ(pressed, 0);
  buffer.append(out, 0, std::string(500, 'x'));
  buffer.append(out, 0, std::string(500, 'x'));
  CHECK_EQ(pressed, 1);
  buffer.render();
  buffer.append(out, 0, "x");
  CHECK_EQ(grew, 2);
  CHECK_EQ(pressed, 1);
}

TEST_CASE("any part of a long log can be read again") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  scratch_folder folder;
  log_store store{folder.path};
  std::string expected;
  while (expected.size() < 300'000) {
    auto bytes = random_bytes(1 + chance() % 20'000, chance);
    store.append(bytes);
    expected += bytes;
  }
  CHECK_EQ(store.size(), expected.size());
  CHECK_EQ(store.crc32(), crc_of(expected));
  for (auto round = 0; round < 300; ++round) {
    auto from = chance() % (expected.size() + 10);
    auto max = chance() % 100'000;
    auto part = from < expected.size() ? expected.substr(from, max) : "";
    REQUIRE(store.read(static_cast<int64_t>(from), max) == part);
  }
  CHECK_EQ(store.read(-1, 10), "");
  CHECK_EQ(store.read(INT64_MAX, 10), "");
  CHECK(std::filesystem::is_empty(folder.path)); // the file has no name
}

TEST_CASE("without a file a long log stays in memory") {
  log_store store{"/nonexistent/folder"};
  std::string expected(200'000, 'x');
  expected += "end";
  store.append(expected);
  store.append("more");
  expected += "more";
  CHECK(store.read(0, 1 << 20) == expected);
  CHECK_EQ(store.read(200'000, 5), "endmo");
  CHECK_EQ(store.crc32(), crc_of(expected));
}

TEST_CASE("writers and a reader do not disturb each other") {
  auto with = plain();
  with.limit_bytes = 100 << 20;
  std::atomic<int> woken{0};
  trace_buffer buffer{with,
                      {.grew = [&] { ++woken; }, .pressed = {}, .room = {}}};
  constexpr auto lines = 2000;
  auto write = [&buffer](trace_source source, char letter) {
    for (auto i = 0; i < lines; ++i)
      buffer.append(source, i, std::string(50, letter) + "\n");
  };
  std::thread first{write, out, 'o'};
  std::thread second{write, body, 'm'};
  std::string seen;
  while (seen.size() < lines * 2 * 51) {
    buffer.render();
    seen += buffer.read(static_cast<int64_t>(seen.size()), 10'000);
  }
  first.join();
  second.join();
  CHECK_GT(woken, 0);
  CHECK_EQ(std::count(seen.begin(), seen.end(), 'o'), lines * 50);
  CHECK_EQ(std::count(seen.begin(), seen.end(), 'm'), lines * 50);
  CHECK_EQ(buffer.render().crc32, crc_of(seen));
}
