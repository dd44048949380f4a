#include "executors/helper/archive/zip_reader.hpp"

#include "executors/helper/archive/compression.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <zlib.h>

namespace muster::helper {

namespace {

tl::unexpected<failure<helper_errc>> damaged(const std::string& what) {
  return fail(helper_errc::failed, "the zip archive is damaged: " + what);
}

std::optional<int64_t> seconds_of(uint32_t dos) {
  std::tm parts{};
  parts.tm_year = static_cast<int>(dos >> 25) + 80;
  parts.tm_mon = static_cast<int>(dos >> 21 & 15) - 1;
  parts.tm_mday = static_cast<int>(dos >> 16 & 31);
  parts.tm_hour = static_cast<int>(dos >> 11 & 31);
  parts.tm_min = static_cast<int>(dos >> 5 & 63);
  parts.tm_sec = static_cast<int>(dos & 31) * 2;
  if (parts.tm_mon < 0 || parts.tm_mon > 11 || parts.tm_mday < 1)
    return std::nullopt;
  return ::timegm(&parts);
}

/// What a host that is no Unix means by its attributes.
uint32_t mode_of_dos(uint32_t attributes, bool folder) {
  uint32_t mode = folder ? 0755 : 0644;
  return (attributes & 1) != 0 ? mode & ~0222u : mode;
}

void set_kind(archive_entry& to, uint16_t host, uint32_t attributes) {
  bool slash = !to.path.empty() && to.path.back() == '/';
  to.kind = slash ? entry_kind::folder : entry_kind::file;
  auto mode = attributes >> 16;
  if ((host != zip::host_unix && host != zip::host_darwin) || mode == 0) {
    bool folder = slash || (attributes & 0x10) != 0;
    to.kind = folder ? entry_kind::folder : entry_kind::file;
    to.mode = mode_of_dos(attributes, folder);
    return;
  }
  to.mode = mode & 07777;
  if (S_ISDIR(mode))
    to.kind = entry_kind::folder;
  else if (S_ISLNK(mode))
    to.kind = entry_kind::link;
  else if (!S_ISREG(mode) && (mode & S_IFMT) != 0)
    to.kind = entry_kind::other;
}

/// Looks through the extra fields of a directory's entry.
/// @param wide the values that stand as 32 bits of ones, in the order of the
/// zip64 field; nothing where that field is too short for them
struct extra_reader {
  archive_entry& to;
  std::array<uint64_t*, 3> wide;
  bool fits = true;

  void read(std::string_view extra) {
    while (extra.size() >= 4) {
      auto kind = get_little(extra, 0, 2);
      auto size = get_little(extra, 2, 2);
      extra.remove_prefix(4);
      if (size > extra.size())
        return;
      take(kind, extra.substr(0, size));
      extra.remove_prefix(size);
    }
    for (auto* value : wide)
      fits = fits && value == nullptr;
  }

  void take(uint64_t kind, std::string_view field) {
    if (kind == zip::extra_times && field.size() >= 5 && (field[0] & 1) != 0) {
      to.modified_s = static_cast<int32_t>(get_little(field, 1, 4));
    } else if (kind == zip::extra_owner && field.size() >= 3) {
      take_owner(field);
    } else if (kind == zip::extra_zip64) {
      for (auto*& value : wide)
        if (value != nullptr && field.size() >= 8) {
          *value = get_little(field, 0, 8);
          field.remove_prefix(8);
          value = nullptr;
        }
    }
  }

  void take_owner(std::string_view field) {
    size_t user = static_cast<unsigned char>(field[1]);
    if (user > 4 || field.size() < user + 3)
      return;
    size_t group = static_cast<unsigned char>(field[2 + user]);
    if (group > 4 || field.size() < user + group + 3)
      return;
    to.user
      = static_cast<uint32_t>(get_little(field, 2, static_cast<int>(user)));
    to.group = static_cast<uint32_t>(
      get_little(field, 3 + user, static_cast<int>(group)));
  }
};

/// Reads a part of a file from its beginning on.
struct file_part {
  int file;
  uint64_t at;
  uint64_t left;

  result<size_t, helper_errc> operator()(char* to, size_t size) {
    auto wanted = std::min<uint64_t>(size, left);
    if (wanted == 0)
      return size_t{0};
    auto n = ::pread(file, to, wanted, static_cast<off_t>(at));
    if (n < 0)
      return fail(helper_errc::failed,
                  std::string{"the archive cannot be read: "}
                    + std::strerror(errno));
    if (n == 0)
      return damaged("it ends within a file");
    at += static_cast<uint64_t>(n);
    left -= static_cast<uint64_t>(n);
    return static_cast<size_t>(n);
  }
};

/// Compares what comes out with what the directory promised.
struct checked_content {
  byte_source from;
  uint64_t left;
  uint32_t crc_wanted;
  uint32_t crc = 0;
  bool at_end = false;

  result<size_t, helper_errc> operator()(char* to, size_t size) {
    if (at_end)
      return size_t{0};
    auto n = from(to, size);
    if (!n)
      return n;
    if (*n > left)
      return damaged("a file is longer than it says");
    left -= *n;
    crc = static_cast<uint32_t>(
      ::crc32(crc, reinterpret_cast<const Bytef*>(to), static_cast<uInt>(*n)));
    if (*n > 0)
      return n;
    at_end = true;
    if (left > 0)
      return damaged("a file is shorter than it says");
    if (crc != crc_wanted)
      return damaged("the checksum of a file is wrong");
    return n;
  }
};

} // namespace

result<zip_reader, helper_errc> zip_reader::open(int file) {
  zip_reader made{file};
  struct stat facts {};
  if (::fstat(file, &facts) != 0)
    return fail(helper_errc::failed, std::string{"the archive cannot be read: "}
                                       + std::strerror(errno));
  made.size_ = static_cast<uint64_t>(facts.st_size);
  if (auto found = made.find_directory(); !found)
    return tl::unexpected{found.error()};
  return made;
}

/// @pre `size` is bounded by the caller: it is allocated
result<std::string, helper_errc> zip_reader::read(uint64_t at,
                                                  uint64_t size) const {
  if (at > size_ || size > size_ - at)
    return damaged("it refers to bytes beyond its end");
  std::string bytes(size, '\0');
  file_part part{file_, at, size};
  for (size_t done = 0; done < size;) {
    auto n = part(bytes.data() + done, size - done);
    if (!n)
      return tl::unexpected{n.error()};
    done += *n;
  }
  return bytes;
}

/// The directory's end has a comment of up to 64 KiB behind it.
outcome zip_reader::find_directory() {
  auto tail_bytes = std::min<uint64_t>(size_, zip::end_bytes + zip::none16);
  auto tail = read(size_ - tail_bytes, tail_bytes);
  if (!tail)
    return tl::unexpected{tail.error()};
  if (tail_bytes < zip::end_bytes)
    return fail(helper_errc::failed, "this is no zip archive");
  for (auto i = tail_bytes - zip::end_bytes + 1; i-- > 0;) {
    if (get_little(*tail, i, 4) != zip::end_signature
        || get_little(*tail, i + 20, 2) > tail_bytes - i - zip::end_bytes)
      continue;
    std::string_view end{*tail};
    end.remove_prefix(i);
    if (get_little(end, 4, 2) != get_little(end, 6, 2))
      return damaged("it has several disks");
    auto end_at = size_ - tail_bytes + i;
    entries_ = get_little(end, 10, 2);
    auto size = get_little(end, 12, 4);
    directory_ = get_little(end, 16, 4);
    if (entries_ == zip::none16 || size == zip::none32
        || directory_ == zip::none32)
      if (auto wide = read_end64(end_at); !wide || directory_end_ > 0)
        return wide;
    if (size > end_at || directory_ > end_at - size)
      return damaged("its directory is not where it says");
    // Whatever stands in front shifts all offsets.
    shift_ = end_at - size - directory_;
    directory_ += shift_;
    directory_end_ = end_at;
    return {};
  }
  return fail(helper_errc::failed, "this is no zip archive");
}

/// Without a locator the numbers mean themselves.
outcome zip_reader::read_end64(uint64_t end_at) {
  if (end_at < zip::locator64_bytes)
    return {};
  auto locator = read(end_at - zip::locator64_bytes, zip::locator64_bytes);
  if (!locator)
    return tl::unexpected{locator.error()};
  if (get_little(*locator, 0, 4) != zip::locator64_signature)
    return {};
  auto at = get_little(*locator, 8, 8);
  auto end = read(at, zip::end64_bytes);
  if (!end)
    return tl::unexpected{end.error()};
  if (get_little(*end, 0, 4) != zip::end64_signature)
    return damaged("the end of its directory is missing");
  entries_ = get_little(*end, 32, 8);
  auto size = get_little(*end, 40, 8);
  directory_ = get_little(*end, 48, 8);
  if (size > at || directory_ > at - size)
    return damaged("its directory is not where it says");
  directory_end_ = directory_ + size;
  return {};
}

result<zip_reader::member, helper_errc>
zip_reader::read_member(uint64_t& at) const {
  if (directory_end_ - at < zip::central_bytes)
    return damaged("its directory is cut off");
  auto header = read(at, zip::central_bytes);
  if (!header)
    return tl::unexpected{header.error()};
  if (get_little(*header, 0, 4) != zip::central_signature)
    return damaged("its directory has something else in it");
  auto name = get_little(*header, 28, 2);
  auto extra = get_little(*header, 30, 2);
  auto comment = get_little(*header, 32, 2);
  if (directory_end_ - at < zip::central_bytes + name + extra + comment)
    return damaged("its directory is cut off");
  auto texts = read(at + zip::central_bytes, name + extra);
  if (!texts)
    return tl::unexpected{texts.error()};
  at += zip::central_bytes + name + extra + comment;
  member made;
  made.facts.path = texts->substr(0, name);
  made.flags = static_cast<uint16_t>(get_little(*header, 8, 2));
  made.method = static_cast<zip::method>(get_little(*header, 10, 2));
  made.facts.modified_s
    = seconds_of(static_cast<uint32_t>(get_little(*header, 12, 4)));
  made.crc = static_cast<uint32_t>(get_little(*header, 16, 4));
  made.packed_bytes = get_little(*header, 20, 4);
  made.facts.size_bytes = get_little(*header, 24, 4);
  made.offset = get_little(*header, 42, 4);
  set_kind(made.facts, static_cast<uint16_t>(get_little(*header, 5, 1)),
           static_cast<uint32_t>(get_little(*header, 38, 4)));
  auto is_wide
    = [](uint64_t& value) { return value == zip::none32 ? &value : nullptr; };
  extra_reader fields{made.facts,
                      {is_wide(made.facts.size_bytes),
                       is_wide(made.packed_bytes), is_wide(made.offset)}};
  fields.read(std::string_view{*texts}.substr(name));
  while (made.facts.path.size() > 1 && made.facts.path.back() == '/')
    made.facts.path.pop_back();
  return made;
}

/// The local header is needed for its own length only.
result<byte_source, helper_errc>
zip_reader::content_of(const member& of) const {
  if ((of.flags & zip::flag_encrypted) != 0)
    return fail(helper_errc::failed, "it is encrypted");
  if (of.offset > size_ - shift_)
    return damaged("it refers to bytes beyond its end");
  auto at = of.offset + shift_;
  auto header = read(at, zip::local_bytes);
  if (!header)
    return tl::unexpected{header.error()};
  if (get_little(*header, 0, 4) != zip::local_signature)
    return damaged("a file is not where it says");
  at += zip::local_bytes + get_little(*header, 26, 2)
        + get_little(*header, 28, 2);
  if (at > size_ || of.packed_bytes > size_ - at)
    return damaged("it refers to bytes beyond its end");
  byte_source packed = file_part{file_, at, of.packed_bytes};
  if (of.method == zip::method::stored)
    return packed;
  if (of.method != zip::method::deflate && of.method != zip::method::zstd)
    return fail(helper_errc::failed,
                "its compression is not supported (method "
                  + std::to_string(static_cast<unsigned>(of.method)) + ")");
  auto by = of.method == zip::method::zstd ? make_zstd_decompressor()
                                           : make_inflater();
  if (!by)
    return tl::unexpected{by.error()};
  return decompressed(std::move(packed), std::move(*by),
                      of.method == zip::method::zstd);
}

outcome zip_reader::take_member(member& of, const taker& take) const {
  auto packed = content_of(of);
  if (!packed)
    return fail(helper_errc::failed,
                of.facts.path + ": " + packed.error().text);
  byte_source content
    = checked_content{std::move(*packed), of.facts.size_bytes, of.crc};
  if (of.facts.kind == entry_kind::link) {
    if (of.facts.size_bytes >= PATH_MAX)
      return damaged("the target of a link is too long");
    char target[PATH_MAX];
    for (;;) {
      auto n = content(target, sizeof(target));
      if (!n)
        return tl::unexpected{n.error()};
      if (*n == 0)
        break;
      of.facts.target.append(target, *n);
    }
  }
  return take(of.facts, content);
}

outcome zip_reader::each(const taker& take) const {
  auto at = directory_;
  for (uint64_t i = 0; i < entries_; ++i) {
    auto next = read_member(at);
    if (!next)
      return tl::unexpected{next.error()};
    if (auto done = take_member(*next, take); !done)
      return done;
  }
  return {};
}

} // namespace muster::helper
