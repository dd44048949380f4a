#include "tests/e2e/helper_commands/run.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <set>

using namespace muster::test;

namespace {

constexpr const char* secret = "glcbt-very-secret";

std::vector<std::string> job_of(const store& gitlab,
                                const std::string& base = "") {
  return {"CI_SERVER_URL=" + gitlab.url() + base,
          std::string{"CI_JOB_TOKEN="} + secret, "CI_JOB_ID=42"};
}

/// Gives the body of the last upload for each download.
void keep_artifacts(store& gitlab) {
  auto kept = std::make_shared<std::string>();
  gitlab.on_request([kept](const seen_request& what, httplib::Response& to) {
    if (what.method == "POST") {
      *kept = what.body;
      to.status = 201;
    } else {
      to.set_content(*kept, "application/octet-stream");
    }
  });
}

} // namespace

TEST_CASE("artifacts go up and come down, with modes and links") {
  for (const auto* format : {"zip", "zipzstd", "tarzstd", "gzip"}) {
    scratch here;
    store gitlab;
    keep_artifacts(gitlab);
    CAPTURE(format);
    write_file("build/app", std::string(300'000, 'a') + "end");
    write_file("build/sub/note.txt", "note");
    write_file("build/sub/skip.tmp", "temporary");
    fs::permissions("build/app", fs::perms::owner_all);
    fs::create_symlink("app", "build/link");
    auto up = run_helper({"artifacts-uploader", "--path", "build/", "--exclude",
                          "**/*.tmp", "--name", "my/$KIND-name",
                          "--artifact-format", format, "--artifact-type",
                          "archive", "--expire-in", "1 week"},
                         [&] {
                           auto with = job_of(gitlab, "/base/");
                           with.emplace_back("KIND=good");
                           return with;
                         }());
    CAPTURE(up.err);
    REQUIRE_EQ(up.status, 0);
    CHECK(
      has(up.err, "build: found 5 matching artifact files and directories"));
    CHECK(has(up.err, "**/*.tmp: excluded 1 files"));
    CHECK(has(up.err,
              "Uploading artifacts as \"archive\" to coordinator... 201 "
              "Created"));
    CHECK_FALSE(has(up.err, secret));
    auto seen = gitlab.seen();
    REQUIRE_EQ(seen.size(), 1);
    CHECK_EQ(seen[0].path,
             std::string{"/base/api/v4/jobs/42/artifacts?artifact_format="}
               + format + "&artifact_type=archive&expire_in=1%20week");
    CHECK_EQ(seen[0].header("JOB-TOKEN"), secret);
    CHECK_EQ(seen[0].header("Transfer-Encoding"), "chunked");
    auto extension = std::string{format} == "gzip"      ? ".gz"
                     : std::string{format} == "tarzstd" ? ".tar.zst"
                                                        : ".zip";
    CHECK_EQ(seen[0].file_name, std::string{"good-name"} + extension);

    fs::create_directory("../other");
    fs::current_path("../other");
    auto down = run_helper({"artifacts-downloader"}, job_of(gitlab));
    CAPTURE(down.err);
    REQUIRE_EQ(down.status, 0);
    CHECK(has(down.err, "Downloading artifacts from coordinator... ok"));
    CHECK_EQ(read_file("build/app"), std::string(300'000, 'a') + "end");
    CHECK_EQ(read_file("build/sub/note.txt"), "note");
    CHECK_FALSE(fs::exists("build/sub/skip.tmp"));
    if (std::string{format} == "gzip")
      continue; // knows neither
    CHECK_EQ(fs::read_symlink("build/link").string(), "app");
    CHECK_EQ(fs::status("build/app").permissions(), fs::perms::owner_all);
  }
}

TEST_CASE("a raw artifact is one file as it is") {
  scratch here;
  store gitlab;
  write_file("one", "as it is");
  write_file("two", "");
  auto one = run_helper({"artifacts-uploader", "-path", "one",
                         "--artifact-format=raw", "--name", "report.xml"},
                        job_of(gitlab));
  CHECK_EQ(one.status, 0);
  REQUIRE_EQ(gitlab.seen().size(), 1);
  CHECK_EQ(gitlab.seen()[0].file_name, "report.xml");
  CHECK_EQ(gitlab.seen()[0].body, "as it is");
  auto both = run_helper(
    {"artifacts-uploader", "--path", "*", "--artifact-format", "raw"},
    job_of(gitlab));
  CHECK_EQ(both.status, 1);
  CHECK(has(both.err, "only one file can be sent as raw"));
  CHECK_EQ(gitlab.seen().size(), 1);
}

TEST_CASE("nothing to upload is no failure, and nothing is sent") {
  scratch here;
  store gitlab;
  auto none = run_helper({"artifacts-uploader", "--path", "missing/*", "--path",
                          "../outside", "--path", "/etc/passwd"},
                         job_of(gitlab));
  CAPTURE(none.err);
  CHECK_EQ(none.status, 0);
  CHECK(has(none.err, "WARNING: missing/*: no matching files. Ensure that the "
                      "artifact path is relative to the working directory ("
                        + fs::current_path().string() + ")"));
  CHECK(has(none.err, "artifact path is not a subpath of project directory: "
                      "../outside"));
  CHECK(has(none.err, "artifact path is not a subpath of project directory: "
                      "/etc/passwd"));
  CHECK(has(none.err, "ERROR: No files to upload"));
  CHECK(gitlab.seen().empty());
}

TEST_CASE("credentials, formats and levels are checked before all else") {
  scratch here;
  store gitlab;
  write_file("a", "");
  auto without = run_helper({"artifacts-uploader", "--path", "a"});
  CHECK_EQ(without.status, 1);
  CHECK(has(without.err, "FATAL: Missing runner credentials"));
  auto job = job_of(gitlab);
  job.pop_back();
  auto no_id = run_helper({"artifacts-uploader", "--path", "a"}, job);
  CHECK_EQ(no_id.status, 1);
  CHECK(has(no_id.err, "FATAL: Missing build ID"));
  CHECK_EQ(run_helper({"artifacts-downloader"}).status, 1);
  for (const auto* flag :
       {"--artifact-format=rar", "--compression-level=best", "--no-such-flag",
        "--timeout=soon", "--id=x", "--url=ftp://x"}) {
    auto bad
      = run_helper({"artifacts-uploader", "--path", "a", flag}, job_of(gitlab));
    CAPTURE(flag);
    CHECK_EQ(bad.status, 1);
    CHECK(has(bad.err, "FATAL: "));
  }
  CHECK(gitlab.seen().empty());
}

TEST_CASE("each answer to an upload has its reaction") {
  struct row {
    std::vector<int> statuses;
    int status;
    size_t requests;
    const char* text;
  };
  const row rows[] = {
    {{403}, 1, 1, "permission denied"},
    {{413}, 1, 1, "too large"},
    {{500, 500, 500, 500}, 1, 3, "500 Internal Server Error"},
    {{401, 201}, 0, 2, "failed"},
    {{503, 503, 503, 503, 201}, 0, 5, "service unavailable"},
  };
  for (const auto& r : rows) {
    scratch here;
    store gitlab;
    gitlab.fail_first(r.statuses);
    write_file("a", "content");
    auto end
      = run_helper({"artifacts-uploader", "--path", "a"}, job_of(gitlab));
    CAPTURE(end.err);
    CHECK_EQ(end.status, r.status);
    CHECK_EQ(gitlab.seen().size(), r.requests);
    CHECK(has(end.err, r.text));
  }
}

TEST_CASE("each answer to a download has its reaction") {
  struct row {
    std::vector<int> statuses;
    int status;
    size_t requests;
    const char* text;
  };
  const row rows[] = {
    {{401}, 1, 1, "unauthorized"}, {{403}, 1, 1, "forbidden"},
    {{404}, 1, 1, "not found"},    {{500, 502, 500}, 1, 3, "failed"},
    {{500}, 0, 2, "ok"},
  };
  for (const auto& r : rows) {
    scratch here;
    store gitlab;
    keep_artifacts(gitlab);
    write_file("a", "content");
    REQUIRE_EQ(
      run_helper({"artifacts-uploader", "--path", "a"}, job_of(gitlab)).status,
      0);
    fs::remove("a");
    gitlab.fail_first(r.statuses);
    auto end = run_helper(
      {"artifacts-downloader", "--direct-download", "--retry-time", "1ms"},
      job_of(gitlab));
    CAPTURE(end.err);
    CHECK_EQ(end.status, r.status);
    CHECK_EQ(fs::exists("a"), r.status == 0);
    CHECK(has(end.err, r.text));
    auto seen = gitlab.seen();
    REQUIRE_EQ(seen.size(), r.requests + 1);
    CHECK(has(seen[1].path, "direct_download=true"));
    for (size_t i = 2; i < seen.size(); ++i)
      CHECK_FALSE(has(seen[i].path, "direct_download"));
  }
}

TEST_CASE("a download follows to the storage, without the job's token") {
  scratch here;
  store gitlab;
  store storage;
  write_file("../archive", "");
  run_program({"python3", "-c",
               "import zipfile; z=zipfile.ZipFile('../archive','w'); "
               "z.writestr('a','from the storage')"});
  auto archive = read_file("../archive");
  auto to = storage.url() + "/bucket/object?X-Amz-Signature=hidden";
  gitlab.on_request([to](const seen_request&, httplib::Response& answer) {
    answer.status = 302;
    answer.set_header("Location", to);
  });
  storage.on_request([archive](const seen_request&, httplib::Response& answer) {
    answer.set_content(archive, "application/zip");
  });
  auto end = run_helper({"artifacts-downloader"}, job_of(gitlab));
  CAPTURE(end.err);
  CHECK_EQ(end.status, 0);
  CHECK_EQ(read_file("a"), "from the storage");
  REQUIRE_EQ(storage.seen().size(), 1);
  CHECK_EQ(storage.seen()[0].header("JOB-TOKEN"), "");
  CHECK_EQ(gitlab.seen()[0].header("JOB-TOKEN"), secret);
  CHECK_FALSE(has(end.err, "hidden"));
}

TEST_CASE("a storage's refusal is shown without its signature") {
  scratch here;
  store gitlab;
  store storage;
  auto to = storage.url() + "/bucket/object?X-Amz-Signature=hidden";
  gitlab.on_request([to](const seen_request&, httplib::Response& answer) {
    answer.status = 302;
    answer.set_header("Location", to);
  });
  storage.on_request([](const seen_request&, httplib::Response& answer) {
    answer.status = 403;
    answer.set_content("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>"
                       "<Message>Request has expired</Message></Error>",
                       "application/xml");
  });
  auto end = run_helper({"artifacts-downloader"}, job_of(gitlab));
  CHECK_EQ(end.status, 1);
  CHECK(has(end.err, "AccessDenied: Request has expired"));
  CHECK_FALSE(has(end.err, "hidden"));
}

TEST_CASE("an upload that is sent elsewhere goes there as a whole") {
  scratch here;
  store secondary;
  store primary;
  std::string content(2'000'000, 'x');
  write_file("a", content);
  auto to = primary.url();
  secondary.on_request(
    [to](const seen_request& what, httplib::Response& answer) {
      answer.status = 307;
      answer.set_header("Location", to + what.path);
    });
  auto end = run_helper(
    {"artifacts-uploader", "--path", "a", "--artifact-format", "raw"},
    job_of(secondary));
  CAPTURE(end.err);
  CHECK_EQ(end.status, 0);
  REQUIRE_EQ(primary.seen().size(), 1);
  CHECK(primary.seen()[0].body == content);
  CHECK_EQ(primary.seen()[0].header("JOB-TOKEN"), secret);
}
