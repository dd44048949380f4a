#include "tools/coordinator/follow.hpp"

#include "tools/coordinator/manager_log.hpp"
#include "tools/coordinator/trace_view.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

namespace muster::gitlab {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds look_every{1000}; ///< at the latest
constexpr milliseconds gather{50};       ///< lets patches come together
constexpr std::array colours{36, 33, 35, 32, 34, 31};

struct followed_job {
  trace_view view;
  uint64_t shown = 0; ///< bytes of its trace
};

class follower {
public:
  follower(pipeline_feed& feed, const follow_options& options)
    : feed_(feed),
      options_(options) {
  }

  result<int, client_errc> run() {
    auto until = steady_clock::now() + options_.timeout;
    uint64_t seen = 0;
    for (;;) {
      auto state = feed_.state(seen, look_every);
      if (!state)
        return tl::unexpected(state.error());
      state_ = std::move(*state);
      seen = state_.value("version", uint64_t{0});
      for (const auto& job : state_["jobs"])
        if (auto shown = show_new(job); !shown)
          return tl::unexpected(shown.error());
      if (state_.value("state", "") != "running")
        return close();
      if (options_.goes_on && !options_.goes_on()) {
        close();
        return 3;
      }
      if (steady_clock::now() >= until) {
        close();
        fmt::print("The pipeline did not end within {} s.\n",
                   options_.timeout.count() / 1000);
        return 2;
      }
      std::this_thread::sleep_for(gather);
    }
  }

private:
  size_t name_width() const {
    size_t width = 3;
    for (const auto& job : state_["jobs"])
      width = std::max(width, job.value("name", "").size());
    return width;
  }

  result<void, client_errc> show_new(const json& job) {
    auto id = job.value("id", int64_t{0});
    auto at = jobs_.try_emplace(id, followed_job{trace_view{options_.colours}});
    auto& x = at.first->second;
    auto size = job.value("trace_size", uint64_t{0});
    if (size < x.shown)
      x.shown = 0; // it was sent again from the start
    while (x.shown < size) {
      auto piece = feed_.trace(id, x.shown);
      if (!piece)
        return tl::unexpected(piece.error());
      if (piece->empty())
        break; // too long to be kept whole
      x.shown += piece->size();
      print(job, x.view.feed(*piece));
    }
    return {};
  }

  void print(const json& job, const std::vector<std::string>& lines) {
    if (!options_.logs)
      return;
    auto id = job.value("id", int64_t{0});
    auto name = fmt::format("{:<{}}", job.value("name", ""), name_width());
    auto colour = colours[static_cast<size_t>(id) % colours.size()];
    for (const auto& line : lines) {
      if (options_.colours)
        fmt::print("\x1b[{}m{}\x1b[0m | {}\x1b[0m\n", colour, name, line);
      else
        fmt::print("{} | {}\n", name, line);
    }
    std::fflush(stdout);
  }

  int close() {
    for (const auto& job : state_["jobs"])
      print(job, jobs_[job.value("id", int64_t{0})].view.finish());
    print_table();
    if (options_.by == judgement::state)
      return passed() ? 0 : 1;
    for (const auto& job : state_["jobs"])
      if (!job.value("as_expected", false) && !job.value("retried", false)
          && job.value("state", "") != "manual")
        return 1;
    return 0;
  }

  /// Also one that waits for a click has not failed.
  bool passed() const {
    auto state = state_.value("state", "");
    return state == "success" || state == "manual";
  }

  static std::string span(const json& job, const char* from, const char* to) {
    auto first = job.value(from, int64_t{0});
    auto last = job.value(to, int64_t{0});
    if (first == 0 || last == 0)
      return "-";
    return fmt::format("{:.2f} s", static_cast<double>(last - first) / 1e6);
  }

  std::string result_of(const json& job) const {
    auto text = job.value("state", std::string{});
    if (auto code = job.value("exit_code", 0); code != 0)
      text += fmt::format(", exit code {}", code);
    else if (auto why = job.value("failure_reason", std::string{});
             !why.empty() && text != "canceled")
      text += ", " + why;
    if (job.value("retried", false))
      return text + " (run again)";
    if (options_.by == judgement::state)
      return job.value("failure_allowed", false) ? text + " (allowed)" : text;
    auto expected = job.value("expect", std::string{"success"});
    if (text == "manual")
      return text;
    if (!job.value("as_expected", false))
      return text + fmt::format(" (expected {})", expected);
    return expected == "success" ? text : text + " (as expected)";
  }

  /// What the manager says, if its log is known, else what the job's log does.
  job_place place_of(int64_t id,
                     const std::map<int64_t, job_place>& told) const {
    if (auto found = told.find(id); found != told.end())
      return found->second;
    const auto& view = jobs_.at(id).view;
    return {view.instance(), view.slot()};
  }

  std::map<int64_t, job_place> told_places() const {
    if (options_.manager_log.empty())
      return {};
    std::ifstream file{options_.manager_log, std::ios::binary};
    return job_places(std::string{std::istreambuf_iterator<char>{file}, {}});
  }

  void print_table() {
    auto told = told_places();
    std::vector<std::array<std::string, 6>> rows{
      {"job", "instance", "slot", "waited", "ran", "result"}};
    for (const auto& job : state_["jobs"]) {
      auto place = place_of(job.value("id", int64_t{0}), told);
      auto or_dash = [](const std::string& x) { return x.empty() ? "-" : x; };
      rows.push_back(
        {job.value("name", ""), or_dash(place.instance), or_dash(place.slot),
         span(job, "queued_us", "handed_out_us"),
         span(job, "handed_out_us", "finished_us"), result_of(job)});
    }
    std::array<size_t, 6> widths{};
    for (const auto& row : rows)
      for (size_t i = 0; i < row.size(); ++i)
        widths[i] = std::max(widths[i], row[i].size());
    fmt::print("\n");
    for (const auto& row : rows)
      fmt::print("{:<{}}  {:<{}}  {:<{}}  {:>{}}  {:>{}}  {}\n", row[0],
                 widths[0], row[1], widths[1], row[2], widths[2], row[3],
                 widths[3], row[4], widths[4], row[5]);
    std::fflush(stdout);
  }

  pipeline_feed& feed_;
  follow_options options_;
  json state_;
  std::map<int64_t, followed_job> jobs_;
};

} // namespace

result<int, client_errc> follow_pipeline(pipeline_feed& feed,
                                         const follow_options& options) {
  return follower{feed, options}.run();
}

} // namespace muster::gitlab
