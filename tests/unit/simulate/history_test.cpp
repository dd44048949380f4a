#include "tools/muster/simulate/history.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sstream>

using namespace muster;
using namespace muster::simulate;
using namespace std::chrono_literals;

namespace {

tl::expected<history, history_fault> read(const std::string& text,
                                          const history_limits& limits = {}) {
  std::istringstream in{text};
  return read_history(in, limits);
}

/// `QUEUED+DURATION TAGS`, times in seconds since 1970; or the fault.
std::vector<std::string> jobs(const std::string& text,
                              const history_limits& limits = {}) {
  auto out = read(text, limits);
  if (!out)
    return {to_string(out.error())};
  std::vector<std::string> lines;
  for (const auto& x : out->jobs) {
    auto line
      = fmt::format("{}+{}", x.queued.time_since_epoch() / 1s, x.duration / 1s);
    for (const auto& tag : out->tag_sets.at(x.tags))
      line += " " + tag;
    lines.push_back(line);
  }
  return lines;
}

using lines = std::vector<std::string>;

std::string fault(const std::string& text, const history_limits& limits = {}) {
  auto out = read(text, limits);
  return out ? "none" : to_string(out.error());
}

/// Like an answer of GitLab's jobs API, whatever stands in it.
constexpr auto page = R"([
  {"id": 7, "status": "success", "stage": "test", "name": "a \"b\" {[",
   "created_at": "1970-01-01T00:00:10.000Z",
   "started_at": "1970-01-01T00:01:40.500Z",
   "finished_at": "1970-01-01T00:02:30.500Z",
   "erased_at": null, "duration": 50.0, "queued_duration": 40.5,
   "tag_list": ["linux", "big \u00e4"], "allow_failure": false,
   "user": {"id": 1, "name": "x", "status": "running", "tags": [[], {}]},
   "pipeline": {"id": 6, "created_at": "never"}, "artifacts": [
     {"file_type": "trace", "size": 1e3, "filename": "job.log"}]},
  {"id": 8, "status": "skipped", "created_at": "1970-01-01T00:00:10.000Z",
   "started_at": null, "finished_at": null, "duration": null,
   "queued_duration": null, "tag_list": []},
  {"id": 9, "status": "failed", "created_at": "1970-01-01T00:00:20.000Z",
   "started_at": "1970-01-01T00:00:30.000Z", "finished_at": null,
   "duration": 3.9, "queued_duration": 5, "tag_list": []}
])";

} // namespace

TEST_CASE("what GitLab's jobs API answers is a history") {
  CHECK_EQ(jobs(page), lines{"25+3", "60+50 big ä linux"});
  auto out = read(page);
  REQUIRE(out);
  CHECK_EQ(out->not_run, 1);
  // Pages one after the other, as `glab api --paginate` prints them.
  CHECK_EQ(jobs(std::string{page} + page + "\n[]\n").size(), 4);
}

TEST_CASE("lines of JSON are a history") {
  CHECK_EQ(jobs("{\"queued_at\": 20, \"duration\": \"1m\", \"tags\": \"a b\"}\n"
                "\n"
                "{\"queued_at\":\"1970-01-01T00:00:10Z\",\"duration\":2}"),
           lines{"10+2", "20+60 a b"});
}

TEST_CASE("CSV is a history, with commas, semicolons or tabs") {
  CHECK_EQ(jobs("queued_at,duration,tags\n20,60,\"a,b\"\n10,2,\n"),
           lines{"10+2", "20+60 a b"});
  CHECK_EQ(jobs("\xEF\xBB\xBF"
                "Duration;id;Queued_At\r\n60;\"x;\"\"y\r\nz\";20\r\n\r\n2;;10"),
           lines{"10+2", "20+60"});
  CHECK_EQ(jobs("created_at\tstarted_at\tfinished_at\tstatus\n"
                "1970-01-01 00:00:10 UTC\t1970-01-01 00:00:20 UTC\t"
                "1970-01-01 00:00:50 UTC\tsuccess\n"
                "1970-01-01 00:00:10 UTC\t\t\tmanual\n"),
           lines{"10+30"});
}

TEST_CASE("jobs are in the order of time, those of one time as they came") {
  CHECK_EQ(jobs("queued_at,duration\n30,1\n10,2\n20,3\n10,4\n30,5\n"),
           lines{"10+2", "10+4", "20+3", "30+1", "30+5"});
}

TEST_CASE("what is wrong with JSON is told with its place") {
  struct row {
    const char* text;
    const char* fault;
  };
  const row rows[] = {
    {"{\"queued_at\": 1, \"duration\": 2}\n{\"queued_at\": \"yesterday\"}",
     "line 2, column 15: \"yesterday\" is no time: write it like "
     "2026-11-23T08:15:30Z"},
    {"{\"duration\": -1}",
     "line 1, column 14: \"-1\" is no duration: write seconds, or it like "
     "1h30m"},
    {"{\"duration\": true}",
     "line 1, column 14: \"true\" is no duration: write "
     "seconds, or it like 1h30m"},
    {"[\n {\"duration\": 1}]",
     "line 2, column 2: the job has no queued_at, no started_at with "
     "queued_duration, and no created_at: one of them is needed"},
    {"{\"ä\": 1, \"x\" 2}", "line 1, column 14: a colon was to come here"},
    {"{\"x\": 1", "line 1, column 8: the file ends where a comma or a } was to "
                  "come"},
    {"{\"x\": 1 \"y\"", "line 1, column 9: a comma or a } was to come here"},
    {"{\"x\": 1,}", "line 1, column 9: a name in quotes was to come here"},
    {"{x: 1}", "line 1, column 2: a name in quotes was to come here"},
    {"{\"x\": nul}", "line 1, column 7: a value was to come here"},
    {"{\"x\": 01}", "line 1, column 7: a value was to come here"},
    {"{\"x\": 1.}", "line 1, column 7: a value was to come here"},
    {"{\"x\": -}", "line 1, column 7: a value was to come here"},
    {"{\"x\": }", "line 1, column 7: a value was to come here"},
    {"{\"x\": \"a\nb\"}",
     "line 1, column 9: a line break or control character within a text"},
    {"{\"x\": \"abc", "line 1, column 7: the text that begins here does not "
                      "end"},
    {"{\"x\": \"\\x\"}", "line 1, column 9: there is no such escape in JSON"},
    {"{\"x\": \"\\ud800\"}", "line 1, column 9: \\u needs four hexadecimal "
                             "digits, and pairs of surrogates"},
    {"{\"x\": {\"y\": [1, 2}}", "line 1, column 18: a comma or a ] was to come "
                                "here"},
    {"{\"queued_at\": [1]}", "line 1, column 15: a single value was to come "
                             "here"},
    {"{\"tags\": [1]}", "line 1, column 11: a tag in quotes was to come here"},
    {"[1]", "line 1, column 2: a job, {...}, was to come here"},
    {"[[]]", "line 1, column 2: a job, {...}, was to come here"},
    {"[{\"status\": \"manual\"}",
     "line 1, column 22: the file ends where a comma or a ] was to come"},
    {"{\"status\": \"manual\"}x",
     "line 1, column 21: a job, {...}, was to come here"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(fault(r.text), r.fault);
  }
}

TEST_CASE("an object that is no job that ran is told for what it is") {
  struct row {
    const char* text;
    const char* fault;
  };
  const row rows[] = {
    {"{\"message\":\"401 Unauthorized\"}",
     "line 1, column 1: this is no job, but an answer that says \"401 "
     "Unauthorized\""},
    {"[{\"error\": \"invalid_token\", \"scope\": [1]}]",
     "line 1, column 2: this is no job, but an answer that says "
     "\"invalid_token\""},
    {"{}", "line 1, column 1: this is no job: it has none of queued_at, "
           "created_at, started_at, duration and so on"},
    {"{\"queued_at\": 5, \"duraton\": 5}",
     "line 1, column 1: the job has no duration, and no started_at with "
     "finished_at: one of them is needed; is \"duraton\" meant to be "
     "duration?"},
    {"{\"queuedat\": 5, \"duration\": 5}",
     "line 1, column 1: the job has no queued_at, no started_at with "
     "queued_duration, and no created_at: one of them is needed; is "
     "\"queuedat\" meant to be queued_at?"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(fault(r.text), r.fault);
  }
  // Jobs that did not run lack more, and an answer may tell of one that did.
  CHECK_EQ(fault("{\"status\": \"pending\"}"),
           "none of the 1 jobs has run: there is nothing to play");
  CHECK_EQ(fault("{\"queued_at\": 5, \"duration\": null}"),
           "none of the 1 jobs has run: there is nothing to play");
  CHECK_EQ(jobs("{\"queued_at\": 5, \"duration\": 5, \"message\": \"x\"}"),
           lines{"5+5"});
}

TEST_CASE("tags and tag_list are taken together") {
  CHECK_EQ(jobs("queued_at,duration,tags,tag_list\n1,1,a,\"b,a\"\n"),
           lines{"1+1 a b"});
  CHECK_EQ(jobs("{\"queued_at\":1,\"duration\":1,\"tag_list\":[\"b\"],"
                "\"tags\":\"a\"}"),
           lines{"1+1 a b"});
}

TEST_CASE("what is wrong with CSV is told with its place") {
  struct row {
    const char* text;
    const char* fault;
  };
  const row rows[] = {
    {"queued_at,duration\n1,2\n1,2,3\n",
     "line 3, column 1: the row has 3 cells, the first line 2"},
    {"queued_at,duration\n1\n",
     "line 2, column 1: the row has 1 cell, the first line 2"},
    {"queued_at,duration\n1,soon\n",
     "line 2, column 3: \"soon\" is no duration: write seconds, or it like "
     "1h30m"},
    {"queued_at,duration\n\"1\n",
     "line 2, column 1: the quotes that begin here "
     "do not end"},
    {"queued_at,duration\n\"1\"x,2\n",
     "line 2, column 4: after closing quotes the cell was to end"},
    {"queued_at,duration\n,2\n",
     "line 2, column 1: the job has no queued_at, no started_at with "
     "queued_duration, and no created_at: one of them is needed"},
    {"duration,x,duration\n", "line 1, column 12: the head has \"duration\" "
                              "twice"},
    {"tags, Tags\n", "line 1, column 6: the head has \" Tags\" twice"},
    {"queuedat,duraton\n",
     "line 1, column 1: the first line names no column queued_at, none "
     "started_at with queued_duration, and no created_at: one of them is "
     "needed; is \"queuedat\" meant to be queued_at?"},
    {"queued_at,duraton\n",
     "line 1, column 1: the first line names no column duration, and none "
     "started_at with finished_at: one of them is needed; is \"duraton\" "
     "meant to be duration?"},
    {"duration,started_at\n",
     "line 1, column 1: the first line names no column queued_at, none "
     "started_at with queued_duration, and no created_at: one of them is "
     "needed"},
    {"queued_at,started_at\n",
     "line 1, column 1: the first line names no column duration, and none "
     "started_at with finished_at: one of them is needed"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(fault(r.text), r.fault);
  }
}

TEST_CASE("jobs that are years apart are refused, with both of their lines") {
  constexpr auto* why = ": jobs of at most 400 days can be played; correct the "
                        "time that is wrong, or take a shorter time";
  const std::string head = "queued_at,duration\n2026-11-24T08:00:00Z,60\n";
  const std::string it = "the job was queued at ";
  const std::string line_2 = " UTC, that of line 2 at 2026-11-24 08:00:00 UTC";
  CHECK_EQ(fault(head + "0,60\n"),
           "line 3, column 1: " + it + "1970-01-01 00:00:00" + line_2 + why);
  CHECK_EQ(fault(head + "1795507300,60\n9999-12-31T08:00:00Z,60\n"),
           "line 4, column 1: " + it + "9999-12-31 08:00:00" + line_2 + why);
  CHECK_EQ(fault("{\"queued_at\": 99999999999, \"duration\": 1}\n"
                 "{\"queued_at\": 1795507200, \"duration\": 1}\n"),
           "line 2, column 1: " + it
             + "2026-11-24 08:00:00 UTC, that of line 1 at 5138-11-16 09:46:39 "
               "UTC"
             + why);
  CHECK_EQ(jobs(head + "2027-12-29T08:00:00Z,60\n").size(), 2);
  // What did not run is no job.
  CHECK_EQ(jobs(head + "0,\n").size(), 1);
}

TEST_CASE("a file without jobs that ran is told") {
  CHECK_EQ(fault(""), "there is no job in it");
  CHECK_EQ(fault("\n \n"), "there is no job in it");
  CHECK_EQ(fault("[]"), "there is no job in it");
  CHECK_EQ(fault("queued_at,duration\n"), "there is no job in it");
  CHECK_EQ(fault("queued_at,duration\n1,\n2,\n"),
           "none of the 2 jobs has run: there is nothing to play");
}

TEST_CASE("more than is meant to be read is a fault") {
  history_limits few;
  few.jobs_max = 2;
  few.tag_sets_max = 1;
  few.value_bytes_max = 16;
  few.columns_max = 3;
  few.depth_max = 3;
  struct row {
    const char* text;
    const char* fault;
  };
  const row rows[] = {
    {"queued_at,duration\n1,1\n1,1\n1,1\n",
     "line 4, column 1: there are more than 2 jobs: take a shorter time"},
    {"queued_at,duration,tags\n1,1,a\n1,1,b\n",
     "line 3, column 1: there are more than 1 different sets of tags"},
    {"a,b,c,d\n", "line 1, column 7: a row has more than 3 cells"},
    {"queued_at,duration\n1,000000000000000001\n",
     "line 2, column 3: the cell that begins here has more than 16 bytes"},
    {"{\"duration\": \"000000000000000001\"}",
     "line 1, column 14: the text that begins here has more than 16 bytes"},
    {"{\"tags\": [\"a\", \"b\", \"c\", \"d\"]}",
     "line 1, column 26: a job has more than 3 tags"},
    {"{\"x\": [[[0]]]}", "line 1, column 10: this is nested more than 3 deep"},
    {"{\"x\": {\"y\": {\"z\": {}}}}", "none"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto is = fault(r.text, few);
    if (std::string{r.fault} == "none")
      CHECK_EQ(is.find("nested"), std::string::npos);
    else
      CHECK_EQ(is, r.fault);
  }
  // What nobody looks at may be long.
  CHECK_EQ(jobs("{\"a name that is long\": \"a text that is long\", "
                "\"queued_at\": 1, \"duration\": 2}",
                {.value_bytes_max = 16}),
           lines{"1+2"});
}

TEST_CASE("a stream that breaks off is told") {
  struct broken final : std::stringbuf {
    broken() : std::stringbuf{"queued_at,duration\n1,2\n"} {
    }
    int_type underflow() override {
      auto c = std::stringbuf::underflow();
      if (c == traits_type::eof())
        throw std::ios_base::failure{"gone"};
      return c;
    }
    std::streamsize xsgetn(char* to, std::streamsize most) override {
      auto count = std::stringbuf::xsgetn(to, most);
      if (count < most && count == 0)
        throw std::ios_base::failure{"gone"};
      return count;
    }
  } buffer;
  std::istream in{&buffer};
  auto out = read_history(in);
  REQUIRE_FALSE(out);
  CHECK_NE(to_string(out.error()).find("cannot be read any further"),
           std::string::npos);
}

TEST_CASE("many jobs are read whole and in order") {
  // The last first, so that they are sorted.
  constexpr int count = 200'000;
  std::string csv = "queued_at,duration,tags\n";
  std::string json = "[";
  for (int i = count; i-- > 0;) {
    csv += fmt::format("{},{},\"linux,size-{}\"\n", i, i % 600, i % 7);
    json += fmt::format("{}{{\"queued_at\":{},\"duration\":{},\"tag_list\":["
                        "\"linux\",\"size-{}\"]}}",
                        json.size() > 1 ? "," : "", i, i % 600, i % 7);
  }
  json += "]";
  auto rows = read(csv);
  auto objects = read(json);
  REQUIRE(rows);
  REQUIRE(objects);
  REQUIRE_EQ(rows->jobs.size(), count);
  CHECK_EQ(rows->tag_sets, objects->tag_sets);
  CHECK_EQ(rows->tag_sets.size(), 8);
  CHECK(rows->jobs == objects->jobs);
  for (int i = 0; i < count; ++i)
    REQUIRE_EQ(
      rows->jobs[static_cast<size_t>(i)].queued.time_since_epoch() / 1s, i);
}
