#include "tools/muster/try/local_engine.hpp"

#include "executors/docker/address.hpp"
#include "executors/docker/containers.hpp"
#include "executors/docker/engine.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <fmt/format.h>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace muster {

namespace {

using docker::json;

constexpr const char* install_hint
  = "muster try --executor docker-autoscaler takes a Docker Engine of this "
    "machine: install one (apt-get install docker.io) and start it, or name "
    "another one with DOCKER_HOST";

tl::unexpected<failure<local_engine_errc>> no_engine(const std::string& text) {
  return fail(local_engine_errc::no_engine, text);
}

/// Whether somebody on this machine can listen there.
bool is_own_address(const std::string& host) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  if (inet_pton(AF_INET, host.c_str(), &at.sin_addr) != 1)
    return false;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto done = bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at);
  close(fd);
  return done == 0;
}

/// The first address of `172.17.0.0/16`: an Engine's bridge has that, unless it
/// was told otherwise. Empty for what is no IPv4 network.
std::string first_of(const std::string& subnet) {
  in_addr at{};
  if (inet_pton(AF_INET, subnet.substr(0, subnet.find('/')).c_str(), &at) != 1)
    return "";
  at.s_addr = htonl(ntohl(at.s_addr) + 1);
  char out[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &at, out, sizeof out);
}

/// The members `key` of a list of objects.
std::vector<std::string> texts_in(const json& list, const char* key) {
  std::vector<std::string> out;
  if (list.is_array())
    for (const auto& x : list)
      if (x.is_object() && x.value(key, json{}).is_string())
        out.push_back(x[key].get<std::string>());
  return out;
}

/// The address of a network's bridge. In the first run of an Engine that
/// network has a subnet alone.
std::string gateway_of(const json& network) {
  auto at = json::json_pointer{"/IPAM/Config"};
  if (!network.is_object() || !network.contains(at))
    return "";
  auto told = texts_in(network[at], "Gateway");
  if (!told.empty())
    return told.front();
  auto subnets = texts_in(network[at], "Subnet");
  return subnets.empty() ? "" : first_of(subnets.front());
}

} // namespace

result<local_engine, local_engine_errc> find_local_engine() {
  local_engine out;
  out.address = docker::login_address(docker::own_variable);
  auto at = docker::parse_address(out.address);
  if (!at)
    return no_engine(fmt::format("{}; {}", at.error().text, install_hint));
  out.socket = at->socket;
  docker::engine engine{docker::make_socket_dialer(*at), "",
                        !at->socket.empty()};
  if (auto met = engine.negotiate(); !met)
    return no_engine(fmt::format("{}; {}", met.error().text, install_hint));
  auto bridge = engine.ask({"GET", "/networks/bridge"});
  if (!bridge)
    return no_engine(fmt::format(
      "the Docker Engine at {} tells of no network \"bridge\", which jobs get "
      "the commit over: {}",
      out.address, bridge.error().text));
  out.gateway = gateway_of(*bridge);
  if (!is_own_address(out.gateway))
    return no_engine(fmt::format(
      "containers of the Docker Engine at {} find this machine at \"{}\", "
      "which "
      "is no address of it: the Engine is on another machine, or in a network "
      "of its own (rootless, Docker Desktop); {}",
      out.address, out.gateway, install_hint));
  return out;
}

void remove_from_engine(const std::string& address,
                        const std::string& short_token) {
  auto at = docker::parse_address(address);
  if (!at || short_token.empty())
    return;
  docker::engine engine{docker::make_socket_dialer(*at), "",
                        !at->socket.empty()};
  if (!engine.negotiate())
    return;
  json filters{{"label",
                {"com.gitlab.gitlab-runner.managed=true",
                 "com.gitlab.gitlab-runner.runner.id=" + short_token}}};
  auto query = "filters=" + docker::url_encoded(filters.dump());
  if (auto x = engine.ask({"GET", "/containers/json?all=1&" + query}))
    for (const auto& id : texts_in(*x, "Id"))
      (void)docker::remove_container(engine, id, true);
  if (auto x = engine.ask({"GET", "/volumes?" + query}); x && x->is_object())
    for (const auto& name : texts_in(x->value("Volumes", json{}), "Name"))
      (void)engine.ask({"DELETE", "/volumes/" + docker::url_encoded(name)});
  if (auto x = engine.ask({"GET", "/networks?" + query}))
    for (const auto& id : texts_in(*x, "Id"))
      (void)engine.ask({"DELETE", "/networks/" + docker::url_encoded(id)});
}

} // namespace muster
