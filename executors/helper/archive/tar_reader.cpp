#include "executors/helper/archive/tar_reader.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::helper {

namespace {

constexpr size_t block_bytes = 512;

/// Of a pax header or a long name [bytes].
constexpr uint64_t header_bytes_max = 1u << 20;

tl::unexpected<failure<helper_errc>> damaged(const std::string& what) {
  return fail(helper_errc::failed, "the tar archive is damaged: " + what);
}

/// A field of text ends with a zero or with its room.
std::string text_in(std::string_view block, size_t at, size_t size) {
  auto field = block.substr(at, size);
  return std::string{field.substr(0, field.find('\0'))};
}

/// Octal digits, or with the first bit set a binary number, the highest first.
std::optional<uint64_t> number_in(std::string_view block, size_t at,
                                  size_t size) {
  auto field = block.substr(at, size);
  uint64_t value = 0;
  if ((field[0] & 0x80) != 0) {
    for (size_t i = 0; i < size; ++i) {
      if (value >> 56 != 0)
        return std::nullopt;
      auto byte = static_cast<unsigned char>(field[i]);
      value = value << 8 | (i == 0 ? byte & 0x7fu : byte);
    }
    return value;
  }
  auto begin = std::min(field.find_first_not_of(' '), size);
  for (auto c : field.substr(begin)) {
    if (c == '\0' || c == ' ')
      break;
    if (c < '0' || c > '7')
      return std::nullopt;
    value = value << 3 | static_cast<uint64_t>(c - '0');
  }
  return value;
}

bool has_checksum(std::string_view block) {
  uint64_t sum = 0;
  for (size_t i = 0; i < block_bytes; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  return number_in(block, 148, 8) == sum;
}

template <class T>
std::optional<T> decimal(std::string_view text) {
  T value = 0;
  auto [stop, error]
    = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop == text.data())
    return std::nullopt;
  return value; // a fraction of a second may follow
}

class reader {
public:
  using taker
    = std::function<outcome(const archive_entry&, const byte_source&)>;

  reader(byte_source from, const taker& take)
    : from_(std::move(from)),
      take_(take) {
  }

  outcome run() {
    for (;;) {
      auto block = read_block();
      if (!block)
        return tl::unexpected{block.error()};
      auto nothing = block->find_first_not_of('\0') == std::string::npos;
      if (block->empty() || nothing)
        return begun_ || nothing ? outcome{} : damaged("it is empty");
      begun_ = true;
      if (!has_checksum(*block))
        return damaged("the checksum of a header is wrong");
      if (auto done = handle(*block); !done)
        return done;
    }
  }

private:
  /// What headers before an entry's own say of it.
  struct overrides {
    std::string path;
    std::string target;
    std::optional<uint64_t> size;
    std::optional<int64_t> modified_s;
    std::optional<uint32_t> user;
    std::optional<uint32_t> group;
  };

  /// Returns a block, or nothing at the end.
  result<std::string, helper_errc> read_block() {
    std::string block(block_bytes, '\0');
    size_t done = 0;
    while (done < block_bytes) {
      auto n = from_(block.data() + done, block_bytes - done);
      if (!n)
        return tl::unexpected{n.error()};
      if (*n == 0 && done > 0)
        return damaged("it ends within a header");
      if (*n == 0)
        return std::string{};
      done += *n;
    }
    return block;
  }

  outcome handle(std::string_view block) {
    auto size = number_in(block, 124, 12);
    if (!size)
      return damaged("a size is no number");
    switch (block[156]) {
      case 'x':
        return read_pax(*size);
      case 'g': { // for all that follows: nothing that we act on
        auto text = read_text(*size);
        return text ? outcome{} : tl::unexpected{text.error()};
      }
      case 'L':
        return read_long(*size, next_.path);
      case 'K':
        return read_long(*size, next_.target);
      case 'S':
        return fail(helper_errc::failed, text_in(block, 0, 100)
                                           + ": sparse files in tar archives "
                                             "are not supported");
      default:
        return pass_on(block, *size);
    }
  }

  /// Reads what belongs to a header, and the padding behind it.
  result<std::string, helper_errc> read_text(uint64_t size) {
    if (size > header_bytes_max)
      return damaged("a header is too long");
    std::string text;
    while (text.size() < size) {
      auto block = read_block();
      if (!block)
        return block;
      if (block->empty())
        return damaged("it ends within a header");
      text += *block;
    }
    text.resize(size);
    return text;
  }

  outcome read_long(uint64_t size, std::string& to) {
    auto text = read_text(size);
    if (!text)
      return tl::unexpected{text.error()};
    to = text->substr(0, text->find('\0'));
    return {};
  }

  outcome read_pax(uint64_t size) {
    auto text = read_text(size);
    if (!text)
      return tl::unexpected{text.error()};
    std::string_view left{*text};
    while (!left.empty()) {
      auto blank = left.find(' ');
      auto length = decimal<uint64_t>(left.substr(0, blank));
      if (blank == std::string_view::npos || !length || *length <= blank + 1
          || *length > left.size())
        return damaged("a pax header is malformed");
      auto record = left.substr(blank + 1, *length - blank - 2);
      left.remove_prefix(*length);
      auto equals = record.find('=');
      if (equals == std::string_view::npos)
        return damaged("a pax header is malformed");
      note(record.substr(0, equals), record.substr(equals + 1));
    }
    return {};
  }

  void note(std::string_view key, std::string_view value) {
    if (key == "path")
      next_.path = value;
    else if (key == "linkpath")
      next_.target = value;
    else if (key == "size")
      next_.size = decimal<uint64_t>(value);
    else if (key == "mtime")
      next_.modified_s = decimal<int64_t>(value);
    else if (key == "uid")
      next_.user = decimal<uint32_t>(value);
    else if (key == "gid")
      next_.group = decimal<uint32_t>(value);
  }

  static entry_kind kind_of(char type, const std::string& path) {
    switch (type) {
      case '1':
        return entry_kind::hard_link;
      case '2':
        return entry_kind::link;
      case '5':
        return entry_kind::folder;
      case '3':
      case '4':
      case '6':
        return entry_kind::other;
      default: // v7 knew folders by their name only
        return !path.empty() && path.back() == '/' ? entry_kind::folder
                                                   : entry_kind::file;
    }
  }

  archive_entry entry_of(std::string_view block) {
    auto given = std::exchange(next_, {});
    archive_entry what;
    what.path = given.path;
    if (what.path.empty()) {
      what.path = text_in(block, 0, 100);
      auto prefix = text_in(block, 345, 155);
      if (!prefix.empty()
          && block.substr(257, 6) == std::string_view{"ustar\0", 6})
        what.path = prefix + "/" + what.path;
    }
    what.target
      = given.target.empty() ? text_in(block, 157, 100) : given.target;
    what.kind = kind_of(block[156], what.path);
    what.mode
      = static_cast<uint32_t>(number_in(block, 100, 8).value_or(0644)) & 07777;
    what.modified_s = given.modified_s;
    if (auto when = number_in(block, 136, 12); !what.modified_s && when)
      what.modified_s = static_cast<int64_t>(*when);
    what.user = given.user;
    if (auto user = number_in(block, 108, 8); !what.user && user)
      what.user = static_cast<uint32_t>(*user);
    what.group = given.group;
    if (auto group = number_in(block, 116, 8); !what.group && group)
      what.group = static_cast<uint32_t>(*group);
    while (what.path.size() > 1 && what.path.back() == '/')
      what.path.pop_back();
    return what;
  }

  outcome pass_on(std::string_view block, uint64_t size) {
    size = next_.size.value_or(size);
    auto what = entry_of(block);
    what.size_bytes = what.kind == entry_kind::file ? size : 0;
    // Links and folders may say a size; data follows files only, and what is of
    // an unknown kind counts as a file.
    auto left = what.size_bytes;
    auto padding = (block_bytes - left % block_bytes) % block_bytes;
    auto read
      = [this, &left](char* to, size_t room) -> result<size_t, helper_errc> {
      if (left == 0)
        return size_t{0};
      auto n = from_(to, std::min<uint64_t>(room, left));
      if (n && *n == 0)
        return damaged("it ends within a file");
      if (n)
        left -= *n;
      return n;
    };
    if (auto done = take_(what, read); !done)
      return done;
    if (auto done = skip(left); !done)
      return done;
    return skip(padding);
  }

  outcome skip(uint64_t size) {
    std::vector<char> buffer(std::min<uint64_t>(size, piece_bytes));
    while (size > 0) {
      auto n = from_(buffer.data(), std::min<uint64_t>(buffer.size(), size));
      if (!n)
        return tl::unexpected{n.error()};
      if (*n == 0)
        return damaged("it ends within a file");
      size -= *n;
    }
    return {};
  }

  byte_source from_;
  const taker& take_;
  overrides next_;
  bool begun_ = false;
};

} // namespace

outcome read_tar(byte_source from,
                 const std::function<outcome(const archive_entry&,
                                             const byte_source&)>& take) {
  return reader{std::move(from), take}.run();
}

} // namespace muster::helper
