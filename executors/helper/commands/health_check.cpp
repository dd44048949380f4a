#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/http/connection.hpp"
#include "messages/host_port.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <thread>
#include <unistd.h>

namespace muster::helper {

namespace {

constexpr auto pause = std::chrono::seconds{1};
constexpr auto connect_patience = std::chrono::seconds{30};

/// What is to answer.
struct service {
  std::string host;
  std::string port;
};

/// The variables that a container gets about those it is linked to:
/// `NAME_TCP_ADDR` and `NAME_TCP_PORT`.
std::vector<service> linked_services() {
  constexpr std::string_view address_suffix = "_TCP_ADDR";
  constexpr std::string_view port_suffix = "_TCP_PORT";
  std::map<std::string, service> found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text{*entry};
    auto name = text.substr(0, text.find('='));
    if (name.size() == text.size())
      continue;
    std::string value{text.substr(name.size() + 1)};
    if (name.ends_with(address_suffix))
      found[std::string{name.substr(0, name.size() - address_suffix.size())}]
        .host
        = value;
    else if (name.ends_with(port_suffix))
      found[std::string{name.substr(0, name.size() - port_suffix.size())}].port
        = value;
  }
  std::vector<service> result;
  for (const auto& [name, x] : found)
    if (!x.host.empty() && !x.port.empty())
      result.push_back(x);
  return result;
}

bool answers(const service& what) {
  auto to = parse_url("http://" + bracketed(what.host) + ":" + what.port);
  if (!to)
    return false;
  dial_options options;
  options.variable = [](const std::string&) { return std::string{}; };
  return connection_to::dial(*to, nullptr, options,
                             std::chrono::steady_clock::now()
                               + connect_patience)
    .has_value();
}

void wait_for(const service& what) {
  log::info("waiting for TCP connection to " + what.host + " on [" + what.port
            + "]...");
  while (!answers(what))
    std::this_thread::sleep_for(pause);
  log::info("connected to " + what.host + " on port " + what.port);
}

} // namespace

int health_check(const std::vector<std::string>& arguments) {
  std::vector<std::string> ports;
  if (auto wrong
      = read_flags({{"port", "", &ports}, {"p", "", &ports}}, arguments))
    return log::fatal("health-check: " + *wrong);
  for (const auto& port : ports)
    if (!parse_url("http://localhost:" + port))
      return log::fatal("health-check: `" + port + "` is no port");
  if (!ports.empty()) {
    for (const auto& port : ports)
      wait_for({"localhost", port});
    return 0;
  }
  auto services = linked_services();
  if (services.empty())
    return log::fatal("No HOST or PORT found: neither --port nor variables "
                      "*_TCP_ADDR and *_TCP_PORT");
  for (;;) {
    if (std::any_of(services.begin(), services.end(), answers))
      return 0;
    std::this_thread::sleep_for(pause);
  }
}

} // namespace muster::helper
