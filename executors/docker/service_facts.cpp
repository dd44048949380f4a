#include "executors/docker/service_facts.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

namespace muster::docker {

namespace {

constexpr size_t ports_max = 20;

std::string text_at(const json& x, const char* key) {
  auto found = x.is_object() ? x.find(key) : x.end();
  return found != x.end() && found->is_string() ? found->get<std::string>()
                                                : "";
}

const json& part(const json& x, const char* key) {
  static const json nothing;
  auto found = x.is_object() ? x.find(key) : x.end();
  return found != x.end() ? *found : nothing;
}

int number_in(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value > 0 && value < 65'536 ? value : 0;
}

/// Those of `8080/tcp`, `8080`, which means the same, or `8000-8010/tcp`.
void add_tcp_ports(std::string_view exposed, std::set<int>& to) {
  auto slash = exposed.find('/');
  if (slash != std::string_view::npos && exposed.substr(slash) != "/tcp")
    return;
  auto range = exposed.substr(0, slash);
  auto dash = range.find('-');
  auto first = number_in(range);
  auto last = dash == std::string_view::npos
                ? first
                : number_in(range.substr(dash + 1));
  for (auto port = first; first > 0 && port <= last; ++port)
    to.insert(port);
}

} // namespace

bool is_only_created(const json& container) {
  return text_at(part(container, "State"), "Status") == "created";
}

std::vector<std::string> addresses_of(const json& container) {
  std::vector<std::string> result;
  const auto& networks = part(part(container, "NetworkSettings"), "Networks");
  if (!networks.is_object())
    return result;
  for (const auto& [name, network] : networks.items())
    for (const char* key : {"IPAddress", "GlobalIPv6Address"})
      if (auto address = text_at(network, key); !address.empty())
        result.push_back(address);
  return result;
}

std::vector<int> ports_of(const json& container) {
  constexpr std::string_view chosen = "HEALTHCHECK_TCP_PORT=";
  const auto& config = part(container, "Config");
  const auto& environment = part(config, "Env");
  if (environment.is_array())
    for (const auto& entry : environment)
      if (entry.is_string()) {
        auto text = entry.get<std::string>();
        if (text.compare(0, chosen.size(), chosen) == 0)
          if (int port = number_in(text.substr(chosen.size())); port > 0)
            return {port};
      }
  std::set<int> ports;
  const auto& exposed = part(config, "ExposedPorts");
  if (exposed.is_object())
    for (const auto& [name, nothing] : exposed.items())
      add_tcp_ports(name, ports);
  std::vector<int> result{ports.begin(), ports.end()};
  result.resize(std::min(result.size(), ports_max));
  return result;
}

} // namespace muster::docker
