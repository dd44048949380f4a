#include "tools/muster/recording.hpp"

#include "actors/replay/snapshot.hpp"
#include "config/log.hpp"
#include "config/numbered.hpp"
#include "config/version.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace muster {

namespace {

int64_t unix_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch())
    .count();
}

std::string name_of(uint64_t number) {
  return fmt::format("<secret#{}>", number);
}

/// As the manager names its runners at its start.
std::vector<std::string> roles_of(const config& x) {
  std::vector<std::string> out;
  for (const auto& runner : x.runners) {
    auto begin = short_token(runner.token);
    auto name = begin;
    for (int i = 2; std::count(out.begin(), out.end(), name) > 0; ++i)
      name = fmt::format("{}.{}", begin, i);
    out.push_back(std::move(name));
  }
  return out;
}

} // namespace

std::shared_ptr<recorder> start_recording(const loaded_config& loaded,
                                          const std::string& run_id) {
  const auto& with = loaded.value.muster.recorder;
  if (!with.enabled)
    return nullptr;
  recorder_options options;
  options.writer.folder = recordings_folder(loaded.value.muster);
  options.writer.size_max = with.size_max;
  options.writer.age_max = with.age_max;
  options.writer.tell = [](bool is_problem, const std::string& text) {
    if (is_problem)
      log::warning(text);
    else
      log::info(text);
  };
  options.about.run_id = run_id;
  options.about.version = version_text;
  options.about.revision = revision_text;
  options.about.workers = loaded.value.muster.workers;
  options.unix_us = unix_us;
  options.state_bytes = put_snapshot;
  auto out = std::make_shared<recorder>(std::move(options));
  record_config(out.get(), loaded);
  if (loaded.value.muster.workers != 1)
    log::warning("with more than one of [muster] workers a recording does not "
                 "have the exact order, and no states");
  the_delivery = out.get();
  return out;
}

void record_config(recorder* to, const loaded_config& loaded) {
  if (to == nullptr)
    return;
  to->keep(secrets_of(loaded.value));
  to->configured(
    loaded.value.path, roles_of(loaded.value), [&loaded](secret_book& secrets) {
      value_names names;
      names.of_secret
        = [&](const std::string& x) { return name_of(secrets.keep(x)); };
      names.of_foreign = [&](const std::string& x, bool is_word) {
        return name_of(
          secrets.keep(x, is_word ? in_texts::left : in_texts::hidden));
      };
      names.of_text = [&](const std::string& x) {
        std::string hidden;
        return secrets.scrub(x, hidden) ? hidden : x;
      };
      return numbered_config(loaded.source, names);
    });
}

} // namespace muster
