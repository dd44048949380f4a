#include "tools/muster/moment.hpp"

#include "tools/muster/terminal.hpp"

#include <cstdlib>
#include <ctime>
#include <doctest/doctest.h>
#include <optional>
#include <string>

using namespace muster;

namespace {

/// Nothing: it is refused.
std::optional<int64_t> moment(const std::string& text,
                              time_zone zone = time_zone::utc) {
  auto read = parse_moment(text, zone);
  return read ? std::optional{*read} : std::nullopt;
}

} // namespace

TEST_CASE("a time is read as the tools print it") {
  struct row {
    const char* text;
    int64_t us;
  };
  const row rows[] = {
    {"2026-11-29T22:13:40.500000Z", 1'795'990'420'500'000},
    {"2026-11-29 22:13:40.5", 1'795'990'420'500'000},
    {"2026-11-29T22:13:40.123456789", 1'795'990'420'123'456},
    {"2026-11-29T22:13:40Z", 1'795'990'420'000'000},
    {"2026-11-29T22:13", 1'795'990'380'000'000},
    {"2026-11-29", 1'795'910'400'000'000},
  };
  for (const auto& x : rows) {
    CAPTURE(x.text);
    CHECK_EQ(moment(x.text), x.us);
  }
}

TEST_CASE("a local time differs from one with a Z by the zone") {
  const char* former = std::getenv("TZ");
  auto before = former == nullptr ? std::optional<std::string>{} : former;
  setenv("TZ", "UTC-3", 1); // three hours ahead
  tzset();
  CHECK_EQ(moment("2026-11-29T22:13:40", time_zone::local),
           1'795'990'420'000'000 - 3 * 3'600'000'000);
  CHECK_EQ(moment("2026-11-29T22:13:40Z", time_zone::local),
           1'795'990'420'000'000);
  before ? setenv("TZ", before->c_str(), 1) : unsetenv("TZ");
  tzset();
}

TEST_CASE("what is no time is refused with what one looks like") {
  for (const auto* text : {"", "soon", "2026-13-01", "2026-02-30", "-5m",
                           "2026-11-29T22:13:40.", "2026-11-29T22:13:40+01"}) {
    CAPTURE(text);
    auto read = parse_moment(text);
    REQUIRE_FALSE(read);
    CHECK_NE(read.error().text.find("2026-11-28T21:30"), std::string::npos);
  }
  auto read = parse_moment("100000000h");
  REQUIRE_FALSE(read);
  CHECK_NE(read.error().text.find("too large"), std::string::npos);
}

TEST_CASE("what others have said has no control characters for a terminal") {
  CHECK_EQ(printable("a\x1b[31mb\nc\td\x7f"), "a?[31mb?c?d?");
  CHECK_EQ(printable("\xc2\x9b"
                     "31m"),
           "?31m"); // the one of ESC [ in UTF-8
  CHECK_EQ(printable("gr\xc3\xbc\xc3\x9f"
                     "e \xc2\xa9"),
           "gr\xc3\xbc\xc3\x9f"
           "e \xc2\xa9");
}
