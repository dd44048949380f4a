#include "tools/bench/report.hpp"

#include "tools/coordinator/child_process.hpp"

#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <string_view>
#include <sys/sysinfo.h>
#include <thread>

namespace muster::bench {

namespace {

using nlohmann::json;

/// Of the environment, what the manager listens to.
constexpr std::array listened_to{
  "LOG_LEVEL",  "LOG_FORMAT", "RUNNER_DEBUG",     "http_proxy",
  "HTTP_PROXY", "all_proxy",  "MALLOC_ARENA_MAX", "LD_PRELOAD"};

std::string first_line_of(const std::string& program, const std::string& word) {
  auto text = gitlab::run_program({program, word}, std::chrono::seconds{10});
  if (!text)
    return "";
  auto line = text->substr(0, text->find('\n'));
  auto value = line.find_first_not_of(' ', line.find(':') + 1);
  return value == std::string::npos ? line : line.substr(value);
}

/// A setting of a Meson build folder; empty if it cannot be told.
std::string build_option(const std::string& build, std::string_view name) {
  std::ifstream in{build + "/meson-info/intro-buildoptions.json"};
  auto all = json::parse(in, nullptr, false);
  if (!all.is_array())
    return "";
  for (const auto& x : all)
    if (x.value("name", "") == name && x["value"].is_string())
      return x["value"];
  return "";
}

std::string number(double x) {
  if (x >= 100)
    return fmt::format("{:.0f}", x);
  return x >= 10 ? fmt::format("{:.1f}", x) : fmt::format("{:.2f}", x);
}

std::string row(const figure& what) {
  auto sum = summary_of(what);
  std::string goal;
  if (what.info.goal)
    goal = fmt::format("{}{} {:g}", sum.reached ? "" : "MISSED ",
                       what.info.more_is_better ? ">=" : "<=", *what.info.goal);
  return fmt::format(
    "  {:<26} {:>8} {:<4} {:>16} {:>6}  {:<12} {}\n", what.info.name,
    number(sum.value), what.info.unit,
    fmt::format("{}..{}", number(sum.lowest), number(sum.highest)), sum.values,
    goal, what.info.peer);
}

json figure_json(const figure& what) {
  auto sum = summary_of(what);
  json out{{"name", what.info.name}, {"unit", what.info.unit},
           {"rank", what.info.rank}, {"value", sum.value},
           {"min", sum.lowest},      {"max", sum.highest},
           {"values", what.runs}};
  if (what.info.goal) {
    out["goal"] = *what.info.goal;
    out["goal_is"] = what.info.more_is_better ? "at least" : "at most";
    out["reached"] = sum.reached;
  }
  if (!what.info.peer.empty())
    out["gitlab_runner"] = what.info.peer;
  return out;
}

} // namespace

circumstances look_around(const std::string& build,
                          const std::string& manager) {
  circumstances out;
  out.version = first_line_of(manager, "--version");
  out.build_type = build_option(build, "buildtype");
  out.cores = static_cast<int>(std::thread::hardware_concurrency());
  struct sysinfo facts {};
  if (sysinfo(&facts) == 0) {
    constexpr double one = 1 << SI_LOAD_SHIFT;
    out.memory_gib = static_cast<double>(facts.totalram) * facts.mem_unit
                     / (1024.0 * 1024 * 1024);
    out.load = static_cast<double>(facts.loads[0]) / one;
  }
  if (out.build_type != "release" && out.build_type != "debugoptimized")
    out.off.push_back(
      fmt::format("the build type is {}, not what is released",
                  out.build_type.empty() ? "not known" : out.build_type));
  if (auto with = build_option(build, "b_sanitize");
      !with.empty() && with != "none")
    out.off.push_back(fmt::format("it is built with the sanitizer {}", with));
  for (const auto* name : listened_to)
    if (std::getenv(name) != nullptr)
      out.off.push_back(fmt::format("{} is set in the environment", name));
  if (out.load > 0.5 * out.cores)
    out.off.push_back(
      fmt::format("the machine is busy: a load of {:.1f} on {} cores", out.load,
                  out.cores));
  return out;
}

std::string heading(const circumstances& about) {
  auto out = fmt::format("muster {} ({}) on {} cores, {:.0f} GiB; {} runs of "
                         "each scenario\n",
                         about.version, about.build_type, about.cores,
                         about.memory_gib, about.repeat);
  for (const auto& x : about.off)
    out += fmt::format("off: {}\n", x);
  return out;
}

std::string table(const outcome& what) {
  auto out = fmt::format("\n{}, shell start-up: {}\n", what.scenario,
                         what.shell_startup);
  if (!what.figures.empty())
    out += fmt::format("  {:<26} {:>8} {:<4} {:>16} {:>6}  {:<12} {}\n", "",
                       "value", "", "of the runs", "values", "goal",
                       "GitLab Runner");
  for (const auto& x : what.figures)
    out += row(x);
  for (const auto& x : what.problems)
    out += fmt::format("  WRONG: {}\n", x);
  return out;
}

json to_json(const circumstances& about, const std::vector<outcome>& outcomes) {
  json list = json::array();
  for (const auto& x : outcomes) {
    json figures = json::array();
    for (const auto& y : x.figures)
      figures.push_back(figure_json(y));
    list.push_back({{"name", x.scenario},
                    {"shell_startup", x.shell_startup},
                    {"figures", std::move(figures)},
                    {"problems", x.problems}});
  }
  return {{"muster", about.version},
          {"build_type", about.build_type},
          {"machine",
           {{"cores", about.cores},
            {"memory_gib", about.memory_gib},
            {"load", about.load}}},
          {"repeat", about.repeat},
          {"off", about.off},
          {"scenarios", std::move(list)}};
}

} // namespace muster::bench
