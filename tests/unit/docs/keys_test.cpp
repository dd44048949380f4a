#include "config/difference.hpp"
#include "config/keys.hpp"
#include "providers/local/options.hpp"
#include "providers/static/options.hpp"
#include "tests/unit/docs/pages.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace muster;
using namespace muster::test;

namespace {

constexpr auto top = "Top of the file";
constexpr auto plugin_config = "runners.autoscaler.plugin_config";

/// The path that a heading is about: `runners` of "`[[runners]]`"; nothing for
/// other headings.
std::optional<std::string> section_in(const std::string& heading) {
  if (heading.find(top) != std::string::npos)
    return "";
  for (auto word : code_in(heading)) {
    if (!word.starts_with('['))
      continue;
    std::erase_if(word, [](char c) { return c == '[' || c == ']'; });
    return word;
  }
  return std::nullopt;
}

/// The names in the first cells of tables below headings that show a section,
/// by that section.
std::map<std::string, std::set<std::string>> documented() {
  std::map<std::string, std::set<std::string>> out;
  std::optional<std::string> section;
  for (const auto& line : prose_of(read_page("docs/configuration.md"))) {
    if (line.starts_with('#')) {
      section = section_in(line);
      if (section)
        out[*section];
    }
    if (!section || !line.starts_with("| `"))
      continue;
    for (const auto& name : code_in(line.substr(0, line.find('|', 1))))
      out[*section].insert(name);
  }
  return out;
}

std::string joined(const std::string& section, const std::string& name) {
  return section.empty() ? name : section + "." + name;
}

bool is_table(const key_info& key) {
  return key.type == key_type::section || key.type == key_type::section_list
         || key.type == key_type::free_table
         || key.path == "runners.feature_flags";
}

} // namespace

TEST_CASE("every documented key is one that muster acts on") {
  size_t keys = 0;
  for (const auto& [section, names] : documented()) {
    if (section == plugin_config)
      continue;
    for (const auto& name : names) {
      ++keys;
      CAPTURE(joined(section, name));
      const auto* key = find_key(joined(section, name));
      REQUIRE(key != nullptr);
      CHECK_EQ(key->status, key_status::acted_on);
    }
  }
  CHECK_GT(keys, 40);
}

TEST_CASE("every key that muster acts on is documented") {
  auto sections = documented();
  for (const auto& key : known_keys()) {
    if (key.status != key_status::acted_on)
      continue;
    CAPTURE(std::string{key.path});
    if (is_table(key)) {
      CHECK(sections.contains(std::string{key.path}));
      continue;
    }
    auto found = sections.find(std::string{section_of(key.path)});
    REQUIRE(found != sections.end());
    CHECK(found->second.contains(std::string{last_part(key.path)}));
  }
}

TEST_CASE("keys without effect are named as such") {
  std::set<std::string> named;
  bool below = false;
  for (const auto& line : prose_of(read_page("docs/configuration.md"))) {
    if (line.starts_with('#'))
      below = line.find("without effect") != std::string::npos;
    if (below)
      for (const auto& word : code_in(line))
        named.insert(word);
  }
  for (const auto& path : named) {
    CAPTURE(path);
    const auto* key = find_key(path);
    REQUIRE(key != nullptr);
    CHECK_NE(key->status, key_status::acted_on);
  }
  // A section stands for what is in it.
  for (const auto& key : known_keys()) {
    if (key.status == key_status::acted_on)
      continue;
    std::string path{key.path};
    CAPTURE(path);
    while (!path.empty() && !named.contains(path))
      path = section_of(path);
    CHECK(!path.empty());
  }
}

TEST_CASE("what a reload does with a key is documented") {
  std::map<std::string, std::vector<std::string>> told; // by effect
  std::set<std::string> named;
  bool below = false;
  for (const auto& line : prose_of(read_page("docs/configuration.md"))) {
    if (line.starts_with('#'))
      below = line == "## Reload";
    if (!below || !line.starts_with("| "))
      continue;
    auto effect = line.substr(2, line.find(" |") - 2);
    for (const auto& path : code_in(line)) {
      CAPTURE(path);
      CHECK(find_key(path) != nullptr);
      told[effect].push_back(path);
    }
  }
  // A section stands for what is in it, and a longer name wins.
  auto effect_in_page = [&](std::string_view key) {
    std::pair<size_t, std::string> best{0, "live"};
    for (const auto& [effect, paths] : told)
      for (const auto& path : paths)
        if (key == path || key.starts_with(path + "."))
          best = std::max(best, std::pair{path.size(), effect});
    return best.second;
  };
  for (const auto& x : key_effects()) {
    CAPTURE(std::string{x.path});
    if (x.path == "runners.autoscaler.connector_config.timeout"
        || x.path == "runners.autoscaler.connector_config.keepalive")
      CHECK_EQ(x.effect, change_effect::live); // told in prose
    else
      CHECK_EQ(effect_in_page(x.path), to_string(x.effect));
  }
}

TEST_CASE("the local provider's keys are documented") {
  auto names = documented()[plugin_config];
  CHECK(!names.empty());
  for (const auto& name : names) {
    auto read = local::parse_options(fmt::format("{{\"{}\": null}}", name));
    REQUIRE(!read);
    CAPTURE(read.error().text);
    CHECK_EQ(read.error().text.find("is not known"), std::string::npos);
  }
  auto none = local::parse_options(R"({"": 1})");
  REQUIRE(!none);
  for (const auto& name : names)
    CHECK_NE(none.error().text.find(" " + name), std::string::npos);
  auto list = none.error().text.substr(none.error().text.find("known keys:"));
  CHECK_EQ(names.size(), 1 + std::ranges::count(list, ','));
}

TEST_CASE("the static provider's keys are documented") {
  std::set<std::string> names;
  auto below = false;
  for (const auto& line : prose_of(read_page("docs/configuration.md"))) {
    if (line.starts_with('#'))
      below = line.find("Given hosts") != std::string::npos;
    if (below && line.starts_with("| `"))
      for (const auto& name : code_in(line.substr(0, line.find('|', 1))))
        names.insert(name);
  }
  // What is said of an unknown key names all known ones.
  std::string known;
  for (const auto* text :
       {R"({"": 1})", R"({"hosts": [{"address": "a", "": 1}]})"}) {
    auto read = given::parse_options(text);
    REQUIRE(!read);
    auto at = read.error().text.find("known keys: ");
    REQUIRE_NE(at, std::string::npos);
    known += read.error().text.substr(at + 11) + ",";
  }
  for (const auto& name : names)
    CHECK_MESSAGE(known.find(" " + name + ",") != std::string::npos, name);
  std::istringstream in{known};
  for (std::string name; std::getline(in, name, ',');) {
    auto word = name.substr(std::min(name.find_first_not_of(' '), name.size()));
    // Always the case with given hosts.
    if (!word.empty() && word != "use_static_credentials")
      CHECK_MESSAGE(names.contains(word), word);
  }
}
