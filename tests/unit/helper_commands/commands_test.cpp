#include "executors/helper/commands/cache_store.hpp"
#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/env_file.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/commands/masking.hpp"
#include "executors/helper/commands/provenance.hpp"
#include "executors/helper/commands/reactions.hpp"
#include "executors/helper/commands/selection.hpp"
#include "executors/helper/commands/sigv4.hpp"
#include "tests/unit/helper_commands/scratch.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

using namespace muster;
using namespace muster::helper;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

/// A variable of the environment while it lives.
class variable_set {
public:
  variable_set(const char* name, const char* value) : name_(name) {
    ::setenv(name, value, 1);
  }

  variable_set(const variable_set&) = delete;
  variable_set& operator=(const variable_set&) = delete;

  ~variable_set() {
    ::unsetenv(name_);
  }

private:
  const char* name_;
};

/// One target of each kind.
struct targets {
  std::string text = "default";
  std::vector<std::string> list;
  std::vector<std::string> headers;
  bool yes = false;
  int64_t number = 7;
  std::chrono::nanoseconds time{1};

  std::vector<flag> flags() {
    return {{"text", "HC_TEXT", &text},
            {"list", "HC_LIST", &list},
            {"header", "HC_HEADERS", lines{&headers}},
            {"yes", "HC_YES", &yes},
            {"number", "HC_NUMBER", &number},
            {"time", "HC_TIME", &time}};
  }
};

} // namespace

TEST_CASE("flags are read in all of their forms") {
  targets to;
  auto wrong = read_flags(
    to.flags(), {"-text", "a b", "--list", "x,y", "--list=z", "--yes",
                 "--number=-3", "-time", "1h30m", "--header", "A: b, c"});
  CHECK_FALSE(wrong.has_value());
  CHECK_EQ(to.text, "a b");
  CHECK_EQ(to.list, std::vector<std::string>{"x,y", "z"});
  CHECK_EQ(to.headers, std::vector<std::string>{"A: b, c"});
  CHECK(to.yes);
  CHECK_EQ(to.number, -3);
  CHECK_EQ(to.time, 90min);
}

TEST_CASE("a boolean flag takes no further argument") {
  targets to;
  to.yes = true;
  CHECK_FALSE(read_flags(to.flags(), {"--yes=false"}).has_value());
  CHECK_FALSE(to.yes);
  std::vector<std::string> rest;
  CHECK_FALSE(read_flags(to.flags(), {"--yes", "word"}, &rest).has_value());
  CHECK(to.yes);
  CHECK_EQ(rest, std::vector<std::string>{"word"});
}

TEST_CASE("what is not given comes from the environment") {
  variable_set text{"HC_TEXT", "from there"};
  variable_set list{"HC_LIST", "a,b"};
  variable_set headers{"HC_HEADERS", "A: 1,2\nB: 3\n"};
  variable_set yes{"HC_YES", "true"};
  variable_set number{"HC_NUMBER", ""};
  targets to;
  CHECK_FALSE(read_flags(to.flags(), {"--text", "given"}).has_value());
  CHECK_EQ(to.text, "given");
  CHECK_EQ(to.list, std::vector<std::string>{"a", "b"});
  CHECK_EQ(to.headers, std::vector<std::string>{"A: 1,2", "B: 3"});
  CHECK(to.yes);
  CHECK_EQ(to.number, 7);
}

TEST_CASE("flags that cannot be used are named, values of variables are not") {
  struct row {
    std::vector<std::string> arguments;
    const char* text;
  };
  const row rows[] = {
    {{"--unknown"}, "--unknown"},    {{"--number"}, "needs a value"},
    {{"--number", "x"}, "`x`"},      {{"--number="}, "--number"},
    {{"--time", "1d"}, "--time"},    {{"--yes=perhaps"}, "--yes"},
    {{"word"}, "`word` is no flag"}, {{"-"}, "`-` is no flag"},
  };
  for (const auto& r : rows) {
    targets to;
    auto wrong = read_flags(to.flags(), r.arguments);
    REQUIRE(wrong.has_value());
    CHECK_NE(wrong->find(r.text), std::string::npos);
  }
  variable_set number{"HC_NUMBER", "hidden"};
  targets to;
  auto wrong = read_flags(to.flags(), {});
  REQUIRE(wrong.has_value());
  CHECK_NE(wrong->find("HC_NUMBER"), std::string::npos);
  CHECK_EQ(wrong->find("hidden"), std::string::npos);
}

TEST_CASE("durations are Go's") {
  struct row {
    const char* text;
    std::optional<std::chrono::nanoseconds> expected;
  };
  const row rows[] = {
    {"0", 0ns},
    {"1s", 1s},
    {"1.5h", 90min},
    {"2m3s", 123s},
    {"250ms", 250ms},
    {"", std::nullopt},
    {"1", std::nullopt},
    {"-1s", std::nullopt},
    {"s", std::nullopt},
    {"1s ", std::nullopt},
    {"1e3s", std::nullopt},
    {"99999999999h", std::nullopt},
    {"nan", std::nullopt},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK(duration_of(r.text) == r.expected);
  }
}

TEST_CASE("what an answer to an upload means") {
  struct row {
    std::optional<int> status;
    upload_verdict verdict;
    int tries;
  };
  const row rows[] = {
    {201, upload_verdict::done, 1},
    {403, upload_verdict::forbidden, 1},
    {413, upload_verdict::too_large, 1},
    {503, upload_verdict::unavailable, 6},
    {200, upload_verdict::failed, 3},
    {307, upload_verdict::failed, 3},
    {401, upload_verdict::failed, 3},
    {404, upload_verdict::failed, 3},
    {500, upload_verdict::failed, 3},
    {std::nullopt, upload_verdict::failed, 3},
  };
  for (const auto& r : rows) {
    CAPTURE(r.status.value_or(0));
    CHECK_EQ(verdict_of_upload(r.status), r.verdict);
    CHECK_EQ(upload_tries_max(r.verdict), r.tries);
  }
  const int pauses[] = {1, 2, 4, 5, 5};
  for (int tries = 1; tries <= 5; ++tries)
    CHECK_EQ(upload_pause(tries).count(), pauses[tries - 1]);
}

TEST_CASE("what an answer to a download or about a cache means") {
  struct row {
    std::optional<int> status;
    download_verdict download;
    cache_verdict cache;
  };
  const row rows[] = {
    {200, download_verdict::done, cache_verdict::done},
    {201, download_verdict::failed, cache_verdict::done},
    {204, download_verdict::failed, cache_verdict::done},
    {302, download_verdict::failed, cache_verdict::failed},
    {400, download_verdict::failed, cache_verdict::failed},
    {401, download_verdict::unauthorized, cache_verdict::failed},
    {403, download_verdict::forbidden, cache_verdict::failed},
    {404, download_verdict::not_found, cache_verdict::missing},
    {500, download_verdict::failed, cache_verdict::again},
    {503, download_verdict::failed, cache_verdict::again},
    {std::nullopt, download_verdict::failed, cache_verdict::again},
  };
  for (const auto& r : rows) {
    CAPTURE(r.status.value_or(0));
    CHECK_EQ(verdict_of_download(r.status), r.download);
    CHECK_EQ(verdict_of_cache(r.status), r.cache);
  }
}

TEST_CASE("a log line has GitLab Runner's form") {
  CHECK_EQ(log::line("", "", "No files", {}),
           "No files" + std::string(42, ' ') + "\x1b[0;m \n");
  CHECK_EQ(log::line("C", "ERROR: ", std::string(50, 'x'),
                     {{"status", "1\n2"}, {"id", "7"}}),
           "CERROR: " + std::string(50, 'x')
             + "\x1b[0;m  Cid\x1b[0;m=7 Cstatus\x1b[0;m=1?2\n");
}

TEST_CASE("env files are read as dotenv does") {
  auto read = parse_env("A=1\n"
                        "# comment\n"
                        "\n"
                        "export B = two words \r\n"
                        "C='single $A \\n'\n"
                        "D=\"double \\\"quoted\\\"\\nline\" # behind\n"
                        "E=\n"
                        "F={\"cachekey\":\"a b\"}\n"
                        "G=x # comment\n"
                        "no variable\n"
                        "H='open");
  CHECK_EQ(read["A"], "1");
  CHECK_EQ(read["B"], "two words");
  CHECK_EQ(read["C"], "single $A \\n");
  CHECK_EQ(read["D"], "double \"quoted\"\nline");
  CHECK_EQ(read["E"], "");
  CHECK_EQ(read["F"], "{\"cachekey\":\"a b\"}");
  CHECK_EQ(read["G"], "x");
  CHECK_EQ(read["H"], "'open");
  CHECK_EQ(read.size(), 8);
}

TEST_CASE("dates of HTTP") {
  CHECK(http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784'111'777);
  CHECK_EQ(http_date_of(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK_FALSE(http_date("Sunday, 06-Nov-94 08:49:37 GMT").has_value());
  CHECK_FALSE(http_date("Sun, 06 Xxx 1994 08:49:37 GMT").has_value());
  CHECK_FALSE(http_date("").has_value());
}

TEST_CASE("names and paths are expanded as a shell does") {
  variable_set set{"HC_NAME", "value"};
  struct row {
    const char* text;
    const char* expected;
  };
  const row rows[] = {
    {"plain", "plain"},
    {"$HC_NAME/x", "value/x"},
    {"a${HC_NAME}b", "avalueb"},
    {"$HC_UNSET!", "!"},
    {"${HC_UNSET:-other}", "other"},
    {"${HC_UNSET-$HC_NAME}", "value"},
    {"${HC_NAME:-other}", "value"},
    {"\\$HC_NAME", "$HC_NAME"},
    {"$", "$"},
    {"$(id)", "$(id)"},
    {"${HC_NAME", "${HC_NAME"},
    {"${HC_NAME%x}", "${HC_NAME%x}"},
    {"a\\b", "a\\b"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(expanded(r.text), r.expected);
  }
}

TEST_CASE("paths are taken below the project only") {
  scratch here;
  fs::create_directory_symlink("work", "../other-name");
  auto project = fs::current_path().string();
  struct row {
    std::string path;
    std::optional<std::string> expected;
  };
  const row rows[] = {
    {"a/b", "a/b"},
    {"./a//b/", "a/b"},
    {"a/../b", "b"},
    {".", ""},
    {"..", std::nullopt},
    {"a/../../b", std::nullopt},
    {project + "/a/*", "a/*"},
    {project, ""},
    {project + "/../work/a", "a"},
    {here.root().string() + "/other-name/a", "a"},
    {here.root().string() + "/else", std::nullopt},
    {"/etc/passwd", std::nullopt},
    {project + "x/a", std::nullopt},
  };
  for (const auto& r : rows) {
    CAPTURE(r.path);
    CHECK(path_in_project(r.path) == r.expected);
  }
}

TEST_CASE("sockets, pipes and what is gone are left out of an archive") {
  scratch here;
  write_file("file", "x");
  REQUIRE_EQ(::mkfifo("pipe", 0600), 0);
  text_sink to;
  auto writer
    = make_archive_writer(archive_format::zip, compression_level::normal, to);
  REQUIRE(writer.has_value());
  CHECK(add_all({"file", "gone", "pipe"}, **writer).has_value());
  CHECK((*writer)->finish().has_value());
  CHECK_NE(to.text.find("file"), std::string::npos);
  CHECK_EQ(to.text.find("pipe"), std::string::npos);
}

TEST_CASE("output is masked, across pieces, and commands are left out") {
  std::vector<std::string> learned;
  std::string output = "one\n::add-mask::secret\r\nthe secret is secretive\n"
                       "::add-mask::secretive\nsecretive, ::add-mask::late\n"
                       "::add-maskot\n::add-mask::\nsecre";
  std::string expected = "one\nthe [MASKED] is [MASKED]ive\n"
                         "[MASKED], ::add-mask::late\n"
                         "::add-maskot\nsecre";
  for (size_t piece : {size_t{1}, size_t{2}, size_t{7}, output.size()}) {
    CAPTURE(piece);
    learned.clear();
    std::vector<std::string> values;
    masking_stream masks{
      values, [&learned](const std::string& x) { learned.push_back(x); }};
    std::string shown;
    for (size_t at = 0; at < output.size(); at += piece)
      shown += masks.take(std::string_view{output}.substr(at, piece));
    shown += masks.finish();
    CHECK_EQ(shown, expected);
    CHECK_EQ(learned, std::vector<std::string>{"secret", "secretive"});
  }
}

TEST_CASE("output that cannot become a secret is shown at once") {
  std::vector<std::string> values{"secret"};
  masking_stream masks{values, [](const std::string&) {}};
  CHECK_EQ(masks.take("progress 10% "), "progress 10% ");
  CHECK_EQ(masks.take("20% sec"), "20% ");
  CHECK_EQ(masks.take("ond\n"), "second\n");
}

TEST_CASE("requests to S3 are signed as AWS documents it") {
  // The documentation's example of a GET, but for the body, which is not signed
  // here; computed by a program that also gives the documented signature.
  http_request what;
  what.method = "GET";
  what.to = *parse_url("https://examplebucket.s3.amazonaws.com/test.txt");
  REQUIRE(sign_s3(
    what,
    {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""},
    "us-east-1", 1'369'353'600));
  CHECK_EQ(what.headers[1].second, "20130524T000000Z");
  REQUIRE_EQ(what.secret_headers.size(), 1);
  CHECK_EQ(what.secret_headers[0].second,
           "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
           "us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;"
           "x-amz-date, Signature="
           "5c0d4ff29e72b8f94c5b6720369921e587e39bf7a64e456887dec4b43a2d1b77");
}

TEST_CASE("a provenance statement is JSON, whatever the names are") {
  provenance_facts facts;
  facts.job = 42;
  facts.job_name = "build \"all\"\n";
  facts.repository = "https://gitlab.example/group/project";
  facts.commit = "0123456789abcdef";
  facts.runner_id = "9";
  facts.parameters = {"CI_A", "CI_\\B"};
  facts.started_at = "2026-01-02T03:04:05Z";
  auto statement = nlohmann::json::parse(
    statement_of(facts, {{"a/b", "00ff"}, {"c\td", "11"}}));
  CHECK_EQ(statement["_type"], "https://in-toto.io/Statement/v0.1");
  CHECK_EQ(statement["predicateType"], "https://slsa.dev/provenance/v1");
  CHECK_EQ(statement["subject"].size(), 2);
  CHECK_EQ(statement["subject"][1]["name"], "c\td");
  CHECK_EQ(statement["subject"][0]["digest"]["sha256"], "00ff");
  auto definition = statement["predicate"]["buildDefinition"];
  CHECK_EQ(definition["externalParameters"]["entryPoint"], "build \"all\"\n");
  CHECK_EQ(definition["externalParameters"]["CI_\\B"], "");
  CHECK_EQ(definition["internalParameters"]["job"], "42");
  CHECK_EQ(definition["resolvedDependencies"][0]["digest"]["sha256"],
           "0123456789abcdef");
  auto run = statement["predicate"]["runDetails"];
  CHECK_EQ(run["builder"]["id"],
           "https://gitlab.example/group/project/-/runners/9");
  CHECK_EQ(run["metadata"]["startedOn"], "2026-01-02T03:04:05Z");
}

TEST_CASE("the help of each command fits a screen") {
  CHECK_EQ(commands().size(), 8);
  for (const auto& x : commands()) {
    size_t count = 0;
    for (size_t begin = 0; begin < x.usage.size(); ++count) {
      auto end = x.usage.find('\n', begin);
      REQUIRE_NE(end, std::string_view::npos);
      CHECK_LE(end - begin, 80);
      begin = end + 1;
    }
    CAPTURE(std::string{x.name});
    CHECK_LE(count, 23);
  }
}
