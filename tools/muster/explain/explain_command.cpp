#include "tools/muster/explain/explain_command.hpp"

#include "actors/recorder/reader.hpp"
#include "config/load.hpp"
#include "tools/muster/explain/render.hpp"
#include "tools/muster/explain/teller.hpp"

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

result<std::string, config_errc> recording_of(const explain_options& options) {
  if (!options.recording.empty())
    return options.recording;
  auto loaded = load_config(options.config_path);
  auto fatal = std::ranges::find_if(loaded.diagnostics, [](const auto& x) {
    return x.level == severity::fatal;
  });
  if (fatal != loaded.diagnostics.end())
    return fail(config_errc::not_valid, headline(*fatal));
  return recordings_folder(loaded.value.muster);
}

explain::filter filter_of(const explain_options& options) {
  explain::filter out;
  out.job = options.job;
  if (!options.instance.empty())
    out.instance = options.instance;
  if (!options.group.empty())
    out.group = options.group;
  auto is_overview = !out.job && !out.instance;
  auto since = options.since;
  if (!since && is_overview)
    since = overview_span;
  if (since)
    out.since_unix_us
      = std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::system_clock::now().time_since_epoch() - *since)
          .count();
  return out;
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
  auto path = recording_of(options);
  if (!path)
    return complain(path.error().text);
  auto opened = recording_reader::open(*path);
  if (!opened)
    return complain(opened.error().text
                    + "; muster run records there unless [muster] recorder "
                      "says otherwise, see docs/recorder.md");
  auto about = filter_of(options);
  explain::teller teller{about};
  record next;
  while (opened->next(next))
    teller.take(next);
  tell_damage(*opened);
  auto story = teller.finish();
  auto is_found = (!about.job || !story.jobs.empty())
                  && (!about.instance || !story.instances.empty());
  auto out
    = options.json ? explain::json_of(story) : explain::text_of(story, about);
  std::fputs(out.c_str(), stdout);
  return is_found ? 0 : 1;
}

} // namespace muster
