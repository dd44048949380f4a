#include "tools/coordinator/trace_view.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace muster::gitlab;

namespace {

std::vector<std::string> lines_of(const std::string& trace, size_t piece,
                                  bool colours = false) {
  trace_view view{colours};
  std::vector<std::string> lines;
  for (size_t at = 0; at < trace.size(); at += piece)
    for (auto& line : view.feed(std::string_view{trace}.substr(at, piece)))
      lines.push_back(line);
  for (auto& line : view.finish())
    lines.push_back(line);
  return lines;
}

const std::string with_headers
  = "2026-09-21T14:13:20.000900Z 00O "
    "section_start:1790000000:prepare\r\x1b[0K\n"
    "2026-09-21T14:13:20.000950Z "
    "00O+\x1b[0K\x1b[36;1mPreparing\x1b[0;m\x1b[0;m\n"
    "2026-09-21T14:13:26.500000Z 01O progress 10%\r\n"
    "2026-09-21T14:13:26.900000Z 01E boom\n"
    "2026-09-21T14:13:26.900000Z 01O \n"
    "no header";

const std::string without_headers
  = "section_end:1790000004:a\r\x1b[0Ksection_start:1790000004:b\r\x1b[0K"
    "\x1b[0K\x1b[36;1mPreparing\x1b[0;m\x1b[0;m\n"
    "section_end:1790000005:b\r\x1b[0K\x1b[32;1mJob succeeded\x1b[0;m\n";

} // namespace

TEST_CASE("headers, markers and colours are taken away, in any pieces") {
  for (size_t piece : {1, 7, 1000}) {
    CAPTURE(piece);
    CHECK_EQ(lines_of(with_headers, piece),
             std::vector<std::string>{"Preparing", "progress 10%", "boom", "",
                                      "no header"});
    CHECK_EQ(lines_of(without_headers, piece),
             std::vector<std::string>{"Preparing", "Job succeeded"});
  }
}

TEST_CASE("colours stay when they are wanted") {
  CHECK_EQ(lines_of("\x1b[31;1mERROR\x1b[0;m\n", 100, true),
           std::vector<std::string>{"\x1b[31;1mERROR\x1b[0;m"});
}

TEST_CASE("instance and slot are read from the log") {
  struct row {
    std::string trace;
    const char* instance;
    const char* slot;
  };
  const row rows[] = {
    {"\x1b[0KInstance i-1 connected\x1b[0;m\n", "i-1", ""},
    {"Instance i-1 connected, slot 3\n", "i-1", "3"},
    {"Instance i-1 connected (slot 12)\n", "i-1", "12"},
    {"Instance i-1 connected\nslot: 0\nslot: 1\n", "i-1", "0"},
    {"slot: 4\nInstance a b connected\n", "a b", ""},
    {"echo Instance i-1 connected\n", "", ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.trace);
    trace_view view;
    view.feed(r.trace);
    CHECK_EQ(view.instance(), r.instance);
    CHECK_EQ(view.slot(), r.slot);
  }
}

TEST_CASE("a line without end is shown in parts") {
  trace_view view;
  size_t shown = 0;
  for (int i = 0; i < 10; ++i)
    for (const auto& line : view.feed(std::string(100'000, 'x')))
      shown += line.size();
  CHECK_GT(shown, 500'000);
}
