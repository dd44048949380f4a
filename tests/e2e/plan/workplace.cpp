#include "tests/e2e/plan/workplace.hpp"

#include <cstdlib>
#include <ctime>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace muster::test {

namespace {

namespace fs = std::filesystem;

// Two commits on `main`; the second adds a folder.
constexpr auto make_repository = R"(
mkdir home
cat >home/.gitconfig <<E
[user]
	name = Test
	email = test@example.com
[protocol "file"]
	allow = always
[init]
	defaultBranch = main
[advice]
	detachedHead = false
E
git init -q work
cd work
echo one >file
git add file
git commit -q -m first
mkdir dir
echo two >dir/file
git add dir
git commit -q -m second
git clone -q --bare . ../origin.git
git -C ../origin.git config uploadpack.allowAnySHA1InWant true
)";

} // namespace

workplace::workplace() {
  std::string name = fs::temp_directory_path() / "muster-plan-XXXXXX";
  REQUIRE(mkdtemp(name.data()) != nullptr);
  root_ = fs::canonical(name);
  prepare(make_repository);
}

workplace::~workplace() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

std::string workplace::prepare(const std::string& script) const {
  shell_options options;
  options.directory = root_;
  auto got = run_program({"/usr/bin/env", "HOME=" + home(), "sh", "-e"}, script,
                         options);
  CAPTURE(got.err);
  REQUIRE_EQ(got.exit_code, 0);
  return got.out;
}

std::string workplace::head() const {
  auto text = prepare("git -C origin.git rev-parse main");
  text.pop_back();
  return text;
}

bool workplace::exists(const std::string& path) const {
  return fs::exists(fs::symlink_status(home() + '/' + path));
}

std::string workplace::read(const std::string& path) const {
  std::ifstream in{home() + '/' + path};
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

const shell_result& plan_run::of(const std::string& name) const {
  for (const auto& x : stages)
    if (x.name == name)
      return x.result;
  FAIL("stage " << name << " did not run");
  return stages.front().result;
}

bool plan_run::ran(const std::string& name) const {
  for (const auto& x : stages)
    if (x.name == name)
      return true;
  return false;
}

plan_run carry_out(const job_plan& plan, const std::string& shell,
                   const workplace& at, const environment& more) {
  plan_run run;
  bool failed = false;
  bool stepped = false;
  for (const auto& stage : plan.stages) {
    if (failed && stage.condition == stage_condition::on_success)
      continue;
    if (!failed && stage.condition == stage_condition::on_failure)
      continue;
    if (!stepped && stage.condition == stage_condition::after_steps)
      continue;
    stepped = stepped || stage.phase == stage_phase::step;
    shell_options options;
    options.directory = at.home();
    options.environment = more;
    if (stage.status_variable)
      options.environment["CI_JOB_STATUS"] = run.status;
    auto result = run_shell(shell, stage.script, options);
    if (result.exit_code != 0 && stage.failure_counts && !failed) {
      failed = stage.phase != stage_phase::archive;
      run.status = "failed";
    }
    run.stages.push_back({stage.name, std::move(result)});
  }
  return run;
}

job_payload job_at(const workplace& place, std::vector<std::string> commands) {
  job_payload payload;
  payload.token = secret{"glcbt-64_secret-of-the-job"};
  payload.allow_git_fetch = true;
  payload.project_id = 7;
  payload.project_full_path = "g/p";
  payload.git.repo_url = secret{"file://" + place.repository()};
  payload.git.ref = "main";
  payload.git.sha = place.head();
  payload.git.refspecs = {"+refs/heads/main:refs/remotes/origin/main"};
  payload.steps = {{"script", std::move(commands)}};
  return payload;
}

void set(job_payload& payload, std::string key, std::string value, bool file) {
  job_variable x;
  x.key = std::move(key);
  x.value = secret{std::move(value)};
  x.file = file;
  payload.variables.push_back(std::move(x));
}

plan_result plan_of(const job_payload& payload, const runner_config& config) {
  plan_facts facts;
  facts.key = "key";
  facts.short_token = "ABCDEFGHI";
  facts.manager_host = "manager-1";
  facts.version = "1.0.0";
  facts.os = "linux";
  facts.arch = "amd64";
  facts.began_unix = std::time(nullptr);
  auto plan = build_plan(payload, config, facts);
  REQUIRE(plan);
  return std::move(*plan);
}

} // namespace muster::test
