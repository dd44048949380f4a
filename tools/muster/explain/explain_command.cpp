#include "tools/muster/explain/explain_command.hpp"

#include "actors/recorder/reader.hpp"
#include "tools/muster/explain/render.hpp"
#include "tools/muster/explain/teller.hpp"
#include "tools/muster/terminal.hpp"
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

int complain_of(const std::string& text) {
  complain(text);
  return 1;
}

explain::filter filter_of(const explain_options& options) {
  explain::filter out;
  out.job = options.job;
  if (!options.instance.empty())
    out.instance = options.instance;
  if (!options.group.empty())
    out.group = options.group;
  out.since_unix_us = options.since.value_or(0);
  out.until_unix_us = options.until.value_or(out.until_unix_us);
  return out;
}

/// When the last record is of, up to a time [us]; 0: there is none.
int64_t end_of(recording_reader& x, int64_t until) {
  int64_t end = 0;
  for (record next; x.next(next);)
    if (next.unix_us <= until)
      end = std::max(end, next.unix_us);
  return end;
}

void tell_damage(const recording_reader& x) {
  auto count = x.problems().size();
  for (size_t i = 0; i < std::min(count, problems_shown); ++i)
    complain(x.problems()[i]);
  if (count > problems_shown)
    complain(
      fmt::format("{} more parts could not be read", count - problems_shown));
}

} // namespace

int explain_recording(const explain_options& options) {
  if (options.since && options.until && *options.since > *options.until)
    return complain_of("--since " + explain::local_time(*options.since)
                       + " is after --until "
                       + explain::local_time(*options.until));
  auto opened = open_recordings(options.recording, options.config_path);
  if (!opened)
    return complain_of(opened.error().text);
  auto about = filter_of(options);
  auto is_overview = !about.job && !about.instance;
  if (is_overview && !options.since) {
    // Who asks after a manager has died means its last hour.
    about.since_unix_us = end_of(*opened, about.until_unix_us)
                          - std::chrono::microseconds{overview_span}.count();
    opened = open_recordings(options.recording, options.config_path);
    if (!opened)
      return complain_of(opened.error().text);
  }
  explain::teller teller{about};
  record next;
  while (opened->next(next))
    teller.take(next);
  tell_damage(*opened);
  auto story = teller.finish();
  if (!story.last && options.until)
    return complain_of("the recording begins after "
                       + explain::local_time(*options.until));
  if (story.last && story.last->unix_us < about.since_unix_us)
    return complain_of("the recording ends before "
                       + explain::local_time(about.since_unix_us) + ", at "
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
    return complain_of(
      fmt::format("no group in the recording is {}; there are: "
                  "{}",
                  *about.group, fmt::join(there, ", ")));
  }
  auto is_found = (!about.job || !story.jobs.empty())
                  && (!about.instance || !story.instances.empty());
  auto out
    = options.json ? explain::json_of(story) : explain::text_of(story, about);
  std::fputs(out.c_str(), stdout);
  return after_output(is_found ? 0 : 1);
}

} // namespace muster
