#include "tools/bench/scenarios.hpp"

#include <algorithm>

namespace muster::bench {

void recorder::begin_run() {
  ++runs_;
}

void recorder::add(const figure_info& what, double value) {
  auto at
    = std::find_if(figures_.begin(), figures_.end(),
                   [&](const figure& x) { return x.info.name == what.name; });
  if (at == figures_.end())
    at = figures_.insert(at, {what, {}});
  at->runs.resize(runs_);
  at->runs.back().push_back(value);
}

const char* to_string(shell_startup x) {
  return x == shell_startup::bashrc ? "bashrc" : "none";
}

const std::vector<scenario>& scenarios() {
  static const auto all = [] {
    auto out = basic_scenarios();
    for (auto more :
         {log_scenarios(), provider_scenarios(), fault_scenarios(),
          container_scenarios(), archive_scenarios(), group_scenarios()})
      out.insert(out.end(), more.begin(), more.end());
    std::stable_sort(out.begin(), out.end(),
                     [](const scenario& a, const scenario& b) {
                       return a.name.front() < b.name.front();
                     });
    return out;
  }();
  return all;
}

outcome run_scenario(const scenario& what, const std::string& manager,
                     shell_startup shell, int repeat) {
  outcome out;
  out.scenario = what.name;
  out.shell_startup = to_string(shell);
  recorder to;
  auto runs = what.runs_max > 0 ? std::min(repeat, what.runs_max) : repeat;
  for (int i = 0; i < runs && out.problems.empty(); ++i) {
    auto options = what.make_bed();
    options.manager = manager;
    options.shell = shell;
    bed on{options};
    to.begin_run();
    auto done = on.start();
    if (done)
      done = what.run(on, to, i == 0);
    auto wrong = on.finish();
    if (!done)
      out.problems.push_back(done.error().text);
    if (!is_interrupted())
      out.problems.insert(out.problems.end(), wrong.begin(), wrong.end());
  }
  out.figures = to.figures();
  return out;
}

} // namespace muster::bench
