#include "actors/trace/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace muster {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

/// What the lead byte of a sequence promises: its size and the range of its
/// second byte, which excludes overlong forms and surrogates.
struct lead {
  size_t size = 0; ///< 0: no sequence begins with this byte
  unsigned char second_first = 0x80;
  unsigned char second_last = 0xbf;
};

lead lead_of(unsigned char c) {
  if (c < 0xc2 || c > 0xf4)
    return {};
  if (c < 0xe0)
    return {2};
  if (c < 0xf0)
    return {3, c == 0xe0 ? uint8_t{0xa0} : uint8_t{0x80},
            c == 0xed ? uint8_t{0x9f} : uint8_t{0xbf}};
  return {4, c == 0xf0 ? uint8_t{0x90} : uint8_t{0x80},
          c == 0xf4 ? uint8_t{0x8f} : uint8_t{0xbf}};
}

enum class verdict { valid, invalid, unfinished };

struct sequence {
  verdict what = verdict::invalid;
  size_t size = 1; ///< of a valid one
};

/// Looks at the sequence that begins at `at`, with a byte beyond ASCII.
sequence look(std::string_view bytes, size_t at) {
  auto expected = lead_of(static_cast<unsigned char>(bytes[at]));
  if (expected.size == 0)
    return {verdict::invalid};
  for (size_t i = 1; i < expected.size; ++i) {
    if (at + i == bytes.size())
      return {verdict::unfinished};
    auto c = static_cast<unsigned char>(bytes[at + i]);
    auto first = i == 1 ? expected.second_first : uint8_t{0x80};
    auto last = i == 1 ? expected.second_last : uint8_t{0xbf};
    if (c < first || c > last)
      return {verdict::invalid};
  }
  return {verdict::valid, expected.size};
}

/// Returns the first position at or after `at` that is not ASCII.
size_t skip_ascii(std::string_view bytes, size_t at) {
  for (; at + 16 <= bytes.size(); at += 16) {
    uint64_t words[2];
    std::memcpy(words, bytes.data() + at, sizeof(words));
    if (((words[0] | words[1]) & 0x8080808080808080u) != 0)
      break;
  }
  while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) < 0x80)
    ++at;
  return at;
}

/// Returns where the first invalid or unfinished sequence begins.
size_t skip_valid(std::string_view bytes, size_t at) {
  for (;;) {
    at = skip_ascii(bytes, at);
    if (at == bytes.size())
      return at;
    auto found = look(bytes, at);
    if (found.what != verdict::valid)
      return at;
    at += found.size;
  }
}

} // namespace

std::string_view utf8_repair::repair(std::string_view bytes,
                                     std::string& scratch) {
  std::string joined;
  if (!waiting_.empty()) {
    joined = waiting_;
    joined += bytes;
    waiting_.clear();
    bytes = joined;
  }
  auto at = skip_valid(bytes, 0);
  if (at == bytes.size() && joined.empty())
    return bytes;
  scratch.assign(bytes.substr(0, at));
  while (at < bytes.size()) {
    if (look(bytes, at).what == verdict::unfinished) {
      waiting_ = bytes.substr(at);
      break;
    }
    scratch += replacement;
    auto next = skip_valid(bytes, at + 1);
    scratch.append(bytes, at + 1, next - at - 1);
    at = next;
  }
  return scratch;
}

std::string utf8_repair::close() {
  std::string tail;
  for (size_t i = 0; i < waiting_.size(); ++i)
    tail += replacement;
  waiting_.clear();
  return tail;
}

size_t whole_prefix(std::string_view text, size_t size_max) {
  if (size_max >= text.size())
    return text.size();
  auto is_inner
    = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  while (size_max > 0 && is_inner(text[size_max]))
    --size_max;
  return size_max;
}

} // namespace muster
