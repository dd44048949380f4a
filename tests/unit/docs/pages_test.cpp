#include "tests/unit/docs/pages.hpp"

#include "config/feature_flags.hpp"
#include "config/load.hpp"
#include "providers/local/options.hpp"
#include "providers/static/options.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <set>
#include <string>

using namespace muster;
using namespace muster::test;

namespace {

namespace fs = std::filesystem;

loaded_config parse(const std::string& text, const std::string& path) {
  load_options options;
  options.mode = check_mode::check;
  options.state_dir = "/state";
  options.timezone_exists = [](const std::string&) { return true; };
  options.variable
    = [](const std::string&) { return std::optional<std::string>{"glrt-x"}; };
  options.plugin_fault = [](const std::string& plugin,
                            const std::string& plugin_config) -> std::string {
    if (plugin == "static") {
      auto read = given::parse_options(plugin_config);
      return read ? "" : read.error().text;
    }
    auto read = local::parse_options(plugin_config);
    return plugin != "local" || read ? "" : read.error().text;
  };
  return parse_config(text, path, options);
}

/// Whether a word in backticks names a file of the sources.
bool is_source_path(const std::string& word) {
  constexpr auto allowed = "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  if (word.find_first_not_of(allowed) != std::string::npos)
    return false;
  for (const auto* folder :
       {".ci/", "actors/", "config/", "docs/", "executors/", "messages/",
        "providers/", "tests/", "tools/"})
    if (word.starts_with(folder))
      return true;
  return false;
}

} // namespace

TEST_CASE("every configuration in the documentation is one that muster reads") {
  size_t blocks = 0;
  for (const auto& page : read_pages())
    for (const auto& block : blocks_of(page, "toml")) {
      ++blocks;
      auto loaded = parse(block.text, page.path);
      for (const auto& what : loaded.diagnostics)
        CHECK_MESSAGE(what.level < severity::warning, page.path,
                      ", the block at line ", block.line, ":\n",
                      format_diagnostic(what, block.text));
    }
  CHECK_GT(blocks, 2);
}

TEST_CASE("every link of the documentation leads somewhere") {
  for (const auto& page : read_pages())
    for (const auto& line : prose_of(page))
      for (const auto& link : links_in(line)) {
        if (link.find("://") != std::string::npos)
          continue;
        CAPTURE(page.path);
        CAPTURE(link);
        auto hash = link.find('#');
        auto file = link.substr(0, hash);
        auto target
          = file.empty()
              ? fs::path{page.path}
              : (fs::path{page.path}.parent_path() / file).lexically_normal();
        REQUIRE(fs::exists(fs::path{MUSTER_SOURCES} / target));
        if (hash == std::string::npos)
          continue;
        auto anchors = anchors_of(read_page(target.string()));
        CHECK(std::ranges::find(anchors, link.substr(hash + 1))
              != anchors.end());
      }
}

TEST_CASE("every file that the documentation names is there") {
  for (const auto& page : read_pages())
    for (const auto& line : prose_of(page))
      for (const auto& word : code_in(line)) {
        if (!is_source_path(word))
          continue;
        CAPTURE(page.path);
        CAPTURE(word);
        CHECK(fs::exists(fs::path{MUSTER_SOURCES} / word));
      }
}

TEST_CASE("every feature flag that the documentation names exists") {
  size_t seen = 0;
  for (const auto& page : read_pages())
    for (const auto& line : prose_of(page))
      for (const auto& word : code_in(line)) {
        if (!word.starts_with("FF_"))
          continue;
        ++seen;
        CAPTURE(word);
        CHECK(std::ranges::find(feature_flags(), std::string_view{word},
                                &feature_flag::name)
              != feature_flags().end());
      }
  CHECK_GT(seen, 0);
}

TEST_CASE("every feature flag is named in the page about jobs") {
  std::set<std::string> named;
  for (const auto& line : prose_of(read_page("docs/jobs.md")))
    for (const auto& word : code_in(line))
      named.insert(word);
  for (const auto& flag : feature_flags()) {
    CAPTURE(flag.name);
    CHECK(named.contains(std::string{flag.name}));
  }
}
