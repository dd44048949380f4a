#include "config/overlay.hpp"

#include "config/diagnostic.hpp"
#include "config/section.hpp"
#include "config/source.hpp"

#include <fmt/format.h>
#include <sstream>

namespace muster {

namespace {

constexpr auto wanted = "write [runners.autoscaler] and "
                        "[[runners.autoscaler.policy]] only";

result<toml::table, config_errc> parsed(const std::string& text,
                                        std::string_view path) {
  if (auto fault = find_source_fault(text))
    return fail(config_errc::not_valid,
                fmt::format("{}:{}:{}: {}", path, fault->line, fault->column,
                            fault->message));
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    auto at = error.source().begin;
    return fail(config_errc::not_valid,
                fmt::format("{}:{}:{}: {}", path, at.line, at.column,
                            one_line(error.description())));
  }
}

/// The keys to be laid over.
result<const toml::table*, config_errc> keys_of(const toml::table& over,
                                                std::string_view path) {
  auto stray = [path](std::string_view name) {
    return fail(config_errc::not_valid,
                fmt::format("{}: {} has no place here: {}", path,
                            in_quotes(name), wanted));
  };
  for (const auto& [name, value] : over)
    if (std::string_view{name} != "runners")
      return stray(std::string{name});
  const auto* runners = over["runners"].as_table();
  if (runners == nullptr)
    return fail(
      config_errc::not_valid,
      fmt::format("{}: there is no [runners.autoscaler]: {}", path, wanted));
  for (const auto& [name, value] : *runners)
    if (std::string_view{name} != "autoscaler")
      return stray("runners." + std::string{name});
  const auto* out = (*runners)["autoscaler"].as_table();
  if (out == nullptr || out->empty())
    return fail(config_errc::not_valid,
                fmt::format("{}: [runners.autoscaler] has no keys", path));
  return out;
}

} // namespace

result<std::string, config_errc> laid_over(const std::string& base,
                                           const std::string& over,
                                           std::string_view over_path) {
  auto below = parsed(base, "config.toml");
  if (!below)
    return tl::unexpected{below.error()};
  auto above = parsed(over, over_path);
  if (!above)
    return tl::unexpected{above.error()};
  auto keys = keys_of(*above, over_path);
  if (!keys)
    return tl::unexpected{keys.error()};
  if (auto* runners = (*below)["runners"].as_array())
    for (auto& runner : *runners) {
      auto* one = runner.as_table();
      auto* section
        = one == nullptr ? nullptr : (*one)["autoscaler"].as_table();
      if (section == nullptr)
        continue;
      for (const auto& [name, value] : **keys)
        section->insert_or_assign(name, value);
    }
  std::ostringstream out;
  out << *below;
  return out.str();
}

} // namespace muster
