// muster-bench: measures the manager as its users get it, through a test GitLab
// in this process and hosts of the local provider.

#include "tools/bench/report.hpp"
#include "tools/bench/scenarios.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>

namespace {

using namespace muster;
using namespace muster::bench;
namespace fs = std::filesystem;

struct options {
  std::vector<std::string> names;
  int repeat = 3;
  std::string build;
  std::string shell_startup;
  std::string json_file;
};

std::string scenario_list() {
  std::string out = "Scenarios:\n";
  for (const auto& x : scenarios())
    out += fmt::format("  {:<22} {}\n", x.name, x.what);
  out += "\nA letter or a word stands for all that begin with it: `d`, `g2`. "
         "Without --scenario,\na to d run. Those of `g` break things, those of "
         "`h` take root and `tools/setup docker`;\n`b4`, `d1`, `d2`, "
         "`e-calls`, `f2`, `h3`, `n`, `k` and `g` run once. The figures go to\n"
         "stderr as tables and to stdout as JSON. Exit status 1: a job did not "
         "succeed, the job\nAPI was misused, or a scenario did not end; a "
         "missed goal is told, but is no failure.";
  return out;
}

/// Where this program was built, two folders up.
std::string own_build() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored)
    .parent_path()
    .parent_path()
    .parent_path();
}

/// A name, or what some begin with: `c1`, `a`.
std::vector<scenario> chosen(const std::vector<std::string>& names) {
  std::vector<scenario> out;
  if (names.empty())
    std::copy_if(scenarios().begin(), scenarios().end(),
                 std::back_inserter(out),
                 [](const scenario& x) { return x.by_default; });
  for (const auto& name : names) {
    auto before = out.size();
    auto matching = [&](auto&& fits) {
      if (out.size() == before)
        std::copy_if(scenarios().begin(), scenarios().end(),
                     std::back_inserter(out), fits);
    };
    matching([&](const scenario& x) { return x.name == name; });
    matching([&](const scenario& x) { return x.name.starts_with(name + "-"); });
    matching([&](const scenario& x) { return x.name.starts_with(name); });
    if (out.size() == before)
      throw CLI::ValidationError(
        "--scenario",
        fmt::format("there is no scenario \"{}\"; see --help", name));
  }
  return out;
}

std::vector<shell_startup> shells_of(const scenario& what,
                                     const std::string& wanted) {
  if (wanted == "bashrc")
    return {shell_startup::bashrc};
  if (wanted == "none" || !what.on_both_shells)
    return {shell_startup::none};
  return {shell_startup::none, shell_startup::bashrc};
}

void listen_to_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_waiting(); };
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

/// Returns whether the JSON could be written.
bool write_json(const nlohmann::json& what, const std::string& file) {
  auto text = what.dump(2) + "\n";
  if (file.empty())
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  std::ofstream out{file};
  out << text << std::flush;
  return static_cast<bool>(out);
}

int run(const options& with) {
  auto todo = chosen(with.names);
  auto manager = with.build + "/tools/muster";
  auto about = look_around(with.build, manager);
  about.repeat = with.repeat;
  fmt::print(stderr, "{}", heading(about));
  listen_to_signals();
  std::vector<outcome> outcomes;
  bool right = true;
  for (const auto& what : todo)
    for (auto shell : shells_of(what, with.shell_startup)) {
      if (is_interrupted())
        break;
      outcomes.push_back(run_scenario(what, manager, shell, with.repeat));
      right &= outcomes.back().problems.empty();
      fmt::print(stderr, "{}", table(outcomes.back()));
    }
  if (!write_json(to_json(about, outcomes), with.json_file)) {
    fmt::print(stderr, "muster-bench: {} cannot be written\n",
               with.json_file.empty() ? "stdout" : with.json_file);
    return 1;
  }
  return right && !is_interrupted() ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  options with;
  with.build = own_build();
  CLI::App app{
    "muster-bench measures `muster run`: how soon jobs run, how many, what "
    "becomes of their logs, what faults do, and at what cost."};
  app.name("muster-bench");
  app
    .add_option("--scenario", with.names,
                "one by its name; several times for "
                "more (default: a to d)")
    ->type_name("NAME")
    ->allow_extra_args(false);
  app.add_option("--repeat", with.repeat, "runs of each scenario")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  app
    .add_option("--build", with.build,
                "build folder of the programs (default: "
                "the one of this program)")
    ->type_name("DIR");
  app
    .add_option("--shell-startup", with.shell_startup,
                "the hosts' bash has a start-up file of 120 ms, or none "
                "(default: both)")
    ->check(CLI::IsMember({"none", "bashrc"}))
    ->type_name("none|bashrc");
  app
    .add_option("--json", with.json_file,
                "write JSON to this file, not to "
                "stdout")
    ->type_name("FILE");
  app.footer(scenario_list());
  try {
    app.parse(argc, argv);
    return run(with);
  } catch (const CLI::ParseError& x) {
    return app.exit(x) == 0 ? 0 : 2;
  } catch (const std::exception& x) {
    fmt::print(stderr, "muster-bench: {}\n", x.what());
    return 1;
  }
}
