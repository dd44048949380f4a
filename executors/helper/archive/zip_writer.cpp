#include "executors/helper/archive/zip_writer.hpp"

#include <algorithm>
#include <ctime>
#include <sys/stat.h>
#include <utility>
#include <vector>
#include <zlib.h>

namespace muster::helper {

namespace {

/// Beyond this a file's compressed size could pass 32 bits: incompressible data
/// grows a little.
constexpr uint64_t large_bytes = 0xf0000000;

/// MS-DOS date and time, the date in the upper half, for readers that know no
/// better; these expect local time, and UTC is what an instance has.
uint32_t dos_time(int64_t seconds) {
  constexpr uint32_t epoch = (1u << 5 | 1u) << 16; // 1980-01-01
  auto moment = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (::gmtime_r(&moment, &parts) == nullptr || parts.tm_year < 80)
    return epoch;
  auto year = static_cast<uint32_t>(std::min(parts.tm_year - 80, 127));
  auto date = year << 9 | static_cast<uint32_t>(parts.tm_mon + 1) << 5
              | static_cast<uint32_t>(parts.tm_mday);
  auto time = static_cast<uint32_t>(parts.tm_hour) << 11
              | static_cast<uint32_t>(parts.tm_min) << 5
              | static_cast<uint32_t>(parts.tm_sec / 2);
  return date << 16 | time;
}

uint32_t file_type(entry_kind kind) {
  switch (kind) {
    case entry_kind::folder:
      return S_IFDIR;
    case entry_kind::link:
      return S_IFLNK;
    default:
      return S_IFREG;
  }
}

std::string extra_of(const archive_entry& what) {
  std::string extra;
  if (what.modified_s && std::in_range<int32_t>(*what.modified_s)) {
    put_little(extra, zip::extra_times, 2);
    put_little(extra, 5, 2);
    put_little(extra, 1, 1); // the time of modification alone
    put_little(extra, static_cast<uint64_t>(*what.modified_s), 4);
  }
  if (what.user && what.group) {
    put_little(extra, zip::extra_owner, 2);
    put_little(extra, 11, 2);
    put_little(extra, 1, 1); // version
    put_little(extra, 4, 1);
    put_little(extra, *what.user, 4);
    put_little(extra, 4, 1);
    put_little(extra, *what.group, 4);
  }
  return extra;
}

uint16_t version_for(zip::method method, bool large) {
  if (method == zip::method::zstd)
    return 63;
  return large ? 45 : 20;
}

uint16_t flags_of(bool descriptor) {
  return static_cast<uint16_t>(zip::flag_utf8
                               | (descriptor ? zip::flag_descriptor : 0));
}

/// Counts what passes on its way.
struct counting_sink : byte_sink {
  byte_sink& to;
  uint64_t bytes = 0;

  explicit counting_sink(byte_sink& below) : to(below) {
  }

  outcome write(std::string_view piece) override {
    bytes += piece.size();
    return to.write(piece);
  }
};

} // namespace

zip_writer::zip_writer(zip::method method, std::unique_ptr<compressor> by,
                       byte_sink& to)
  : method_(method),
    by_(std::move(by)),
    to_(to) {
}

outcome zip_writer::put(std::string_view bytes) {
  offset_ += bytes.size();
  return to_.write(bytes);
}

outcome zip_writer::add(const archive_entry& what, const byte_source& content) {
  record made;
  made.name = what.path + (what.kind == entry_kind::folder ? "/" : "");
  if (made.name.size() > zip::none16)
    return fail(helper_errc::failed, "the path " + made.name.substr(0, 80)
                                       + "... is too long for a zip");
  made.extra = extra_of(what);
  made.attributes = (file_type(what.kind) | (what.mode & 07777)) << 16
                    | (what.kind == entry_kind::folder ? 0x10u : 0u);
  made.when = dos_time(what.modified_s.value_or(0));
  made.offset = offset_;
  if (what.kind == entry_kind::file && what.size_bytes > 0) {
    made.method = method_;
    made.descriptor = true;
    made.large = what.size_bytes >= large_bytes;
  } else if (what.kind == entry_kind::link) {
    made.packed_bytes = made.plain_bytes = what.target.size();
    made.crc = static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(what.target.data()),
              static_cast<uInt>(what.target.size())));
  }
  if (auto done = put_local(made); !done)
    return done;
  auto done
    = made.descriptor ? put_content(made, what, content) : put(what.target);
  if (done)
    note(made);
  return done;
}

/// With a descriptor, sizes and checksum are not known yet; where the sizes of
/// that one have 64 bits, an extra field says so.
outcome zip_writer::put_local(const record& of) {
  std::string header;
  put_little(header, zip::local_signature, 4);
  put_little(header, version_for(of.method, of.large), 2);
  put_little(header, flags_of(of.descriptor), 2);
  put_little(header, static_cast<uint16_t>(of.method), 2);
  put_little(header, of.when, 4);
  put_little(header, of.crc, 4);
  put_little(header, of.large ? zip::none32 : of.packed_bytes, 4);
  put_little(header, of.large ? zip::none32 : of.plain_bytes, 4);
  put_little(header, of.name.size(), 2);
  put_little(header, of.extra.size() + (of.large ? 20 : 0), 2);
  header += of.name;
  if (of.large) {
    put_little(header, zip::extra_zip64, 2);
    put_little(header, 16, 2);
    put_little(header, 0, 8);
    put_little(header, 0, 8);
  }
  return put(header + of.extra);
}

/// A file that grows meanwhile is cut at the size it had; one that shrinks has
/// what was there.
outcome zip_writer::put_content(record& of, const archive_entry& what,
                                const byte_source& content) {
  counting_sink packed{to_};
  std::vector<char> buffer(piece_bytes);
  uLong crc = 0;
  while (of.plain_bytes < what.size_bytes) {
    auto left = what.size_bytes - of.plain_bytes;
    auto n = content(buffer.data(), std::min<uint64_t>(buffer.size(), left));
    if (!n)
      return tl::unexpected{n.error()};
    if (*n == 0)
      break;
    std::string_view piece{buffer.data(), *n};
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(piece.data()),
                  static_cast<uInt>(piece.size()));
    of.plain_bytes += piece.size();
    auto done = of.method == zip::method::stored ? packed.write(piece)
                                                 : by_->write(piece, packed);
    if (!done)
      return done;
  }
  if (of.method != zip::method::stored)
    if (auto done = by_->finish(packed); !done)
      return done;
  of.crc = static_cast<uint32_t>(crc);
  of.packed_bytes = packed.bytes;
  offset_ += packed.bytes;
  return put_descriptor(of);
}

outcome zip_writer::put_descriptor(const record& of) {
  std::string text;
  put_little(text, zip::descriptor_signature, 4);
  put_little(text, of.crc, 4);
  put_little(text, of.packed_bytes, of.large ? 8 : 4);
  put_little(text, of.plain_bytes, of.large ? 8 : 4);
  return put(text);
}

/// Adds an entry to the directory.
void zip_writer::note(const record& of) {
  std::string wide;
  auto small = [&wide](uint64_t value, bool force) {
    if (!force && value < zip::none32)
      return value;
    put_little(wide, value, 8);
    return uint64_t{zip::none32};
  };
  auto plain = small(of.plain_bytes, of.large);
  auto packed = small(of.packed_bytes, of.large);
  auto offset = small(of.offset, false);
  auto version = version_for(of.method, !wide.empty());
  auto& to = central_;
  put_little(to, zip::central_signature, 4);
  put_little(to, zip::host_unix << 8 | version, 2);
  put_little(to, version, 2);
  put_little(to, flags_of(of.descriptor), 2);
  put_little(to, static_cast<uint16_t>(of.method), 2);
  put_little(to, of.when, 4);
  put_little(to, of.crc, 4);
  put_little(to, packed, 4);
  put_little(to, plain, 4);
  put_little(to, of.name.size(), 2);
  put_little(to, of.extra.size() + (wide.empty() ? 0 : 4 + wide.size()), 2);
  put_little(to, 0, 2); // comment
  put_little(to, 0, 2); // disk
  put_little(to, 0, 2); // internal attributes
  put_little(to, of.attributes, 4);
  put_little(to, offset, 4);
  to += of.name;
  if (!wide.empty()) {
    put_little(to, zip::extra_zip64, 2);
    put_little(to, wide.size(), 2);
    to += wide;
  }
  to += of.extra;
  ++entries_;
}

outcome zip_writer::finish() {
  auto begin = offset_;
  auto size = central_.size();
  if (auto done = put(central_); !done)
    return done;
  std::string end;
  if (entries_ >= zip::none16 || begin >= zip::none32 || size >= zip::none32) {
    put_little(end, zip::end64_signature, 4);
    put_little(end, zip::end64_bytes - 12, 8);
    put_little(end, zip::host_unix << 8 | 45, 2);
    put_little(end, 45, 2);
    put_little(end, 0, 4);
    put_little(end, 0, 4);
    put_little(end, entries_, 8);
    put_little(end, entries_, 8);
    put_little(end, size, 8);
    put_little(end, begin, 8);
    put_little(end, zip::locator64_signature, 4);
    put_little(end, 0, 4);
    put_little(end, offset_, 8);
    put_little(end, 1, 4);
  }
  put_little(end, zip::end_signature, 4);
  put_little(end, 0, 2);
  put_little(end, 0, 2);
  put_little(end, std::min<uint64_t>(entries_, zip::none16), 2);
  put_little(end, std::min<uint64_t>(entries_, zip::none16), 2);
  put_little(end, std::min<uint64_t>(size, zip::none32), 4);
  put_little(end, std::min<uint64_t>(begin, zip::none32), 4);
  put_little(end, 0, 2);
  return put(end);
}

} // namespace muster::helper
