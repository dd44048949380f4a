#include "tools/muster/simulate/job_record.hpp"

#include "config/diagnostic.hpp"
#include "config/duration.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <iterator>

namespace muster::simulate {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds duration_max = 24h * 1000;
/// The year 5138: later ones are milliseconds taken for seconds.
constexpr double unix_max = 1e11;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  auto from = text.find_first_not_of(blank);
  if (from == std::string_view::npos)
    return {};
  return text.substr(from, text.find_last_not_of(blank) - from + 1);
}

std::optional<double> parse_number(std::string_view text) {
  double out = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc{} || stop != end)
    return std::nullopt;
  return out;
}

/// Reads a text from its beginning on.
struct cursor {
  std::string_view rest;

  bool skip(char c) {
    if (rest.empty() || rest.front() != c)
      return false;
    rest.remove_prefix(1);
    return true;
  }

  /// So many digits; -1 if there are fewer.
  int digits(size_t count) {
    if (rest.size() < count)
      return -1;
    int out = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest[i] < '0' || rest[i] > '9')
        return -1;
      out = out * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(count);
    return out;
  }
};

/// Digits behind the point; finer ones than milliseconds are dropped.
std::optional<milliseconds> parse_fraction(cursor& at) {
  int out = 0;
  int scale = 100;
  size_t count = 0;
  for (; !at.rest.empty() && at.rest[0] >= '0' && at.rest[0] <= '9'; ++count) {
    out += (at.rest[0] - '0') * scale;
    scale /= 10;
    at.rest.remove_prefix(1);
  }
  return count > 0 ? std::optional{milliseconds{out}} : std::nullopt;
}

std::optional<milliseconds> parse_clock(cursor& at) {
  auto hour = at.digits(2);
  auto colon = at.skip(':');
  auto minute = at.digits(2);
  if (!colon || hour < 0 || hour > 23 || minute < 0 || minute > 59)
    return std::nullopt;
  milliseconds out = std::chrono::hours{hour} + std::chrono::minutes{minute};
  if (!at.skip(':'))
    return out;
  auto second = at.digits(2);
  if (second < 0 || second > 60) // 60: a leap second
    return std::nullopt;
  out += std::chrono::seconds{second};
  if (!at.skip('.'))
    return out;
  auto fraction = parse_fraction(at);
  return fraction ? std::optional{out + *fraction} : std::nullopt;
}

/// How far a zone is before UTC; it is the last of a time.
std::optional<milliseconds> parse_offset(cursor& at) {
  at.skip(' ');
  if (at.rest.empty() || at.rest == "Z" || at.rest == "z" || at.rest == "UTC")
    return 0ms;
  auto east = at.skip('+');
  if (!east && !at.skip('-'))
    return std::nullopt;
  auto hour = at.digits(2);
  at.skip(':');
  auto minute = at.rest.empty() ? 0 : at.digits(2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || !at.rest.empty())
    return std::nullopt;
  milliseconds out = std::chrono::hours{hour} + std::chrono::minutes{minute};
  return east ? out : -out;
}

bool is_not_over(std::string_view status) {
  constexpr std::array<std::string_view, 8> open{
    "created", "pending",   "preparing", "running",
    "manual",  "scheduled", "skipped",   "waiting_for_resource"};
  return std::ranges::find_if(
           open, [status](auto x) { return same_letters(status, x); })
         != open.end();
}

/// Words with commas, semicolons or blanks between them, maybe in braces, as
/// databases show lists.
std::vector<std::string> words(std::string_view text) {
  constexpr std::string_view between = ",; \t\r\n{}[]\"'";
  std::vector<std::string> out;
  for (;;) {
    auto from = text.find_first_not_of(between);
    if (from == std::string_view::npos)
      return out;
    auto to = std::min(text.find_first_of(between, from), text.size());
    out.emplace_back(text.substr(from, to - from));
    text.remove_prefix(to);
  }
}

/// `20261124`, which as seconds would be a day of 1970.
bool is_bare_date(std::string_view text) {
  constexpr size_t length = 8;
  constexpr int first_year = 1970;
  cursor at{text};
  auto year = at.digits(4);
  auto month = at.digits(2);
  auto day = at.digits(2);
  return text.size() == length && year >= first_year && day >= 0
         && std::chrono::year_month_day{std::chrono::year{year},
                                        std::chrono::month{
                                          static_cast<unsigned>(month)},
                                        std::chrono::day{
                                          static_cast<unsigned>(day)}}
              .ok();
}

std::optional<history_time> queued_of(const job_record& x) {
  auto time
    = [&x](job_field what) { return x.times[static_cast<size_t>(what)]; };
  if (auto at = time(job_field::queued_at))
    return at;
  if (auto at = time(job_field::started_at); at && x.queued_duration)
    return *at - *x.queued_duration;
  return time(job_field::created_at);
}

std::optional<milliseconds> duration_of(const job_record& x) {
  if (x.duration)
    return x.duration;
  auto from = x.times[static_cast<size_t>(job_field::started_at)];
  auto to = x.times[static_cast<size_t>(job_field::finished_at)];
  if (!from || !to)
    return std::nullopt;
  return *to - *from;
}

} // namespace

std::optional<job_field> job_field_of(std::string_view name) {
  struct row {
    std::string_view name;
    job_field field;
  };
  constexpr std::array rows{
    row{"queued_at", job_field::queued_at},
    row{"created_at", job_field::created_at},
    row{"started_at", job_field::started_at},
    row{"finished_at", job_field::finished_at},
    row{"duration", job_field::duration},
    row{"queued_duration", job_field::queued_duration},
    row{"status", job_field::status},
    row{"tags", job_field::tags},
    row{"tag_list", job_field::tags},
  };
  name = trimmed(name);
  for (const auto& x : rows)
    if (same_letters(name, x.name))
      return x.field;
  return std::nullopt;
}

bool same_name(std::string_view a, std::string_view b) {
  return same_letters(trimmed(a), trimmed(b));
}

std::string meant_by(std::string_view field,
                     const std::vector<std::string_view>& names) {
  auto name = nearest(field, names);
  return name ? fmt::format("; is {} meant to be {}?", in_quotes(*name), field)
              : std::string{};
}

std::optional<history_time> parse_history_time(std::string_view text) {
  if (is_bare_date(text))
    return std::nullopt;
  if (auto seconds = parse_number(text)) {
    if (!(*seconds >= 0) || *seconds > unix_max)
      return std::nullopt;
    return history_time{milliseconds{static_cast<int64_t>(*seconds * 1000)}};
  }
  cursor at{text};
  auto year = at.digits(4);
  auto dash = at.skip('-');
  auto month = at.digits(2);
  dash = at.skip('-') && dash;
  auto day = at.digits(2);
  if (!dash || year < 1970 || month < 0 || day < 0)
    return std::nullopt;
  std::chrono::year_month_day date{
    std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
    std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || !(at.skip('T') || at.skip('t') || at.skip(' ')))
    return std::nullopt;
  auto clock = parse_clock(at);
  auto offset = clock ? parse_offset(at) : std::nullopt;
  if (!offset)
    return std::nullopt;
  return std::chrono::sys_days{date} + *clock - *offset;
}

std::optional<milliseconds> parse_history_duration(std::string_view text) {
  milliseconds out{0};
  if (auto seconds = parse_number(text)) {
    constexpr double seconds_max = duration_max.count() / 1000.0;
    if (!(*seconds >= 0) || *seconds > seconds_max)
      return std::nullopt;
    out = milliseconds{static_cast<int64_t>(*seconds * 1000)};
  } else if (auto read = parse_duration(text)) {
    out = std::chrono::duration_cast<milliseconds>(*read);
  } else {
    return std::nullopt;
  }
  if (out < 0ms || out > duration_max)
    return std::nullopt;
  return out;
}

std::optional<std::string> job_record::set(job_field what,
                                           std::string_view text) {
  text = trimmed(text);
  if (text.empty())
    return std::nullopt;
  if (what == job_field::tags) {
    std::ranges::move(words(text), std::back_inserter(tags));
  } else if (what == job_field::status) {
    is_over = !is_not_over(text);
  } else if (what == job_field::duration
             || what == job_field::queued_duration) {
    auto value = parse_history_duration(text);
    if (!value)
      return fmt::format("{} is no duration: write seconds, or it like 1h30m",
                         in_quotes(text));
    (what == job_field::duration ? duration : queued_duration) = value;
  } else {
    auto value = parse_history_time(text);
    if (!value)
      return fmt::format("{} is no time: write it like 2026-11-23T08:15:30Z",
                         in_quotes(text));
    times.at(static_cast<size_t>(what)) = value;
  }
  return std::nullopt;
}

void job_record::clear() {
  times = {};
  duration.reset();
  queued_duration.reset();
  is_over = true;
  tags.clear();
}

/// Keeps the first and the last job by time. Returns what is wrong if they are
/// too far from each other.
std::optional<std::string> history_builder::widen(const place& x) {
  if (out_.jobs.empty())
    first_ = last_ = x;
  auto other = x.queued < first_.queued ? last_ : first_;
  if (x.queued < first_.queued)
    first_ = x;
  if (x.queued > last_.queued)
    last_ = x;
  if (last_.queued - first_.queued <= limits_.span_max)
    return std::nullopt;
  return fmt::format("the job was queued at {}, that of line {} at {}: jobs of "
                     "at most {} days can be played; correct the time that is "
                     "wrong, or take a shorter time",
                     to_string(x.queued), other.line, to_string(other.queued),
                     limits_.span_max.count());
}

std::optional<std::string> history_builder::add(job_record& x, size_t line) {
  auto duration = x.is_over ? duration_of(x) : std::nullopt;
  if (!duration) {
    ++out_.not_run;
    return std::nullopt;
  }
  auto queued = queued_of(x);
  if (!queued)
    return std::string{no_queued_time};
  if (*duration < 0ms || *duration > duration_max)
    return fmt::format("the job took {}, from started_at to finished_at: it "
                       "must be between 0 and {}",
                       format_duration(*duration),
                       format_duration(duration_max));
  if (out_.jobs.size() == limits_.jobs_max)
    return fmt::format("there are more than {} jobs: take a shorter time",
                       limits_.jobs_max);
  if (auto wrong = widen({*queued, line}))
    return wrong;
  std::ranges::sort(x.tags);
  auto repeated = std::ranges::unique(x.tags);
  x.tags.erase(repeated.begin(), repeated.end());
  uint32_t tags = 0;
  if (auto at = known_.find(x.tags); at != known_.end()) {
    tags = at->second;
  } else if (!x.tags.empty()) {
    if (out_.tag_sets.size() > limits_.tag_sets_max)
      return fmt::format("there are more than {} different sets of tags",
                         limits_.tag_sets_max);
    tags = static_cast<uint32_t>(out_.tag_sets.size());
    out_.tag_sets.push_back(x.tags);
    known_.emplace(x.tags, tags);
  }
  out_.jobs.push_back({*queued, *duration, tags});
  return std::nullopt;
}

history history_builder::finish() {
  auto earlier
    = [](const past_job& a, const past_job& b) { return a.queued < b.queued; };
  if (!std::ranges::is_sorted(out_.jobs, earlier))
    std::ranges::stable_sort(out_.jobs, earlier);
  return std::move(out_);
}

} // namespace muster::simulate
