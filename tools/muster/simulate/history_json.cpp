#include "tools/muster/simulate/history_readers.hpp"

#include "config/diagnostic.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <set>
#include <utility>

namespace muster::simulate {

namespace {

constexpr size_t others_max = 100; ///< GitLab's jobs have some forty

/// Where something begins.
struct position {
  size_t line = 1;
  size_t column = 1;
};

bool is_blank(int c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_digit(int c) {
  return c >= '0' && c <= '9';
}

void append_utf8(std::string& into, uint32_t x) {
  auto add = [&into](uint32_t byte) { into += static_cast<char>(byte); };
  if (x < 0x80) {
    add(x);
  } else if (x < 0x800) {
    add(0xC0 | (x >> 6));
    add(0x80 | (x & 0x3F));
  } else if (x < 0x10000) {
    add(0xE0 | (x >> 12));
    add(0x80 | ((x >> 6) & 0x3F));
    add(0x80 | (x & 0x3F));
  } else {
    add(0xF0 | (x >> 18));
    add(0x80 | ((x >> 12) & 0x3F));
    add(0x80 | ((x >> 6) & 0x3F));
    add(0x80 | (x & 0x3F));
  }
}

/// Reads JSON from left to right. Each function returns false after a fault,
/// which is the first one.
class json_reader {
public:
  json_reader(text_source& from, const history_limits& limits,
              history_builder& into)
    : in_(from),
      limits_(limits),
      into_(into) {
  }

  std::optional<history_fault> run() {
    for (;;) {
      skip_blanks();
      if (in_.peek() == text_source::end)
        return std::nullopt;
      auto passed = in_.peek() == '[' ? jobs() : job();
      if (!passed)
        return std::move(fault_);
    }
  }

private:
  position here() const {
    return {in_.line(), in_.column()};
  }

  bool refuse(position at, std::string text) {
    fault_ = history_fault{at.line, at.column, std::move(text)};
    return false;
  }

  bool refuse(std::string text) {
    return refuse(here(), std::move(text));
  }

  void skip_blanks() {
    while (is_blank(in_.peek()))
      in_.next();
  }

  bool pass(char c, const char* what) {
    skip_blanks();
    if (in_.peek() == c) {
      in_.next();
      return true;
    }
    if (in_.peek() == text_source::end)
      return refuse(fmt::format("the file ends where {} was to come", what));
    return refuse(fmt::format("{} was to come here", what));
  }

  /// Calls `element` for each one up to the closing bracket, the opening one
  /// has been read.
  template <class Element>
  bool list(char close, const char* what, Element element) {
    skip_blanks();
    if (in_.peek() == close) {
      in_.next();
      return true;
    }
    for (;;) {
      if (!element())
        return false;
      skip_blanks();
      if (in_.peek() == close) {
        in_.next();
        return true;
      }
      if (!pass(',', what))
        return false;
    }
  }

  bool jobs() {
    in_.next();
    return list(']', "a comma or a ]", [this] { return job(); });
  }

  bool job() {
    skip_blanks();
    auto at = here();
    if (!pass('{', "a job, {...},"))
      return false;
    record_.clear();
    named_.fill(false);
    says_.clear();
    if (!list('}', "a comma or a }", [this] { return member(); }))
      return false;
    if (auto lacking = what_lacks(); !lacking.empty())
      return refuse(at, std::move(lacking));
    if (auto wrong = into_.add(record_, at.line))
      return refuse(at, std::move(*wrong));
    return true;
  }

  bool member() {
    skip_blanks();
    if (in_.peek() != '"')
      return refuse("a name in quotes was to come here");
    if (!string(&text_, true))
      return false;
    auto field = job_field_of(text_);
    if (!pass(':', "a colon"))
      return false;
    skip_blanks();
    if (field) {
      named_.at(static_cast<size_t>(*field)) = true;
      return value_of(*field);
    }
    auto is_answer = text_ == "message" || text_ == "error";
    if (others_.size() < others_max)
      others_.insert(text_);
    if (is_answer && in_.peek() == '"')
      return string(&says_, true);
    return skip_value(1);
  }

  bool has(job_field what) const {
    return named_.at(static_cast<size_t>(what));
  }

  std::string meant(std::string_view field) const {
    return meant_by(field, {others_.begin(), others_.end()});
  }

  /// What the object should have had to be a job that has run, if only as a
  /// name: whose value is null has not. Empty if it has all.
  std::string what_lacks() const {
    using enum job_field;
    if (std::ranges::none_of(named_, std::identity{}))
      return says_.empty()
               ? "this is no job: it has none of queued_at, created_at, "
                 "started_at, duration and so on"
                   + meant("duration")
               : fmt::format("this is no job, but an answer that says {}",
                             in_quotes(says_));
    if (!record_.is_over)
      return "";
    if (!has(queued_at) && !has(created_at)
        && !(has(started_at) && has(queued_duration)))
      return std::string{no_queued_time} + meant("queued_at");
    if (!has(duration) && !(has(started_at) && has(finished_at)))
      return "the job has no duration, and no started_at with finished_at: one "
             "of them is needed"
             + meant("duration");
    return "";
  }

  bool value_of(job_field field) {
    auto at = here();
    auto c = in_.peek();
    if (c == '[' && field == job_field::tags) {
      in_.next();
      return list(']', "a comma or a ]", [this] { return tag(); });
    }
    if (c == '{' || c == '[')
      return refuse("a single value was to come here");
    auto is_text = c == '"';
    if (!(is_text ? string(&text_, false) : word(&text_)))
      return false;
    if (!is_text && text_ == "null")
      return true;
    if (auto wrong = record_.set(field, text_))
      return refuse(at, std::move(*wrong));
    return true;
  }

  bool tag() {
    skip_blanks();
    if (in_.peek() != '"')
      return refuse("a tag in quotes was to come here");
    if (record_.tags.size() == limits_.columns_max)
      return refuse(
        fmt::format("a job has more than {} tags", limits_.columns_max));
    if (!string(&text_, false))
      return false;
    record_.tags.push_back(text_);
    return true;
  }

  /// Passes whatever value comes.
  bool skip_value(size_t depth) {
    if (depth > limits_.depth_max)
      return refuse(
        fmt::format("this is nested more than {} deep", limits_.depth_max));
    switch (in_.peek()) {
      case '"':
        return string(nullptr, false);
      case '[':
        in_.next();
        return list(']', "a comma or a ]", [this, depth] {
          skip_blanks();
          return skip_value(depth + 1);
        });
      case '{':
        in_.next();
        return list('}', "a comma or a }", [this, depth] {
          skip_blanks();
          if (in_.peek() != '"')
            return refuse("a name in quotes was to come here");
          if (!string(nullptr, false) || !pass(':', "a colon"))
            return false;
          skip_blanks();
          return skip_value(depth + 1);
        });
      default:
        return word(&text_);
    }
  }

  /// A number, or true, false or null.
  bool word(std::string* into) {
    constexpr size_t longest = 100;
    auto at = here();
    into->clear();
    for (auto c = in_.peek();
         c != text_source::end && into->size() < longest && c != ',' && c != ']'
         && c != '}' && !is_blank(c);
         c = in_.peek()) {
      *into += static_cast<char>(c);
      in_.next();
    }
    if (*into == "null" || *into == "true" || *into == "false"
        || is_number(*into))
      return true;
    return refuse(at, "a value was to come here");
  }

  static bool is_number(std::string_view text) {
    size_t at = 0;
    auto digits = [&text, &at] {
      auto from = at;
      while (at < text.size() && is_digit(text[at]))
        ++at;
      return at > from;
    };
    if (at < text.size() && text[at] == '-')
      ++at;
    auto leading_zero
      = at + 1 < text.size() && text[at] == '0' && is_digit(text[at + 1]);
    if (leading_zero || !digits())
      return false;
    if (at < text.size() && text[at] == '.') {
      ++at;
      if (!digits())
        return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
      ++at;
      if (at < text.size() && (text[at] == '+' || text[at] == '-'))
        ++at;
      if (!digits())
        return false;
    }
    return at == text.size();
  }

  /// A text in quotes. `into`: null to pass it. A name that is too long is none
  /// that matters: `cut` keeps its beginning.
  bool string(std::string* into, bool cut) {
    auto at = here();
    in_.next();
    if (into != nullptr)
      into->clear();
    for (;;) {
      auto c = in_.peek();
      if (c == text_source::end)
        return refuse(at, "the text that begins here does not end");
      if (c < ' ')
        return refuse("a line break or control character within a text");
      in_.next();
      if (c == '"')
        return true;
      uint32_t escaped = 0;
      if (c == '\\' && !escape(escaped))
        return false;
      if (into == nullptr)
        continue;
      if (into->size() >= limits_.value_bytes_max) {
        if (!cut)
          return refuse(at, fmt::format("the text that begins here has more "
                                        "than {} bytes",
                                        limits_.value_bytes_max));
      } else if (c == '\\') {
        append_utf8(*into, escaped);
      } else {
        *into += static_cast<char>(c);
      }
    }
  }

  bool escape(uint32_t& into) {
    auto at = here();
    switch (in_.take()) {
      case '"':
        into = '"';
        return true;
      case '\\':
        into = '\\';
        return true;
      case '/':
        into = '/';
        return true;
      case 'b':
        into = '\b';
        return true;
      case 'f':
        into = '\f';
        return true;
      case 'n':
        into = '\n';
        return true;
      case 'r':
        into = '\r';
        return true;
      case 't':
        into = '\t';
        return true;
      case 'u':
        return code_point(at, into);
      default:
        return refuse(at, "there is no such escape in JSON");
    }
  }

  bool unit(uint32_t& into) {
    into = 0;
    for (int i = 0; i < 4; ++i) {
      auto c = in_.take();
      uint32_t digit = 0;
      if (is_digit(c))
        digit = static_cast<uint32_t>(c - '0');
      else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        digit = static_cast<uint32_t>((c | 0x20) - 'a' + 10);
      else
        return false;
      into = into * 16 + digit;
    }
    return true;
  }

  bool code_point(position at, uint32_t& into) {
    constexpr const char* wrong
      = "\\u needs four hexadecimal digits, and pairs of surrogates";
    if (!unit(into))
      return refuse(at, wrong);
    if (into < 0xD800 || into > 0xDFFF)
      return true;
    uint32_t low = 0;
    if (into > 0xDBFF || in_.take() != '\\' || in_.take() != 'u' || !unit(low)
        || low < 0xDC00 || low > 0xDFFF)
      return refuse(at, wrong);
    into = 0x10000 + ((into - 0xD800) << 10) + (low - 0xDC00);
    return true;
  }

  text_source& in_;
  const history_limits& limits_;
  history_builder& into_;
  job_record record_;
  std::array<bool, job_fields> named_{}; ///< the fields that this job has
  std::string says_; ///< of an object with an error instead of a job
  std::set<std::string> others_; ///< names of no field, the first ones
  std::string text_;
  std::optional<history_fault> fault_;
};

} // namespace

std::optional<history_fault> read_json_jobs(text_source& from,
                                            const history_limits& limits,
                                            history_builder& into) {
  return json_reader{from, limits, into}.run();
}

} // namespace muster::simulate
