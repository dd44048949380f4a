#include "executors/docker/address.hpp"

#include <charconv>
#include <cstdlib>
#include <dirent.h>
#include <fstream>
#include <nlohmann/json.hpp>

namespace muster::docker {

namespace {

using nlohmann::json;

constexpr const char* address_default = "unix:///var/run/docker.sock";
constexpr size_t file_bytes_max = 1u << 20;

tl::unexpected<failure<engine_errc>> unusable(const std::string& text,
                                              const std::string& why) {
  return fail(engine_errc::bad_request,
              "the Engine's address `" + text + "` cannot be used: " + why
                + "; set `host` in [runners.docker], or DOCKER_HOST for the "
                  "login user, to unix:///PATH or tcp://HOST:PORT");
}

/// Returns a file as JSON; not an object if it is none.
json read_json(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::string text(file_bytes_max, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return json::parse(text, nullptr, false);
}

/// Returns a member that is a text, empty if there is none.
std::string text_at(const json& x, const json::json_pointer& where) {
  if (!x.is_structured() || !x.contains(where) || !x.at(where).is_string())
    return "";
  return x.at(where).get<std::string>();
}

std::string context_address(const std::string& folder,
                            const std::string& name) {
  using namespace nlohmann::literals;
  auto metas = folder + "/contexts/meta";
  auto* list = ::opendir(metas.c_str());
  if (list == nullptr)
    return "";
  std::string found;
  while (const auto* entry = ::readdir(list)) {
    auto meta = read_json(metas + "/" + entry->d_name + "/meta.json");
    if (text_at(meta, "/Name"_json_pointer) == name)
      found = text_at(meta, "/Endpoints/docker/Host"_json_pointer);
  }
  ::closedir(list);
  return found;
}

} // namespace

engine_result<address> parse_address(const std::string& text) {
  auto scheme_end = text.find("://");
  if (scheme_end == std::string::npos)
    return unusable(text, "it has no scheme");
  auto scheme = text.substr(0, scheme_end);
  auto rest = text.substr(scheme_end + 3);
  if (scheme == "unix" || scheme == "bridge") {
    if (rest.empty() || rest.front() != '/')
      return unusable(text, "the socket's path is not absolute");
    return address{rest, "", 0, scheme == "bridge"};
  }
  if (scheme != "tcp" && scheme != "http")
    return unusable(text, "muster does not speak " + scheme);
  auto end = rest.find_first_of("/?#");
  rest = rest.substr(0, end);
  auto colon = rest.rfind(':');
  uint16_t port = 0;
  const auto* last = rest.data() + rest.size();
  if (colon == std::string::npos || colon == 0
      || std::from_chars(rest.data() + colon + 1, last, port).ptr != last
      || port == 0)
    return unusable(text, "it needs a host and a port");
  auto host = rest.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return address{"", host, port};
}

std::string to_string(const address& x) {
  if (x.socket.empty())
    return "tcp://" + x.host + ":" + std::to_string(x.port);
  return (x.is_bridge ? "bridge://" : "unix://") + x.socket;
}

std::optional<std::string> own_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>{value} : std::nullopt;
}

std::string login_address(const environment_lookup& variable) {
  if (auto host = variable("DOCKER_HOST"); host && !host->empty())
    return *host;
  auto folder = variable("DOCKER_CONFIG");
  if (!folder || folder->empty())
    folder = variable("HOME").value_or("") + "/.docker";
  auto context = variable("DOCKER_CONTEXT").value_or("");
  if (context.empty())
    context = text_at(read_json(*folder + "/config.json"),
                      json::json_pointer{"/currentContext"});
  if (context.empty() || context == "default")
    return address_default;
  auto found = context_address(*folder, context);
  return found.empty() ? address_default : found;
}

} // namespace muster::docker
