#include "tools/muster/simulate/report.hpp"

#include "config/duration.hpp"

#include <algorithm>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <functional>

namespace muster::simulate {

namespace {

std::string seconds(milliseconds x) {
  if (x < std::chrono::minutes{1})
    return fmt::format("{:.1f}s", static_cast<double>(x.count()) / 1000);
  return format_duration(std::chrono::round<std::chrono::seconds>(x));
}

using cell = std::function<std::string(const figures&)>;

std::string count(size_t x) {
  return std::to_string(x);
}

std::string per_hour(const figures& x) {
  auto hours = static_cast<double>(x.span.count()) / 3'600'000;
  auto calls = static_cast<double>(calls_of(x));
  return fmt::format("{} ({:.0f}/h)", calls_of(x),
                     hours > 0 ? calls / hours : 0);
}

} // namespace

std::vector<report_row> rows_of(const std::vector<outcome>& all) {
  std::vector<report_row> out;
  auto add = [&](const char* name, const cell& what) {
    report_row row{name, {}};
    for (const auto& x : all)
      row.cells.push_back(what(x.is));
    out.push_back(std::move(row));
  };
  auto add_if_any = [&](const char* name, size_t figures::*what) {
    if (std::ranges::any_of(all, [&](const auto& x) { return x.is.*what > 0; }))
      add(name, [what](const figures& x) { return count(x.*what); });
  };
  add("jobs done",
      [](const figures& x) { return fmt::format("{} of {}", x.done, x.jobs); });
  add_if_any("jobs without a slot in time", &figures::timed_out);
  add_if_any("jobs lost with their instance", &figures::lost);
  add_if_any("jobs never begun", &figures::not_begun);
  auto add_waiting = [&](const char* name, milliseconds waiting_times::*what) {
    add(name, [what](const figures& x) {
      return x.waited ? seconds((*x.waited).*what) : std::string{"-"};
    });
  };
  add_waiting("waiting time p50", &waiting_times::p50);
  add_waiting("waiting time p95", &waiting_times::p95);
  add_waiting("waiting time p99", &waiting_times::p99);
  add_waiting("waiting time, longest", &waiting_times::longest);
  add("instance-hours",
      [](const figures& x) { return fmt::format("{:.1f}", x.instance_hours); });
  add("idle share", [](const figures& x) {
    return fmt::format("{:.1f} %", x.idle_share * 100);
  });
  if (std::ranges::any_of(all,
                          [](const auto& x) { return x.is.cost.has_value(); }))
    add("cost", [](const figures& x) {
      return x.cost ? fmt::format("{:.2f}", *x.cost) : std::string{};
    });
  add("instances made",
      [](const figures& x) { return count(x.instances_made); });
  add("instances removed",
      [](const figures& x) { return count(x.instances_removed); });
  add("instances, peak",
      [](const figures& x) { return std::to_string(x.instances_peak); });
  add("busy slots, peak",
      [](const figures& x) { return std::to_string(x.busy_peak); });
  add("queue, peak",
      [](const figures& x) { return std::to_string(x.queued_peak); });
  add("calls to the provider", per_hour);
  return out;
}

std::string left_out_text(const report_head& head) {
  auto all = head.not_run + head.other_tags;
  if (all == 0)
    return "";
  std::string why;
  if (head.not_run > 0)
    why += fmt::format("{} did not run to an end", head.not_run);
  if (head.other_tags > 0)
    why += fmt::format("{}{} {} tags that the runner has not",
                       why.empty() ? "" : ", ", head.other_tags,
                       head.other_tags == 1 ? "has" : "have");
  return fmt::format("{} job{} of {} {} left out: {}", all, all == 1 ? "" : "s",
                     head.history_path, all == 1 ? "is" : "are", why);
}

std::string settings_text(const report_head& head) {
  auto out = fmt::format("boot time {}, seed {}", head.boot, head.seed);
  if (head.price_per_hour)
    out += fmt::format(", {} an instance-hour", *head.price_per_hour);
  return out;
}

std::string text_of(const report_head& head, const std::vector<outcome>& all) {
  auto span = all.empty() ? milliseconds{0} : all.front().is.span;
  auto out = fmt::format(
    "{} of {}, from {:%Y-%m-%d %H:%M} UTC on, {:.1f} days; {}\n", head.runner,
    head.config_path, fmt::gmtime(static_cast<std::time_t>(head.begins)),
    static_cast<double>(span.count()) / 86'400'000, settings_text(head));
  if (auto left_out = left_out_text(head); !left_out.empty())
    out += left_out + "\n";
  auto rows = rows_of(all);
  size_t first = 0;
  for (const auto& row : rows)
    first = std::max(first, row.name.size());
  std::vector<size_t> widths;
  for (size_t i = 0; i < all.size(); ++i) {
    auto width = all[i].name.size();
    for (const auto& row : rows)
      width = std::max(width, row.cells[i].size());
    widths.push_back(width);
  }
  out += fmt::format("\n{:{}}", "", first);
  for (size_t i = 0; i < all.size(); ++i)
    out += fmt::format("  {:>{}}", all[i].name, widths[i]);
  out += "\n";
  for (const auto& row : rows) {
    out += fmt::format("{:{}}", row.name, first);
    for (size_t i = 0; i < row.cells.size(); ++i)
      out += fmt::format("  {:>{}}", row.cells[i], widths[i]);
    out += "\n";
  }
  return out;
}

} // namespace muster::simulate
