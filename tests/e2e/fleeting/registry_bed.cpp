#include "tests/e2e/fleeting/registry_bed.hpp"

#include "providers/fleeting/registry/manifest.hpp"
#include "tests/e2e/fleeting/bed.hpp"
#include "tests/support/tar_text.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <sys/wait.h>

namespace muster::test {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr auto oci_index = "application/vnd.oci.image.index.v1+json";
constexpr auto oci_manifest = "application/vnd.oci.image.manifest.v1+json";
constexpr auto oci_config = "application/vnd.oci.image.config.v1+json";
constexpr auto docker_index
  = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr auto docker_manifest
  = "application/vnd.docker.distribution.manifest.v2+json";
constexpr auto docker_config = "application/vnd.docker.container.image.v1+json";
constexpr auto layer_type = "application/vnd.docker.image.rootfs.diff.tar.gzip";

std::string text_of(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream{file, std::ios::binary}.rdbuf();
  return out.str();
}

std::string arch_of(const plugin_image& what) {
  return what.arch.empty() ? fleeting::platform_of_host().arch : what.arch;
}

} // namespace

image_parts make_image(const plugin_image& what) {
  image_parts out;
  auto tar = tar_of({{"plugin", "", 0755, '5', ""},
                     {"plugin/plugin", what.program, 0755, '0', ""}});
  out.layer = what.compression == "gzip"   ? gzip_of(tar)
              : what.compression == "zstd" ? zstd_of(tar)
                                           : tar;
  json config{{"os", what.os},
              {"architecture", arch_of(what)},
              {"config",
               {{"Entrypoint", {"/plugin/plugin"}},
                {"Env", {"FLEETING_PLUGIN_PKG_VERSION=" + what.version}}}},
              {"rootfs", {{"type", "layers"}, {"diff_ids", json::array()}}}};
  out.config = config.dump();
  auto layer = descriptor_json(layer_type, out.layer);
  if (what.annotated)
    layer["annotations"] = {{"com.gitlab.fleeting.layer", what.version}};
  out.manifest
    = {{"schemaVersion", 2},
       {"mediaType", what.docker ? docker_manifest : oci_manifest},
       {"config",
        descriptor_json(what.docker ? docker_config : oci_config, out.config)},
       {"layers", {layer}}};
  return out;
}

void plugin_registry::push_parts(const std::string& repository,
                                 const image_parts& what) const {
  push_blob(repository, what.config);
  push_blob(repository, what.layer);
}

std::string plugin_registry::push(const std::string& repository,
                                  const std::vector<plugin_image>& images,
                                  const std::vector<std::string>& tags) const {
  json index{{"schemaVersion", 2},
             {"mediaType", images[0].docker ? docker_index : oci_index},
             {"manifests", json::array()}};
  for (const auto& x : images) {
    auto parts = make_image(x);
    push_parts(repository, parts);
    auto text = parts.manifest.dump();
    push_manifest(repository, digest_text(text), parts.manifest);
    auto entry = descriptor_json(parts.manifest["mediaType"], text);
    entry["platform"] = {{"os", x.os}, {"architecture", arch_of(x)}};
    index["manifests"].push_back(entry);
  }
  for (const auto& tag : tags)
    push_manifest(repository, tag, index);
  return digest_text(index.dump());
}

std::string plugin_registry::push_image(const std::string& repository,
                                        const plugin_image& image,
                                        const std::string& tag) const {
  auto parts = make_image(image);
  push_parts(repository, parts);
  push_manifest(repository, tag, parts.manifest);
  return digest_text(parts.manifest.dump());
}

fleeting_place::fleeting_place() : path_(make_temp_folder("muster-install")) {
}

fleeting_place::~fleeting_place() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void fleeting_place::configure(const std::vector<std::string>& plugins) const {
  std::string config = fmt::format("concurrent = 1\n[muster]\nstate_dir = "
                                   "\"{}/state\"\n",
                                   path_.string());
  for (size_t i = 0; i < plugins.size(); ++i)
    config += fmt::format(
      "[[runners]]\nname = \"r{}\"\nurl = \"https://gitlab.example\"\n"
      "token = \"glrt-{}23456789abcdef\"\nexecutor = \"instance\"\n"
      "[runners.autoscaler]\nplugin = \"{}\"\nmax_instances = 1\n"
      "[runners.autoscaler.plugin_config]\ncloud = \"{}/cloud\"\n"
      "[runners.autoscaler.connector_config]\nusername = \"u\"\n",
      i, i + 1, plugins[i], path_.string());
  write("config.toml", config);
}

fleeting_place::output fleeting_place::muster(const std::string& words,
                                              const std::string& input) const {
  write("stdin", input);
  // A deadline, since questions could wait for ever.
  auto command = fmt::format(
    "cd '{}'; export HOME=\"$PWD/home\" CONFIG_FILE=config.toml "
    "FLEETING_PLUGIN_PATH=\"$PWD/plugins\" DOCKER_CONFIG=\"$PWD/docker\" "
    "PATH=\"$PWD/bin:$PATH:$(dirname \"$MUSTER_PROGRAM\")\"; "
    "timeout 100 env {} <stdin >stdout 2>stderr",
    path_.string(), words);
  output out;
  auto status = std::system(command.c_str());
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  out.out = text("stdout");
  out.err = text("stderr");
  return out;
}

std::vector<std::string> fleeting_place::files() const {
  std::vector<std::string> out;
  std::error_code none;
  for (fs::recursive_directory_iterator all{plugins(), none};
       all != fs::recursive_directory_iterator{}; all.increment(none))
    if (!all->is_directory() || fs::is_empty(all->path()))
      out.push_back(fs::relative(all->path(), plugins()).string());
  std::ranges::sort(out);
  return out;
}

std::string fleeting_place::text(const std::string& file) const {
  return text_of(path_ / file);
}

void fleeting_place::write(const std::string& file,
                           const std::string& text) const {
  fs::create_directories((path_ / file).parent_path());
  std::ofstream{path_ / file, std::ios::binary} << text;
}

} // namespace muster::test
