#include "actors/recorder/secret_book.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <optional>

namespace muster {

namespace {

/// Of a secret that is cut off at an end of a text: less is too often chance.
constexpr size_t partial_min = 8;
/// Rows looked at for one that is cut off: many begin with `https:`.
constexpr int partial_rows_max = 64;
constexpr int slot_bits = 11;
constexpr size_t slots = 1 << slot_bits;

constexpr size_t generation_numbers_max = 16'384;
constexpr size_t generation_bytes_max = 2 << 20;
constexpr size_t kept_numbers_max = 16'384;
/// Of a text that was clean so many hidden ones ago all is looked at anew.
constexpr size_t traits_max = 64;
/// Lines of a key are looked for one by one: errors quote such.
constexpr size_t line_min = 16;

/// A hash of the six bytes there.
uint16_t window(const char* at) {
  uint64_t x = 0;
  std::memcpy(&x, at, hidden_set::length_min);
  return static_cast<uint16_t>((x * 0x9E3779B97F4A7C15) >> 48);
}

size_t slot_of(uint16_t hash) {
  return hash >> (16 - slot_bits);
}

int digit_of_base64(char c) {
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  if (c == '+' || c == '-')
    return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

int digit_of_hex(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// What base64 digits stand for, as far as whole bytes.
void decode_base64(std::string_view digits, std::string& into) {
  into.clear();
  uint32_t bits = 0;
  int count = 0;
  for (char c : digits) {
    bits = bits << 6 | static_cast<uint32_t>(digit_of_base64(c));
    count += 6;
    if (count >= 8) {
      count -= 8;
      into.push_back(static_cast<char>(bits >> count));
    }
  }
}

void decode_hex(std::string_view digits, std::string& into) {
  into.clear();
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    into.push_back(static_cast<char>(digit_of_hex(digits[i]) << 4
                                     | digit_of_hex(digits[i + 1])));
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

/// Whether `text` begins with `mark`, which is in lower case, in any case.
bool starts_folded(std::string_view text, std::string_view mark) {
  return text.size() >= mark.size()
         && std::equal(mark.begin(), mark.end(), text.begin(),
                       [](char a, char b) { return a == lower(b); });
}

/// Of a value without quotes at its first blank, else at its closing quote.
size_t end_of_value(std::string_view text, size_t from) {
  auto quote = from > 0 && (text[from - 1] == '"' || text[from - 1] == '\'')
                 ? text.substr(from - 1, 1)
                 : std::string_view{};
  auto end = quote.empty() ? text.find_first_of(" \t\r\n\"'`,;&<>)}]\\", from)
                           : text.find_first_of(quote, from);
  return std::min(end, text.size());
}

/// Goes from behind a name to what is said of it: `=`, and `:` behind a quote
/// or where it may. Returns false if there is nothing.
bool skip_to_value(std::string_view text, bool takes_colon, size_t& at) {
  auto is_quote
    = [&] { return at < text.size() && (text[at] == '"' || text[at] == '\''); };
  auto skip_blanks = [&] {
    while (at < text.size() && text[at] == ' ')
      ++at;
  };
  while (at < text.size() && is_word(text[at]))
    ++at;
  auto is_quoted = is_quote();
  at += is_quoted ? 1 : 0;
  skip_blanks();
  if (at >= text.size()
      || (text[at] != '=' && (text[at] != ':' || !(is_quoted || takes_colon))))
    return false;
  ++at;
  skip_blanks();
  at += at < text.size() && text[at] == '\\' ? 1 : 0;
  at += is_quote() ? 1 : 0;
  return at < text.size();
}

void find_userinfo(std::string_view text, std::vector<hidden_part>& into) {
  for (size_t at = text.find("://"); at != std::string_view::npos;
       at = text.find("://", at + 3)) {
    auto begin = at + 3;
    auto end
      = std::min(text.find_first_of("/?# \t\r\n\"'<>", begin), text.size());
    auto info = text.substr(begin, end - begin);
    auto sign = info.rfind('@');
    if (sign == std::string_view::npos)
      continue;
    info = info.substr(0, sign);
    // A name alone is no secret, but a token may stand in its place.
    if (info.find(':') != std::string_view::npos || info.size() >= 12)
      into.push_back({begin, begin + sign, 0});
  }
}

void find_private_keys(std::string_view text, std::vector<hidden_part>& into) {
  for (size_t at = text.find("PRIVATE KEY-----"); at != std::string_view::npos;
       at = text.find("PRIVATE KEY-----", at + 1)) {
    auto begin = text.rfind("-----BEGIN", at);
    if (begin == std::string_view::npos)
      continue;
    auto end = text.find("-----END", at);
    if (end != std::string_view::npos)
      end = text.find("-----", end + 8);
    end = end == std::string_view::npos ? text.size()
                                        : std::min(end + 5, text.size());
    into.push_back({begin, end, 0});
    at = end;
  }
}

void find_tokens(std::string_view text, std::vector<hidden_part>& into) {
  constexpr std::array<std::string_view, 16> prefixes{
    "glpat-",    "glrt-",  "glrtr-",   "glcbt-", "gldt-",   "glptt-",
    "glft-",     "glimt-", "glagent-", "gloas-", "glsoat-", "glffct-",
    "GR1348941", "AKIA",   "ghp_",     "xoxb-"};
  constexpr size_t token_min = 12;
  for (auto prefix : prefixes)
    for (size_t at = text.find(prefix); at != std::string_view::npos;
         at = text.find(prefix, at + prefix.size())) {
      auto end = at + prefix.size();
      while (end < text.size() && is_word(text[end]))
        ++end;
      if (end - at >= prefix.size() + token_min)
        into.push_back({at, end, 0});
    }
}

/// What follows words such as `Bearer`, and `token=`.
void find_named(std::string_view text, std::vector<hidden_part>& into) {
  struct mark {
    std::string_view word;
    bool follows_blank; ///< the value, rather than `=`
    bool follows_colon; ///< also without quotes
  };
  constexpr std::array<mark, 13> marks{{
    {"bearer ", true, false},
    {"basic ", true, false},
    {"private-token", false, true},
    {"job-token", false, true},
    {"runner-token", false, true},
    {"password", false, true},
    {"passphrase", false, true},
    {"passwd", false, true},
    {"secret", false, false},
    {"token", false, false},
    {"api_key", false, false},
    {"access_key", false, false},
    {"private_key", false, false},
  }};
  static const auto begins = [&] {
    std::array<bool, 256> out{};
    for (const auto& x : marks)
      for (auto c : {x.word.front(), upper(x.word.front())})
        out[static_cast<uint8_t>(c)] = true;
    return out;
  }();
  if (text.find_first_of("=: ") == std::string_view::npos)
    return;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!begins[static_cast<uint8_t>(text[at])])
      continue;
    for (const auto& x : marks) {
      if (!starts_folded(text.substr(at), x.word))
        continue;
      auto from = at + x.word.size();
      if (x.follows_blank || skip_to_value(text, x.follows_colon, from)) {
        auto end = end_of_value(text, from);
        if (end - from >= hidden_set::length_min)
          into.push_back({from, end, 0});
      }
    }
  }
}

/// Parts that do not touch each other, in order.
void merge(std::vector<hidden_part>& parts) {
  std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  size_t kept = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (kept != 0 && parts[i].begin < parts[kept - 1].end) {
      auto& last = parts[kept - 1];
      last.end = std::max(last.end, parts[i].end);
      if (last.number == 0)
        last.number = parts[i].number;
    } else {
      parts[kept++] = parts[i];
    }
  }
  parts.resize(kept);
}

/// The whole text is base64, with or without padding.
bool is_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=')
    text.remove_suffix(1);
  return text.size() >= 8 && std::all_of(text.begin(), text.end(), [](char c) {
           return digit_of_base64(c) >= 0;
         });
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= ' ' && c <= '~') || c == '\n' || c == '\t' || c == '\r';
  });
}

} // namespace

void find_suspicious(std::string_view text, std::vector<hidden_part>& into) {
  find_userinfo(text, into);
  find_private_keys(text, into);
  find_tokens(text, into);
  find_named(text, into);
}

void window_filter::add(const window_filter& other) {
  for (size_t i = 0; i < bits_.size(); ++i)
    bits_[i] |= other.bits_[i];
}

// -- hidden_trait -------------------------------------------------------------

namespace {

byte_mask mask_of(std::string_view text) {
  byte_mask out = 0;
  for (char c : text)
    out |= byte_mask{1} << (static_cast<uint8_t>(c) & 63);
  return out;
}

/// Of the digits between these, in both alphabets.
byte_mask mask_of_base64(std::string_view value, size_t shift, size_t begin,
                         size_t end) {
  constexpr std::string_view digits
    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  byte_mask out = 0;
  for (auto i = begin; i < end; ++i) {
    auto bit = i * 6;
    auto at = [&](size_t byte) {
      auto there = byte >= shift && byte - shift < value.size();
      return there ? static_cast<uint8_t>(value[byte - shift]) : 0U;
    };
    auto two = at(bit / 8) << 8 | at(bit / 8 + 1);
    auto digit = two >> (10 - bit % 8) & 63;
    if (digit < digits.size())
      out |= mask_of(digits.substr(digit, 1));
  }
  return out;
}

/// Of the decimal ones among the digits: letters may be in either case.
byte_mask mask_of_hex(std::string_view value) {
  byte_mask out = 0;
  for (char c : value)
    for (auto digit : {static_cast<uint8_t>(c) >> 4, c & 15})
      if (digit < 10)
        out |= mask_of(std::string(1, static_cast<char>('0' + digit)));
  return out;
}

} // namespace

hidden_trait::hidden_trait(std::string_view value) {
  // Whatever is found has one of its ends.
  constexpr auto window = hidden_set::length_min;
  auto first = value.substr(0, window);
  auto last = value.substr(value.size() - std::min(window, value.size()));
  needs_
    = {mask_of(first), mask_of(last), mask_of_hex(first), mask_of_hex(last)};
  auto* need = needs_.begin() + 4;
  for (size_t shift = 0; shift < 3; ++shift) {
    // Digits that have no bit of what stands before or behind the value.
    auto begin = (shift * 8 + 5) / 6;
    auto end = (shift + value.size()) * 8 / 6;
    auto count = std::min<size_t>(window * 8 / 6 - 1, end - begin);
    *need++ = mask_of_base64(value, shift, begin, begin + count);
    *need++ = mask_of_base64(value, shift, end - count, end);
  }
}

bool hidden_trait::may_be_in(byte_mask text) const {
  return std::any_of(needs_.begin(), needs_.end(),
                     [text](byte_mask x) { return (x & ~text) == 0; });
}

// -- hidden_set ---------------------------------------------------------------

hidden_set::hidden_set() : values_(1) {
}

void hidden_set::link(chain which, uint16_t hash, uint32_t at) {
  auto& head = heads_[which * slots + slot_of(hash)];
  values_[at].next[which] = head;
  head = at;
  windows_.add(hash);
}

void hidden_set::add(std::string_view value, uint64_t number,
                     window_filter& also) {
  if (value.size() < length_min)
    return;
  if (heads_.empty()) {
    heads_.resize(3 * slots);
    lengths_.resize(slots);
  }
  auto at = static_cast<uint32_t>(values_.size());
  auto& row = values_.emplace_back();
  row.value = value;
  row.number = number;
  bytes_ += value.size() + sizeof row;
  // The window that is the rarest so far: tokens of one kind begin alike.
  constexpr size_t tries = 64;
  size_t best = value.size() - length_min;
  auto length
    = [&](size_t i) { return lengths_[slot_of(window(value.data() + i))]; };
  for (size_t i = best, n = 0; n < tries && length(best) > 0; ++n) {
    if (i == 0)
      break;
    if (length(--i) < length(best))
      best = i;
  }
  row.anchor = static_cast<uint32_t>(best);
  auto hash = window(value.data() + best);
  auto& rows = lengths_[slot_of(hash)];
  if (rows < 255)
    ++rows;
  auto end = window(value.data() + value.size() - length_min);
  link(anchored, hash, at);
  link(first, window(value.data()), at);
  link(last, end, at);
  for (auto x : {hash, window(value.data()), end})
    also.add(x);
}

void hidden_set::find_at(std::string_view text, size_t at, uint16_t hash,
                         std::vector<hidden_part>& into) const {
  if (!windows_.has(hash))
    return;
  auto slot = slot_of(hash);
  for (auto i = heads_[anchored * slots + slot]; i != 0;
       i = values_[i].next[anchored]) {
    const auto& x = values_[i];
    if (at >= x.anchor && at - x.anchor + x.value.size() <= text.size()
        && text.compare(at - x.anchor, x.value.size(), x.value) == 0)
      into.push_back({at - x.anchor, at - x.anchor + x.value.size(), x.number});
  }
  auto rest = text.substr(at);
  int looked = 0;
  if (rest.size() >= partial_min)
    for (auto i = heads_[first * slots + slot];
         i != 0 && looked++ < partial_rows_max; i = values_[i].next[first])
      if (const auto& x = values_[i];
          rest.size() < x.value.size()
          && std::string_view{x.value}.starts_with(rest))
        into.push_back({at, text.size(), x.number});
  auto begun = text.substr(0, at + length_min);
  looked = 0;
  if (begun.size() >= partial_min)
    for (auto i = heads_[last * slots + slot];
         i != 0 && looked++ < partial_rows_max; i = values_[i].next[last])
      if (const auto& x = values_[i];
          begun.size() < x.value.size()
          && std::string_view{x.value}.ends_with(begun))
        into.push_back({0, begun.size(), x.number});
}

// -- secret_book --------------------------------------------------------------

struct secret_book::generation {
  std::unordered_map<uint64_t, known> numbers; ///< by keyed hash
  hidden_set texts;
};

secret_book::secret_book(const hash_key& key)
  : key_(key),
    kept_(std::make_unique<generation>()),
    current_(std::make_unique<generation>()),
    former_(std::make_unique<generation>()),
    seen_(1024),
    clean_(1024) {
}

secret_book::~secret_book() = default;

uint64_t secret_book::number(std::string_view value, in_texts how) {
  if (value.empty())
    return 0;
  auto hash = keyed_hash(key_, value);
  auto hides = how == in_texts::hidden;
  auto& seen = seen_[hash % seen_.size()];
  if (seen.is.number == 0 || seen.hash != hash || (hides && !seen.is.hidden))
    seen = {hash, look_up(value, hash, hides)};
  return seen.is.number;
}

secret_book::known secret_book::look_up(std::string_view value, uint64_t hash,
                                        bool hides) {
  auto kept = kept_->numbers.find(hash);
  if (kept != kept_->numbers.end() && (kept->second.hidden || !hides))
    return kept->second;
  auto found = current_->numbers.find(hash);
  if (found != current_->numbers.end() && (found->second.hidden || !hides))
    return found->second;
  known row;
  bool is_hidden = false; // already, by the former generation
  if (kept != kept_->numbers.end()) {
    row = kept->second;
  } else if (found != current_->numbers.end()) {
    row = found->second;
  } else if (auto old = former_->numbers.find(hash);
             old != former_->numbers.end()) {
    row = old->second;
    is_hidden = row.hidden;
  } else {
    row.number = ++numbers_;
  }
  row.hidden = row.hidden || hides;
  turn_page();
  current_->numbers[hash] = row;
  if (row.hidden)
    hide(value, row.number, *current_, !is_hidden);
  return row;
}

uint64_t secret_book::keep(std::string_view value, in_texts how) {
  auto out = number(value, how);
  auto hash = keyed_hash(key_, value);
  if (out == 0 || kept_->numbers.size() >= kept_numbers_max
      || kept_->numbers.contains(hash))
    return out;
  kept_->numbers[hash] = {out, how == in_texts::hidden};
  if (how == in_texts::hidden)
    hide(value, out, *kept_, false);
  return out;
}

void secret_book::turn_page() {
  if (current_->numbers.size() < generation_numbers_max
      && current_->texts.bytes() < generation_bytes_max)
    return;
  std::ranges::fill(seen_, seen_secret{}); // what comes again is on this one
  former_ = std::move(current_);
  current_ = std::make_unique<generation>();
  windows_ = kept_->texts.windows();
  windows_.add(former_->texts.windows());
}

void secret_book::hide(std::string_view value, uint64_t number, generation& in,
                       bool is_new) {
  constexpr size_t whole_max = 64 << 10;
  auto add = [&](std::string_view x) {
    in.texts.add(x, number, windows_);
    if (!is_new || x.size() < hidden_set::length_min)
      return;
    traits_.emplace_back(x);
    ++traits_count_;
    if (traits_.size() > traits_max)
      traits_.pop_front();
  };
  if (value.size() <= whole_max)
    add(value);
  if (value.find('\n') != std::string_view::npos)
    for (auto rest = value; !rest.empty();) {
      auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      while (!line.empty() && (line.back() == '\r' || line.back() == ' '))
        line.remove_suffix(1);
      if (line.size() >= line_min && line.size() < value.size()
          && !line.starts_with("-----"))
        add(line);
    }
  // What stands in it is a secret by itself: a URL's password, the parts of a
  // registry's login.
  std::vector<hidden_part> inner;
  find_suspicious(value, inner);
  for (const auto& x : inner) {
    auto part = value.substr(x.begin, x.end - x.begin);
    if (part.size() < value.size()) {
      add(part);
      if (auto colon = part.find(':'); colon != std::string_view::npos)
        add(part.substr(colon + 1));
    }
  }
  if (value.size() > 4096 || !is_base64(value))
    return;
  std::string plain;
  decode_base64(value.substr(0, value.find('=')), plain);
  if (plain.size() < hidden_set::length_min || !is_printable(plain))
    return;
  inner.clear();
  find_suspicious(plain, inner);
  for (const auto& x : inner)
    add(std::string_view{plain}.substr(x.begin, x.end - x.begin));
  if (auto colon = plain.find(':');
      colon != std::string::npos && plain.front() != '{')
    add(std::string_view{plain}.substr(colon + 1));
}

void secret_book::find(std::string_view text,
                       std::vector<hidden_part>& into) const {
  for (size_t i = 0; i + hidden_set::length_min <= text.size(); ++i)
    if (auto hash = window(text.data() + i); windows_.has(hash))
      for (const auto* in : {kept_.get(), current_.get(), former_.get()})
        in->texts.find_at(text, i, hash, into);
}

void secret_book::find_in_view(std::string_view view,
                               const std::vector<uint32_t>& at,
                               std::vector<hidden_part>& into) const {
  auto begin = into.size();
  find(view, into);
  for (auto i = begin; i < into.size(); ++i) {
    into[i].end = at[into[i].end];
    into[i].begin = at[into[i].begin];
  }
}

/// Runs of digits that may stand for bytes: hidden as a whole.
void secret_book::find_in_runs(std::string_view text,
                               std::vector<hidden_part>& into) {
  auto look = [&](size_t begin, size_t end, size_t shifts, auto decode) {
    for (size_t shift = 0; shift < shifts; ++shift) {
      decode(text.substr(begin + shift, end - begin - shift), decoded_);
      auto before = into.size();
      find(decoded_, into);
      if (into.size() > before) {
        into.resize(before + 1);
        into.back().begin = begin;
        into.back().end = end;
        return;
      }
    }
  };
  constexpr size_t base64_min = 8;
  constexpr size_t hex_min = 12;
  size_t base64_begin = 0;
  size_t hex_begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    auto is_end = i == text.size();
    if (is_end || digit_of_base64(text[i]) < 0) {
      if (i - base64_begin >= base64_min)
        look(base64_begin, i, 4, decode_base64);
      base64_begin = i + 1;
    }
    if (is_end || digit_of_hex(text[i]) < 0) {
      if (i - hex_begin >= hex_min)
        look(hex_begin, i, 2, decode_hex);
      hex_begin = i + 1;
    }
  }
}

/// Percent escapes, with `+` for a blank or for itself, and those of JSON and
/// of shells.
void secret_book::find_escaped(std::string_view text,
                               std::vector<hidden_part>& into) {
  auto two_digits = [&](size_t i) -> std::optional<char> {
    if (i + 1 >= text.size() || digit_of_hex(text[i]) < 0
        || digit_of_hex(text[i + 1]) < 0)
      return std::nullopt;
    return static_cast<char>(digit_of_hex(text[i]) << 4
                             | digit_of_hex(text[i + 1]));
  };
  auto put = [&](char c, size_t at) {
    decoded_.push_back(c);
    offsets_.push_back(static_cast<uint32_t>(at));
  };
  auto look = [&] {
    offsets_.push_back(static_cast<uint32_t>(text.size()));
    find_in_view(decoded_, offsets_, into);
  };
  for (bool plus_is_blank : {false, true}) {
    if (text.find(plus_is_blank ? '+' : '%') == std::string_view::npos)
      continue;
    decoded_.clear();
    offsets_.clear();
    for (size_t i = 0; i < text.size(); ++i) {
      auto byte = text[i] == '%' ? two_digits(i + 1) : std::nullopt;
      put(byte ? *byte : plus_is_blank && text[i] == '+' ? ' ' : text[i], i);
      i += byte ? 2 : 0;
    }
    look();
  }
  if (text.find('\\') == std::string_view::npos)
    return;
  decoded_.clear();
  offsets_.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      put(text[i], i);
      continue;
    }
    auto at = i++;
    std::optional<char> byte;
    if (text[i] == 'x')
      byte = two_digits(i + 1);
    else if (text[i] == 'u' && text.substr(i + 1).starts_with("00"))
      byte = two_digits(i + 3);
    if (byte)
      i += text[i] == 'x' ? 2 : 4;
    else
      byte = text[i] == 'n'   ? '\n'
             : text[i] == 't' ? '\t'
             : text[i] == 'r' ? '\r'
                              : text[i];
    put(*byte, at);
  }
  look();
}

/// Whether nothing that was learned since then can be in a text which was
/// clean.
bool secret_book::is_still_clean(uint64_t since, std::string_view text) const {
  auto count = traits_count_ - since;
  if (count == 0)
    return true;
  if (count > traits_.size()
      || text.find_first_of("%+\\") != std::string_view::npos)
    return false;
  auto mask = mask_of(text);
  return std::none_of(
    traits_.end() - static_cast<std::ptrdiff_t>(count), traits_.end(),
    [mask](const hidden_trait& x) { return x.may_be_in(mask); });
}

bool secret_book::finds(std::string_view text) {
  if (text.size() < hidden_set::length_min)
    return false;
  auto hash = keyed_hash(key_, text);
  auto& seen = clean_[hash % clean_.size()];
  if (seen.hash == hash && is_still_clean(seen.traits, text)) {
    seen.traits = traits_count_;
    return false;
  }
  parts_.clear();
  find(text, parts_);
  find_in_runs(text, parts_);
  find_escaped(text, parts_);
  find_suspicious(text, parts_);
  if (parts_.empty())
    seen = {hash, traits_count_};
  return !parts_.empty();
}

bool secret_book::scrub(std::string_view text, std::string& into) {
  if (!finds(text))
    return false;
  merge(parts_);
  into.clear();
  size_t done = 0;
  for (const auto& x : parts_) {
    into.append(text.substr(done, x.begin - done));
    if (x.number == 0)
      into.append("<secret>");
    else
      fmt::format_to(std::back_inserter(into), "<secret#{}>", x.number);
    done = x.end;
  }
  into.append(text.substr(done));
  return true;
}

} // namespace muster
