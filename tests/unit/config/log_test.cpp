#include "config/log.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace muster;

namespace {

constexpr int64_t moment = 1'700'000'000'120'000'000; // 2023-11-14T22:13:20.12Z

std::string padding(size_t columns) {
  return std::string(columns, ' ');
}

} // namespace

TEST_CASE("the runner format is GitLab Runner's, byte for byte") {
  using log::level;
  struct row {
    level at;
    const char* color;
    const char* prefix;
  };
  const row rows[] = {
    {level::trace, "", ""},
    {level::debug, "\033[37;1m", ""},
    {level::info, "", ""},
    {level::warning, "\033[0;33m", "WARNING: "},
    {level::error, "\033[31;1m", "ERROR: "},
    {level::fatal, "\033[31;1m", "FATAL: "},
  };
  for (const auto& r : rows) {
    auto line = log::format_line("runner", r.at, "Job succeeded",
                                 {{"runner", "abc"}, {"job", "7"}}, moment);
    std::string color = r.color;
    std::string prefix = r.prefix;
    CHECK_EQ(line, color + prefix + "Job succeeded"
                     + padding(50 - prefix.size() - 13) + "\033[0;m  " + color
                     + "job\033[0;m=7 " + color + "runner\033[0;m=abc");
  }
}

TEST_CASE("a long message is not cut, and padding counts characters") {
  std::string message(60, 'x');
  CHECK_EQ(log::format_line("runner", log::level::info, message, {}, moment),
           message + "\033[0;m ");
  CHECK_EQ(log::format_line("runner", log::level::info, "\xc3\xa4", {}, moment),
           "\xc3\xa4" + padding(49) + "\033[0;m ");
}

TEST_CASE("foreign text neither colours the terminal nor begins a line") {
  auto line = log::format_line("runner", log::level::info, "a\033[2Jb\rc",
                               {{"error", "x\nFATAL: y"}}, moment);
  CHECK_EQ(line.find("\033[2J"), std::string::npos);
  CHECK_NE(line.find("a\\x1b[2Jb\\x0dc"), std::string::npos);
  CHECK_NE(line.find("=x\\nFATAL: y"), std::string::npos);
}

TEST_CASE("the text format quotes what needs it and sorts the fields") {
  CHECK_EQ(log::format_line(
             "text", log::level::warning, "a \"b\"\n",
             {{"z", "1"}, {"error", "no way"}, {"a", "x/y@z"}, {"time", "t"}},
             moment),
           "time=\"2023-11-14T22:13:20.12Z\" level=warning "
           "msg=\"a \\\"b\\\"\\n\" a=x/y@z error=\"no way\" fields.time=t z=1");
  CHECK_EQ(log::format_line("text", log::level::info, "done", {}, 0),
           "time=\"1970-01-01T00:00:00Z\" level=info msg=done");
}

TEST_CASE("on a terminal the text format is short and coloured") {
  CHECK_EQ(
    log::format_terminal_line(log::level::info, "hello", {{"job", "7"}}, 12),
    "\033[36mINFO\033[0m[0012] hello" + padding(39) + "  \033[36mjob\033[0m=7");
  CHECK(log::format_terminal_line(log::level::error, "x", {}, 0)
          .starts_with("\033[31mERRO\033[0m[0000] "));
}

TEST_CASE("the json format is one object with numbers where they belong") {
  auto line = log::format_line("json", log::level::error, "bad \xff byte\n",
                               {{"job", "7"},
                                {"runner", "123456789"},
                                {"pid", "4711"},
                                {"duration_s", "1.5"},
                                {"exit_code", "none"},
                                {"msg", "mine"}},
                               moment);
  CHECK_EQ(line.find('\n'), std::string::npos);
  auto read = nlohmann::json::parse(line);
  CHECK_EQ(read["level"], "error");
  CHECK_EQ(read["time"], "2023-11-14T22:13:20.12Z");
  CHECK_EQ(read["job"], 7);
  CHECK_EQ(read["runner"], "123456789");
  CHECK_EQ(read["pid"], 4711);
  CHECK_EQ(read["duration_s"], 1.5);
  CHECK_EQ(read["exit_code"], "none");
  CHECK_EQ(read["fields.msg"], "mine");
  CHECK_EQ(read["msg"], "bad \xef\xbf\xbd byte\n");
}

TEST_CASE("an unknown level or format changes nothing") {
  REQUIRE(log::configure("error", "json"));
  CHECK(!log::configure("loud", "json"));
  CHECK(!log::configure("debug", "xml"));
  CHECK(!log::enabled(log::level::warning));
  CHECK(log::enabled(log::level::error));
  for (const auto* name : {"panic", "fatal", "error", "warning", "warn", "info",
                           "debug", "trace", "INFO"})
    CHECK(log::configure(name, "runner"));
  CHECK(log::configure("info", "runner"));
}
