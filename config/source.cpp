#include "config/source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace muster {

namespace {

constexpr size_t size_max_bytes = size_t{4} << 20;
constexpr size_t key_parts_max = 32;
constexpr size_t nesting_max = 32;

tl::unexpected<failure<config_errc>> unreadable(const std::string& path,
                                                std::string_view why) {
  return fail(config_errc::not_readable,
              fmt::format("cannot read {}: {}", path, why));
}

class descriptor {
public:
  explicit descriptor(int number) : number_(number) {
  }

  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  ~descriptor() {
    if (number_ >= 0)
      close(number_);
  }

  int number() const {
    return number_;
  }

private:
  int number_;
};

/// Bytes of the UTF-8 character at the front; 0 if there is none.
size_t character_size(std::string_view text) {
  auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  auto more = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  auto first = byte(0);
  if (first < 0x80)
    return 1;
  if (first >= 0xC2 && first <= 0xDF)
    return more(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    bool overlong = first == 0xE0 && byte(1) < 0xA0;
    bool surrogate = first == 0xED && byte(1) >= 0xA0;
    return more(1) && more(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    bool overlong = first == 0xF0 && byte(1) < 0x90;
    bool beyond = first == 0xF4 && byte(1) >= 0x90;
    return more(1) && more(2) && more(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

/// Walks over TOML text just well enough to know strings and comments from the
/// rest; up to the first syntax error it sees them where the parser does.
class scanner {
public:
  explicit scanner(std::string_view text) : text_(text) {
  }

  bool done() const {
    return at_ >= text_.size();
  }

  size_t line() const {
    return line_;
  }

  /// Bytes up to here.
  size_t offset() const {
    return at_;
  }

  /// Characters up to here in this line, plus one.
  size_t column() const {
    size_t characters = 1;
    for (auto i = line_begin_; i < at_; ++i)
      if ((static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80)
        ++characters;
    return characters;
  }

  /// Steps over one string, comment or byte. Returns the byte, `"` for a string
  /// and `\n` for a comment.
  char next() {
    auto c = text_[at_];
    if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
      return '\n';
    }
    if (c == '"' || c == '\'') {
      skip_string(c);
      return '"';
    }
    step();
    return c;
  }

private:
  void step() {
    if (text_[at_] == '\n') {
      ++line_;
      line_begin_ = at_ + 1;
    }
    ++at_;
  }

  void skip_string(char quote) {
    bool multi_line = text_.substr(at_, 3) == std::string(3, quote);
    auto closing = std::string(multi_line ? 3 : 1, quote);
    at_ += closing.size();
    while (!done()) {
      if (text_[at_] == '\n' && !multi_line)
        return; // not closed: the parser will say so
      if (text_.substr(at_, closing.size()) == closing) {
        at_ += closing.size();
        // A string may end with up to two quotes of its own.
        for (int i = 0; i < 2 && multi_line && !done() && text_[at_] == quote;
             ++i)
          ++at_;
        return;
      }
      if (text_[at_] == '\\' && quote == '"' && at_ + 1 < text_.size())
        step();
      step();
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  size_t line_begin_ = 0;
};

bool is_key_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// The last part of the key that ends before `equals`.
std::string_view key_before(std::string_view text, size_t equals) {
  auto end = equals;
  while (end > 0 && is_blank(text[end - 1]))
    --end;
  if (end > 0 && (text[end - 1] == '"' || text[end - 1] == '\''))
    --end;
  auto begin = end;
  while (begin > 0 && is_key_byte(text[begin - 1]))
    --begin;
  return text.substr(begin, end - begin);
}

size_t end_of_line(std::string_view text, size_t from) {
  return std::min(text.find('\n', from), text.size());
}

/// Steps over the value after an `=`. Returns its end.
size_t step_over_value(scanner& scan, std::string_view text,
                       bool inline_table) {
  while (!scan.done() && is_blank(text[scan.offset()]))
    scan.next();
  if (scan.done())
    return text.size();
  size_t depth = 0;
  auto first = text[scan.offset()];
  auto delimited = std::string_view{"\"'[{"}.find(first) != std::string::npos;
  do {
    auto c = scan.next();
    if (c == '[' || c == '{')
      ++depth;
    else if ((c == ']' || c == '}') && depth > 0)
      --depth;
  } while (depth > 0 && !scan.done());
  auto end = scan.offset();
  auto next = std::min(text.find_first_not_of(" \t", end), text.size());
  if (inline_table && delimited && next < text.size()
      && (text[next] == ',' || text[next] == '}'))
    return end;
  return end_of_line(text, end);
}

std::optional<source_fault> find_bad_encoding(std::string_view text) {
  source_fault at;
  for (size_t i = 0; i < text.size();) {
    auto size = character_size(text.substr(i, 4));
    if (size == 0) {
      at.message = "the file is not UTF-8 text here: save it as UTF-8";
      return at;
    }
    at.column = text[i] == '\n' ? 1 : at.column + 1;
    at.line += text[i] == '\n' ? 1 : 0;
    i += size;
  }
  return std::nullopt;
}

std::optional<source_fault> find_deep_nesting(std::string_view text) {
  size_t dots = 0;
  size_t depth = 0;
  scanner scan{text};
  while (!scan.done()) {
    source_fault here{scan.line(), 0, ""};
    auto c = scan.next();
    if (c == '.')
      ++dots;
    else if (std::string_view{"\n=,[]{}"}.find(c) != std::string_view::npos)
      dots = 0;
    if (c == '[' || c == '{')
      ++depth;
    else if ((c == ']' || c == '}') && depth > 0)
      --depth;
    if (dots >= key_parts_max || depth > nesting_max) {
      here.column = scan.column() > 1 ? scan.column() - 1 : 1;
      here.message
        = dots >= key_parts_max
            ? fmt::format("a key of more than {} parts", key_parts_max)
            : fmt::format("nested more than {} deep", nesting_max);
      return here;
    }
  }
  return std::nullopt;
}

/// Waits until a pipe has bytes or is at its end: one that nobody has opened
/// for writing yet is neither.
bool has_more(const descriptor& pipe) {
  constexpr int patience_ms = 10'000;
  pollfd polled{pipe.number(), POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&polled, 1, patience_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

} // namespace

bool is_missing(const std::string& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) != 0 && errno == ENOENT;
}

result<std::string, config_errc> read_source(const std::string& path,
                                             source_kind kind) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number() < 0)
    return unreadable(path, std::strerror(errno));
  struct stat facts {};
  if (fstat(file.number(), &facts) != 0)
    return unreadable(path, std::strerror(errno));
  if (S_ISDIR(facts.st_mode))
    return unreadable(path, "it is a folder, a file is expected");
  auto is_pipe = kind == source_kind::pipe && S_ISFIFO(facts.st_mode);
  if (!S_ISREG(facts.st_mode) && !is_pipe)
    return unreadable(path, "it is not a regular file");
  std::string text;
  std::string chunk(size_t{64} << 10, '\0');
  for (;;) {
    if (is_pipe && !has_more(file))
      return unreadable(path, "it is a pipe, and nothing came for 10 s");
    auto got = read(file.number(), chunk.data(), chunk.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
      continue;
    if (got < 0)
      return unreadable(path, std::strerror(errno));
    if (got == 0)
      return text;
    text.append(chunk, 0, static_cast<size_t>(got));
    if (text.size() > size_max_bytes)
      return unreadable(path, "it is larger than 4 MiB, which no configuration "
                              "is");
  }
}

std::optional<source_fault> find_source_fault(std::string_view text) {
  if (auto fault = find_bad_encoding(text))
    return fault;
  return find_deep_nesting(text);
}

std::vector<text_range>
find_values(std::string_view text, const text_range& within,
            const std::function<bool(std::string_view)>& chosen) {
  std::vector<text_range> found;
  size_t depth = 0;
  bool header = false; // of a table: its brackets open nothing
  bool line_begins = true;
  scanner scan{text};
  while (!scan.done() && scan.offset() < within.end) {
    auto at = scan.offset();
    auto c = scan.next();
    if (c == '\n') {
      line_begins = true;
      header = false;
      continue;
    }
    header = header || (c == '[' && line_begins && depth == 0);
    line_begins = line_begins && is_blank(c);
    if (header)
      continue;
    if (c == '[' || c == '{')
      ++depth;
    else if ((c == ']' || c == '}') && depth > 0)
      --depth;
    if (c != '=')
      continue;
    auto beyond = scan;
    auto begin = std::min(text.find_first_not_of(" \t", at + 1), text.size());
    auto end = step_over_value(beyond, text, depth > 0);
    if (end <= within.begin || end <= begin || !chosen(key_before(text, at)))
      continue;
    found.push_back({begin, end});
    while (!scan.done() && scan.offset() < end)
      scan.next();
  }
  return found;
}

std::string repaired(std::string_view text) {
  std::string into;
  while (!text.empty()) {
    auto size = character_size(text.substr(0, 4));
    into += size == 0 ? "?" : text.substr(0, size);
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return into;
}

bool begins_inside_string(std::string_view text, size_t line) {
  scanner scan{text};
  while (!scan.done() && scan.line() < line) {
    auto before = scan.line();
    auto c = scan.next();
    // Only a string takes more than its own line at a step.
    if (scan.line() >= line)
      return c == '"' && before < line;
  }
  return false;
}

} // namespace muster
