#include "tests/e2e/manager/world.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <sstream>

namespace muster::test {

namespace {

constexpr auto make_repository
  = "cd {0}; export HOME=$PWD GIT_CONFIG_NOSYSTEM=1; git init -q -b main work; "
    "cd work; git config user.name N; git config user.email n@example.com; "
    "echo first > words.txt; git add words.txt; git commit -qm first; "
    "echo second > words.txt; git commit -qam second; "
    "git clone -q --bare . ../hello.git";

test_gitlab_options options_of(const manager_folder& place,
                               const world::settings& how) {
  run_shell(fmt::format(make_repository, place.path().string()));
  test_gitlab_options out;
  out.repositories
    = {fmt::format("demo/hello={}/hello.git", place.path().string())};
  out.store.long_poll = std::chrono::seconds{2};
  out.store.accept_within = how.accept_within;
  return out;
}

} // namespace

world::world(settings how)
  : gitlab(options_of(place, how)),
    config(std::move(how.manager)) {
  auto started = gitlab.start();
  if (!started)
    FAIL(started.error().text);
  config.url = gitlab.url();
  config.token = gitlab.token();
  place.write_config(config);
  if (how.start)
    start_manager();
}

world::~world() {
  manager.reset();
  auto recordings = place.state() / "recordings";
  if (!std::filesystem::exists(recordings))
    return;
  constexpr int diverged = 1; // or there is nothing to be read
  auto told = run_muster({"replay", recordings.string()});
  if (doctest::is_running_in_test) {
    CHECK_MESSAGE(told.status != diverged, told.output);
  } else if (told.status == diverged) { // one for several tests, at the exit
    std::fputs(told.output.c_str(), stderr);
    std::_Exit(EXIT_FAILURE);
  }
}

void world::start_manager() {
  manager = std::make_unique<manager_process>(place);
}

std::optional<int> world::stop_manager(int signal) {
  manager->signal(signal);
  return manager->wait_exit();
}

int64_t world::enqueue(nlohmann::json job) {
  auto ids = gitlab.enqueue(std::move(job));
  if (!ids)
    FAIL(ids.error().text);
  return ids->front();
}

int64_t world::enqueue_script(const std::string& script) {
  return enqueue(
    {{"script", script}, {"variables", {{"GIT_STRATEGY", "none"}}}});
}

gitlab::job_view world::ended(int64_t id) {
  auto there = gitlab.wait(id, patience);
  auto found = gitlab.job(id);
  REQUIRE(found.has_value());
  INFO("the manager's log: ", manager ? manager->log() : "");
  INFO("the job's log: ", log(id));
  REQUIRE(there);
  return *found;
}

std::string world::log(int64_t id) const {
  // `2026-01-02T03:04:05.678901Z 00O `, or `+` at its end: a line goes on.
  constexpr size_t prefix = 32;
  std::string out;
  std::istringstream in{gitlab.trace(id)};
  for (std::string line; std::getline(in, line);) {
    if (line.size() < prefix)
      continue; // under way
    if (line[prefix - 1] != '+')
      out += '\n';
    out += line.substr(prefix);
  }
  return out;
}

bool world::shows(int64_t id, const std::string& part) const {
  if (eventually([&] { return log(id).find(part) != std::string::npos; }))
    return true;
  MESSAGE("the manager's log: ", manager ? manager->log() : "",
          "\nthe job's log: ", log(id));
  return false;
}

std::string world::printed(int64_t id, const std::string& name) const {
  auto text = log(id);
  auto mark = "\n" + name + "=";
  auto at = text.rfind(mark);
  if (at == std::string::npos)
    return "";
  at += mark.size();
  return text.substr(at, text.find_first_of("\r\n", at) - at);
}

std::string world::instance_of(int64_t id) const {
  auto text = log(id);
  auto at = text.find("Dialing instance ");
  return at == std::string::npos ? "" : text.substr(at + 17, 14);
}

bool world::serves_a_job() {
  auto id = enqueue_script("echo served");
  return ended(id).state == gitlab::job_state::success;
}

void world::check_rules() {
  for (const auto& x : gitlab.violations().list())
    ADD_FAIL_CHECK_AT(__FILE__, __LINE__,
                      x.rule << " (job " << x.job << "): " << x.text);
}

} // namespace muster::test
