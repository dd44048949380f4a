#include "tools/muster/simulate/simulate_command.hpp"

#include "actors/recorder/reader.hpp"
#include "actors/simulated/simulation.hpp"
#include "config/diagnostic.hpp"
#include "config/log.hpp"
#include "tools/muster/print.hpp"
#include "tools/muster/simulate/chosen_jobs.hpp"
#include "tools/muster/simulate/history.hpp"
#include "tools/muster/simulate/recorded_history.hpp"
#include "tools/muster/simulate/report.hpp"
#include "tools/muster/simulate/variants.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <set>

namespace muster {

namespace {

using simulate::history;

namespace fs = std::filesystem;

constexpr size_t samples = 400; ///< parts of the time that charts show
constexpr int unwritten = 2;    ///< the exit status

template <class T>
using made = result<T, config_errc>;

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

/// Whose jobs a recording may have, if not those of a runner.
std::string others_text(const std::set<std::string>& runners,
                        const std::string& not_there) {
  if (runners.empty() || runners.contains(not_there))
    return "";
  std::string names;
  for (const auto& x : runners)
    names += (names.empty() ? "" : ", ") + in_quotes(x);
  return "; it was recorded with the runners " + names;
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
                            "beginning to its end there{}",
                            place, in_quotes(runner),
                            others_text(collected.runners(), runner)));
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

int jobs_max_of(const simulate::variant& x) {
  return x.runner.limit > 0 ? std::min(x.whole.concurrent, x.runner.limit)
                            : x.whole.concurrent;
}

std::optional<double> price_of(const simulate_options& x) {
  return x.at ? std::optional{x.at->per_hour} : std::nullopt;
}

simulate::figures play(const simulate::variant& what,
                       const simulate::chosen_jobs& jobs,
                       const simulate_options& options) {
  simulated::world_options with;
  with.runner = std::make_shared<const runner_config>(what.runner);
  with.jobs_max = jobs_max_of(what);
  with.check_interval = what.whole.check_interval;
  with.cloud.boot = options.boot;
  if (auto most = what.runner.autoscaler->plugin_instances_max; most > 0)
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
  facts.capacity = what.runner.autoscaler->capacity_per_instance;
  facts.jobs = it.all().courses;
  facts.machines = it.all().machines.lives();
  facts.calls = it.all().calls;
  return simulate::figures_of(facts, price_of(options), samples);
}

/// Nothing is said where all has been told.
int complain(const std::string& text) {
  if (!text.empty())
    std::fprintf(stderr, "muster: %s\n", text.c_str());
  return 1;
}

/// The page with charts. It is opened before anything is played, and what was
/// in it stays until it is written.
class page_file {
public:
  explicit page_file(std::string path) : path_(std::move(path)) {
    if (!path_.empty())
      out_.open(path_, std::ios::binary | std::ios::app);
  }

  bool is_broken() const {
    return !path_.empty() && !out_;
  }

  void write(const std::string& text) {
    std::error_code failed;
    if (fs::is_regular_file(path_, failed))
      fs::resize_file(path_, 0, failed);
    out_ << text;
    out_.close();
    if (failed)
      out_.setstate(std::ios::failbit);
  }

private:
  std::string path_;
  std::ofstream out_;
};

/// What of all that is read the page would take the place of; empty: nothing.
std::string read_from(const std::string& page, const simulate_options& from) {
  std::vector<std::string> all = from.policies;
  all.insert(all.end(), {from.config_path, from.history, from.recording});
  std::error_code ignored;
  for (const auto& x : all)
    if (!x.empty() && fs::equivalent(page, x, ignored))
      return x;
  return "";
}

int cannot_write(const std::string& path) {
  std::fprintf(stderr, "muster: %s: cannot be written: %s\n", path.c_str(),
               std::strerror(errno));
  return unwritten;
}

} // namespace

result<uint64_t, config_errc> parse_seed(std::string_view text) {
  uint64_t out = 0;
  const auto* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc{} || stop != end)
    return fail(config_errc::not_valid,
                fmt::format("{} is no seed: write a whole number, like 17",
                            in_quotes(text)));
  return out;
}

int simulate_config(const simulate_options& options) {
  if (auto taken = read_from(options.html, options); !taken.empty())
    return complain(fmt::format("--html {} would overwrite {}, which is read: "
                                "name another file",
                                options.html, taken));
  auto variants = simulate::read_variants(options.config_path, options.policies,
                                          options.runner);
  if (!variants)
    return complain(variants.error().text);
  const auto& runner = variants->front().runner.name;
  auto past = options.recording.empty()
                ? read_past(options.history)
                : read_recorded(options.recording, runner);
  if (!past)
    return complain(past.error().text);
  auto jobs = simulate::jobs_for(*past, options.tags);
  if (jobs.jobs.empty())
    return complain("none of the jobs is for a runner with these --tags");
  page_file page{options.html};
  if (page.is_broken())
    return cannot_write(options.html);
  log::configure("fatal", "text"); // what a month logs is not wanted
  std::vector<simulate::outcome> all;
  for (const auto& x : *variants)
    all.push_back({x.name, play(x, jobs, options)});
  simulate::report_head head;
  head.config_path = options.config_path;
  head.history_path
    = options.recording.empty() ? options.history : options.recording;
  head.runner = runner;
  head.not_run = past->not_run;
  head.other_tags = jobs.other_tags;
  head.begins = std::chrono::duration_cast<std::chrono::seconds>(
                  jobs.begins.time_since_epoch())
                  .count();
  head.seed = options.seed;
  head.boot = options.boot_text;
  head.price_per_hour = price_of(options);
  auto status = print(options.json ? simulate::json_of(head, all)
                                   : simulate::text_of(head, all));
  if (!options.html.empty())
    page.write(simulate::html_of(head, all));
  return page.is_broken() ? cannot_write(options.html) : status;
}

} // namespace muster
