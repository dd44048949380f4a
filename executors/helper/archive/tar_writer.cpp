#include "executors/helper/archive/tar_writer.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

namespace muster::helper {

namespace {

constexpr size_t block_bytes = 512;
constexpr size_t name_bytes = 100;
constexpr uint64_t size_limit = 1ull << 33; ///< 11 octal digits
constexpr uint64_t id_limit = 1ull << 21;   ///< 7 octal digits

void put_octal(std::array<char, block_bytes>& header, size_t at, size_t size,
               uint64_t value) {
  auto digits = size - 1;
  for (size_t i = digits; i-- > 0; value >>= 3)
    header[at + i] = static_cast<char>('0' + (value & 7));
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 128;
  });
}

/// A pax record counts its own length, digits included.
void put_record(std::string& to, std::string_view key, std::string_view value) {
  auto rest = key.size() + value.size() + 3; // blank, `=`, line end
  auto size = rest + std::to_string(rest).size();
  size = rest + std::to_string(size).size();
  to += std::to_string(size);
  to.append(" ").append(key).append("=").append(value).append("\n");
}

std::string pax_records(const archive_entry& what, const std::string& name) {
  std::string text;
  if (name.size() > name_bytes || !is_plain(name))
    put_record(text, "path", name);
  if (what.target.size() > name_bytes || !is_plain(what.target))
    put_record(text, "linkpath", what.target);
  if (what.kind == entry_kind::file && what.size_bytes >= size_limit)
    put_record(text, "size", std::to_string(what.size_bytes));
  if (what.modified_s.value_or(0) < 0
      || what.modified_s.value_or(0) >= static_cast<int64_t>(size_limit))
    put_record(text, "mtime", std::to_string(*what.modified_s));
  if (what.user.value_or(0) >= id_limit)
    put_record(text, "uid", std::to_string(*what.user));
  if (what.group.value_or(0) >= id_limit)
    put_record(text, "gid", std::to_string(*what.group));
  return text;
}

std::string header_of(std::string_view name, std::string_view target,
                      uint32_t mode, uint64_t size, int64_t modified_s,
                      uint64_t user, uint64_t group, char type) {
  std::array<char, block_bytes> header{};
  std::memcpy(header.data(), name.data(), std::min(name.size(), name_bytes));
  put_octal(header, 100, 8, mode & 07777);
  put_octal(header, 108, 8, user < id_limit ? user : 0);
  put_octal(header, 116, 8, group < id_limit ? group : 0);
  put_octal(header, 124, 12, size < size_limit ? size : 0);
  auto fits = modified_s >= 0 && modified_s < static_cast<int64_t>(size_limit);
  put_octal(header, 136, 12, fits ? static_cast<uint64_t>(modified_s) : 0);
  header[156] = type;
  std::memcpy(header.data() + 157, target.data(),
              std::min(target.size(), name_bytes));
  std::memcpy(header.data() + 257, "ustar\00000", 8);
  std::fill_n(header.begin() + 148, 8, ' ');
  unsigned sum = 0;
  for (auto c : header)
    sum += static_cast<unsigned char>(c);
  put_octal(header, 148, 7, sum);
  header[154] = '\0';
  return {header.data(), header.size()};
}

} // namespace

tar_writer::tar_writer(std::unique_ptr<compressor> by, byte_sink& to)
  : by_(std::move(by)),
    to_(to) {
}

outcome tar_writer::add(const archive_entry& what, const byte_source& content) {
  switch (what.kind) {
    case entry_kind::file:
      if (auto done = put_header(what, '0'); !done)
        return done;
      return put_content(what, content);
    case entry_kind::folder:
      return put_header(what, '5');
    case entry_kind::link:
      return put_header(what, '2');
    default:
      return {};
  }
}

outcome tar_writer::put_header(const archive_entry& what, char type) {
  auto name = what.path + (what.kind == entry_kind::folder ? "/" : "");
  auto records = pax_records(what, name);
  if (!records.empty()) {
    auto header
      = header_of("./PaxHeaders/entry", "", 0644, records.size(), 0, 0, 0, 'x');
    if (auto done = by_->write(header, to_); !done)
      return done;
    if (auto done = put_padded(records); !done)
      return done;
  }
  auto size = what.kind == entry_kind::file ? what.size_bytes : 0;
  return by_->write(
    header_of(name, what.target, what.mode, size, what.modified_s.value_or(0),
              what.user.value_or(0), what.group.value_or(0), type),
    to_);
}

/// The header has said the size, so a file that shrank is filled up.
outcome tar_writer::put_content(const archive_entry& what,
                                const byte_source& content) {
  std::vector<char> buffer(piece_bytes);
  auto left = what.size_bytes;
  bool at_end = false;
  while (left > 0) {
    auto wanted = std::min<uint64_t>(buffer.size(), left);
    auto n = at_end ? result<size_t, helper_errc>{0}
                    : content(buffer.data(), wanted);
    if (!n)
      return tl::unexpected{n.error()};
    at_end = *n == 0;
    if (at_end)
      std::fill_n(buffer.begin(), wanted, '\0');
    auto piece = at_end ? wanted : *n;
    if (auto done = by_->write({buffer.data(), piece}, to_); !done)
      return done;
    left -= piece;
  }
  std::string padding(
    (block_bytes - what.size_bytes % block_bytes) % block_bytes, '\0');
  return by_->write(padding, to_);
}

outcome tar_writer::put_padded(std::string_view bytes) {
  std::string text{bytes};
  text.resize((text.size() + block_bytes - 1) / block_bytes * block_bytes);
  return by_->write(text, to_);
}

outcome tar_writer::finish() {
  if (auto done = by_->write(std::string(2 * block_bytes, '\0'), to_); !done)
    return done;
  return by_->finish(to_);
}

} // namespace muster::helper
