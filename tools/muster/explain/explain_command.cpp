#include "tools/muster/explain/explain_command.hpp"

#include "actors/recorder/reader.hpp"
#include "tools/muster/explain/render.hpp"
#include "tools/muster/explain/teller.hpp"
#include "tools/muster/trace/trace_command.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace muster {

namespace {

using namespace std::chrono_literals;

/// How far back an overview goes.
constexpr auto overview_span = 1h;
/// Of a damaged recording.
constexpr size_t problems_shown = 5;

int complain(const std::string& text) {
  std::fprintf(stderr, "muster: %s\n", text.c_str());
  return 1;
}

explain::filter filter_of(const explain_options& options) {
  explain::filter out;
  out.job = options.job;
  if (!options.instance.empty())
    out.instance = options.instance;
  if (!options.group.empty())
    out.group = options.group;
  if (options.since)
    out.since_unix_us
      = std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::system_clock::now().time_since_epoch() - *options.since)
          .count();
  return out;
}

/// When the last record is of [us]; 0: there is none.
int64_t end_of(recording_reader& x) {
  int64_t end = 0;
  for (record next; x.next(next);)
    end = std::max(end, next.unix_us);
  return end;
}

void tell_damage(const recording_reader& x) {
  auto count = x.problems().size();
  for (size_t i = 0; i < std::min(count, problems_shown); ++i)
    std::fprintf(stderr, "muster: %s\n", x.problems()[i].c_str());
  if (count > problems_shown)
    std::fprintf(stderr, "muster: %zu more parts could not be read\n",
                 count - problems_shown);
}

} // namespace

int explain_recording(const explain_options& options) {
  auto opened = open_recordings(options.recording, options.config_path);
  if (!opened)
    return complain(opened.error().text);
  auto about = filter_of(options);
  auto is_overview = !about.job && !about.instance;
  if (is_overview && !options.since) {
    // Who asks after a manager has died means its last hour.
    about.since_unix_us
      = end_of(*opened) - std::chrono::microseconds{overview_span}.count();
    opened = open_recordings(options.recording, options.config_path);
    if (!opened)
      return complain(opened.error().text);
  }
  explain::teller teller{about};
  record next;
  while (opened->next(next))
    teller.take(next);
  tell_damage(*opened);
  auto story = teller.finish();
  if (is_overview && story.last && story.last->unix_us < about.since_unix_us)
    return complain("the recording ends before that, at "
                    + explain::local_time(story.last->unix_us));
  auto is_empty
    = story.jobs.empty() && story.instances.empty() && story.decisions.empty();
  if (about.group && is_empty
      && std::ranges::none_of(story.groups, [&about](const auto& x) {
           return explain::is_group(*about.group, x.first, x.second);
         })) {
    std::vector<std::string> there;
    for (const auto& [role, id] : story.groups)
      there.push_back(fmt::format("{} ({})", id, role));
    return complain(fmt::format("no group in the recording is {}; there are: "
                                "{}",
                                *about.group, fmt::join(there, ", ")));
  }
  auto is_found = (!about.job || !story.jobs.empty())
                  && (!about.instance || !story.instances.empty());
  auto out
    = options.json ? explain::json_of(story) : explain::text_of(story, about);
  std::fputs(out.c_str(), stdout);
  return is_found ? 0 : 1;
}

} // namespace muster
