#include "actors/recorder/reader.hpp"

#include "actors/recorder/codec.hpp"

#include <fmt/format.h>
#include <utility>

namespace muster {

result<recording_reader, journal_errc>
recording_reader::open(const std::string& path, snapshots which) {
  auto files = find_segments(path);
  if (!files)
    return tl::unexpected{files.error()};
  recording_reader out;
  out.files_ = std::move(*files);
  out.which_ = which;
  if (!out.next_segment())
    return fail(journal_errc::not_readable, out.problems_.front());
  return out;
}

bool recording_reader::next_segment() {
  while (next_file_ < files_.size()) {
    const auto& path = files_[next_file_++];
    auto opened = read_segment(path);
    if (!opened) {
      problems_.push_back(opened.error().text);
      continue;
    }
    auto is_same_run = opened->head().run_id == head_.run_id
                       && opened->head().run_unix_us == head_.run_unix_us;
    if (!is_same_run) {
      last_number_ = 0;
      players_.clear();
    }
    head_ = opened->head();
    shows_snapshot_ = which_ == snapshots::all || last_number_ == 0
                      || head_.first_number != last_number_ + 1;
    file_ = path;
    segment_ = std::move(*opened);
    return true;
  }
  return false;
}

void recording_reader::end_segment() {
  if (!segment_->damage().empty())
    problems_.push_back(file_ + ": " + segment_->damage());
  if (segment_->is_cut_off())
    ++cut_off_;
  segment_.reset();
}

bool recording_reader::next(record& into) {
  if (held_) {
    into = std::move(*held_);
    held_.reset();
    return true;
  }
  for (;;) {
    if (!segment_ && !next_segment())
      return false;
    raw_record raw;
    if (!segment_->next(raw)) {
      end_segment();
      continue;
    }
    auto in_snapshot = (raw.flags & raw_record::in_snapshot) != 0;
    if (in_snapshot && !shows_snapshot_) {
      know(raw);
      continue;
    }
    if (!take(raw, into))
      continue;
    if (in_snapshot)
      return true;
    // A gap that was written tells what the numbers do.
    auto expected = last_number_ + 1;
    auto is_gap = into.kind == record_kind::gap;
    auto skipped = last_number_ != 0 && into.number > expected
                     ? into.number - expected
                     : 0;
    last_number_ = is_gap ? into.number + into.missing - 1 : into.number;
    if (skipped > 0 && !is_gap) {
      held_ = std::move(into);
      into = missing(skipped);
    } else if (skipped > 0) {
      into.missing += skipped;
    }
    last_ = record{};
    last_.number = last_number_;
    last_.at = held_ ? held_->at : into.at;
    last_.unix_us = held_ ? held_->unix_us : into.unix_us;
    return true;
  }
}

/// A gap that nobody could write down: a segment is gone, or was cut off.
record recording_reader::missing(uint64_t count) const {
  record out;
  out.kind = record_kind::gap;
  out.number = last_.number + 1;
  out.at = last_.at;
  out.unix_us = last_.unix_us;
  out.missing = count;
  return out;
}

player recording_reader::find(uint64_t number) const {
  if (number == 0)
    return {};
  auto found = players_.find(number);
  if (found != players_.end())
    return found->second;
  return {"", static_cast<uint32_t>(number), 0};
}

/// Takes over who has a number from then on.
void recording_reader::know(const raw_record& x) {
  auto kind = static_cast<record_kind>(x.kind);
  if (kind == record_kind::born || kind == record_kind::state)
    players_[x.to] = {std::string{x.role}, static_cast<uint32_t>(x.to),
                      static_cast<uint32_t>(x.life)};
}

bool recording_reader::take(const raw_record& from, record& into) {
  if (from.kind < static_cast<uint8_t>(record_kind::born)
      || from.kind > static_cast<uint8_t>(record_kind::state))
    return false;
  into = {};
  into.number = from.number;
  into.at = std::chrono::nanoseconds{from.at_ns};
  into.unix_us = from.unix_us;
  into.kind = static_cast<record_kind>(from.kind);
  into.is_input = (from.flags & raw_record::is_input) != 0;
  into.is_timer = (from.flags & raw_record::is_timer) != 0;
  into.missing = from.missing;
  know(from);
  into.from = find(from.from);
  into.to = find(from.to);
  if (from.body.empty())
    return true;
  auto roles = [this](uint64_t number) -> const std::string* {
    auto found = players_.find(number);
    return found == players_.end() ? nullptr : &found->second.role;
  };
  auto read = read_message(from.body, head_.types, roles);
  into.what = std::move(read.what);
  into.problem = std::move(read.problem);
  into.type = std::move(read.type);
  return true;
}

} // namespace muster
