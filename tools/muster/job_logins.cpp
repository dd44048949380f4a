#include "tools/muster/job_logins.hpp"

#include "config/source.hpp"
#include "executors/plan/registry_logins.hpp"
#include "executors/plan/variables.hpp"
#include "tools/coordinator/child_process.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>

namespace muster {

namespace {

using clock = std::chrono::steady_clock;

/// Of all programs for a job together: it is not told to GitLab as running
/// before. One that hangs must not have GitLab give the job away.
constexpr auto patience = std::chrono::seconds{30};
constexpr size_t answer_bytes_max = 1u << 20;

tl::unexpected<failure<config_errc>> failed(const std::string& program,
                                            const std::string& why) {
  return fail(config_errc::not_valid, program + ' ' + why);
}

/// Its words go no further than here: they may hold what is secret.
result<std::string, config_errc> ask(const std::string& name,
                                     const std::string& command,
                                     const std::string& input,
                                     clock::time_point until) {
  auto program = "docker-credential-" + name;
  auto is_plain = !name.empty() && std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'
           || c == '_' || c == '.';
  });
  if (!is_plain)
    return failed("a credential program", "is not named by a plain name");
  auto child = gitlab::child_process::start({program, command}, input);
  if (!child)
    return failed(program, "cannot be started: " + child.error().text);
  std::string output;
  while (output.size() <= answer_bytes_max) {
    auto piece = child->read(until, [] { return true; });
    if (piece.empty())
      break;
    output += piece;
  }
  if (clock::now() >= until)
    return failed(program, "does not answer");
  auto status = child->finish();
  if (status == 0)
    return output;
  if (output.find("credentials not found") != std::string::npos)
    return failed(program, "says: credentials not found");
  return failed(program,
                fmt::format("ends with status {} for {}", status, command));
}

/// The content of DOCKER_AUTH_CONFIG, of the job or else of the runner.
std::string auth_config(const std::vector<std::string>& environment,
                        const job_payload& job) {
  job_variables all;
  for (const auto& entry : environment) {
    auto equals = entry.find('=');
    job_variable x;
    x.key = entry.substr(0, equals);
    if (equals != std::string::npos)
      x.value = secret{entry.substr(equals + 1)};
    all.add(std::move(x));
  }
  for (const auto& x : job.variables)
    all.add(x);
  // Not its path, if it is a file.
  for (const auto& x : all.expanded().in_force())
    if (x.key == "DOCKER_AUTH_CONFIG")
      return x.value.reveal();
  return {};
}

/// Docker's client has one of the two in the manager's home.
void read_file(login_sources& into, std::vector<std::string>& warnings) {
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0')
    return;
  for (const auto* name : {"/.docker/config.json", "/.dockercfg"}) {
    into.file_path = home + std::string{name};
    if (is_missing(into.file_path))
      continue;
    if (auto text = read_source(into.file_path))
      into.file = std::move(*text);
    else
      warnings.push_back("Registry credentials: " + text.error().text);
    return;
  }
}

} // namespace

std::function<void(job_payload&)> login_adder(const runner_config& runner) {
  if (!runner.docker)
    return {};
  return [environment = runner.environment](job_payload& job) {
    login_sources from;
    from.auth_config = auth_config(environment, job);
    read_file(from, job.login_warnings);
    from.ask = [until = clock::now() + patience](const std::string& name,
                                                 const std::string& command,
                                                 const std::string& input) {
      return ask(name, command, input, until);
    };
    job.logins = collect_logins(from, job, job.login_warnings);
  };
}

} // namespace muster
