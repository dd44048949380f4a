#include "actors/recorder/segment.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

using namespace muster;

namespace {

constexpr int64_t run_us = 1'790'000'000'000'000;

std::string beginning() {
  std::string out;
  put_segment_prefix(out);
  segment_head head;
  head.run_id = "1f2e3d4c";
  head.version = "0.1.0";
  head.run_unix_us = run_us;
  head.types = {"reserve", "reserved"};
  std::string payload;
  put_head(payload, head);
  put_frame(out, payload);
  return out;
}

std::string frame(uint64_t number, std::string_view body = "some fields") {
  raw_record x{.kind = 2};
  x.number = number;
  x.at_ns = static_cast<int64_t>(number) * 1000;
  x.unix_us = run_us + static_cast<int64_t>(number) - 3;
  x.from = 4;
  x.to = 5;
  x.body = body;
  std::string payload;
  put_record(payload, x, run_us);
  std::string out;
  put_frame(out, payload);
  return out;
}

std::string segment(uint64_t records) {
  auto out = beginning();
  for (uint64_t i = 1; i <= records; ++i)
    out += frame(i);
  return out;
}

/// The numbers of the records that can be read.
std::vector<uint64_t> numbers(const std::string& bytes) {
  auto reader = segment_reader::open(bytes);
  REQUIRE(reader);
  std::vector<uint64_t> out;
  raw_record x;
  while (reader->next(x))
    out.push_back(x.number);
  return out;
}

class folder {
public:
  folder()
    : path(std::filesystem::temp_directory_path()
           / fmt::format("muster-segments-{}", getpid())) {
    std::filesystem::create_directories(path);
  }

  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  ~folder() {
    std::filesystem::remove_all(path);
  }

  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream{path / name, std::ios::binary} << bytes;
    return (path / name).string();
  }

  std::filesystem::path path;
};

} // namespace

TEST_CASE("records come back as they were") {
  auto bytes = beginning();
  std::string payload;
  raw_record born{.kind = 1, .flags = raw_record::is_input};
  born.number = 7;
  born.at_ns = 123'456'789;
  born.unix_us = run_us - 5'000'000; // the clock was set back
  born.to = 3;
  born.role = "runner:a/group";
  born.life = 2;
  put_record(payload, born, run_us);
  put_frame(bytes, payload);
  raw_record gap{.kind = 6};
  gap.missing = 1'000;
  payload.clear();
  put_record(payload, gap, run_us);
  put_frame(bytes, payload);
  auto reader = segment_reader::open(bytes);
  REQUIRE(reader);
  CHECK_EQ(reader->head().run_id, "1f2e3d4c");
  CHECK_EQ(reader->head().types,
           std::vector<std::string>{"reserve", "reserved"});
  raw_record x;
  REQUIRE(reader->next(x));
  CHECK_EQ(x.kind, 1);
  CHECK_EQ(x.flags, raw_record::is_input);
  CHECK_EQ(x.number, 7);
  CHECK_EQ(x.at_ns, 123'456'789);
  CHECK_EQ(x.unix_us, run_us - 5'000'000);
  CHECK_EQ(x.to, 3);
  CHECK_EQ(x.role, "runner:a/group");
  CHECK_EQ(x.life, 2);
  REQUIRE(reader->next(x));
  CHECK_EQ(x.missing, 1'000);
  CHECK_FALSE(reader->next(x));
  CHECK_FALSE(reader->is_cut_off());
  CHECK_EQ(reader->damage(), "");
}

TEST_CASE("a segment is read up to its last whole record wherever it ends") {
  auto bytes = segment(3);
  auto one = frame(3).size();
  for (size_t cut = 0; cut < one; ++cut) {
    CAPTURE(cut);
    auto reader = segment_reader::open(bytes.substr(0, bytes.size() - cut));
    REQUIRE(reader);
    raw_record x;
    uint64_t count = 0;
    while (reader->next(x))
      ++count;
    CHECK_EQ(count, cut == 0 ? 3 : 2);
    CHECK_EQ(reader->is_cut_off(), cut != 0);
    CHECK_EQ(reader->damage(), "");
  }
}

TEST_CASE("a bit that has flipped costs one record, and is told") {
  auto bytes = segment(5);
  auto size = frame(3).size();
  auto begin = beginning().size() + 2 * size;
  // The last frame's length is another case: see below.
  for (size_t at = begin; at < begin + size; ++at)
    for (int bit = 0; bit < 8; ++bit) {
      CAPTURE(at);
      CAPTURE(bit);
      auto broken = bytes;
      broken[at] = static_cast<char>(broken[at] ^ 1 << bit);
      auto reader = segment_reader::open(broken);
      REQUIRE(reader);
      raw_record x;
      std::vector<uint64_t> found;
      while (reader->next(x))
        found.push_back(x.number);
      CHECK_EQ(found, std::vector<uint64_t>{1, 2, 4, 5});
      CHECK_EQ(reader->damaged(), 1);
      CHECK_EQ(reader->damage(),
               fmt::format("{} bytes from byte {} on are damaged and left out",
                           size, begin));
    }
}

TEST_CASE("lengths beyond all reason are no reason to read on") {
  for (uint32_t length : {0xFFFFFFFFu, 0x7FFFFFFFu, 5u << 20, 1u << 20}) {
    auto bytes = segment(2);
    for (int i = 0; i < 4; ++i)
      bytes.push_back(static_cast<char>(length >> 8 * i));
    bytes += "whatever comes then";
    CAPTURE(length);
    CHECK_EQ(numbers(bytes), std::vector<uint64_t>{1, 2});
  }
  // Nothing but such: the search for a record has a bound.
  CHECK_EQ(numbers(beginning() + std::string(1 << 20, '\x08')).size(), 0);
}

TEST_CASE("what is no segment, or a newer one, is refused in words") {
  auto text = [](const std::string& bytes) {
    auto reader = segment_reader::open(bytes);
    return reader ? "" : reader.error().text;
  };
  CHECK_EQ(text(""), "it is no recording of muster's");
  CHECK_EQ(text("[muster]\nworkers = 1\n"), "it is no recording of muster's");
  auto newer = segment(1);
  newer[8] = 2;
  CHECK_EQ(text(newer),
           "its format is version 2, and this muster reads version "
           "1: use the muster that wrote it, or a later one");
  CHECK_EQ(text(segment(1).substr(0, 20)), "it ends before its first record");
  auto damaged = segment(1);
  damaged[25] ^= 1;
  CHECK_EQ(text(damaged), "its head is damaged");
}

TEST_CASE("segments are found in a folder by their names, in their order") {
  folder here;
  auto second = here.put(segment_name(run_us, "1f2e3d4c", 2), segment(1));
  auto first = here.put(segment_name(run_us, "1f2e3d4c", 1), segment(1));
  auto later
    = here.put(segment_name(run_us + 60'000'000, "00000000", 1), segment(1));
  here.put("journal.db", "no segment");
  here.put("README.rec", "no segment");
  auto found = find_segments(here.path.string());
  REQUIRE(found);
  CHECK_EQ(*found, std::vector<std::string>{first, second, later});
  CHECK_EQ(std::filesystem::path{first}.filename().string(),
           "20260921T141320Z-1f2e3d4c-000001.rec");
  auto one = find_segments(second);
  REQUIRE(one);
  CHECK_EQ(*one, std::vector<std::string>{second});
  auto none = find_segments((here.path / "not-there").string());
  REQUIRE_FALSE(none);
  CHECK_NE(none.error().text.find("not-there"), std::string::npos);
  std::filesystem::remove(first);
  std::filesystem::remove(second);
  std::filesystem::remove(later);
  auto empty = find_segments(here.path.string());
  REQUIRE_FALSE(empty);
  CHECK_NE(empty.error().text.find("there is no recording in this folder"),
           std::string::npos);
}

TEST_CASE("a segment that cannot be read is told with its path") {
  folder here;
  auto path = here.put("x.rec", "nothing of the kind");
  auto reader = read_segment(path);
  REQUIRE_FALSE(reader);
  CHECK_EQ(reader.error().text, path + ": it is no recording of muster's");
  auto gone = read_segment(path + ".gone");
  REQUIRE_FALSE(gone);
  CHECK_EQ(gone.error().text, path + ".gone: No such file or directory");
}
