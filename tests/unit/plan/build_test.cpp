#include "executors/plan/build.hpp"
#include "executors/plan/environment.hpp"
#include "executors/shells/posix.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

using texts = std::vector<std::string>;

void set(job_payload& payload, std::string key, std::string value) {
  job_variable x;
  x.key = std::move(key);
  x.value = secret{std::move(value)};
  payload.variables.push_back(std::move(x));
}

job_payload sample() {
  job_payload payload;
  payload.id = 1;
  payload.token = secret{"glcbt-job-token"};
  payload.allow_git_fetch = true;
  payload.project_id = 7;
  payload.git.repo_url
    = secret{"https://gitlab-ci-token:glcbt-job-token@git.example.com/g/p.git"};
  payload.git.ref = "main";
  payload.git.sha = "0123456789abcdef";
  payload.git.refspecs = {"+refs/heads/main:refs/remotes/origin/main"};
  payload.steps = {{"script", {"make"}}};
  return payload;
}

runner_config runner() {
  runner_config config;
  config.url = "https://git.example.com";
  return config;
}

plan_facts facts() {
  plan_facts x;
  x.key = "key-1";
  x.short_token = "ABCDEFGHI";
  x.manager_host = "manager-1";
  x.version = "1.0.0";
  x.revision = "0123abcd";
  x.os = "linux";
  x.arch = "amd64";
  return x;
}

plan_result built(const job_payload& payload,
                  const runner_config& config = runner()) {
  auto plan = build_plan(payload, config, facts());
  REQUIRE(plan);
  return std::move(*plan);
}

texts names(const plan_result& of) {
  texts result;
  for (const auto& stage : of.plan.stages)
    result.push_back(stage.name);
  return result;
}

const stage_plan& stage(const plan_result& of, std::string_view name) {
  for (const auto& x : of.plan.stages)
    if (x.name == name)
      return x;
  FAIL("no stage " << name);
  return of.plan.stages.front();
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

bool warned(const plan_result& of, std::string_view part) {
  for (const auto& line : of.warnings)
    if (has(line, part))
      return true;
  return false;
}

} // namespace

TEST_CASE("stages stand in the peer's order, after_script last of the user's") {
  auto payload = sample();
  payload.steps = {
    {"after_script", {"echo bye"}}, {"script", {"make"}}, {"Release", {"x"}}};
  auto plan = built(payload);
  CHECK_EQ(names(plan),
           texts{"prepare_script", "get_sources", "step_script", "step_release",
                 "after_script", "cleanup_file_variables"});
  CHECK_EQ(stage(plan, "step_release").heading,
           "Executing \"step_release\" stage of the job script");
  CHECK_EQ(plan.plan.key, "key-1");
  CHECK_EQ(plan.plan.temp_dir, "builds/ABCDEFGHI/0/g/p.tmp");
}

TEST_CASE("caches and artifacts have their stages, if there is something") {
  auto payload = sample();
  payload.steps.push_back({"after_script", {"echo bye"}});
  payload.caches = {{.key = "k", .paths = {"lib"}, .when = "always"}};
  payload.artifacts = {{.paths = {"out"}, .when = "always"}};
  payload.dependencies = {
    {.id = 5, .token = secret{"glcbt-5"}, .name = "x", .file_name = "a.zip"}};
  set(payload, "RESTORE_CACHE_ATTEMPTS", "2");
  set(payload, "ARTIFACT_DOWNLOAD_ATTEMPTS", "3");
  auto plan = built(payload);
  struct row {
    const char* name;
    const char* heading;
    stage_condition condition;
    stage_phase phase;
    int attempts;
  };
  using enum stage_condition;
  const row rows[] = {
    {"restore_cache", "Restoring cache", on_success, stage_phase::sources, 2},
    {"download_artifacts", "Downloading artifacts", on_success,
     stage_phase::sources, 3},
    {"archive_cache", "Saving cache for successful job", on_success,
     stage_phase::archive, 1},
    {"archive_cache_on_failure", "Saving cache for failed job", on_failure,
     stage_phase::archive, 1},
    {"upload_artifacts_on_success", "Uploading artifacts for successful job",
     on_success, stage_phase::archive, 1},
    {"upload_artifacts_on_failure", "Uploading artifacts for failed job",
     on_failure, stage_phase::archive, 1},
  };
  for (const auto& r : rows) {
    CAPTURE(r.name);
    const auto& got = stage(plan, r.name);
    CHECK_EQ(got.heading, r.heading);
    CHECK(got.condition == r.condition);
    CHECK(got.phase == r.phase);
    CHECK_EQ(got.attempts_max, r.attempts);
    CHECK(got.failure_counts);
  }
  CHECK_EQ(names(plan),
           texts{"prepare_script", "get_sources", "restore_cache",
                 "download_artifacts", "step_script", "after_script",
                 "archive_cache", "archive_cache_on_failure",
                 "upload_artifacts_on_success", "upload_artifacts_on_failure",
                 "cleanup_file_variables"});
  CHECK(plan.mask_phrases == texts{"glcbt-job-token", "glcbt-5"});
  auto config = runner();
  config.url.clear();
  CHECK_EQ(names(built(payload, config)).size(), 9);
  payload = sample();
  payload.caches = {{.key = "k"}};
  payload.artifacts = {{.exclude = {"out"}}, {.paths = {"x"}, .when = "never"}};
  payload.dependencies = {{.id = 5}};
  CHECK_EQ(names(built(payload)).size(), 4);
}

TEST_CASE("stages carry their conditions, phases and headings") {
  auto payload = sample();
  payload.steps.push_back({"after_script", {"echo bye"}});
  auto plan = built(payload);
  struct row {
    const char* name;
    const char* heading;
    stage_condition condition;
    stage_phase phase;
    bool counts;
    bool status;
  };
  const row rows[] = {
    {"prepare_script", "Preparing environment", stage_condition::on_success,
     stage_phase::prepare, true, false},
    {"get_sources", "Getting source from Git repository",
     stage_condition::on_success, stage_phase::sources, true, false},
    {"step_script", "Executing \"step_script\" stage of the job script",
     stage_condition::on_success, stage_phase::step, true, false},
    {"after_script", "Running after_script", stage_condition::after_steps,
     stage_phase::after, false, true},
    {"cleanup_file_variables",
     "Cleaning up project directory and file based variables",
     stage_condition::always, stage_phase::cleanup, false, false},
  };
  REQUIRE_EQ(plan.plan.stages.size(), std::size(rows));
  for (size_t i = 0; i < std::size(rows); ++i) {
    const auto& got = plan.plan.stages[i];
    CAPTURE(got.name);
    CHECK_EQ(got.name, rows[i].name);
    CHECK_EQ(got.heading, rows[i].heading);
    CHECK(got.condition == rows[i].condition);
    CHECK(got.phase == rows[i].phase);
    CHECK_EQ(got.failure_counts, rows[i].counts);
    CHECK_EQ(got.status_variable, rows[i].status);
    CHECK_EQ(got.attempts_max, 1);
    CHECK_EQ(got.before_retry, "");
  }
}

TEST_CASE("a stage with nothing to do is left out") {
  auto payload = sample();
  payload.steps.push_back({"after_script", {}});
  CHECK_EQ(names(built(payload)),
           texts{"prepare_script", "get_sources", "step_script",
                 "cleanup_file_variables"});
}

TEST_CASE("time-outs come from the job and its variables") {
  auto payload = sample();
  payload.steps.push_back({"after_script", {"echo bye"}});
  payload.timeout_seconds = 600;
  SUBCASE("defaults") {
    auto plan = built(payload);
    CHECK_EQ(plan.plan.timeout_ms, 600'000);
    CHECK_EQ(plan.plan.steps_timeout_ms, 0);
    CHECK_EQ(stage(plan, "after_script").timeout_ms, 300'000);
    CHECK(plan.warnings.empty());
  }
  SUBCASE("set") {
    set(payload, "RUNNER_SCRIPT_TIMEOUT", "1m30s");
    set(payload, "RUNNER_AFTER_SCRIPT_TIMEOUT", "90s");
    auto plan = built(payload);
    CHECK_EQ(plan.plan.steps_timeout_ms, 90'000);
    CHECK_EQ(stage(plan, "step_script").timeout_ms, 0);
    CHECK_EQ(stage(plan, "after_script").timeout_ms, 90'000);
    CHECK(plan.warnings.empty());
  }
  SUBCASE("zero keeps the default") {
    set(payload, "RUNNER_SCRIPT_TIMEOUT", "0s");
    set(payload, "RUNNER_AFTER_SCRIPT_TIMEOUT", "0");
    auto plan = built(payload);
    CHECK_EQ(plan.plan.steps_timeout_ms, 0);
    CHECK_EQ(stage(plan, "after_script").timeout_ms, 300'000);
    CHECK(plan.warnings.empty());
  }
  SUBCASE("malformed, negative and too long") {
    set(payload, "RUNNER_SCRIPT_TIMEOUT", "soon");
    set(payload, "RUNNER_AFTER_SCRIPT_TIMEOUT", "-1m");
    auto plan = built(payload);
    CHECK_EQ(plan.plan.steps_timeout_ms, 0);
    CHECK_EQ(stage(plan, "after_script").timeout_ms, 300'000);
    CHECK(warned(plan, "RUNNER_SCRIPT_TIMEOUT: "));
    CHECK(warned(plan, "RUNNER_AFTER_SCRIPT_TIMEOUT: "));
    set(payload, "RUNNER_SCRIPT_TIMEOUT", "2h");
    CHECK(warned(built(payload), "longer than the job's time-out of 10m0s"));
  }
  SUBCASE("none given") {
    payload.timeout_seconds = 0;
    CHECK_EQ(built(payload).plan.timeout_ms, 7'200'000);
    auto left = facts();
    left.time_left = 5s;
    CHECK_EQ(build_plan(payload, runner(), left)->plan.timeout_ms, 5'000);
  }
}

TEST_CASE("limits of the configuration hold within the job's time") {
  auto payload = sample();
  payload.timeout_seconds = 600;
  auto config = runner();
  auto plan = built(payload, config);
  CHECK_EQ(plan.prepare_timeout, 0ms);
  CHECK_EQ(stage(plan, "get_sources").timeout_ms, 0);
  config.prepare_timeout = 10min;
  config.get_sources_timeout = 90s;
  plan = built(payload, config);
  CHECK_EQ(plan.prepare_timeout, 10min);
  CHECK_EQ(plan.get_sources_timeout, 90s);
  CHECK_EQ(stage(plan, "get_sources").timeout_ms, 90'000);
  CHECK(plan.warnings.empty());
  config.prepare_timeout = 601s;
  config.get_sources_timeout = 1h;
  plan = built(payload, config);
  CHECK_EQ(plan.prepare_timeout, 0ms);
  CHECK_EQ(stage(plan, "get_sources").timeout_ms, 0);
  CHECK(warned(plan, "prepare_timeout: 10m1s is longer than the job's"));
  CHECK(warned(plan, "get_sources_timeout: 1h0m0s is longer than the job's"));
}

TEST_CASE("a job that a policy has added says so") {
  auto payload = sample();
  CHECK(built(payload).policy_lines.empty());
  payload.policy.name = "P";
  CHECK_EQ(built(payload).policy_lines,
           texts{"Job triggered by policy \"P\".",
                 "Variables defined in the policy take precedence over "
                 "matching user-defined CI/CD variables for this job."});
  payload.policy.overrides = policy_overrides::ignored;
  CHECK_EQ(built(payload).policy_lines.back(),
           "User-defined CI/CD variables are ignored in this job according to "
           "the pipeline execution policy.");
}

TEST_CASE("attempts are clamped to 1 to 10 and clear the work tree between") {
  struct row {
    const char* value;
    int expected;
    bool warns;
  };
  const row rows[]
    = {{"1", 1, false},         {"3", 3, false},  {"10", 10, false},
       {"0", 1, true},          {"11", 10, true}, {"-4", 1, true},
       {"x", 1, true},          {"2.5", 1, true}, {"", 1, false},
       {"99999999999", 1, true}};
  for (const auto& r : rows) {
    CAPTURE(r.value);
    auto payload = sample();
    set(payload, "GET_SOURCES_ATTEMPTS", r.value);
    auto plan = built(payload);
    const auto& got = stage(plan, "get_sources");
    CHECK_EQ(got.attempts_max, r.expected);
    CHECK_EQ(has(got.before_retry, "git rm -rf"), r.expected > 1);
    CHECK_EQ(warned(plan, "GET_SOURCES_ATTEMPTS: "), r.warns);
  }
}

TEST_CASE("pauses between attempts grow as the feature flag says") {
  auto payload = sample();
  auto plan = built(payload);
  CHECK_EQ(stage(plan, "get_sources").retry_pause_ms, 5'000);
  CHECK_EQ(stage(plan, "get_sources").retry_pause_max_ms, 300'000);
  set(payload, "FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY", "false");
  plan = built(payload);
  CHECK_EQ(stage(plan, "get_sources").retry_pause_ms, 1'000);
  CHECK_EQ(stage(plan, "get_sources").retry_pause_max_ms, 5'000);
}

TEST_CASE("after_script's failure counts only if the job says so") {
  for (auto [value, counts] : {std::pair{"false", true},
                               {"true", false},
                               {"0", true},
                               {"no", false}}) {
    CAPTURE(value);
    auto payload = sample();
    payload.steps.push_back({"after_script", {"false"}});
    set(payload, "AFTER_SCRIPT_IGNORE_ERRORS", value);
    auto plan = built(payload);
    CHECK_EQ(stage(plan, "after_script").failure_counts, counts);
    CHECK_EQ(warned(plan, "AFTER_SCRIPT_IGNORE_ERRORS: "),
             std::string_view{value} == "no");
  }
}

TEST_CASE("CI_JOB_STATUS is exported but in after_script") {
  auto payload = sample();
  payload.steps.push_back({"after_script", {"echo bye"}});
  auto plan = built(payload);
  CHECK(has(stage(plan, "step_script").script, "export CI_JOB_STATUS=running"));
  CHECK_FALSE(has(stage(plan, "after_script").script, "CI_JOB_STATUS"));
}

TEST_CASE("later groups of variables win over earlier ones") {
  auto payload = sample();
  auto config = runner();
  config.environment = {"A=runner", "B=runner", "NOT_A_VARIABLE",
                        "CI_CONCURRENT_ID=runner", "FROM=<$B>"};
  set(payload, "B", "job");
  set(payload, "CI_PROJECT_DIR", "/job");
  set(payload, "CI_SHARED_ENVIRONMENT", "job");
  auto vars = built(payload, config).variables;
  struct row {
    const char* key;
    const char* expected;
  };
  const row rows[] = {
    {"A", "runner"},
    {"B", "job"},
    {"FROM", "<job>"},
    {"CI_CONCURRENT_ID", "0"},
    {"CI_PROJECT_DIR", "/job"},
    {"CI_SHARED_ENVIRONMENT", "true"},
    {"CI_SERVER", "yes"},
    {"CI_JOB_STATUS", "running"},
    {"CI_JOB_TIMEOUT", "7200"},
    {"CI_RUNNER_SHORT_TOKEN", "ABCDEFGHI"},
    {"CI_RUNNER_VERSION", "1.0.0"},
    {"CI_RUNNER_REVISION", "0123abcd"},
    {"CI_RUNNER_EXECUTABLE_ARCH", "linux/amd64"},
    {"FF_TIMESTAMPS", "true"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.key);
    CHECK_EQ(vars.value(r.key), r.expected);
  }
  CHECK_FALSE(vars.find("NOT_A_VARIABLE"));
  CHECK_FALSE(vars.find("CI_DISPOSABLE_ENVIRONMENT"));
}

TEST_CASE("a feature flag comes from the configuration before the job") {
  auto payload = sample();
  auto config = runner();
  payload.correlation_id = "corr-1";
  auto sources
    = [&] { return stage(built(payload, config), "get_sources").script; };
  CHECK(has(sources(), "X-Gitaly-Correlation-ID: corr-1"));
  set(payload, "FF_USE_GITALY_CORRELATION_ID", "false");
  CHECK_FALSE(has(sources(), "corr-1"));
  CHECK_EQ(built(payload).variables.value("FF_USE_GITALY_CORRELATION_ID"),
           "false");
  config.feature_flags["FF_USE_GITALY_CORRELATION_ID"] = true;
  CHECK(has(sources(), "corr-1"));
  set(payload, "FF_SCRIPT_SECTIONS", "perhaps");
  CHECK(warned(built(payload), "FF_SCRIPT_SECTIONS"));
}

TEST_CASE("values that cannot be used are told") {
  struct row {
    const char* key;
    const char* value;
    const char* warning;
  };
  const row rows[] = {
    {"GIT_STRATEGY", "Fetch", "GIT_STRATEGY: "},
    {"GIT_SUBMODULE_STRATEGY", "deep", "GIT_SUBMODULE_STRATEGY: "},
    {"GIT_CHECKOUT", "maybe", "GIT_CHECKOUT: "},
    {"GIT_SUBMODULE_DEPTH", "-1", "GIT_SUBMODULE_DEPTH: "},
    {"CI_DEBUG_TRACE", "yes", "CI_DEBUG_TRACE: "},
    {"UID", "5", "UID: "},
    {"A-B", "5", "A-B: "},
    {"../x", "5", "../x: "},
  };
  for (const auto& r : rows) {
    CAPTURE(r.key);
    auto payload = sample();
    set(payload, r.key, r.value);
    auto plan = built(payload);
    CHECK(warned(plan, r.warning));
    CHECK_EQ(plan.warnings.size(), 1u);
    CHECK_FALSE(has(stage(plan, "step_script").script, "export UID"));
  }
}

TEST_CASE("a variable too large for a program's environment is the shell's "
          "alone, and told") {
  const std::string much(exported_max, 'x');
  auto payload = sample();
  set(payload, "FITS", much.substr(5));
  set(payload, "LARGE", much.substr(5));
  set(payload, "PLAIN", "value");
  job_variable file;
  file.key = "LARGE_FILE";
  file.value = secret{much + much};
  file.file = true;
  payload.variables.push_back(file);
  auto plan = built(payload);
  for (const auto* name : {"get_sources", "step_script"}) {
    CAPTURE(name);
    const auto& script = stage(plan, name).script;
    CHECK(has(script, "export FITS=x"));
    CHECK(has(script, "unset -v LARGE\nLARGE=x"));
    CHECK_FALSE(has(script, "export LARGE=x"));
    CHECK(has(script, "export PLAIN=value"));
    CHECK(has(script, "export LARGE_FILE="));
  }
  REQUIRE_EQ(plan.warnings.size(), 1);
  CHECK(plan.warnings.front().starts_with("LARGE: its 131066 bytes are too "));
}

TEST_CASE("of variables that are too much together the largest go first") {
  auto payload = sample();
  for (char c = 'A'; c <= 'Z'; ++c)
    set(payload, std::string{"V_"} + c, std::string(100'000, c));
  set(payload, "LARGEST", std::string(120'000, 'x'));
  auto warnings = built(payload).warnings;
  // 2,720,000 bytes, and some of muster's own: 8 of them have to go.
  REQUIRE_EQ(warnings.size(), 8);
  CHECK(warnings.back().starts_with("LARGEST: "));
  CHECK(warnings.front().starts_with("V_A: "));
  payload.variables.resize(19);
  CHECK(built(payload).warnings.empty());
}

TEST_CASE("a plan that no helper takes is refused, the reason named") {
  auto payload = sample();
  payload.steps.push_back({"after_script", {"true"}});
  set(payload, "HUGE", std::string(24u << 20, 'x'));
  auto plan = build_plan(payload, runner(), facts());
  REQUIRE_FALSE(plan);
  CHECK_EQ(plan.error().code, job_errc::runner_system_failure);
  CHECK(has(plan.error().text, "an instance takes 67108864"));
  CHECK(has(plan.error().text, "The largest variable is HUGE with 25165824 "));
  payload = sample();
  for (int i = 0; i < 1001; ++i)
    payload.steps.push_back({"s" + std::to_string(i), {"true"}});
  plan = build_plan(payload, runner(), facts());
  REQUIRE_FALSE(plan);
  CHECK(has(plan.error().text, "an instance takes 1000"));
}

TEST_CASE("a debug trace can be forbidden") {
  auto payload = sample();
  set(payload, "CI_DEBUG_TRACE", "true");
  CHECK(has(stage(built(payload), "step_script").script, "xtrace"));
  auto config = runner();
  config.debug_trace_disabled = true;
  auto plan = built(payload, config);
  CHECK_FALSE(has(stage(plan, "step_script").script, "xtrace"));
  CHECK(warned(plan, "CI_DEBUG_TRACE: usage is disabled on this Runner"));
}

TEST_CASE("what cannot run is refused with its reason") {
  auto payload = sample();
  auto config = runner();
  SUBCASE("a clone path") {
    set(payload, "GIT_CLONE_PATH", "$CI_BUILDS_DIR/x");
    auto plan = build_plan(payload, config, facts());
    REQUIRE_FALSE(plan);
    CHECK_EQ(plan.error().code, job_errc::configuration_error);
    config.custom_build_dir_enabled = true;
    CHECK_EQ(built(payload, config).plan.temp_dir, "builds/x.tmp");
  }
  SUBCASE("a shell of another kind") {
    config.shell = "pwsh";
    CHECK_EQ(build_plan(payload, config, facts()).error().code,
             job_errc::configuration_error);
  }
  SUBCASE("a refused payload") {
    payload.refusal = "both script and run";
    auto plan = build_plan(payload, config, facts());
    REQUIRE_FALSE(plan);
    CHECK_EQ(plan.error().code, job_errc::runner_system_failure);
    CHECK_EQ(plan.error().text, "both script and run");
  }
  SUBCASE("no builds directory") {
    config.builds_dir.clear();
    CHECK_EQ(build_plan(payload, config, facts()).error().code,
             job_errc::configuration_error);
  }
}

TEST_CASE("the job's token is masked and stands in no URL of a script") {
  auto payload = sample();
  auto plan = built(payload);
  CHECK(plan.mask_phrases == texts{"glcbt-job-token"});
  const auto& script = stage(plan, "get_sources").script;
  CHECK(has(script, "https://git.example.com/g/p.git"));
  CHECK_FALSE(has(script, "glcbt-job-token@"));
  CHECK_FALSE(has(stage(plan, "step_script").script, "glcbt-job-token"));
  CHECK_EQ(plan.mask_prefixes.size(), 14u);
}

TEST_CASE("the token is offered to this GitLab's servers and to no other") {
  auto payload = sample();
  auto config = runner();
  config.url = "https://gitlab.example.com/base/ci";
  config.clone_url = "http://user:x@inner:8080/base/";
  payload.project_full_path = "g/p";
  auto script = stage(built(payload, config), "get_sources").script;
  CHECK(has(script, "http://inner:8080/base/g/p.git"));
  CHECK_FALSE(has(script, "user:x"));
  for (auto host : {"http://inner:8080", "https://git.example.com",
                    "https://gitlab.example.com"})
    CHECK(has(script, "[credential \"" + std::string{host} + "\"]"));
}

TEST_CASE("a fetch names its depth, refspecs and flags") {
  struct row {
    const char* what;
    int depth;
    const char* flags;
    const char* expected;
  };
  const row rows[] = {
    {"default", 20, nullptr, " --depth 20 --prune --quiet\n"},
    {"none", 20, "none", " --depth 20\n"},
    {"others", 0, "--jobs 4 -v", "origin/main --jobs 4 -v\n"},
    {"whole of a shallow one", 0, nullptr, "--prune --quiet --unshallow\n"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto payload = sample();
    payload.git.depth = r.depth;
    if (r.flags != nullptr)
      set(payload, "GIT_FETCH_EXTRA_FLAGS", r.flags);
    auto script = stage(built(payload), "get_sources").script;
    CHECK(has(script, r.expected));
    CHECK(has(script, "muster 1.0.0 linux/amd64"));
    CHECK(has(script, "+refs/heads/main:refs/remotes/origin/main"));
  }
}
