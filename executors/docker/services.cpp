#include "executors/docker/services.hpp"

#include "executors/docker/background.hpp"
#include "executors/docker/containers.hpp"
#include "executors/docker/images.hpp"
#include "executors/docker/run_script.hpp"
#include "executors/docker/service_facts.hpp"
#include "executors/docker/trace.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <unistd.h>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr size_t short_id_size = 12;
constexpr size_t log_bytes_max = 64u << 10;
constexpr size_t line_bytes_max = 64u << 10;
constexpr auto created_time = 30s; ///< at least, for a start to be seen
constexpr auto look_pause = 1s;
constexpr auto log_time = 10s;
constexpr auto last_words_time = 10s;
constexpr auto check_slack = 10s; ///< beyond a check's own time
constexpr auto follow_time = 24h * 365;

constexpr const char* yellow = "\x1b[0;33m";
constexpr const char* reset = "\x1b[0;m";

/// A service that was started.
struct started_service {
  const service_request* what = nullptr;
  std::string id;
  std::vector<std::string> addresses;
  std::vector<int> ports; ///< that should take connections

  std::string short_id() const {
    return id.substr(0, short_id_size);
  }
};

/// Runs a command for so many seconds at most, without `timeout`.
constexpr const char* bounded_script
  = "t=$1; shift; \"$@\" & p=$!; (sleep \"$t\"; kill \"$p\") >/dev/null 2>&1 "
    "</dev/null & w=$!; wait \"$p\"; c=$?; kill \"$w\" 2>/dev/null; exit $c";

int64_t check_seconds(const workplace& with) {
  auto ms = with.containers().services_timeout_ms;
  return ms == 0 ? 30 : (ms + 999) / 1'000;
}

/// Looks at a service until it is no longer only created.
job_result<json> look_at(const workplace& with, const std::string& id,
                         const std::string& doing) {
  auto until = steady_clock::now()
               + std::max<std::chrono::seconds>(
                 created_time, std::chrono::seconds{check_seconds(with)});
  for (;;) {
    auto x = retried({}, [&] {
      return with.at.ask({"GET", "/containers/" + id + "/json"});
    });
    if (!x)
      return tl::unexpected{job_failure(x.error(), doing)};
    if (!is_only_created(*x) || steady_clock::now() >= until)
      return *x;
    std::this_thread::sleep_for(look_pause);
  }
}

job_result<started_service> start(const workplace& with,
                                  const service_request& what) {
  trace::plain("Starting service " + what.label + "...");
  auto image = image_source{with.at}.get(what.container.image);
  if (!image)
    return tl::unexpected{image.error()};
  create_facts facts;
  facts.image = image->reference();
  facts.aliases = what.aliases;
  if (with.containers().network)
    facts.network = with.containers().network->name;
  auto body = create_body(what.container, facts, with.at);
  if (!body)
    return tl::unexpected{body.error()};
  auto id = create_container(with.at, what.container.name, *body,
                             what.container.image.platform);
  if (!id)
    return tl::unexpected{id.error()};
  with.state.change([&](job_state& x) { x.services.push_back(*id); });
  auto running = retried({}, [&] { return start_container(with.at, *id); });
  if (!running)
    return tl::unexpected{
      start_failure(running.error(), "service", what.container.image.name)};
  auto seen = look_at(with, *id, "looking at the service " + what.label);
  if (!seen)
    return tl::unexpected{seen.error()};
  return started_service{&what, *id, addresses_of(*seen), ports_of(*seen)};
}

/// Makes a service's names known: to containers by their settings, to the
/// running helper by its file of hosts.
void link(const workplace& with, const started_service& service) {
  auto names = service.what->aliases;
  names.push_back(service.short_id());
  json command = {"sh", "-c", "printf '%s\\n' \"$@\" >> /etc/hosts", "sh"};
  for (const auto& address : service.addresses)
    for (const auto& name : names) {
      with.state.change(
        [&](job_state& x) { x.links.push_back(name + ":" + address); });
      command.push_back(address + " " + name);
    }
  // A helper that is not root has no names of services, and seldom needs them.
  if (!service.addresses.empty()) [[maybe_unused]]
    auto told = run_command(with, command, {});
}

// -- health -------------------------------------------------------------------

std::string log_of(const workplace& with, const std::string& id) {
  std::string text;
  call x{"GET", "/containers/" + id + "/logs?stdout=1&stderr=1&timestamps=1"};
  x.time = log_time;
  [[maybe_unused]] auto read = with.at.read_log(
    x, [&text](demultiplexer::origin, std::string_view more) {
      auto room = log_bytes_max - std::min(text.size(), log_bytes_max);
      text += more.substr(0, room);
    });
  return text;
}

std::string trimmed(std::string text) {
  auto begin = text.find_first_not_of(" \r\n\t");
  auto end = text.find_last_not_of(" \r\n\t");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

/// What a service prints last says why it did not start: it gets some time for
/// that, of the time for its check.
void warn(const workplace& with, const started_service& service,
          const std::string& error, const std::string& check_log,
          steady_clock::time_point check_begun) {
  auto by = check_begun + std::chrono::seconds{check_seconds(with)};
  std::this_thread::sleep_until(
    std::min(by, steady_clock::now() + last_words_time));
  std::string text = "\n";
  text += yellow + std::string{"*** WARNING:"} + reset + " Service "
          + service.what->container.name
          + " probably didn't start properly.\n\nHealth check error:\n"
          + trimmed(error) + "\n";
  if (auto log = trimmed(check_log); !log.empty())
    text += "\nHealth check container logs:\n" + log + "\n";
  if (auto log = trimmed(log_of(with, service.id)); !log.empty())
    text += "\nService container logs:\n" + log + "\n";
  trace::bytes(STDOUT_FILENO,
               text + "\n" + yellow + "*********" + reset + "\n\n");
}

/// Fails if the check could not be done; a service that does not pass it is
/// only warned of.
job_result<void> check(const workplace& with, const started_service& service) {
  auto begun = steady_clock::now();
  if (service.ports.empty()) {
    warn(with, service,
         "service \"" + service.what->container.name
           + "\" has no exposed ports",
         "", begun);
    return {};
  }
  auto seconds = check_seconds(with);
  json command = {"sh",
                  "-c",
                  bounded_script,
                  "sh",
                  std::to_string(seconds),
                  "gitlab-runner-helper",
                  "health-check"};
  if (service.addresses.empty()) {
    warn(with, service,
         "service \"" + service.what->container.name
           + "\" has no address: it has ended, or is in no network",
         "", begun);
    return {};
  }
  // Helpers take one address for all ports, or one for each.
  const auto& address = service.addresses.front();
  std::vector<std::string> environment{"WAIT_FOR_SERVICE_TCP_ADDR=" + address};
  for (int port : service.ports) {
    auto name = "WAIT_FOR_SERVICE_" + std::to_string(port);
    environment.push_back(name + "_TCP_ADDR=" + address);
    environment.push_back(name + "_TCP_PORT=" + std::to_string(port));
  }
  auto checked = in_background([&with, command, environment] {
    return run_command(with, command, environment);
  });
  auto time = std::chrono::seconds{seconds};
  if (checked.wait_for(time + check_slack) != std::future_status::ready) {
    warn(with, service, "the health check does not end", "", begun);
    return {};
  }
  auto end = checked.get();
  auto name = "service \"" + service.what->container.name + "\"";
  if (!end)
    return fail(end.error().code,
                "the health check of the " + name + ": " + end.error().text);
  if (end->exit_code != 0 && steady_clock::now() - begun >= time)
    warn(with, service, name + " timeout", end->output, begun);
  else if (end->exit_code != 0)
    warn(with, service,
         name + " health check: exit code " + std::to_string(end->exit_code),
         end->output, begun);
  return {};
}

job_result<void> wait_for(const workplace& with,
                          const std::vector<started_service>& services) {
  if (with.containers().services_timeout_ms < 0)
    return {};
  trace::plain("Waiting for services to be up and running (timeout "
               + std::to_string(check_seconds(with)) + " seconds)...");
  std::vector<std::future<job_result<void>>> checks;
  for (const auto& service : services)
    checks.push_back(
      in_background([&with, &service] { return check(with, service); }));
  job_result<void> result;
  for (auto& x : checks)
    if (auto checked = x.get(); !checked)
      result = checked;
  return result;
}

// -- logs ---------------------------------------------------------------------

/// Puts a service's name in front of each of its lines.
class prefixed {
public:
  explicit prefixed(std::string prefix) : prefix_(std::move(prefix)) {
  }

  void take(std::string_view bytes) {
    left_ += bytes;
    size_t begin = 0;
    for (auto end = left_.find('\n'); end != std::string::npos;
         end = left_.find('\n', begin)) {
      tell(std::string_view{left_}.substr(begin, end - begin));
      begin = end + 1;
    }
    left_.erase(0, begin);
    if (left_.size() > line_bytes_max) {
      tell(left_);
      left_.clear();
    }
  }

private:
  void tell(std::string_view line) const {
    trace::bytes(STDOUT_FILENO, prefix_ + std::string{line} + "\n");
  }

  std::string prefix_;
  std::string left_;
};

void follow(const workplace& with, const std::string& id,
            const service_request& what) {
  std::string names;
  for (const auto& alias : what.aliases)
    names += (names.empty() ? "" : "-") + alias;
  prefixed out{"[service:" + names + "] "};
  prefixed err = out;
  call x{"GET",
         "/containers/" + id + "/logs?stdout=1&stderr=1&timestamps=1&follow=1"};
  x.time = follow_time;
  [[maybe_unused]] auto read = with.at.read_log(
    x, [&](demultiplexer::origin from, std::string_view bytes) {
      (from == demultiplexer::origin::out ? out : err).take(bytes);
    });
}

} // namespace

job_result<void> start_services(const workplace& with) {
  std::vector<started_service> all;
  for (const auto& what : with.containers().services) {
    auto service = start(with, what);
    if (!service)
      return tl::unexpected{service.error()};
    link(with, *service);
    all.push_back(std::move(*service));
  }
  if (all.empty())
    return {};
  return wait_for(with, all);
}

void follow_services(const workplace& with) {
  auto ids = with.state.get().services;
  const auto& services = with.containers().services;
  std::vector<std::thread> all;
  for (size_t i = 0; i < std::min(ids.size(), services.size()); ++i)
    all.emplace_back([&, i] { follow(with, ids[i], services[i]); });
  for (auto& x : all)
    x.join();
}

} // namespace muster::docker
