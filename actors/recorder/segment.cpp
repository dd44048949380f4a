#include "actors/recorder/segment.hpp"

#include "actors/recorder/crc32c.hpp"
#include "actors/recorder/varint.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

namespace muster {

namespace {

/// Larger files are none that muster wrote. [bytes]
constexpr size_t segment_bytes_max = 256 << 20;
constexpr size_t types_max = 4096;

constexpr uint8_t kind_born = 1;
constexpr uint8_t kind_gap = 6;
constexpr uint8_t kind_state = 7;

void put_u32(char* at, uint32_t x) {
  for (int i = 0; i < 4; ++i)
    at[i] = static_cast<char>(x >> 8 * i);
}

uint32_t u32_at(std::string_view bytes, size_t at) {
  uint32_t out = 0;
  for (int i = 3; i >= 0; --i)
    out = out << 8 | static_cast<uint8_t>(bytes[at + static_cast<size_t>(i)]);
  return out;
}

bool take_head(std::string_view from, segment_head& x) {
  auto text = [&from](std::string& into) {
    std::string_view view;
    auto ok = take_text(from, view);
    into = view;
    return ok;
  };
  uint64_t count = 0;
  if (!text(x.run_id) || !text(x.version) || !text(x.revision)
      || !take_varint(from, x.segment) || !take_varint(from, x.first_number)
      || !take_zigzag(from, x.run_unix_us) || !take_varint(from, x.secrets)
      || !take_varint(from, count) || count > types_max)
    return false;
  x.types.resize(count);
  return std::all_of(x.types.begin(), x.types.end(), text);
}

bool take_record(std::string_view from, int64_t run_unix_us, raw_record& x) {
  if (from.size() < 2)
    return false;
  x = {};
  x.kind = static_cast<uint8_t>(from[0]);
  x.flags = static_cast<uint8_t>(from[1]);
  from.remove_prefix(2);
  uint64_t at = 0;
  int64_t apart = 0;
  if (!take_varint(from, x.number) || !take_varint(from, at)
      || !take_zigzag(from, apart) || !take_varint(from, x.from)
      || !take_varint(from, x.to))
    return false;
  constexpr uint64_t time_max = uint64_t{1} << 62; // a century
  constexpr int64_t apart_max = int64_t{1} << 56;
  if (at > time_max || apart > apart_max || apart < -apart_max
      || run_unix_us > apart_max || run_unix_us < -apart_max)
    return false;
  x.at_ns = static_cast<int64_t>(at);
  x.unix_us = run_unix_us + x.at_ns / 1000 + apart;
  if ((x.kind == kind_born || x.kind == kind_state)
      && (!take_varint(from, x.life) || !take_text(from, x.role)))
    return false;
  if (x.kind == kind_gap && !take_varint(from, x.missing))
    return false;
  x.body = from;
  return true;
}

} // namespace

void put_segment_prefix(std::string& to) {
  to.append(segment_magic);
  std::array<char, 4> version;
  put_u32(version.data(), segment_version);
  to.append(version.data(), version.size());
}

void fill_frame_prefix(char* at, std::string_view payload) {
  put_u32(at, static_cast<uint32_t>(payload.size()));
  put_u32(at + 4, crc32c(payload));
}

void put_frame(std::string& to, std::string_view payload) {
  std::array<char, frame_prefix_bytes> prefix;
  fill_frame_prefix(prefix.data(), payload);
  to.append(prefix.data(), prefix.size());
  to.append(payload);
}

void put_head(std::string& to, const segment_head& x) {
  put_text(to, x.run_id);
  put_text(to, x.version);
  put_text(to, x.revision);
  put_varint(to, x.segment);
  put_varint(to, x.first_number);
  put_zigzag(to, x.run_unix_us);
  put_varint(to, x.secrets);
  put_varint(to, x.types.size());
  for (const auto& type : x.types)
    put_text(to, type);
}

void put_record(std::string& to, const raw_record& x, int64_t run_unix_us) {
  to.push_back(static_cast<char>(x.kind));
  to.push_back(static_cast<char>(x.flags));
  put_varint(to, x.number);
  auto at_ns = std::max<int64_t>(x.at_ns, 0);
  put_varint(to, static_cast<uint64_t>(at_ns));
  put_zigzag(to, x.unix_us - run_unix_us - at_ns / 1000);
  put_varint(to, x.from);
  put_varint(to, x.to);
  if (x.kind == kind_born || x.kind == kind_state) {
    put_varint(to, x.life);
    put_text(to, x.role);
  }
  if (x.kind == kind_gap)
    put_varint(to, x.missing);
  to.append(x.body);
}

result<segment_reader, journal_errc> segment_reader::open(std::string bytes) {
  auto no = [](std::string text) {
    return fail(journal_errc::not_readable, std::move(text));
  };
  if (bytes.size() < segment_prefix_bytes
      || !std::string_view{bytes}.starts_with(segment_magic))
    return no("it is no recording of muster's");
  if (auto version = u32_at(bytes, segment_magic.size());
      version != segment_version)
    return no(fmt::format("its format is version {}, and this muster reads "
                          "version {}: use the muster that wrote it, or a "
                          "later one",
                          version, segment_version));
  segment_reader out;
  out.bytes_ = std::move(bytes);
  out.at_ = segment_prefix_bytes;
  std::string_view payload;
  auto has_head = out.next_frame(payload);
  if (has_head && out.damage_.empty() && take_head(payload, out.head_)) {
    out.search_budget_ = 16 * out.bytes_.size();
    return out;
  }
  if (out.cut_off_)
    return no("it ends before its first record");
  return no("its head is damaged");
}

bool segment_reader::next_frame(std::string_view& payload) {
  std::string_view all{bytes_};
  for (;;) {
    auto left = all.size() - at_;
    if (left == 0)
      return false;
    size_t length = left < frame_prefix_bytes ? 0 : u32_at(all, at_);
    auto is_short
      = left < frame_prefix_bytes
        || (length <= frame_bytes_max && length > left - frame_prefix_bytes);
    if (!is_short && length <= frame_bytes_max) {
      payload = all.substr(at_ + frame_prefix_bytes, length);
      if (crc32c(payload) == u32_at(all, at_ + 4)) {
        at_ += frame_prefix_bytes + length;
        return true;
      }
    }
    auto from = at_;
    auto is_found = find_next_frame();
    if (!is_found)
      at_ = all.size();
    if (!is_found && is_short) { // as a file ends whose writer was ended
      cut_off_ = true;
      return false;
    }
    ++damaged_;
    damage_
      = fmt::format("{}{} bytes from byte {} on are damaged and left out",
                    damage_.empty() ? "" : damage_ + "; ", at_ - from, from);
    if (!is_found)
      return false;
  }
}

/// Goes on to the next place where a whole frame stands. Records are short, and
/// no long one is looked for; nor for ever.
bool segment_reader::find_next_frame() {
  constexpr size_t length_max = 64 << 10;
  std::string_view all{bytes_};
  for (auto at = at_ + 1; at + frame_prefix_bytes < all.size(); ++at) {
    size_t length = u32_at(all, at);
    if (length < 7 || length > length_max
        || length > all.size() - at - frame_prefix_bytes)
      continue;
    if (search_budget_ < length)
      return false;
    search_budget_ -= length;
    if (crc32c(all.substr(at + frame_prefix_bytes, length))
        == u32_at(all, at + 4)) {
      at_ = at;
      return true;
    }
  }
  return false;
}

bool segment_reader::next(raw_record& into) {
  std::string_view payload;
  while (next_frame(payload)) {
    if (take_record(payload, head_.run_unix_us, into))
      return true;
    ++damaged_;
    damage_ += damage_.empty() ? "" : "; ";
    damage_ += "a record is none of this version and left out";
  }
  return false;
}

result<segment_reader, journal_errc> read_segment(const std::string& path) {
  auto no = [&path](const std::string& text) {
    return fail(journal_errc::not_readable, path + ": " + text);
  };
  std::ifstream file{path, std::ios::binary};
  if (!file)
    return no(std::strerror(errno));
  std::string bytes;
  std::array<char, 64 << 10> piece;
  while (file.read(piece.data(), piece.size()), file.gcount() > 0) {
    bytes.append(piece.data(), static_cast<size_t>(file.gcount()));
    if (bytes.size() > segment_bytes_max)
      return no("it is larger than any recording of muster's");
  }
  if (file.bad())
    return no("cannot be read to its end");
  auto out = segment_reader::open(std::move(bytes));
  if (!out)
    return no(out.error().text);
  return out;
}

std::string segment_name(int64_t run_unix_us, const std::string& run_id,
                         uint64_t segment) {
  auto seconds = static_cast<time_t>(run_unix_us / 1'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> when{};
  std::strftime(when.data(), when.size(), "%Y%m%dT%H%M%SZ", &parts);
  return fmt::format("{}-{}-{:06}.rec", when.data(), run_id, segment);
}

bool is_segment_name(std::string_view name) {
  // 20261128T213000Z-1f2e3d4c-000001.rec
  constexpr size_t time_bytes = 16;
  return name.ends_with(".rec") && name.size() > time_bytes + 8
         && name[8] == 'T' && name[time_bytes - 1] == 'Z'
         && name[time_bytes] == '-'
         && std::all_of(name.begin(), name.begin() + 8,
                        [](char c) { return c >= '0' && c <= '9'; });
}

result<std::vector<std::string>, journal_errc>
find_segments(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code problem;
  auto status = fs::status(path, problem);
  if (!fs::exists(status))
    return fail(
      journal_errc::not_readable,
      path + ": "
        + (problem ? problem.message() : std::string{"there is no such file"}));
  if (!fs::is_directory(status))
    return std::vector<std::string>{path};
  std::vector<std::string> out;
  fs::directory_iterator at{path, problem};
  for (; !problem && at != fs::directory_iterator{}; at.increment(problem))
    if (is_segment_name(at->path().filename().string()))
      out.push_back(at->path().string());
  if (problem)
    return fail(journal_errc::not_readable, path + ": " + problem.message());
  if (out.empty())
    return fail(journal_errc::not_readable,
                path + ": there is no recording in this folder");
  std::sort(out.begin(), out.end());
  return out;
}

} // namespace muster
