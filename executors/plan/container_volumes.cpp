#include "executors/plan/container_volumes.hpp"

#include "executors/cache/digest.hpp"

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <set>

namespace muster {

namespace {

using json = nlohmann::json;

/// A name, not a signature.
std::string md5_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  ::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_md5(),
               nullptr);
  return hex_of({reinterpret_cast<const char*>(digest.data()), size});
}

/// One entry of `volumes`.
struct volume_entry {
  std::string source; ///< empty: a volume of the runner's own
  std::string place;
  std::string options; ///< with the colon before them
};

volume_entry parsed(const std::string& text, const job_variables& variables) {
  auto colon = text.find(':');
  if (colon == std::string::npos)
    return {"", variables.expand(text), ""};
  auto end = text.find(':', colon + 1);
  volume_entry out{text.substr(0, colon), "", ""};
  out.place = variables.expand(text.substr(colon + 1, end - colon - 1));
  if (end != std::string::npos)
    out.options = text.substr(end);
  return out;
}

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  return path;
}

bool is_in(std::string_view path, std::string_view folder) {
  return path.starts_with(folder)
         && (path.size() == folder.size() || path[folder.size()] == '/');
}

struct volume_builder {
  const volume_facts& from;
  job_volumes out;
  std::set<std::string> places;

  result<void, job_errc> take_place(const std::string& place) {
    auto key = without_slashes(place);
    if (key.empty() || key == "/")
      return fail(job_errc::configuration_error,
                  "a volume of the runner's would hide all of the container's "
                  "files: its place is \""
                    + place + '"');
    if (!places.insert(key).second)
      return fail(job_errc::configuration_error,
                  "two volumes of the runner's have the same place: " + place);
    return {};
  }

  void add_volume(const std::string& place, bool reusable) {
    const auto& docker = from.docker;
    auto name = md5_hex(place) + (from.is_protected ? "-protected" : "");
    if (reusable && !docker.cache_dir.empty()) {
      out.binds.push_back(without_slashes(docker.cache_dir) + '/'
                          + from.names.volumes + '/' + name + ':' + place);
      return;
    }
    volume_request volume;
    volume.name
      = (reusable ? from.names.volumes : from.names.job) + "-cache-" + name;
    volume.destination = place;
    volume.temporary = !reusable;
    json body{{"Name", volume.name}, {"Labels", from.labels}};
    constexpr std::string_view prefix = "com.gitlab.gitlab-runner.";
    auto label = [&](std::string_view key, const std::string& value) {
      body["Labels"][std::string{prefix} + std::string{key}] = value;
    };
    label("type", "cache");
    label("destination", place);
    label("protected", from.is_protected ? "true" : "false");
    label("reusable", reusable ? "true" : "false");
    if (!docker.volume_driver.empty())
      body["Driver"] = docker.volume_driver;
    if (!docker.volume_driver_options.empty())
      body["DriverOpts"] = docker.volume_driver_options;
    volume.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
    out.binds.push_back(volume.name + ':' + place);
    out.made.push_back(std::move(volume));
  }

  result<void, job_errc> add(const std::string& text) {
    auto entry = parsed(text, from.variables);
    if (!entry.place.empty() && !entry.place.starts_with('/'))
      entry.place = without_slashes(
        std::filesystem::path{from.project + '/' + entry.place}
          .lexically_normal()
          .string());
    if (auto ok = take_place(entry.place); !ok)
      return ok;
    if (entry.source.empty())
      add_volume(entry.place, !from.docker.disable_cache);
    else
      out.binds.push_back(entry.source + ':' + entry.place + entry.options);
    return {};
  }
};

} // namespace

bool has_mounted_builds(const docker_config& docker,
                        const job_variables& variables,
                        const std::string& builds) {
  for (const auto& text : docker.volumes) {
    auto entry = parsed(text, variables);
    if (!entry.source.empty() && is_in(builds, without_slashes(entry.place)))
      return true;
  }
  return false;
}

result<job_volumes, job_errc> lay_out_volumes(const volume_facts& from) {
  volume_builder builder{from, {}, {}};
  for (const auto& text : from.docker.volumes)
    if (auto ok = builder.add(text); !ok)
      return tl::unexpected{ok.error()};
  if (!has_mounted_builds(from.docker, from.variables, from.builds)
      && builder.places.insert(without_slashes(from.builds)).second)
    builder.add_volume(from.builds,
                       from.keep_builds && !from.docker.disable_cache);
  return std::move(builder.out);
}

} // namespace muster
