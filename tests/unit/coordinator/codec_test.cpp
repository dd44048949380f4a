#include "actors/coordinator/codec.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

using namespace muster;
using json = nlohmann::json;

namespace {

const char* const whole_job = R"({
  "id": 101, "token": "glcbt-xyz", "allow_git_fetch": true, "unknown": [1, {}],
  "job_info": {"name": "build", "stage": "test", "pipeline_id": 7,
    "project_id": 9, "project_full_path": "group/demo",
    "time_in_queue_seconds": 1.5,
    "project_jobs_running_on_instance_runners_count": "+Inf"},
  "git_info": {"repo_url": "http://gitlab-ci-token:glcbt-xyz@host/demo.git",
    "repo_object_format": "sha256", "ref": "main", "sha": "abc",
    "before_sha": "000", "ref_type": "branch",
    "refspecs": ["+refs/heads/*:refs/remotes/origin/*"], "depth": 20,
    "protected": true},
  "runner_info": {"timeout": 3600, "uuid": "x"},
  "variables": [
    {"key": "A", "value": "1", "public": true, "masked": false},
    {"key": "A", "value": "2", "masked": true, "file": true, "raw": true},
    {"key": "B", "value": null}],
  "steps": [
    {"name": "script", "script": ["one", "two"], "timeout": 3600,
     "when": "on_success", "allow_failure": false},
    {"name": "after_script", "script": ["three"]}],
  "image": {"name": "alpine", "entrypoint": [""], "ports": null,
    "pull_policy": ["never"],
    "executor_opts": {"docker": {"user": 1, "platform": "arm64"}}},
  "services": [{"name": "redis", "alias": "db, cache", "command": ["-v"],
    "entrypoint": null, "variables": [{"key": "S", "value": "$A"}],
    "executor_opts": {"docker": {"user": "u"}}}],
  "artifacts": [{"name": "n-$A", "untracked": true, "paths": ["out", "*.log"],
    "exclude": ["tmp"], "when": "always", "artifact_type": "archive",
    "artifact_format": "zip", "expire_in": "1 week", "access": "all"}, {}],
  "cache": [{"key": "k-$A", "untracked": false, "policy": "pull",
    "paths": ["lib"], "when": "on_failure", "fallback_keys": ["a", "b"]}],
  "credentials": [{"type": "registry", "url": "r", "username": "u",
    "password": "p"}],
  "dependencies": [{"id": 5, "token": "t", "name": "x",
    "artifacts_file": {"filename": "a.zip", "size": 9}},
    {"id": 6, "token": "u", "name": "y", "artifacts_file": null}],
  "policy_options": {"execution_policy_job": true, "policy_name": "P",
    "policy_variables_override_allowed": false,
    "policy_variables_override_exceptions": ["E"]},
  "features": {"trace_sections": true, "token_mask_prefixes": ["tok-"],
    "failure_reasons": ["job_canceled"]},
  "hooks": [{"name": "pre_get_sources_script", "script": ["four"]}],
  "secrets": {}
})";

/// A small valid job, changed by a JSON merge patch.
std::string job_with(const char* change) {
  auto x = json::parse(R"({"id": 1, "token": "t"})");
  x.merge_patch(json::parse(change));
  return x.dump();
}

} // namespace

TEST_CASE("a job is read whole") {
  auto job = parse_job(whole_job);
  REQUIRE(job);
  CHECK_EQ(job->refusal, "");
  CHECK_EQ(job->id, 101);
  CHECK_EQ(job->token.reveal(), "glcbt-xyz");
  CHECK(job->allow_git_fetch);
  CHECK_EQ(job->name, "build");
  CHECK_EQ(job->stage, "test");
  CHECK_EQ(job->pipeline_id, 7);
  CHECK_EQ(job->project_id, 9);
  CHECK_EQ(job->project_full_path, "group/demo");
  CHECK_EQ(job->git.repo_url.reveal(),
           "http://gitlab-ci-token:glcbt-xyz@host/demo.git");
  CHECK_EQ(job->git.object_format, "sha256");
  CHECK_EQ(job->git.ref, "main");
  CHECK_EQ(job->git.sha, "abc");
  CHECK_EQ(job->git.before_sha, "000");
  CHECK_EQ(job->git.ref_type, "branch");
  CHECK_EQ(job->git.refspecs,
           std::vector<std::string>{"+refs/heads/*:refs/remotes/origin/*"});
  CHECK_EQ(job->git.depth, 20);
  CHECK_EQ(job->timeout_seconds, 3600);
  REQUIRE_EQ(job->variables.size(), 3);
  CHECK(job->variables[0].is_public);
  CHECK_EQ(job->variables[1].value.reveal(), "2");
  CHECK(job->variables[1].masked);
  CHECK(job->variables[1].file);
  CHECK(job->variables[1].raw);
  CHECK(job->variables[2].value.empty());
  REQUIRE_EQ(job->steps.size(), 2);
  CHECK_EQ(job->steps[0].name, "script");
  CHECK_EQ(job->steps[0].script, std::vector<std::string>{"one", "two"});
  REQUIRE_EQ(job->hooks.size(), 1);
  CHECK_EQ(job->hooks[0].script, std::vector<std::string>{"four"});
  CHECK(job->trace_sections);
  CHECK_EQ(job->token_mask_prefixes, std::vector<std::string>{"tok-"});
  CHECK_EQ(job->failure_reasons, std::vector<std::string>{"job_canceled"});
  using texts = std::vector<std::string>;
  REQUIRE_EQ(job->artifacts.size(), 2);
  const auto& artifact = job->artifacts[0];
  CHECK_EQ(artifact.name, "n-$A");
  CHECK(artifact.untracked);
  CHECK_EQ(artifact.paths, texts{"out", "*.log"});
  CHECK_EQ(artifact.exclude, texts{"tmp"});
  CHECK_EQ(artifact.when, "always");
  CHECK_EQ(artifact.type, "archive");
  CHECK_EQ(artifact.format, "zip");
  CHECK_EQ(artifact.expire_in, "1 week");
  REQUIRE_EQ(job->caches.size(), 1);
  const auto& cache = job->caches[0];
  CHECK_EQ(cache.key, "k-$A");
  CHECK_FALSE(cache.untracked);
  CHECK_EQ(cache.policy, "pull");
  CHECK_EQ(cache.paths, texts{"lib"});
  CHECK_EQ(cache.when, "on_failure");
  CHECK_EQ(cache.fallback_keys, texts{"a", "b"});
  REQUIRE_EQ(job->dependencies.size(), 2);
  CHECK_EQ(job->dependencies[0].id, 5);
  CHECK_EQ(job->dependencies[0].token.reveal(), "t");
  CHECK_EQ(job->dependencies[0].name, "x");
  CHECK_EQ(job->dependencies[0].file_name, "a.zip");
  CHECK(job->git.is_protected);
  CHECK_EQ(job->image.name, "alpine");
  CHECK_EQ(job->image.entrypoint, texts{""});
  CHECK_EQ(job->image.pull_policies, texts{"never"});
  CHECK_EQ(job->image.user, "1");
  CHECK_EQ(job->image.platform, "arm64");
  REQUIRE_EQ(job->services.size(), 1);
  CHECK_EQ(job->services[0].name, "redis");
  CHECK_EQ(job->services[0].alias, "db, cache");
  CHECK_EQ(job->services[0].command, texts{"-v"});
  CHECK(job->services[0].entrypoint.empty());
  REQUIRE_EQ(job->services[0].variables.size(), 1);
  CHECK_EQ(job->services[0].variables[0].value.reveal(), "$A");
  CHECK_EQ(job->services[0].user, "u");
  REQUIRE_EQ(job->credentials.size(), 1);
  CHECK_EQ(job->credentials[0].type, "registry");
  CHECK_EQ(job->credentials[0].url, "r");
  CHECK_EQ(job->credentials[0].username, "u");
  CHECK_EQ(job->credentials[0].password.reveal(), "p");
  CHECK_EQ(job->dependencies[1].file_name, "");
  CHECK_EQ(job->policy.name, "P");
  CHECK_EQ(job->policy.overrides, policy_overrides::ignored);
  CHECK_EQ(job->policy.exceptions, texts{"E"});
}

TEST_CASE("missing fields and nulls are empty") {
  for (const auto* body :
       {R"({"id": 1, "token": "t"})",
        R"({"id": 1, "token": "t", "git_info": null, "job_info": null,
            "variables": null, "steps": null, "features": null,
            "runner_info": null, "hooks": null, "image": null, "services": null,
            "secrets": null, "run": null, "dependencies": null,
            "artifacts": null, "cache": null, "policy_options": null,
            "inputs": null})",
        R"({"id": 1, "token": "t", "artifacts": [], "cache": [],
            "dependencies": [], "secrets": {}, "inputs": []})"}) {
    auto job = parse_job(body);
    REQUIRE(job);
    CHECK_EQ(job->refusal, "");
    CHECK(job->variables.empty());
    CHECK(job->steps.empty());
    CHECK(job->artifacts.empty());
    CHECK(job->caches.empty());
    CHECK(job->dependencies.empty());
    CHECK_EQ(job->policy.name, "");
    CHECK_EQ(job->timeout_seconds, 0);
  }
}

TEST_CASE("without id or token there is no job") {
  struct row {
    const char* body;
    const char* text;
  };
  const row rows[] = {
    {"", "the job is not valid JSON"},
    {"{\"id\": 1", "the job is not valid JSON"},
    {"<html>502</html>", "the job is not valid JSON"},
    {"[]", "the job is not a JSON object"},
    {"null", "the job is not a JSON object"},
    {"{}", "the job has no id"},
    {R"({"id": 0, "token": "t"})", "the job has no id"},
    {R"({"id": -4, "token": "t"})", "the job has no id"},
    {R"({"id": 1})", "the job has no token"},
    {R"({"id": "1", "token": "t"})",
     "the job's field id is of type string, not a whole number"},
    {R"({"id": 1.5, "token": "t"})",
     "the job's field id is of type number, not a whole number"},
    {R"({"id": 18446744073709551615, "token": "t"})",
     "the job's field id is of type number, not a number of 64 bits"},
    {R"({"id": 1, "token": 5})",
     "the job's field token is of type number, not string"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.body);
    auto job = parse_job(r.body);
    REQUIRE_FALSE(job);
    CHECK_EQ(job.error().code, coordinator_errc::bad_answer);
    CHECK_EQ(job.error().text, r.text);
  }
}

TEST_CASE("a job with a field of the wrong type is refused, naming it") {
  struct row {
    const char* change;
    const char* field;
  };
  const row rows[] = {
    {R"({"variables": {}})", "field variables is of type object, not array"},
    {R"({"variables": [3]})",
     "field variables[0] is of type number, not object"},
    {R"({"variables": [{"key": "A"}, {"key": "B", "value": 5}]})",
     "field variables[1].value is of type number, not string"},
    {R"({"variables": [{"key": "A", "masked": "yes"}]})",
     "field variables[0].masked is of type string, not boolean"},
    {R"({"steps": [{"name": "script", "script": "make"}]})",
     "field steps[0].script is of type string, not array"},
    {R"({"steps": [{"name": "script", "script": ["a", []]}]})",
     "field steps[0].script[1] is of type array, not string"},
    {R"({"git_info": []})", "field git_info is of type array, not object"},
    {R"({"git_info": {"depth": "all"}})",
     "field git_info.depth is of type string, not a whole number"},
    {R"({"runner_info": {"timeout": true}})",
     "field runner_info.timeout is of type boolean, not a whole number"},
    {R"({"artifacts": {"paths": []}})",
     "field artifacts is of type object, not array"},
    {R"({"artifacts": [null]})",
     "field artifacts[0] is of type null, not object"},
    {R"({"artifacts": [{"paths": ["a", null]}]})",
     "field artifacts[0].paths[1] is of type null, not string"},
    {R"({"artifacts": [{}, {"untracked": 1}]})",
     "field artifacts[1].untracked is of type number, not boolean"},
    {R"({"artifacts": [{"expire_in": 5}]})",
     "field artifacts[0].expire_in is of type number, not string"},
    {R"({"cache": [{"key": ["a"]}]})",
     "field cache[0].key is of type array, not string"},
    {R"({"cache": [{"fallback_keys": "a"}]})",
     "field cache[0].fallback_keys is of type string, not array"},
    {R"({"dependencies": [{"id": "5"}]})",
     "field dependencies[0].id is of type string, not a whole number"},
    {R"({"dependencies": [{"artifacts_file": "a.zip"}]})",
     "field dependencies[0].artifacts_file is of type string, not object"},
    {R"({"dependencies": [{"artifacts_file": {"filename": 1}}]})",
     "field dependencies[0].artifacts_file.filename is of type number, not "
     "string"},
    {R"({"policy_options": {"execution_policy_job": true,
         "policy_variables_override_exceptions": "A"}})",
     "field policy_options.policy_variables_override_exceptions is of type "
     "string, not array"},
    {R"({"image": "alpine"})", "field image is of type string, not object"},
    {R"({"image": {"executor_opts": {"docker": {"user": []}}}})",
     "field image.executor_opts.docker.user is of type array, not string"},
    {R"({"services": [{"variables": [{"key": 1}]}]})",
     "field services[0].variables[0].key is of type number, not string"},
    {R"({"credentials": [{"password": 1}]})",
     "field credentials[0].password is of type number, not string"},
    {R"({"features": {"token_mask_prefixes": [1]}})",
     "field features.token_mask_prefixes[0] is of type number, not string"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.change);
    auto job = parse_job(job_with(r.change));
    REQUIRE(job);
    CHECK_EQ(job->refusal,
             "GitLab sent a job that cannot be read: " + std::string{r.field});
  }
}

TEST_CASE("a policy says whether its variables may be overridden") {
  auto read = [](const char* options) {
    auto job = parse_job(job_with(options));
    REQUIRE(job);
    return job->policy;
  };
  CHECK_EQ(read(R"({"policy_options": {"policy_name": "P"}})").name, "");
  auto policy = read(R"({"policy_options": {"execution_policy_job": true,
    "policy_name": "P", "policy_variables_override_allowed": null}})");
  CHECK_EQ(policy.name, "P");
  CHECK_EQ(policy.overrides, policy_overrides::not_said);
  CHECK_EQ(read(R"({"policy_options": {"execution_policy_job": true,
    "policy_variables_override_allowed": true}})")
             .overrides,
           policy_overrides::allowed);
}

TEST_CASE("jobs that must not be run are refused") {
  struct row {
    const char* change;
    const char* part; ///< of the refusal; empty: none
  };
  const row rows[] = {
    {R"({"image": {"executor_opts": {"docker": {"platform": "x"}}}})", ""},
    {R"({"image": {"executor_opts": {"kubernetes": {"user": "1"}}}})", ""},
    {R"({"image": {"executor_opts": null}})", ""},
    {R"({"image": {"executor_opts": {"podman": {}}}})", "podman"},
    {R"({"image": {"executor_opts": {"docker": {"cpus": 1}}}})", "docker.cpus"},
    {R"({"services": [{}, {"executor_opts": {"kubernetes": {"x": 1}}}]})",
     "kubernetes.x"},
    {R"({"run": ""})", ""},
    {R"({"run": "[]"})", "does not support"},
    {R"({"run": "[]", "steps": [{"name": "script", "script": ["x"]}]})",
     "both `run` and `script`"},
    {R"({"run": "[]", "variables": [{"key": "STEPS", "value": "x"}]})",
     "variable STEPS"},
    {R"({"secrets": {"A": {"vault": {}}}})", "secrets from a vault"},
    {R"({"inputs": [{"key": "x"}]})", "the job has inputs"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.change);
    auto job = parse_job(job_with(r.change));
    REQUIRE(job);
    CAPTURE(job->refusal);
    CHECK_EQ(job->refusal.empty(), std::string{r.part}.empty());
    CHECK_NE(job->refusal.find(r.part), std::string::npos);
  }
}

TEST_CASE("damaged jobs are read or refused, never anything else") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  const std::string good = whole_job;
  for (auto round = 0; round < 2000; ++round) {
    auto body = good;
    for (auto n = 1 + chance() % 3; n-- > 0;) {
      auto at = chance() % body.size();
      if (chance() % 3 == 0)
        body.resize(at + 1);
      else
        body[at] = static_cast<char>(chance() % 256);
    }
    auto job = parse_job(body);
    if (job)
      CHECK_GT(job->id, 0);
    else
      CHECK_FALSE(job.error().text.empty());
  }
  CHECK_FALSE(parse_job(std::string(100'000, '[')));
}

TEST_CASE("a request for a job holds what GitLab needs") {
  job_request what;
  what.info.version = "1.0.0";
  what.info.architecture = "amd64";
  what.token = secret{"glrt-x"};
  what.system_id = "s_0123456789ab";
  auto x = json::parse(to_json(what));
  CHECK_EQ(x["token"], "glrt-x");
  CHECK_EQ(x["system_id"], "s_0123456789ab");
  CHECK_FALSE(x.contains("last_update"));
  CHECK_EQ(x["info"]["name"], "muster");
  CHECK_EQ(x["info"]["executor"], "instance");
  CHECK_EQ(x["info"]["shell"], "bash");
  CHECK_EQ(x["info"]["config"], json::parse(R"({"gpus": ""})"));
  CHECK_FALSE(x["info"].contains("revision"));
  CHECK_FALSE(x["info"].contains("labels"));
  CHECK_EQ(x["info"]["features"].size(), 31);
  for (const auto& [name, value] : x["info"]["features"].items()) {
    CAPTURE(name);
    CHECK(value.is_boolean());
  }
  for (const auto* there :
       {"variables", "shared", "refspecs", "masking", "raw_variables",
        "multi_build_steps", "return_exit_code", "trace_reset",
        "trace_checksum", "trace_size", "cancelable", "cancel_gracefully",
        "two_phase_job_commit", "artifacts", "cache", "fallback_cache_keys",
        "upload_multiple_artifacts", "upload_raw_artifacts",
        "artifacts_exclude"})
    CHECK_EQ(x["info"]["features"][there], true);
  for (const auto* absent :
       {"image", "services", "vault_secrets", "job_inputs", "session"})
    CHECK_EQ(x["info"]["features"][absent], false);
  what.last_update = "abc";
  what.info.labels = {{"zone", "a"}};
  x = json::parse(to_json(what));
  CHECK_EQ(x["last_update"], "abc");
  CHECK_EQ(x["info"]["labels"]["zone"], "a");
}

TEST_CASE("features of containers are those of the docker-autoscaler") {
  job_request what;
  what.info.executor = "docker-autoscaler";
  what.info.gpus = "all";
  auto x = json::parse(to_json(what));
  CHECK_EQ(x["info"]["executor"], "docker-autoscaler");
  CHECK_EQ(x["info"]["config"]["gpus"], "all");
  CHECK_EQ(x["info"]["features"].size(), 31);
  for (const auto* there :
       {"image", "services", "service_variables", "service_multiple_aliases",
        "image_executor_opts", "service_executor_opts", "variables", "cache",
        "cancel_gracefully"})
    CHECK_EQ(x["info"]["features"][there], true);
  for (const auto* absent : {"shared", "session", "terminal", "vault_secrets"})
    CHECK_EQ(x["info"]["features"][absent], false);
}

TEST_CASE("an update has the form of the wire example") {
  job_update what;
  what.token = secret{"glcbt-xyz"};
  what.state = "running";
  auto x = json::parse(to_json(what));
  CHECK_EQ(x["state"], "running");
  CHECK_EQ(x["output"], json::object());
  CHECK_FALSE(x.contains("checksum"));
  CHECK_FALSE(x.contains("failure_reason"));
  CHECK_FALSE(x.contains("exit_code"));
  what.state = "failed";
  what.failure_reason = "script_failure";
  what.has_log = true;
  what.crc32 = 0x4e31a311;
  what.size = 1534;
  what.exit_code = 3;
  x = json::parse(to_json(what));
  x.erase("info");
  CHECK_EQ(x, json::parse(R"({"token": "glcbt-xyz", "state": "failed",
    "failure_reason": "script_failure", "checksum": "crc32:4e31a311",
    "output": {"checksum": "crc32:4e31a311", "bytesize": 1534},
    "exit_code": 3})"));
  what.crc32 = 0; // of a log that is not known as a whole
  x = json::parse(to_json(what));
  CHECK_FALSE(x.contains("checksum"));
  CHECK_EQ(x["output"], json{{"bytesize", 1534}});
}

TEST_CASE("text that is not UTF-8 does not hinder a request") {
  job_update what;
  what.state = "failed";
  what.failure_reason = "bad \xff byte";
  CHECK(json::accept(to_json(what)));
}

TEST_CASE("checksums have eight digits") {
  CHECK_EQ(checksum_text(0), "crc32:00000000");
  CHECK_EQ(checksum_text(0xfb2d20b1), "crc32:fb2d20b1");
}

TEST_CASE("answers to verify and errors tolerate anything") {
  CHECK_EQ(parse_identity(R"({"id": 5, "token_expires_at": "2026-01-01"})").id,
           5);
  CHECK_FALSE(parse_identity(R"({"token_expires_at": null})").token_expires_at);
  CHECK_EQ(parse_identity("garbage").id, 0);
  CHECK_EQ(parse_error(R"({"message": "401 Unauthorized"})"),
           "401 Unauthorized");
  CHECK_EQ(parse_error(R"({"message": {"token": ["is bad"]}})"),
           R"({"token":["is bad"]})");
  CHECK_EQ(parse_error(R"({"error": "two\nlines"})"), "two lines");
  CHECK_EQ(parse_error("garbage"), "");
  CHECK_EQ(parse_error("[]"), "");
  CHECK_EQ(
    parse_error(R"({"message": ")" + std::string(1000, 'x') + "\"}").size(),
    300);
}

TEST_CASE("what is nested without end is survived") {
  constexpr size_t depth = 30'000;
  std::string deep(depth, '[');
  deep.append(depth, ']');
  auto text = parse_error(R"({"message": )" + deep + "}");
  CHECK(text.starts_with("[["));
  CHECK_LT(text.size(), 100);
  std::string objects;
  for (size_t i = 0; i < 5'000; ++i)
    objects += R"({"a":)";
  objects += "1" + std::string(5'000, '}');
  text = parse_error(R"({"message": )" + objects + "}");
  CHECK(text.starts_with(R"({"a":{"a":)"));
  CHECK_LE(text.size(), 300);
  CHECK_EQ(parse_error(R"({"message": ")" + std::string(1 << 20, 'x') + "\"}"),
           "");
  std::string huge(1'000'000, '[');
  huge.append(1'000'000, ']');
  for (const auto* key : {"variables", "image", "secrets", "unknown"}) {
    auto job = parse_job(R"({"id": 5, "token": "t", ")" + std::string{key}
                         + "\": " + huge + "}");
    REQUIRE(job);
    CHECK_EQ(job->id, 5);
  }
  CHECK_EQ(parse_identity(R"({"id": 3, "x": )" + huge + "}").id, 3);
}

TEST_CASE("dates of GitLab's are read in any zone") {
  struct row {
    const char* text;
    std::optional<int64_t> at;
  };
  constexpr int64_t noon = 1'700'049'600; // 2023-11-15T12:00:00Z
  const row rows[] = {
    {"2023-11-15T12:00:00Z", noon},
    {"2023-11-15T12:00:00.123Z", noon},
    {"2023-11-15T14:30:00.000+02:30", noon},
    {"2023-11-15 07:00:00-05:00", noon},
    {"2023-11-15T12:00:00", {}},
    {"2023-11-15", {}},
    {"", {}},
    {"never", {}},
    {"2023-11-15T12:00:00.000+x", {}},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(parse_rfc3339(r.text), r.at);
  }
}

TEST_CASE("a registration says what was set, and nothing else") {
  registration what;
  what.token = secret{"GR1348941x"};
  auto body = json::parse(to_json(what));
  CHECK_EQ(body["token"], "GR1348941x");
  CHECK(body.contains("info"));
  CHECK_EQ(body.size(), 2);
  what.description = "d";
  what.tag_list = "a,b";
  what.run_untagged = false;
  what.locked = true;
  what.paused = false;
  what.access_level = "ref_protected";
  what.maintenance_note = "n";
  what.maximum_timeout = 600;
  body = json::parse(to_json(what));
  CHECK_EQ(body["description"], "d");
  CHECK_EQ(body["tag_list"], "a,b");
  CHECK_EQ(body["run_untagged"], false);
  CHECK_EQ(body["locked"], true);
  CHECK_EQ(body["paused"], false);
  CHECK_EQ(body["access_level"], "ref_protected");
  CHECK_EQ(body["maintenance_note"], "n");
  CHECK_EQ(body["maximum_timeout"], 600);
}

TEST_CASE(
  "what GitLab tells of its queue is read, and nothing else fails a job") {
  auto given = [](const std::string& info) {
    auto job
      = parse_job(R"({"id": 1, "token": "t", "job_info": {)" + info + "}}");
    REQUIRE(job);
    CHECK_EQ(job->refusal, "");
    return job->queue;
  };
  auto all = given(R"("time_in_queue_seconds": 2.5, "queue_size": 7,
                      "queue_depth": 0,
                      "project_jobs_running_on_instance_runners_count": "+Inf")");
  CHECK_EQ(all.waited_s, 2.5);
  CHECK_EQ(all.size, 7);
  CHECK_EQ(all.depth, 0);
  CHECK_EQ(all.project_jobs_running, "+Inf");
  for (const auto* info :
       {"", R"("time_in_queue_seconds": null, "queue_size": "7")",
        R"("time_in_queue_seconds": -1, "queue_size": 1e300,
           "queue_depth": [], "project_jobs_running_on_instance_runners_count": 3)"}) {
    CAPTURE(info);
    auto none = given(info);
    CHECK_EQ(none.waited_s, -1);
    CHECK_EQ(none.size, -1);
    CHECK_EQ(none.depth, -1);
    CHECK_EQ(none.project_jobs_running, "");
  }
}
