#include "tools/muster/simulate/report.hpp"

#include "config/diagnostic.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace muster::simulate {

namespace {

constexpr double width = 900;
constexpr double height = 250;
constexpr double left = 56; ///< for the numbers of the axis
constexpr double right = 12;
constexpr double top = 28;    ///< for what is counted
constexpr double bottom = 46; ///< for the times

/// Told apart also by those who do not see all colours, and by their dashes.
constexpr std::array<std::string_view, 6> dashes{"none",     "7 3", "2 3",
                                                 "10 3 2 3", "4 4", "12 4"};

constexpr auto style = R"(
:root { color-scheme: light dark; --ink: #1d2330; --paper: #ffffff;
  --line: #d5d9e2; --soft: #5c667a;
  --c0: #0b62c4; --c1: #c2500a; --c2: #12803f; --c3: #8a3fc0; --c4: #a8871b;
  --c5: #b3234e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0;
  --paper: #14171f; --line: #333a49; --soft: #9aa5ba; --c0: #6cb2ff;
  --c1: #ff9d5c; --c2: #58d08a; --c3: #cf9bff; --c4: #e8cc6a;
  --c5: #ff8aa9; } }
body { margin: 2em auto; max-width: 60em; padding: 0 1em;
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.5em; } h2 { font-size: 1.1em; margin: 1.6em 0 0.3em; }
p { color: var(--soft); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25em 0.9em; border-bottom: 1px solid var(--line);
  text-align: right; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
.series { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.legend span { margin-right: 1.6em; white-space: nowrap;
  color: var(--ink); }
.legend svg { display: inline-block; width: 34px; height: 10px;
  margin-right: 0.4em; }
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : one_line(text))
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

/// 1, 2 or 5 times a power of ten: some four of them reach up to `most`.
double step_for(double most) {
  if (most <= 4)
    return 1;
  auto power = std::pow(10, std::floor(std::log10(most / 4)));
  for (double factor : {1, 2, 5})
    if (power * factor * 5 >= most)
      return power * factor;
  return power * 10;
}

std::string series_attributes(size_t number) {
  return fmt::format(R"x(style="stroke: var(--c{})" stroke-dasharray="{}")x",
                     number % 6,
                     dashes.at((number / 6 + number) % dashes.size()));
}

using value = double (*)(const sample&);

struct chart {
  const std::vector<outcome>& all;
  const report_head& head;
  value what;
  double most = 1;

  /// `share`: of the time that is shown.
  double x_of(double share) const {
    return left + (width - left - right) * share;
  }

  double y_of(double y) const {
    return height - bottom - (height - top - bottom) * y / most;
  }

  /// A value stays as it is to the end of its part.
  std::string points(const figures& x) const {
    std::string out;
    // With another policy the last job may end earlier.
    auto part = static_cast<double>(x.span.count())
                / static_cast<double>(std::max(longest().count(), int64_t{1}))
                / static_cast<double>(x.samples.size());
    for (size_t i = 0; i < x.samples.size(); ++i) {
      auto y = y_of(what(x.samples[i]));
      auto at = static_cast<double>(i) * part;
      out += fmt::format("{:.1f},{:.1f} {:.1f},{:.1f} ", x_of(at), y,
                         x_of(at + part), y);
    }
    return out;
  }

  std::string grid() const {
    std::string out;
    auto step = step_for(most);
    for (double y = 0; y <= most * 1.001; y += step)
      out += fmt::format(R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" )"
                         R"(y2="{:.1f}"/><text x="{}" y="{:.1f}" )"
                         R"(text-anchor="end">{:g}</text>)"
                         "\n",
                         left, width - right, y_of(y), y_of(y), left - 6,
                         y_of(y) + 4, y);
    out += fmt::format(R"(<line class="axis" x1="{0}" x2="{0}" y1="{1}" )"
                       R"(y2="{2}"/><line class="axis" x1="{0}" x2="{3}" )"
                       R"(y1="{2}" y2="{2}"/>)"
                       "\n",
                       left, top, height - bottom, width - right);
    return out + times();
  }

  /// What the axes count.
  std::string units(std::string_view unit) const {
    return fmt::format(R"(<text x="4" y="14">{}</text>)"
                       R"(<text x="{}" y="{}" text-anchor="end">time (UTC))"
                       "</text>\n",
                       unit, width - right, height - 6);
  }

  std::string times() const {
    constexpr int marks = 6;
    std::string out;
    auto span = static_cast<double>(longest().count()) / 1000;
    auto days = span > 2 * 86'400;
    for (int i = 0; i <= marks; ++i) {
      auto at = static_cast<std::time_t>(static_cast<double>(head.begins)
                                         + span * i / marks);
      auto text = days ? fmt::format("{:%d %b %Hh}", fmt::gmtime(at))
                       : fmt::format("{:%H:%M}", fmt::gmtime(at));
      out += fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="{}">{}</text>)"
                         "\n",
                         x_of(static_cast<double>(i) / marks),
                         height - bottom + 18,
                         i == 0       ? "start"
                         : i == marks ? "end"
                                      : "middle",
                         text);
    }
    return out;
  }

  milliseconds longest() const {
    milliseconds out{0};
    for (const auto& x : all)
      out = std::max(out, x.is.span);
    return out;
  }

  std::string svg(std::string_view title, std::string_view unit) {
    for (const auto& x : all)
      for (const auto& one : x.is.samples)
        most = std::max(most, what(one));
    auto out = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" )"
                           R"(xmlns="http://www.w3.org/2000/svg">)"
                           "\n<title>{}</title>\n",
                           width, height, title);
    out += grid() + units(unit);
    for (size_t i = 0; i < all.size(); ++i)
      out += fmt::format(R"(<polyline class="series" {} points="{}"/>)"
                         "\n",
                         series_attributes(i), points(all[i].is));
    return out + "</svg>\n";
  }
};

std::string legend(const std::vector<outcome>& all) {
  std::string out = "<p class=\"legend\">\n";
  for (size_t i = 0; i < all.size(); ++i)
    out += fmt::format(R"(<span><svg viewBox="0 0 34 10">)"
                       R"(<line class="series" x1="1" x2="33" y1="5" y2="5" )"
                       R"({}/></svg>{}</span>)"
                       "\n",
                       series_attributes(i), escaped(all[i].name));
  return out + "</p>\n";
}

std::string table(const std::vector<outcome>& all) {
  std::string out = "<table>\n<tr><th></th>";
  for (const auto& x : all)
    out += fmt::format("<th>{}</th>", escaped(x.name));
  out += "</tr>\n";
  for (const auto& row : rows_of(all)) {
    out += fmt::format("<tr><td>{}</td>", escaped(row.name));
    for (const auto& x : row.cells)
      out += fmt::format("<td>{}</td>", escaped(x));
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

std::string part_text(const std::vector<outcome>& all) {
  if (all.empty() || all.front().is.samples.empty())
    return "";
  auto part = static_cast<double>(all.front().is.span.count()) / 60'000
              / static_cast<double>(all.front().is.samples.size());
  return fmt::format("{:.1f} minutes", part);
}

} // namespace

std::string html_of(const report_head& head, const std::vector<outcome>& all) {
  struct kind {
    const char* title;
    const char* how;
    const char* unit;
    value what;
  };
  const std::array<kind, 3> kinds{
    kind{"Instances", "on average", "instances",
         [](const sample& x) { return x.instances; }},
    kind{"Busy slots", "on average", "slots",
         [](const sample& x) { return x.busy; }},
    kind{"Jobs that wait for a slot", "the most at once", "jobs",
         [](const sample& x) { return static_cast<double>(x.queued); }}};
  auto out = fmt::format(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"/>\n"
    "<title>Simulation of {}</title>\n<style>{}</style>\n</head>\n<body>\n"
    "<h1>Simulation of {}</h1>\n<p>Runner {} with the jobs of {}, from "
    "{:%Y-%m-%d %H:%M} UTC on: {}.</p>\n",
    escaped(head.config_path), style, escaped(head.config_path),
    escaped(head.runner), escaped(head.history_path),
    fmt::gmtime(static_cast<std::time_t>(head.begins)),
    escaped(settings_text(head)));
  if (auto left_out = left_out_text(head); !left_out.empty())
    out += fmt::format("<p>{}.</p>\n", escaped(left_out));
  out += table(all);
  for (const auto& x : kinds) {
    out += fmt::format("<h2>{}</h2>\n<p>{} in each {}; times are UTC</p>\n",
                       x.title, x.how, part_text(all));
    out += legend(all);
    out += chart{all, head, x.what}.svg(x.title, x.unit);
  }
  return out + "</body>\n</html>\n";
}

} // namespace muster::simulate
