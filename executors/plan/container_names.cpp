#include "executors/plan/container_names.hpp"

#include "config/load.hpp"
#include "executors/cache/digest.hpp"

#include <algorithm>

namespace muster {

namespace {

/// What may stand in a host name, and as much of it.
std::string as_host_name(std::string_view text) {
  constexpr size_t size_max = 63;
  std::string out;
  for (auto c : text) {
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
      out += c;
  }
  out.resize(std::min(out.size(), size_max));
  return out;
}

std::string replaced(std::string text, std::string_view by) {
  for (size_t at = 0; (at = text.find('/', at)) != std::string::npos;
       at += by.size())
    text.replace(at, 1, by);
  return text;
}

std::string lower(std::string text) {
  for (auto& c : text)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// Where the tag or digest begins; the end if there is none.
size_t version_at(std::string_view image) {
  if (auto digest = image.find('@'); digest != std::string_view::npos)
    return digest;
  auto slash = image.rfind('/');
  auto colon = image.rfind(':');
  if (colon == std::string_view::npos
      || (slash != std::string_view::npos && colon < slash))
    return image.size();
  return colon;
}

void add_once(std::vector<std::string>& to, std::string what) {
  if (!what.empty() && std::ranges::find(to, what) == to.end())
    to.push_back(std::move(what));
}

} // namespace

container_names names_of(const job_payload& payload,
                         const runner_config& runner, const plan_facts& facts) {
  constexpr size_t hash_bytes = 16;
  auto project = std::to_string(payload.project_id);
  auto slot = std::to_string(facts.concurrent_project_id);
  container_names out;
  out.project = as_host_name("runner-" + facts.short_token + "-project-"
                             + project + "-concurrent-" + slot);
  out.job = out.project + '-' + facts.unique;
  auto owner = sha256(runner.token.reveal() + '-' + facts.system_id + '-'
                      + project + '-' + slot);
  out.volumes = "runner-" + hex_of(owner.substr(0, hash_bytes));
  out.network = "runner-" + facts.short_token + '-' + project + '-' + slot + '-'
                + std::to_string(payload.id);
  return out;
}

std::string service_name::label() const {
  return version.starts_with('@') ? name + version : name + ':' + version;
}

std::string service_name::in_container() const {
  return replaced(name, "__");
}

service_name service_name_of(std::string_view image) {
  auto at = version_at(image);
  service_name out{std::string{image.substr(0, at)}, "latest"};
  auto version = image.substr(at);
  if (version.starts_with('@'))
    out.version = version;
  else if (version.size() > 1)
    out.version = version.substr(1);
  // A digest may stand behind a tag.
  if (version.starts_with('@'))
    out.name.resize(version_at(out.name));
  auto slash = out.name.find('/');
  auto port = out.name.substr(0, slash).find(':');
  if (port != std::string::npos)
    out.name.erase(port, slash == std::string::npos ? slash : slash - port);
  return out;
}

std::vector<std::string> service_aliases(const service_name& name,
                                         std::string_view declared) {
  std::vector<std::string> out;
  add_once(out, replaced(name.name, "__"));
  add_once(out, replaced(name.name, "-"));
  std::string blanks{declared};
  std::ranges::replace(blanks, ',', ' ');
  for (auto& alias : words_of(blanks))
    add_once(out, std::move(alias));
  return out;
}

std::string registry_path(std::string_view image) {
  auto digest = image.find('@');
  std::string name{image.substr(0, digest)};
  name.resize(version_at(name));
  auto slash = name.find('/');
  auto host = lower(name.substr(0, slash));
  auto is_host
    = slash != std::string::npos
      && (host.find_first_of(".:") != std::string::npos || host == "localhost");
  if (!is_host)
    return "docker.io/" + name;
  if (host == "index.docker.io")
    host = "docker.io";
  return host + name.substr(slash);
}

std::string registry_key(std::string_view written) {
  std::string key{written};
  auto scheme = key.find("://");
  if (scheme != std::string::npos) {
    key.erase(0, scheme + 3);
    key = key.substr(0, key.find('/'));
  }
  while (key.ends_with('/'))
    key.pop_back();
  auto slash = key.find('/');
  auto host = lower(key.substr(0, slash));
  if (host == "index.docker.io" || host == "registry-1.docker.io")
    host = "docker.io";
  auto path = slash == std::string::npos ? "" : key.substr(slash);
  // Docker Hub's own key has the version of its protocol.
  if (host == "docker.io" && path == "/v1")
    path.clear();
  return host + path;
}

const registry_login* find_login(const std::vector<registry_login>& logins,
                                 std::string_view image) {
  auto path = registry_path(image);
  for (;;) {
    for (const auto& login : logins)
      if (login.registry == path)
        return &login;
    auto slash = path.rfind('/');
    if (slash == std::string::npos)
      return nullptr;
    path.resize(slash);
  }
}

std::string slot_cgroup(std::string_view text, int32_t slot) {
  if (text.empty())
    text = "gitlab-runner/slot-${slot}";
  return expand_variables(
    text, [slot](const std::string& name) -> std::optional<std::string> {
      return name == "slot" ? std::to_string(slot) : "";
    });
}

} // namespace muster
