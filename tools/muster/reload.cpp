#include "tools/muster/reload.hpp"

#include "config/log.hpp"

#include <algorithm>
#include <caf/all.hpp>
#include <utility>

namespace muster {

namespace {

using namespace std::chrono_literals;

/// As GitLab Runner does.
constexpr auto look_interval = 3s;
/// Who writes a file in pieces is done by then.
constexpr auto settle_time = 200ms;

void say(const diagnostic& x) {
  log::fields with;
  if (!x.hint.empty())
    with.emplace_back("hint", x.hint);
  switch (x.level) {
    case severity::notice:
      log::info(headline(x), with);
      break;
    case severity::warning:
      log::warning(headline(x), with);
      break;
    default:
      log::error(headline(x), with);
  }
}

} // namespace

void tell(const loaded_config& loaded) {
  for (const auto& x : loaded.diagnostics)
    say(x);
}

config_reader::config_reader(reload_setup setup, const file_stamp& first_stamp,
                             const loaded_config& first)
  : setup_(std::move(setup)),
    watch_(first_stamp) {
  for (const auto& x : first.diagnostics)
    said_.insert(headline(x));
}

std::chrono::milliseconds config_reader::look(const manager_actor& to) {
  switch (watch_.look(stamp_of(setup_.path))) {
    case file_sight::settling:
      return settle_time;
    case file_sight::changed:
      read(to, false);
      break;
    case file_sight::gone:
      log::warning(setup_.path
                   + ": is not there any more: the configuration stays in "
                     "force, and the file is read when it is there again");
      break;
    case file_sight::same:
      break;
  }
  return look_interval;
}

void config_reader::read_now(const manager_actor& to) {
  watch_.was_read(stamp_of(setup_.path));
  read(to, true);
}

void config_reader::read(const manager_actor& to, bool asked) {
  auto loaded = load_config(setup_.path, setup_.how);
  tell_new(loaded);
  if (!loaded.passed) {
    log::error(setup_.path
               + ": cannot be used as it is now: the former configuration "
                 "stays in force");
    setup_.shared.metrics->config_read(false);
    return;
  }
  if (setup_.usable)
    setup_.usable(loaded);
  auto equipped = loaded.value;
  equipped.muster = setup_.in_force;
  auto cfg = std::make_shared<const config>(std::move(equipped));
  auto out = std::make_shared<read_config>();
  for (size_t i = 0; i < cfg->runners.size(); ++i)
    out->equip.push_back(equipper(cfg, i, setup_.shared));
  out->value = std::move(loaded.value);
  out->left_out = loaded.left_out;
  out->apply = setup_.apply;
  setup_.board->give(std::move(out));
  caf::anon_send(to, config_read{asked});
}

/// What was said of the file as it was before is known. Errors are always said.
void config_reader::tell_new(const loaded_config& loaded) {
  std::set<std::string> now;
  for (const auto& x : loaded.diagnostics) {
    auto line = headline(x);
    if (x.level >= severity::error || !said_.contains(line))
      say(x);
    now.insert(std::move(line));
  }
  said_ = std::move(now);
}

} // namespace muster
