#include "actors/recorder/segment.hpp"
#include "actors/recorder/segment_writer.hpp"

#include <array>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <mutex>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace muster;
namespace fs = std::filesystem;

namespace {

struct bench {
  bench() {
    std::string name = (fs::temp_directory_path() / "muster-rec-XXXXXX");
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
    options.folder = (path / "state" / "recordings").string();
    options.delay = std::chrono::milliseconds(0);
    options.retry_pause = std::chrono::milliseconds(1);
    options.size_max = 1 << 20;
    options.ring_bytes = 1 << 16;
    options.tell = [this](bool is_problem, const std::string& text) {
      std::lock_guard guard{mutex};
      told.push_back((is_problem ? "problem: " : "") + text);
    };
  }

  bench(const bench&) = delete;
  bench& operator=(const bench&) = delete;

  ~bench() {
    fs::remove_all(path);
  }

  std::vector<std::string> said() {
    std::lock_guard guard{mutex};
    return told;
  }

  fs::path path;
  segment_writer_options options;
  std::mutex mutex;
  std::vector<std::string> told;
};

std::string name(uint64_t i) {
  return segment_name(1'790'000'000'000'000, "1f2e3d4c", i);
}

bool put(segment_writer& to, const std::string& payload) {
  std::array<char, frame_prefix_bytes> prefix;
  fill_frame_prefix(prefix.data(), payload);
  return to.put({prefix.data(), prefix.size()}, payload);
}

std::string content(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

mode_t mode(const fs::path& path) {
  struct stat facts {};
  REQUIRE_EQ(::stat(path.c_str(), &facts), 0);
  return facts.st_mode & 07777;
}

} // namespace

TEST_CASE("what is put comes into the segment that was begun before it") {
  bench on;
  segment_writer writer{on.options};
  CHECK(writer.begin(name(1), "first:"));
  CHECK(put(writer, "abc"));
  CHECK(writer.begin(name(2), "second:"));
  CHECK(put(writer, "def"));
  CHECK(put(writer, "ghi"));
  writer.flush();
  fs::path folder{on.options.folder};
  CHECK_EQ(content(folder / name(1)).substr(0, 6), "first:");
  CHECK_EQ(content(folder / name(1)).substr(14), "abc");
  CHECK_EQ(content(folder / name(2)).substr(15, 3), "def");
  CHECK_EQ(content(folder / name(2)).substr(26), "ghi");
  CHECK_EQ(writer.segments_begun(), 2);
  CHECK_EQ(writer.bytes_written(), 6 + 11 + 7 + 22);
  CHECK_EQ(mode(folder), 0700);
  CHECK_EQ(mode(folder / name(1)), 0600);
}

TEST_CASE("what has no room is refused at once") {
  bench on;
  on.options.delay = std::chrono::hours(1);
  segment_writer writer{on.options};
  CHECK(writer.begin(name(1), "first"));
  std::string kilobyte(1000, 'x');
  int taken = 0;
  while (put(writer, kilobyte))
    ++taken;
  CHECK_EQ(taken, (1 << 16) / 1008);
  CHECK_FALSE(writer.has_room());
}

TEST_CASE("the oldest segments go when there are too many, or they are old") {
  bench on;
  fs::path folder{on.options.folder};
  fs::create_directories(folder);
  std::ofstream{folder / "journal.db"} << "somebody else's";
  SUBCASE("too large") {
    segment_writer writer{on.options};
    for (uint64_t i = 1; i <= 20; ++i) {
      CHECK(writer.begin(name(i), std::string(100'000, 'x')));
      writer.flush();
    }
    uintmax_t total = 0;
    for (const auto& x : fs::directory_iterator{folder})
      total += x.file_size();
    CHECK_LE(total, (1 << 20) + 100'000);
    CHECK_FALSE(fs::exists(folder / name(1)));
    CHECK(fs::exists(folder / name(19)));
    CHECK(fs::exists(folder / name(20)));
  }
  SUBCASE("too old") {
    std::ofstream{folder / name(1)} << "old";
    std::ofstream{folder / name(2)} << "new";
    fs::last_write_time(folder / name(1), fs::file_time_type::clock::now()
                                            - std::chrono::hours(24 * 8));
    segment_writer writer{on.options};
    CHECK(writer.begin(name(3), "x"));
    writer.flush();
    CHECK_FALSE(fs::exists(folder / name(1)));
    CHECK(fs::exists(folder / name(2)));
  }
  CHECK(fs::exists(folder / "journal.db"));
}

TEST_CASE("a folder that cannot be is told once, and used when it can be") {
  bench on;
  std::ofstream{on.path / "state"} << "in its place";
  segment_writer writer{on.options};
  CHECK(writer.begin(name(1), "first"));
  CHECK(put(writer, "abc"));
  writer.flush();
  CHECK(writer.is_failing());
  CHECK_FALSE(put(writer, "def"));
  CHECK_FALSE(writer.wants_segment());
  CHECK_EQ(writer.lost(), 1);
  CHECK(writer.begin(name(2), "second")); // tried, and as bad
  writer.flush();
  REQUIRE_EQ(on.said().size(), 1);
  CHECK_EQ(on.said()[0],
           "problem: " + on.options.folder
             + ": the recording cannot be made: Not a directory; nothing is "
               "recorded until it can, and all else goes on");
  fs::remove(on.path / "state");
  while (!writer.wants_segment()) // its thread looks each millisecond
    writer.flush(std::chrono::milliseconds(10));
  CHECK(writer.begin(name(3), "third"));
  CHECK(put(writer, "ghi"));
  writer.flush();
  CHECK_FALSE(writer.is_failing());
  CHECK_EQ(content(fs::path{on.options.folder} / name(3)).size(), 5 + 11);
  CHECK_EQ(on.said().back(), on.options.folder + ": is recorded to again");
  CHECK_EQ(on.said().size(), 2);
}
