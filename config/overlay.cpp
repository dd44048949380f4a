#include "config/overlay.hpp"

#include "config/readers.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace muster {

namespace {

constexpr auto byte_order_mark = "\xEF\xBB\xBF";

/// The keys to be laid over; null, and why is reported, if there are none or
/// others.
toml::table* keys_of(toml::table& over, report& out) {
  auto refuse = [&out](const toml::source_position& at, std::string message) {
    out.add(severity::fatal, at, "", std::move(message),
            "write [runners.autoscaler] and [[runners.autoscaler.policy]] "
            "only");
    return nullptr;
  };
  auto stray = [&refuse](const toml::key& key, const std::string& above) {
    return refuse(key.source().begin,
                  fmt::format("{} has no place here",
                              in_quotes(above + std::string{key.str()})));
  };
  for (const auto& [key, value] : over)
    if (key != "runners")
      return stray(key, "");
  auto* runners = over["runners"].as_table();
  if (runners == nullptr)
    return refuse({}, "there is no [runners.autoscaler]");
  for (const auto& [key, value] : *runners)
    if (key != "autoscaler")
      return stray(key, "runners.");
  auto* keys = (*runners)["autoscaler"].as_table();
  if (keys == nullptr || keys->empty())
    return refuse({}, "[runners.autoscaler] has no keys");
  return keys;
}

/// Nodes are moved, as copies do not know where they stand.
void move_over(toml::table& keys, toml::table& section) {
  for (auto&& [key, value] : keys) {
    if (auto there = find_entry(section, key.str()))
      section.erase(std::string{there.key->str()});
    section.insert(key, std::move(value));
  }
}

} // namespace

loaded_config parse_laid_over(const text_file& base, const text_file& over,
                              const load_options& options) {
  report below{base.path};
  auto file = parse_toml(base.text, base.path, below);
  if (!file)
    return read_table(nullptr, base.path, options, below);
  report above{over.path};
  auto keys = parse_toml(over.text, over.path, above);
  if (!keys || keys_of(*keys, above) == nullptr)
    return read_table(nullptr, over.path, options, above);
  // Its lines count on behind those of the base: both are read as one file.
  auto lines = static_cast<size_t>(std::ranges::count(base.text, '\n')) + 1;
  auto shifted = over.text;
  shifted.insert(shifted.starts_with(byte_order_mark) ? 3 : 0, lines, '\n');
  if (auto* runners = (*file)["runners"].as_array())
    for (auto& runner : *runners) {
      auto* one = runner.as_table();
      auto* section
        = one == nullptr ? nullptr : (*one)["autoscaler"].as_table();
      if (section == nullptr)
        continue;
      keys = parse_toml(shifted, over.path, above); // as before
      if (auto* again = keys ? keys_of(*keys, above) : nullptr)
        move_over(*again, *section);
    }
  auto out = read_table(&*file, base.path, options, below);
  for (auto& x : out.diagnostics)
    if (x.line > lines) {
      x.path = over.path;
      x.line -= lines;
    }
  return out;
}

} // namespace muster
