#include "tools/coordinator/trace_log.hpp"

#include <doctest/doctest.h>
#include <random>
#include <string>

using namespace muster::gitlab;

TEST_CASE("a Content-Range is two numbers in order") {
  struct row {
    std::string text;
    bool good;
    uint64_t first;
    uint64_t last;
  };
  const row rows[] = {
    {"0-1533", true, 0, 1533},
    {"5-5", true, 5, 5},
    {"18446744073709551615-18446744073709551615", true, UINT64_MAX, UINT64_MAX},
    {"5-4", false, 0, 0},
    {"", false, 0, 0},
    {"-", false, 0, 0},
    {"5", false, 0, 0},
    {"5-", false, 0, 0},
    {"-5", false, 0, 0},
    {"0-5/10", false, 0, 0},
    {"bytes 0-5", false, 0, 0},
    {"0--5", false, 0, 0},
    {"+0-5", false, 0, 0},
    {"0-18446744073709551616", false, 0, 0},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    auto range = parse_range(r.text);
    CHECK_EQ(range.has_value(), r.good);
    if (range && r.good) {
      CHECK_EQ(range->first, r.first);
      CHECK_EQ(range->last, r.last);
    }
  }
}

TEST_CASE("the checksum is CRC-32 of the whole, however it came in pieces") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 dice{seed};
  for (int round = 0; round < 50; ++round) {
    std::string whole(dice() % 10'000, '\0');
    for (auto& c : whole)
      c = static_cast<char>(dice());
    trace_log log;
    for (size_t at = 0; at < whole.size();) {
      auto piece = whole.substr(at, 1 + dice() % 3000);
      at += piece.size();
      auto crc = crc32_of(piece);
      log.append(std::move(piece), crc, 0);
    }
    CHECK_EQ(log.size(), whole.size());
    CHECK_EQ(log.crc(), crc32_of(whole));
    auto from = whole.empty() ? 0 : dice() % whole.size();
    auto count = dice() % 5000;
    CHECK_EQ(log.read(from, count), whole.substr(from, count));
    CHECK_EQ(log.read(0, UINT64_MAX), whole);
  }
  CHECK_EQ(checksum_text(crc32_of("123456789")), "crc32:cbf43926");
  CHECK_EQ(checksum_text(0), "crc32:00000000");
}

TEST_CASE("beyond its bound a log counts and sums, but keeps no more") {
  trace_log log{10};
  std::string whole;
  for (int i = 0; i < 4; ++i) {
    std::string piece = "abcd";
    whole += piece;
    log.append(std::move(piece), crc32_of("abcd"), i);
  }
  CHECK_EQ(log.size(), 16);
  CHECK_EQ(log.kept(), 10);
  CHECK_EQ(log.crc(), crc32_of(whole));
  CHECK_EQ(log.read(0, 100), whole.substr(0, 10));
  CHECK_EQ(log.read(12, 100), "");
  log.clear();
  CHECK_EQ(log.size(), 0);
  CHECK_EQ(log.crc(), 0);
}
