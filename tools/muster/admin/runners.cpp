#include "tools/muster/admin/runners.hpp"

#include "config/config.hpp"
#include "config/rewrite.hpp"
#include "config/source.hpp"
#include "config/system_id.hpp"

namespace muster {

result<runner_list, config_errc> read_runners(const std::string& config_path) {
  runner_list out;
  if (is_missing(config_path)) {
    log::warning("there is no such file: no runner is configured",
                 {{"config", config_path}});
    return out;
  }
  auto source = read_source(config_path);
  if (!source)
    return tl::unexpected{source.error()};
  auto text = config_text::parse(std::move(*source), config_path);
  if (!text)
    return tl::unexpected{text.error()};
  for (size_t i = 0; i < text->runners(); ++i)
    out.push_back(text->facts(i, environment_variable));
  return out;
}

bool is_chosen(const runner_entry_facts& runner, const runner_choice& which) {
  if (!which.name.empty() && runner.name == which.name)
    return true;
  auto any_url = which.url.empty() || which.url == "*";
  return !which.token.empty() && runner.token == which.token
         && (any_url || runner.url == which.url);
}

log::fields fields_of(const runner_entry_facts& runner) {
  return {{"runner", short_token(runner.token)}, {"runner_name", runner.name}};
}

std::optional<size_t> find_runner(const config_text& in,
                                  const runner_entry_facts& runner) {
  for (size_t i = 0; i < in.runners(); ++i) {
    auto x = in.facts(i, environment_variable);
    if (x.url == runner.url && x.token == runner.token && x.name == runner.name)
      return i;
  }
  return std::nullopt;
}

namespace {

result<void, config_errc> remove_all(config_text& from,
                                     const runner_list& runners) {
  for (const auto& runner : runners)
    if (auto at = find_runner(from, runner))
      if (auto removed = from.remove(*at); !removed)
        return removed;
  return {};
}

} // namespace

bool remove_from_file(const std::string& config_path,
                      const runner_list& runners) {
  auto done = rewrite_config(
    config_path, [&](config_text& x) { return remove_all(x, runners); });
  if (!done)
    log::error("the configuration cannot be changed: remove these runners by "
               "hand",
               {{"err", done.error().text}});
  else
    log::info("Updated", {{"config", config_path}});
  return done.has_value();
}

result<void, config_errc>
can_remove_from_file(const std::string& config_path,
                     const runner_entry_facts& runner) {
  rewrite_options options;
  options.is_trial = true;
  return rewrite_config(
    config_path, [&](config_text& x) { return remove_all(x, {runner}); },
    options);
}

std::string system_id_beside(const std::string& config_path) {
  auto id = load_system_id(config_path);
  if (!id.warning.empty())
    log::warning(id.warning);
  return id.id;
}

} // namespace muster
