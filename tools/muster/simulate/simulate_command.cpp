#include "tools/muster/simulate/simulate_command.hpp"

#include "actors/recorder/reader.hpp"
#include "actors/simulated/simulation.hpp"
#include "config/load.hpp"
#include "config/log.hpp"
#include "config/overlay.hpp"
#include "config/source.hpp"
#include "tools/muster/plugins.hpp"
#include "tools/muster/simulate/chosen_jobs.hpp"
#include "tools/muster/simulate/history.hpp"
#include "tools/muster/simulate/recorded_history.hpp"
#include "tools/muster/simulate/report.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <fstream>

namespace muster {

namespace {

using simulate::history;

constexpr size_t samples = 400; ///< parts of the time that charts show

template <class T>
using made = result<T, config_errc>;

/// Plugins, keys and their files may be on another machine.
load_options how_to_read() {
  auto out = with_plugins(check_mode::check);
  out.variable = variable_or_placeholder;
  out.plugin_obstacle = {};
  out.connector_faults = {};
  out.policy_gaps = {};
  return out;
}

struct choice {
  config whole;
  runner_config runner;
};

made<choice> chosen(const loaded_config& from, const std::string& name,
                    const std::string& what) {
  auto wrong = std::ranges::find_if(
    from.diagnostics, [](const auto& x) { return x.level >= severity::error; });
  auto is_wrong = wrong != from.diagnostics.end();
  if (is_wrong && wrong->level == severity::fatal)
    return fail(config_errc::not_valid, what + ": " + wrong->message);
  std::vector<runner_config> fitting;
  std::string names;
  for (const auto& x : from.value.runners) {
    if (!x.autoscaler)
      continue;
    names += (names.empty() ? "" : ", ") + x.name;
    if (name.empty() || x.name == name)
      fitting.push_back(x);
  }
  if (fitting.empty() && is_wrong) // which is why it is not there
    return fail(config_errc::not_valid, what + ": " + wrong->message);
  if (fitting.empty())
    return fail(config_errc::not_valid,
                name.empty()
                  ? fmt::format("{} has no runner with an autoscaler", what)
                  : fmt::format("{} has no runner {} with an autoscaler; there "
                                "are: {}",
                                what, name, names));
  if (fitting.size() > 1)
    return fail(config_errc::not_valid,
                fmt::format("{} has several runners: choose one with "
                            "--runner: {}",
                            what, names));
  return choice{from.value, std::move(fitting.front())};
}

/// A configuration by itself, or with a policy laid over.
struct variant {
  std::string name;
  choice is;
};

made<std::vector<variant>> read_variants(const simulate_options& options) {
  auto base = read_source(options.config_path);
  if (!base)
    return tl::unexpected{base.error()};
  std::vector<variant> out;
  auto add = [&](std::string name, std::string text,
                 const std::string& what) -> std::string {
    auto found = chosen(
      parse_config(std::move(text), options.config_path, how_to_read()),
      options.runner, what);
    if (!found)
      return found.error().text;
    out.push_back({std::move(name), std::move(*found)});
    return "";
  };
  if (options.policies.empty()) {
    if (auto fault = add("as configured", *base, options.config_path);
        !fault.empty())
      return fail(config_errc::not_valid, fault);
    return out;
  }
  for (const auto& path : options.policies) {
    auto over = read_source(path);
    if (!over)
      return tl::unexpected{over.error()};
    auto text = laid_over(*base, *over, path);
    if (!text)
      return tl::unexpected{text.error()};
    auto name = path.substr(path.find_last_of('/') + 1);
    if (name.ends_with(".toml"))
      name.resize(name.size() - 5);
    if (auto fault = add(name, *text, path); !fault.empty())
      return fail(config_errc::not_valid, fault);
  }
  return out;
}

made<history> read_past(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in)
    return fail(config_errc::not_readable,
                fmt::format("{}: {}", path, std::strerror(errno)));
  auto out = simulate::read_history(in);
  if (!out)
    return fail(config_errc::not_valid,
                fmt::format("{}: {}", path, to_string(out.error())));
  return std::move(*out);
}

made<history> read_recorded(const std::string& place,
                            const std::string& runner) {
  auto from = recording_reader::open(place);
  if (!from)
    return fail(config_errc::not_readable, from.error().text);
  simulate::recorded_history collected{runner};
  record x;
  while (from->next(x))
    collected.take(x);
  for (const auto& problem : from->problems())
    std::fprintf(stderr, "muster: %s\n", problem.c_str());
  auto out = collected.finish();
  if (out.jobs.empty())
    return fail(config_errc::not_valid,
                fmt::format("{}: no job of the runner {} has run from its "
                            "beginning to its end there",
                            place, runner));
  constexpr auto span_max = simulate::history_limits{}.span_max;
  const auto& first = out.jobs.front().queued;
  const auto& last = out.jobs.back().queued;
  if (last - first > span_max)
    return fail(config_errc::not_valid,
                fmt::format("{}: the first job was queued at {}, the last at "
                            "{}: jobs of at most {} days can be played; name a "
                            "single file",
                            place, simulate::to_string(first),
                            simulate::to_string(last), span_max.count()));
  return out;
}

int jobs_max_of(const choice& x) {
  return x.runner.limit > 0 ? std::min(x.whole.concurrent, x.runner.limit)
                            : x.whole.concurrent;
}

simulate::figures play(const variant& what, const simulate::chosen_jobs& jobs,
                       const simulate_options& options) {
  simulated::world_options with;
  with.runner = std::make_shared<const runner_config>(what.is.runner);
  with.jobs_max = jobs_max_of(what.is);
  with.check_interval = what.is.whole.check_interval;
  with.cloud.boot = options.boot;
  if (auto most = what.is.runner.autoscaler->plugin_instances_max; most > 0)
    with.cloud.max_size = most;
  with.seed = options.seed;
  with.begins_us = std::chrono::duration_cast<std::chrono::microseconds>(
                     jobs.begins.time_since_epoch())
                     .count();
  with.jobs = jobs.jobs;
  simulated::simulation it{std::move(with)};
  simulate::run_facts facts;
  facts.messages = it.run_to_end();
  facts.begins = it.all().begins;
  facts.ends = it.clock().now();
  facts.capacity = what.is.runner.autoscaler->capacity_per_instance;
  facts.jobs = it.all().courses;
  facts.machines = it.all().machines.lives();
  facts.calls = it.all().calls;
  return simulate::figures_of(
    facts, options.at ? std::optional{options.at->per_hour} : std::nullopt,
    samples);
}

int complain(const std::string& text) {
  std::fprintf(stderr, "muster: %s\n", text.c_str());
  return 1;
}

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream out{path, std::ios::binary | std::ios::trunc};
  out << text;
  out.close();
  return static_cast<bool>(out);
}

} // namespace

int simulate_config(const simulate_options& options) {
  auto variants = read_variants(options);
  if (!variants)
    return complain(variants.error().text);
  const auto& runner = variants->front().is.runner.name;
  auto past = options.recording.empty()
                ? read_past(options.history)
                : read_recorded(options.recording, runner);
  if (!past)
    return complain(past.error().text);
  auto jobs = simulate::jobs_for(*past, options.tags);
  if (jobs.jobs.empty())
    return complain("none of the jobs is for a runner with these --tags");
  log::configure("fatal", "text"); // what a month logs is not wanted
  std::vector<simulate::outcome> all;
  for (const auto& x : *variants)
    all.push_back({x.name, play(x, jobs, options)});
  simulate::report_head head{options.config_path,
                             options.recording.empty() ? options.history
                                                       : options.recording,
                             runner,
                             past->not_run + jobs.other_tags,
                             std::chrono::duration_cast<std::chrono::seconds>(
                               jobs.begins.time_since_epoch())
                               .count(),
                             options.seed,
                             options.boot_text};
  auto text = options.json ? simulate::json_of(head, all)
                           : simulate::text_of(head, all);
  std::fputs(text.c_str(), stdout);
  if (!options.html.empty()
      && !write_file(options.html, simulate::html_of(head, all)))
    return complain(fmt::format("{}: cannot be written: {}", options.html,
                                std::strerror(errno)));
  return 0;
}

} // namespace muster
