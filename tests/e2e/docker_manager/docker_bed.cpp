#include "tests/e2e/docker_manager/docker_bed.hpp"

#include "tests/support/engine_way.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <regex>

namespace muster::test {

namespace {

namespace fs = std::filesystem;

world::settings world_of(docker_bed::settings how, const fs::path& marks) {
  auto& manager = how.manager.manager;
  manager.executor = "docker-autoscaler";
  auto& lines = manager.runner;
  lines.emplace_back("[runners.docker]");
  lines.push_back(fmt::format("host = \"{}\"", how.engine->address()));
  lines.push_back(fmt::format("image = \"{}\"", test_image));
  if (how.has_helper_image)
    lines.push_back(fmt::format("helper_image = \"{}\"", test_image));
  lines.emplace_back("pull_policy = [\"if-not-present\", \"always\"]");
  lines.push_back(fmt::format("volumes = [\"{}:/marks\"]", marks.string()));
  lines.insert(lines.end(), how.docker.begin(), how.docker.end());
  if (is_engine_far())
    manager.plugin_config.emplace_back(no_programs);
  return how.manager;
}

} // namespace

engine_host& engine_with_image() {
  auto& host = engine_host::shared();
  static const bool imported = [&host] {
    host.import_image(test_image);
    return true;
  }();
  REQUIRE(imported);
  return host;
}

marks_folder::marks_folder() {
  char folder[] = "/var/tmp/muster-marks-XXXXXX";
  REQUIRE_NE(::mkdtemp(folder), nullptr);
  path_ = folder;
  fs::permissions(path_, fs::perms::all);
}

marks_folder::~marks_folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

bool marks_folder::shows(const std::string& name) const {
  return eventually([&] { return fs::exists(path_ / name); });
}

void marks_folder::make(const std::string& name) const {
  std::ofstream{path_ / name} << "made";
}

docker_bed::docker_bed(settings how)
  : engine(*how.engine),
    x(world_of(std::move(how), marks.path())) {
}

int64_t docker_bed::enqueue(const std::string& script,
                            const nlohmann::json& more) {
  nlohmann::json job{{"script", script},
                     {"variables", {{"GIT_STRATEGY", "none"}}}};
  job.merge_patch(more);
  return x.enqueue(std::move(job));
}

bool docker_bed::is_engine_empty() const {
  return eventually([this] { return engine.containers().empty(); });
}

std::string timeless(std::string text, const std::string& name) {
  static const std::regex times{
    "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]*Z|section_(start|end):[0-9]+|"
    "concurrent-[0-9]+"};
  text = std::regex_replace(text, times, "T");
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name))
    text.replace(at, name.size(), "NAME");
  return text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace muster::test
