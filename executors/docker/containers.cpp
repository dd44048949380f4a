#include "executors/docker/containers.hpp"

#include "executors/docker/trace.hpp"

#include <algorithm>
#include <array>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;

constexpr auto start_time = 120s;
constexpr auto removal_time = 120s;
constexpr auto removal_pause = 250ms;
constexpr int removal_looks = 120; ///< at a removal that is under way

std::string network_mode_of(const json& body) {
  auto host = body.find("HostConfig");
  if (host == body.end() || !host->is_object())
    return "";
  auto mode = host->find("NetworkMode");
  return mode != host->end() && mode->is_string() ? mode->get<std::string>()
                                                  : "";
}

/// Takes the endpoint out of a body: its only one, or none.
json take_endpoint(json& body) {
  json endpoint = json::object();
  auto network = body.find("NetworkingConfig");
  if (network == body.end())
    return endpoint;
  auto all
    = network->is_object() ? network->value("EndpointsConfig", json{}) : json{};
  if (all.is_object() && !all.empty() && all.begin()->is_object())
    endpoint = *all.begin();
  body.erase("NetworkingConfig");
  return endpoint;
}

/// The endpoint that a container has: before API 1.44 only in networks with
/// names, from then on always, since it also has the MAC address.
void set_endpoint(json& body, const create_facts& facts, const engine& at) {
  auto mode = network_mode_of(body);
  auto endpoint = take_endpoint(body);
  bool named = has_names(mode);
  bool modern = at.speaks(1, 44);
  if (endpoint.contains("MacAddress") && !modern) {
    trace::warning("mac_address needs version 1.44 of the Engine's API (Docker "
                   "25); this one has "
                   + at.version() + ": it is left out");
    endpoint.erase("MacAddress");
  }
  if (mode.compare(0, 10, "container:") == 0 || (!named && !modern))
    return;
  if (named && !endpoint.contains("Aliases") && !facts.aliases.empty())
    endpoint["Aliases"] = facts.aliases;
  body["NetworkingConfig"]["EndpointsConfig"]
      [mode.empty() ? std::string{"default"} : mode]
    = std::move(endpoint);
}

engine_result<json> create_once(const engine& at, const std::string& name,
                                const json& body, const std::string& platform) {
  call x{"POST", "/containers/create?name=" + url_encoded(name)};
  if (!platform.empty() && at.speaks(1, 41))
    x.path += "&platform=" + url_encoded(platform);
  x.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return at.ask(x);
}

} // namespace

bool has_names(const std::string& network_mode) {
  constexpr std::array plain{"", "default", "bridge", "host", "none"};
  return std::find(plain.begin(), plain.end(), network_mode) == plain.end()
         && network_mode.compare(0, 10, "container:") != 0;
}

job_result<json> create_body(const container_request& what,
                             const create_facts& facts, const engine& at) {
  auto body = json::parse(what.body.reveal(), nullptr, false);
  if (!body.is_object())
    return fail(plan_outcome::misconfigured,
                "the settings of the container " + what.name
                  + " are not JSON: this is a fault of the manager");
  auto& host = body["HostConfig"];
  if (!host.is_object())
    host = json::object();
  body["Image"] = facts.image;
  if (!facts.network.empty())
    host["NetworkMode"] = facts.network;
  auto& hosts = host["ExtraHosts"];
  if (!hosts.is_array())
    hosts = json::array();
  // A container in another one's network has the hosts of that one.
  if (network_mode_of(body).compare(0, 10, "container:") != 0)
    for (const auto& link : facts.links)
      hosts.push_back(link);
  set_endpoint(body, facts, at);
  return body;
}

job_result<std::string> create_container(const engine& at,
                                         const std::string& name,
                                         const json& body,
                                         const std::string& platform) {
  auto made = retried({}, [&] {
    auto x = create_once(at, name, body, platform);
    if (x || x.error().code != engine_errc::conflict)
      return x;
    if (auto gone = remove_container(at, name, true); !gone)
      return engine_result<json>{tl::unexpected{gone.error()}};
    return create_once(at, name, body, platform);
  });
  auto doing = "creating the container " + name;
  if (!made)
    return tl::unexpected{job_failure(made.error(), doing)};
  auto id = made->is_object() ? made->value("Id", json{}) : json{};
  if (!id.is_string() || id.get<std::string>().empty())
    return fail(plan_outcome::broken,
                doing + ": the Docker Engine's answer has no ID");
  return id.get<std::string>();
}

engine_result<void> start_container(const engine& at, const std::string& id) {
  auto x = at.ask({"POST", "/containers/" + id + "/start", "", "", start_time});
  if (!x)
    return tl::unexpected{x.error()};
  return {};
}

engine_result<void> remove_container(const engine& at, const std::string& id,
                                     bool with_volumes) {
  call x{"DELETE",
         "/containers/" + id + "?force=1&v=" + (with_volumes ? "1" : "0")};
  x.time = removal_time;
  for (int i = 0; i < removal_looks; ++i) {
    auto gone = at.ask(x);
    if (gone || gone.error().code == engine_errc::not_found)
      return {};
    if (gone.error().code != engine_errc::conflict)
      return tl::unexpected{gone.error()};
    std::this_thread::sleep_for(removal_pause); // somebody else removes it
  }
  return fail(engine_errc::timed_out,
              "the container " + id + " is being removed without end");
}

failure<plan_outcome> start_failure(const failure<engine_errc>& why,
                                    const std::string& what,
                                    const std::string& image) {
  auto says = [&why](const char* part) {
    return why.text.find(part) != std::string::npos;
  };
  auto doing = "starting the " + what + " container";
  if (says("executable file not found") || says("no such file or directory"))
    return {plan_outcome::misconfigured,
            doing + ": the image " + image
              + " has not the shell, or the entrypoint, that it should run; "
                "jobs need an image with `sh` or `bash`: "
              + why.text};
  if (says("permission denied") && says("exec"))
    return {plan_outcome::misconfigured,
            doing + ": the entrypoint of the image " + image
              + " cannot be executed: " + why.text};
  return job_failure(why, doing);
}

} // namespace muster::docker
