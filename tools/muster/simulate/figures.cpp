#include "tools/muster/simulate/figures.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace muster::simulate {

namespace {

using simulated::job_fate;

/// A number that goes up and down: by how much at which time.
class level {
public:
  explicit level(const run_facts& x) : from_(x.begins), to_(x.ends) {
  }

  /// One more from `begin` to before `end`, as far as that is looked at.
  void add(time_point begin, time_point end) {
    begin = std::max(begin, from_);
    end = std::min(end, to_);
    if (begin >= end)
      return;
    steps_.emplace_back(begin, 1);
    steps_.emplace_back(end, -1);
  }

  /// Calls `what(begin, end, value)` for all times at which it stays the same,
  /// in their order. An end comes before a beginning of the same moment.
  template <class Function>
  void each(Function what) {
    std::sort(steps_.begin(), steps_.end());
    auto at = from_;
    int value = 0;
    for (const auto& [when, change] : steps_) {
      if (when > at)
        what(at, when, value);
      at = std::max(at, when);
      value += change;
    }
    if (at < to_)
      what(at, to_, value);
  }

private:
  time_point from_;
  time_point to_;
  std::vector<std::pair<time_point, int>> steps_;
};

double hours(time_point::duration x) {
  return std::chrono::duration<double, std::ratio<3600>>(x).count();
}

/// Parts of equal length, by their number.
struct parts {
  time_point from;
  double width = 1; ///< [ns]
  size_t count = 0;

  size_t at(time_point when) const {
    auto number = static_cast<double>((when - from).count()) / width;
    return std::min(static_cast<size_t>(std::max(0.0, number)), count - 1);
  }

  time_point begin(size_t number) const {
    return from
           + time_point::duration{
             static_cast<int64_t>(static_cast<double>(number) * width)};
  }

  /// Calls `what(number, share)` for each part that is touched, with how much
  /// of it is.
  template <class Function>
  void each(time_point begin_at, time_point end_at, Function what) const {
    for (auto i = at(begin_at); i < count && begin(i) < end_at; ++i) {
      auto low = std::max(begin_at, begin(i));
      auto high = std::min(end_at, i + 1 == count ? end_at : begin(i + 1));
      if (low < high)
        what(i, static_cast<double>((high - low).count()) / width);
    }
  }
};

std::optional<waiting_times> waiting_of(const run_facts& x) {
  std::vector<time_point::duration> all;
  for (const auto& job : x.jobs)
    if (job.began != time_point{})
      all.push_back(job.began - job.queued);
  if (all.empty())
    return std::nullopt;
  std::sort(all.begin(), all.end());
  // The smallest that so many percent do not exceed.
  auto at = [&all](size_t percent) {
    auto rank = (all.size() * percent + 99) / 100;
    return std::chrono::duration_cast<milliseconds>(
      all[std::max<size_t>(rank, 1) - 1]);
  };
  return waiting_times{at(50), at(95), at(99), at(100)};
}

void count_fates(const run_facts& x, figures& out) {
  out.jobs = x.jobs.size();
  for (const auto& job : x.jobs) {
    out.done += job.fate == job_fate::done ? 1 : 0;
    out.timed_out += job.fate == job_fate::timed_out ? 1 : 0;
    out.lost += job.fate == job_fate::lost ? 1 : 0;
    out.not_begun
      += job.fate == job_fate::queued || job.fate == job_fate::waiting ? 1 : 0;
  }
}

} // namespace

figures figures_of(const run_facts& x, std::optional<double> price_per_hour,
                   size_t samples) {
  figures out;
  out.calls = x.calls;
  out.messages = x.messages;
  out.span = std::chrono::duration_cast<milliseconds>(x.ends - x.begins);
  count_fates(x, out);
  out.waited = waiting_of(x);
  level instances{x};
  level busy{x};
  level queued{x};
  for (const auto& one : x.machines) {
    instances.add(one.made, one.gone);
    out.instances_made += one.made < x.ends ? 1 : 0;
    out.instances_removed += one.gone <= x.ends ? 1 : 0;
  }
  for (const auto& job : x.jobs) {
    auto over = job.ended == time_point{} ? x.ends : job.ended;
    auto has_begun = job.began != time_point{};
    if (has_begun)
      busy.add(job.began, over);
    if (job.queued != time_point{} || job.fate != job_fate::queued)
      queued.add(job.queued, has_begun ? job.began : over);
  }
  parts in;
  in.from = x.begins;
  in.count = std::max<size_t>(samples, 1);
  in.width = std::max(1.0, static_cast<double>((x.ends - x.begins).count())
                             / static_cast<double>(in.count));
  out.samples.resize(in.count);
  instances.each([&](time_point from, time_point to, int value) {
    out.instance_hours += value * hours(to - from);
    out.instances_peak = std::max(out.instances_peak, value);
    in.each(from, to, [&](size_t i, double share) {
      out.samples[i].instances += value * share;
    });
  });
  busy.each([&](time_point from, time_point to, int value) {
    out.busy_hours += value * hours(to - from);
    out.busy_peak = std::max(out.busy_peak, value);
    in.each(from, to, [&](size_t i, double share) {
      out.samples[i].busy += value * share;
    });
  });
  queued.each([&](time_point from, time_point to, int value) {
    out.queued_peak = std::max(out.queued_peak, value);
    in.each(from, to, [&](size_t i, double) {
      out.samples[i].queued = std::max(out.samples[i].queued, value);
    });
  });
  auto paid = out.instance_hours * x.capacity;
  out.idle_share = paid > 0 ? std::max(0.0, 1 - out.busy_hours / paid) : 0;
  if (price_per_hour)
    out.cost = out.instance_hours * *price_per_hour;
  return out;
}

int64_t calls_of(const figures& x) {
  return std::accumulate(x.calls.begin(), x.calls.end(), int64_t{0});
}

} // namespace muster::simulate
