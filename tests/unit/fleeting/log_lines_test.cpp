#include "providers/fleeting/log_lines.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <vector>

using namespace muster;
using namespace muster::fleeting;
using log::level;

namespace {

log_line read(std::string_view text) {
  bool panicking = false;
  return read_log_line(text, panicking);
}

std::string field(const log_line& from, const std::string& key) {
  auto found = std::ranges::find(from.fields, key, &log::field::first);
  return found == from.fields.end() ? "(none)" : found->second;
}

} // namespace

TEST_CASE("lines of a plugin's logger keep level, words and fields") {
  auto x = read(R"({"@level":"warn","@message":"plugin address","@timestamp":)"
                R"("2026-01-02T03:04:05.678901Z","@module":"m","network":)"
                R"("unix","count":3,"on":true,"list":[1,"a"],"none":null})");
  CHECK_EQ(x.at, level::warning);
  CHECK_EQ(x.message, "plugin address");
  CHECK_EQ(field(x, "timestamp"), "2026-01-02T03:04:05.678901Z");
  CHECK_EQ(field(x, "module"), "m");
  CHECK_EQ(field(x, "network"), "unix");
  CHECK_EQ(field(x, "count"), "3");
  CHECK_EQ(field(x, "on"), "true");
  CHECK_EQ(field(x, "list"), R"([1,"a"])");
  CHECK_EQ(field(x, "none"), "null");
  CHECK_EQ(field(x, "@level"), "(none)");
}

TEST_CASE("levels are mapped one to one") {
  const std::pair<const char*, level> rows[] = {
    {"trace", level::trace},  {"debug", level::debug}, {"info", level::info},
    {"warn", level::warning}, {"error", level::error},
  };
  for (const auto& [name, at] : rows)
    CHECK_EQ(
      read(std::string{R"({"@message":"m","@level":")"} + name + "\"}").at, at);
}

TEST_CASE("what is no such line is told by its beginning") {
  struct row {
    std::string text;
    level at;
    std::string message;
  };
  const row rows[] = {
    {"[INFO]  it runs", level::info, "it runs"},
    {"[ERROR] no", level::error, "no"},
    {"[WARN]", level::warning, ""},
    {"just words", level::debug, "just words"},
    {R"({"message":"no level"})", level::debug, R"({"message":"no level"})"},
    {R"({"@level":"loud"})", level::debug, R"({"@level":"loud"})"},
    {R"({"@level":7})", level::debug, R"({"@level":7})"},
    {"{", level::debug, "{"},
    {"[1,2]", level::debug, "[1,2]"},
    {"\xff\xfe{}", level::debug, "\xff\xfe{}"},
    {std::string(50'000, '[') + "{", level::debug,
     std::string(50'000, '[') + "{"},
    {"{\"a\":" + std::string(30'000, '['), level::debug,
     "{\"a\":" + std::string(30'000, '[')},
  };
  for (const auto& r : rows) {
    auto x = read(r.text);
    CAPTURE(r.text.substr(0, 40));
    CHECK_EQ(x.at, r.at);
    CHECK_EQ(x.message, r.message);
  }
}

TEST_CASE("from a panic on all words are errors") {
  std::vector<log_line> told;
  log_reader x{[&told](const log_line& line) { told.push_back(line); }};
  x.take("before\npanic: nil map\n\ngoroutine 1 [running]:\n[INFO] tagged\n");
  x.take("main.main()");
  x.finish();
  REQUIRE_EQ(told.size(), 5);
  CHECK_EQ(told[0].at, level::debug);
  CHECK_EQ(told[1].at, level::error);
  CHECK_EQ(told[2].at, level::error);
  CHECK_EQ(told[3].at, level::info);
  CHECK_EQ(told[4].message, "main.main()");
  CHECK_NE(x.last_words().find("panic: nil map"), std::string::npos);
}

TEST_CASE("lines may come cut anywhere, and of any length") {
  const std::string line
    = R"({"@level":"info","@message":"whole","@timestamp":"t"})";
  for (size_t cut = 0; cut <= line.size(); ++cut) {
    std::vector<log_line> told;
    log_reader x{[&told](const log_line& one) { told.push_back(one); }};
    x.take(line.substr(0, cut));
    x.take(line.substr(cut) + "\r\n");
    REQUIRE_EQ(told.size(), 1);
    CHECK_EQ(told[0].message, "whole");
  }
  std::vector<log_line> told;
  log_reader x{[&told](const log_line& one) { told.push_back(one); }};
  x.take(std::string(200'000, '{') + "\n" + line + "\n");
  REQUIRE_EQ(told.size(), 5); // 64 KiB three times, the rest, the next line
  size_t bytes = 0;
  for (size_t i = 0; i < 4; ++i) {
    CHECK_EQ(told[i].at, level::debug);
    CHECK_LE(told[i].message.size(), 65'536);
    bytes += told[i].message.size();
  }
  CHECK_EQ(bytes, 200'000);
  CHECK_EQ(told[4].message, "whole");
  CHECK_LE(x.last_words().size(), 500);
}

TEST_CASE("last words leave out what is routine") {
  log_reader x{[](const log_line&) {}};
  x.take(R"({"@level":"debug","@message":"plugin address","@timestamp":"t"})"
         "\n"
         R"({"@level":"error","@message":"cannot open","error":"no key"})"
         "\nwords of a library\n");
  CHECK_EQ(x.last_words(), "cannot open: no key; words of a library");
}
