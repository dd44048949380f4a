#include "tests/e2e/coordinator_server/server_world.hpp"
#include "tests/support/sanitized.hpp"

#include <doctest/doctest.h>
#include <fstream>
#include <string>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const std::string zip = "PK\x03\x04 not a whole one";
const std::string gzip = "\x1f\x8b not a whole one";

httplib::MultipartFormDataItems file_part(const std::string& bytes,
                                          const std::string& name) {
  return {{"file", bytes, name, "application/octet-stream"}};
}

/// A job that a client has accepted.
json running_job(server_world& x, fake_runner& runner,
                 json spec = {{"script", "true"}}) {
  auto ids = x.server.enqueue(spec);
  if (!ids)
    FAIL(ids.error().text);
  auto answer = runner.request();
  REQUIRE(answer);
  REQUIRE_EQ(answer->status, 201);
  auto job = json::parse(answer->body);
  runner.update(job, "running");
  return job;
}

int status_of(const httplib::Result& answer) {
  return answer ? answer->status : 0;
}

uint64_t count_of(server_world& x, const char* rule) {
  return x.server.violations().counts()[rule];
}

/// The highest resident memory since the last call of this [KiB].
int64_t peak_memory() {
  std::ifstream status{"/proc/self/status"};
  std::string word;
  int64_t result = 0;
  while (status >> word)
    if (word == "VmHWM:")
      status >> result;
  std::ofstream{"/proc/self/clear_refs"} << "5";
  return result;
}

/// Follows a redirect as a client that keeps its tokens to itself.
httplib::Result follow(const std::string& url, httplib::Headers headers = {}) {
  auto path = url.find('/', url.find("://") + 3);
  httplib::Client client{url.substr(0, path)};
  return client.Get(url.substr(path), headers);
}

} // namespace

TEST_CASE("artifacts of a job are kept by type, and its archive is handed on") {
  test_gitlab_options options;
  options.base_path = "gitlab";
  server_world x{options};
  auto runner = x.runner();
  auto first = running_job(x, runner);
  auto id = first["id"].get<int64_t>();
  CHECK_EQ(status_of(runner.upload(first, file_part(zip, "things.zip"),
                                   "artifact_format=zip&artifact_type=archive"
                                   "&expire_in=1%20week")),
           201);
  CHECK_EQ(status_of(runner.upload(first, file_part(gzip, "junit.xml.gz"),
                                   "artifact_format=gzip&artifact_type=junit")),
           201);
  runner.update(first, "success");
  auto job = x.server.job(id);
  REQUIRE_EQ(job->artifacts.size(), 2);
  CHECK_EQ(job->artifacts[0].type, "archive");
  CHECK_EQ(job->artifacts[0].file_name, "things.zip");
  CHECK_EQ(job->artifacts[0].expire_in, "1 week");
  CHECK_EQ(job->artifacts[0].file->read(0, 100), zip);
  CHECK_EQ(job->artifacts[1].format, "gzip");

  auto second
    = running_job(x, runner, {{"script", "x"}, {"dependencies", {id}}});
  auto entry = second["dependencies"][0];
  CHECK_EQ(entry["id"], id);
  CHECK_EQ(entry["token"], first["token"]);
  CHECK_EQ(entry["name"], "job");
  CHECK_EQ(entry["artifacts_file"]["filename"], "things.zip");
  CHECK_EQ(entry["artifacts_file"]["size"], zip.size());
  auto got = runner.download(id, entry["token"]);
  CHECK_EQ(status_of(got), 200);
  CHECK_EQ(got->body, zip);

  auto shown = runner.http().Get(fmt::format("/control/jobs/{}", id));
  auto told = json::parse(shown->body);
  CHECK_EQ(told["artifacts"][1]["type"], "junit");
  CHECK_EQ(told["artifacts"][1]["size"], gzip.size());
  auto junit
    = runner.http().Get(fmt::format("/control/jobs/{}/artifacts/junit", id));
  CHECK_EQ(junit->body, gzip);
  CHECK_EQ(status_of(runner.http().Get(
             fmt::format("/control/jobs/{}/artifacts/x", id))),
           404);
  CHECK_EQ(x.server.violations().total(), 0);
}

TEST_CASE("dependencies of a whole payload get their tokens and files") {
  server_world x;
  auto runner = x.runner();
  auto first = running_job(x, runner);
  runner.upload(first, file_part(zip, "a.zip"), "artifact_format=zip");
  runner.update(first, "success");
  auto second
    = running_job(x, runner,
                  {{"steps", json::array()},
                   {"dependencies",
                    {{{"id", first["id"]}},
                     {{"id", 99}, {"token", "t"}, {"name", "other"}}}}});
  REQUIRE_EQ(second["dependencies"].size(), 2);
  CHECK_EQ(second["dependencies"][0]["name"], "other");
  CHECK_EQ(second["dependencies"][1]["token"], first["token"]);
  CHECK_EQ(second["dependencies"][1]["artifacts_file"]["filename"], "a.zip");
}

TEST_CASE("a direct download goes to another host, without a token") {
  server_world x;
  auto runner = x.runner();
  auto job = running_job(x, runner);
  auto id = job["id"].get<int64_t>();
  runner.upload(job, file_part(zip, "a.zip"), "artifact_format=zip");
  auto sent_on = runner.download(id, job["token"], "direct_download=true");
  REQUIRE_EQ(status_of(sent_on), 302);
  auto where = sent_on->get_header_value("Location");
  CHECK(where.starts_with("http://127.0.0.2:"));
  auto got = follow(where);
  CHECK_EQ(status_of(got), 200);
  CHECK_EQ(got->body, zip);
  CHECK_EQ(x.server.violations().total(), 0);
  SUBCASE("a token that is sent on is noticed") {
    follow(where, {{"JOB-TOKEN", job["token"].get<std::string>()}});
    CHECK_EQ(count_of(x, "token-leak"), 1);
  }
  SUBCASE("a wrong signature gets nothing") {
    auto refused = follow(where + "0");
    CHECK_EQ(status_of(refused), 403);
    CHECK_NE(refused->body.find("AccessDenied"), std::string::npos);
  }
  SUBCASE("the storage fails as it is told to") {
    x.server.fail_with(make_fault(fault_kind::half, endpoint::storage));
    CHECK_EQ(status_of(follow(where)), 0);
    auto rule = make_fault(fault_kind::status, endpoint::storage);
    rule.status = 503;
    x.server.fail_with(rule);
    CHECK_EQ(status_of(follow(where)), 503);
    CHECK_EQ(status_of(follow(where)), 200);
  }
}

TEST_CASE("what is wrong with an upload is answered and counted") {
  server_world x;
  auto runner = x.runner();
  auto job = running_job(x, runner);
  auto id = job["id"].get<int64_t>();
  SUBCASE("a wrong token") {
    auto other = job;
    other["token"] = "glcbt-wrong";
    CHECK_EQ(status_of(runner.upload(other, file_part(zip, "a.zip"), "")), 403);
    CHECK_EQ(count_of(x, "job-token"), 1);
  }
  SUBCASE("after the end of the job") {
    runner.update(job, "success");
    CHECK_EQ(status_of(runner.upload(job, file_part(zip, "a.zip"), "")), 403);
    CHECK_EQ(count_of(x, "after-final-state"), 1);
  }
  SUBCASE("no part named file, or none at all") {
    CHECK_EQ(status_of(runner.upload(job, {{"blob", zip, "a.zip", ""}}, "")),
             400);
    CHECK_GE(count_of(x, "upload"), 1);
    auto plain = runner.http().Post(
      fmt::format("/api/v4/jobs/{}/artifacts", id),
      {{"JOB-TOKEN", job["token"]}}, zip, "application/zip");
    CHECK_EQ(status_of(plain), 400);
  }
  SUBCASE("a file without a name, of another format, with a strange query") {
    CHECK_EQ(status_of(runner.upload(job, {{"file", "text", "", ""}},
                                     "artifact_format=zip&x=1&expire_in=")),
             201);
    CHECK_EQ(count_of(x, "upload"), 2);
    CHECK_EQ(count_of(x, "query"), 2);
    CHECK_EQ(status_of(runner.upload(job, file_part("x", "x"),
                                     "artifact_format=rar&artifact_type=y")),
             400);
  }
  SUBCASE("a second one of its type") {
    runner.upload(job, file_part(zip, "a.zip"), "artifact_format=zip");
    CHECK_EQ(status_of(runner.upload(job, file_part(zip, "a.zip"),
                                     "artifact_format=zip")),
             201); // the same again
    CHECK_EQ(status_of(runner.upload(job, file_part(zip + "more", "a.zip"),
                                     "artifact_format=zip")),
             400);
    CHECK_EQ(count_of(x, "second-artifact"), 2);
  }
  SUBCASE("too large") {
    x.server.jobs().set_artifact_size_max(10);
    CHECK_EQ(status_of(runner.upload(job, file_part(zip, "a.zip"), "")), 413);
    CHECK(x.server.job(id)->artifacts.empty());
    CHECK_EQ(x.server.violations().total(), 0);
  }
  SUBCASE("downloads of what is not there") {
    CHECK_EQ(status_of(runner.download(id, job["token"])), 404);
    CHECK_EQ(status_of(runner.download(id, "glcbt-wrong")), 403);
    CHECK_EQ(status_of(runner.download(id + 1, job["token"])), 404);
  }
}

TEST_CASE("faults of uploads and downloads show at the wire") {
  server_world x;
  auto runner = x.runner();
  auto job = running_job(x, runner);
  auto id = job["id"].get<int64_t>();
  auto send = [&] {
    return runner.upload(job, file_part(zip, "a.zip"), "artifact_format=zip");
  };
  SUBCASE("statuses, after the body was read and before") {
    for (int status : {403, 413, 503})
      for (bool early : {false, true}) {
        CAPTURE(status);
        CAPTURE(early);
        auto rule = make_fault(fault_kind::status, endpoint::upload);
        rule.status = status;
        rule.early = early;
        x.server.fail_with(rule);
        CHECK_EQ(status_of(send()), status);
      }
    CHECK(x.server.job(id)->artifacts.empty());
    CHECK_EQ(status_of(send()), 201);
  }
  SUBCASE("307 to itself, to the other host, and to a URL") {
    auto rule = make_fault(fault_kind::status, endpoint::upload);
    rule.status = 307;
    x.server.fail_with(rule);
    rule.location = "other";
    x.server.fail_with(rule);
    rule.location = "http://127.0.0.3:9/x";
    x.server.fail_with(rule);
    auto path
      = fmt::format("/api/v4/jobs/{}/artifacts?artifact_format=zip", id);
    CHECK_EQ(send()->get_header_value("Location"), x.server.url() + path);
    auto other = send()->get_header_value("Location");
    CHECK(other.starts_with("http://127.0.0.2:"));
    CHECK(other.ends_with(path));
    CHECK_EQ(send()->get_header_value("Location"), rule.location);
    fake_runner there{other.substr(0, other.find("/api")), x.server.token()};
    CHECK_EQ(status_of(there.upload(job, file_part(zip, "a.zip"),
                                    "artifact_format=zip")),
             201);
  }
  SUBCASE("broken connections, before acting and after") {
    for (auto kind : {fault_kind::reset, fault_kind::close}) {
      x.server.fail_with(make_fault(kind, endpoint::upload));
      CHECK_EQ(status_of(send()), 0);
      CHECK(x.server.job(id)->artifacts.empty());
    }
    x.server.fail_with(make_fault(fault_kind::lost, endpoint::upload));
    CHECK_EQ(status_of(send()), 0);
    CHECK_EQ(x.server.job(id)->artifacts.size(), 1);
    CHECK_EQ(status_of(send()), 201);
  }
  SUBCASE("a download that is half, late, or refused") {
    send();
    x.server.fail_with(make_fault(fault_kind::half, endpoint::download));
    CHECK_EQ(status_of(runner.download(id, job["token"])), 0);
    auto rule = make_fault(fault_kind::latency, endpoint::download);
    rule.latency = 100ms;
    x.server.fail_with(rule);
    auto begin = std::chrono::steady_clock::now();
    CHECK_EQ(status_of(runner.download(id, job["token"])), 200);
    CHECK_GE(std::chrono::steady_clock::now() - begin, 100ms);
    rule = make_fault(fault_kind::status, endpoint::download);
    rule.status = 401;
    x.server.fail_with(rule);
    CHECK_EQ(status_of(runner.download(id, job["token"])), 401);
  }
  CHECK_EQ(x.server.violations().total(), 0);
}

TEST_CASE("a large artifact goes through without filling the memory") {
  server_world x;
  auto runner = x.runner();
  auto job = running_job(x, runner);
  constexpr uint64_t size = uint64_t{300} << 20;
  peak_memory();
  auto before = peak_memory();
  CHECK_EQ(status_of(runner.upload_large(job, size)), 201);
  uint64_t got = 0;
  auto path = fmt::format("/api/v4/jobs/{}/artifacts", job["id"].get<int>());
  auto answer = runner.http().Get(path,
                                  {{"JOB-TOKEN", job["token"]},
                                   {"User-Agent", "x"},
                                   {"X-Request-Id", std::string(32, '0')}},
                                  [&](const char*, size_t count) {
                                    got += count;
                                    return true;
                                  });
  CHECK_EQ(status_of(answer), 200);
  CHECK_EQ(got, size + 4);
  CHECK_LT(peak_memory() - before, is_sanitized ? 1 << 20 : 64 << 10);
  CHECK_EQ(x.server.violations().total(), 0);
}

TEST_CASE("artifacts are forgotten with their job") {
  test_gitlab_options options;
  options.store.artifacts_size_max = zip.size() + 1;
  server_world x{options};
  auto runner = x.runner();
  auto job = running_job(x, runner);
  CHECK_EQ(status_of(runner.upload(job, file_part(zip, "a.zip"), "")), 201);
  auto other = running_job(x, runner);
  CHECK_EQ(status_of(runner.upload(other, file_part(zip, "a.zip"), "")), 413);
  runner.update(job, "success");
  x.server.jobs().forget_ended();
  CHECK_EQ(status_of(runner.upload(other, file_part(zip, "a.zip"), "")), 201);
}
