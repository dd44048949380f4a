#include "config/load.hpp"
#include "config/tokens.hpp"
#include "tools/muster/admin/access.hpp"
#include "tools/muster/admin/runners.hpp"

#include <algorithm>
#include <ctime>

namespace muster {

namespace {

/// The new token must not be lost, whatever happens to the file.
bool save(const runner_entry_facts& runner, const fresh_token& fresh,
          const std::string& config_path) {
  auto with = fields_of(runner);
  auto written = write_token(config_path, runner.url, runner.token, fresh);
  if (written)
    return true;
  with.emplace_back("err", written.error().text);
  kept_tokens kept{load_config(config_path).value.muster.state_dir};
  auto file = kept.keep(runner.url, runner.token, fresh);
  if (file) {
    with.emplace_back("file", *file);
    log::error("the new token cannot be written into the configuration: it is "
               "in this file, for you to put it there",
               with);
  } else {
    with.emplace_back("also", file.error().text);
    log::error("the new token can be saved nowhere: GitLab knows the old one "
               "no more. Reset the token of this runner in GitLab",
               with);
  }
  return false;
}

bool reset_one(const runner_entry_facts& runner, const reset_options& options) {
  const auto& path = options.which.config_path;
  auto with = fields_of(runner);
  auto failed = [&with](const std::string& why) {
    with.emplace_back("err", why);
    log::error("Resetting runner authentication token... failed", with);
    return false;
  };
  // A token that cannot be written is better not asked for.
  if (auto can = can_write_token(path, runner.url, runner.token); !can)
    return failed(can.error().text);
  auto by_person = !options.personal_token.empty();
  auto id = options.id != 0 ? options.id : runner.id;
  if (by_person && id == 0)
    return failed("--pat needs the runner's id: say --id, or write id = ... "
                  "into the configuration");
  auto access = runner_access::make(runner, "");
  if (!access)
    return failed(access.error().text);
  auto answer = by_person ? access->reset_token_of(id, options.personal_token)
                          : access->reset_token(runner.token);
  if (answer.error)
    return failed(answer.error->text);
  fresh_token fresh{answer.runner.token, {std::time(nullptr)}, {}};
  if (answer.runner.token_expires_at)
    fresh.expires_at = unix_time{*answer.runner.token_expires_at};
  if (!save(runner, fresh, path))
    return false;
  log::info("Resetting runner authentication token... succeeded", with);
  return true;
}

} // namespace

int reset_tokens(const reset_options& options) {
  const auto& which = options.which;
  auto by_id = options.id != 0 && !which.url.empty();
  if (!options.all && which.name.empty() && !by_id) {
    log::error("which runner? Say --name, or --url and --id, or --all-runners");
    return 1;
  }
  auto runners = read_runners(which.config_path);
  if (!runners) {
    log::error(runners.error().text);
    return 1;
  }
  if (!options.all)
    std::erase_if(*runners, [&](const auto& x) {
      auto is_it = which.name.empty() ? x.id == options.id && x.url == which.url
                                      : x.name == which.name;
      return !is_it;
    });
  if (runners->empty() && !options.all) {
    log::error("no runner matches: muster list shows all that there are");
    return 1;
  }
  auto failures = 0;
  for (const auto& x : *runners)
    if (!reset_one(x, options))
      ++failures;
  if (failures < static_cast<int>(runners->size()))
    log::info("Updated", {{"config", which.config_path}});
  return failures > 0 && !options.all ? 1 : 0;
}

} // namespace muster
