#include "actors/recorder/segment_writer.hpp"

#include "actors/recorder/segment.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr size_t beginnings_max = 4;
/// Runs that end soon leave small files: there is a bound to them, too.
constexpr size_t files_max = 1000;
constexpr auto look_interval = 1h;

/// Makes a folder and those above it; what is there stays as somebody has made
/// it. Returns whether it is there.
bool make_folder(const std::string& path) {
  for (auto end = path.find('/', 1);; end = path.find('/', end + 1)) {
    auto part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return false;
    if (end == std::string::npos)
      return true;
  }
}

/// Segments are small enough that the oldest can go alone.
size_t segment_bytes_of(int64_t size_max) {
  return static_cast<size_t>(
    std::clamp<int64_t>(size_max / 16, 64 << 10, 16 << 20));
}

} // namespace

segment_writer::segment_writer(segment_writer_options options)
  : options_(std::move(options)),
    segment_bytes_(segment_bytes_of(options_.size_max)),
    ring_(options_.ring_bytes),
    thread_([this] { run(); }) {
}

segment_writer::~segment_writer() {
  flush();
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool segment_writer::put(std::string_view prefix, std::string_view payload) {
  if (failing_ || !ring_.put(prefix, payload))
    return false;
  // The mutex is not taken for each: the thread sleeps once in a while only.
  if (asleep_.exchange(false)) {
    { std::lock_guard guard{mutex_}; }
    wake_.notify_one();
  }
  return true;
}

bool segment_writer::begin(std::string name, std::string bytes) {
  {
    std::lock_guard guard{mutex_};
    if (beginnings_.size() >= beginnings_max)
      return false;
    // Before the thread can find that it cannot.
    wants_segment_ = false;
    failing_ = false;
    beginnings_.push_back({ring_.written(), std::move(name), std::move(bytes)});
    asleep_ = false;
  }
  wake_.notify_one();
  return true;
}

void segment_writer::flush(std::chrono::milliseconds timeout) {
  std::unique_lock guard{mutex_};
  auto end = ring_.written();
  asleep_ = false;
  hurries_ = true;
  wake_.notify_one();
  written_.wait_for(guard, timeout, [this, end] {
    return written_to_ >= end && beginnings_.empty();
  });
}

void segment_writer::run() {
  look_at_ = clock::now() + look_interval;
  std::unique_lock guard{mutex_};
  while (!stopping_) {
    asleep_ = true;
    if (ring_.written() == ring_.taken() && beginnings_.empty()) {
      auto until = failing_ ? std::min(retry_at_, look_at_) : look_at_;
      wake_.wait_until(guard, until, [this] { return stopping_ || !asleep_; });
    }
    asleep_ = false;
    // What comes in quick succession is written at once.
    wake_.wait_for(guard, options_.delay,
                   [this] { return stopping_ || hurries_; });
    hurries_ = false;
    guard.unlock();
    write_waiting();
    auto now = clock::now();
    if (failing_ && now >= retry_at_)
      try_again();
    if (now >= look_at_) {
      make_room(current_);
      look_at_ = now + look_interval;
    }
    guard.lock();
    written_to_ = ring_.taken();
    written_.notify_all();
  }
  guard.unlock();
  close_segment();
}

void segment_writer::write_waiting() {
  auto end = ring_.written();
  for (;;) {
    beginning next;
    {
      std::lock_guard guard{mutex_};
      if (beginnings_.empty() || beginnings_.front().at > end)
        break;
      next = std::move(beginnings_.front());
    }
    write_until(next.at);
    open_segment(next);
    std::lock_guard guard{mutex_};
    beginnings_.pop_front();
  }
  write_until(end);
}

void segment_writer::write_until(uint64_t end) {
  if (file_ < 0) {
    count_lost(end);
    ring_.take(end);
    return;
  }
  for (auto part : ring_.look(end))
    if (!write_bytes(part)) {
      count_lost(end); // some are in the file; which, does not matter
      break;
    }
  ring_.take(end);
}

bool segment_writer::write_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    auto count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      fail("written", count < 0 ? errno : EIO);
      return false;
    }
    bytes_ += static_cast<uint64_t>(count);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

void segment_writer::open_segment(const beginning& x) {
  close_segment();
  if (!make_folder(options_.folder)) {
    fail("made", errno);
    return;
  }
  make_room(x.name);
  auto path = options_.folder + "/" + x.name;
  file_ = ::open(path.c_str(),
                 O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
  if (file_ < 0) {
    fail("made", errno);
    return;
  }
  current_ = x.name;
  if (!write_bytes(x.bytes))
    return;
  ++segments_;
  if (std::exchange(told_, false) && options_.tell)
    options_.tell(false,
                  fmt::format("{}: is recorded to again", options_.folder));
}

void segment_writer::close_segment() {
  if (file_ >= 0)
    ::close(file_);
  file_ = -1;
  current_.clear();
}

void segment_writer::fail(const std::string& what, int error) {
  close_segment();
  failing_ = true;
  retry_at_ = clock::now() + options_.retry_pause;
  if (!std::exchange(told_, true) && options_.tell)
    options_.tell(true,
                  fmt::format("{}: the recording cannot be {}: {}; "
                              "nothing is recorded until it can, and "
                              "all else goes on",
                              options_.folder, what, std::strerror(error)));
}

/// A segment is asked for only when one can be written: to begin it is dear.
void segment_writer::try_again() {
  retry_at_ = clock::now() + options_.retry_pause;
  if (!make_folder(options_.folder))
    return;
  make_room({});
  auto path = options_.folder + "/.trial";
  auto file
    = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0)
    return;
  const std::vector<char> room(64 << 10);
  auto count = ::write(file, room.data(), room.size());
  ::close(file);
  ::unlink(path.c_str());
  if (count == static_cast<ssize_t>(room.size()))
    wants_segment_ = true;
}

/// Removes the oldest until there is room for one more, and those that are too
/// old.
void segment_writer::make_room(const std::string& current) {
  namespace fs = std::filesystem;
  struct row {
    std::string name;
    int64_t bytes = 0;
    int64_t seconds = 0;
  };
  std::vector<row> rows;
  std::error_code problem;
  for (fs::directory_iterator at{options_.folder, problem};
       !problem && at != fs::directory_iterator{}; at.increment(problem)) {
    auto name = at->path().filename().string();
    struct stat facts {};
    if (is_segment_name(name) && name != current
        && ::lstat(at->path().c_str(), &facts) == 0 && S_ISREG(facts.st_mode))
      rows.push_back({name, facts.st_size, facts.st_mtime});
  }
  std::sort(rows.begin(), rows.end(),
            [](const row& a, const row& b) { return a.name < b.name; });
  auto total = static_cast<int64_t>(segment_bytes_);
  for (const auto& x : rows)
    total += x.bytes;
  auto count = rows.size();
  auto oldest
    = std::time(nullptr)
      - std::chrono::duration_cast<std::chrono::seconds>(options_.age_max)
          .count();
  for (const auto& x : rows) {
    if (total <= options_.size_max && count < files_max && x.seconds >= oldest)
      continue;
    ::unlink((options_.folder + "/" + x.name).c_str());
    total -= x.bytes;
    --count;
  }
}

/// How many frames stand before `end`.
void segment_writer::count_lost(uint64_t end) {
  auto parts = ring_.look(end);
  auto size = parts[0].size() + parts[1].size();
  auto byte_at = [&](size_t i) {
    return static_cast<uint8_t>(
      i < parts[0].size() ? parts[0][i] : parts[1][i - parts[0].size()]);
  };
  uint64_t count = 0;
  for (size_t at = 0; at + frame_prefix_bytes <= size; ++count) {
    size_t length = 0;
    for (size_t i = 4; i-- > 0;)
      length = length << 8 | byte_at(at + i);
    at += frame_prefix_bytes + length;
  }
  lost_ += count;
}

} // namespace muster
