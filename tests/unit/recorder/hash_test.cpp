#include "actors/recorder/byte_ring.hpp"
#include "actors/recorder/crc32c.hpp"
#include "actors/recorder/keyed_hash.hpp"
#include "actors/recorder/varint.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <string>

using namespace muster;

TEST_CASE("CRC-32C is that of RFC 3720, with and without the instruction") {
  std::string zeros(32, '\0');
  std::string ones(32, '\xFF');
  CHECK_EQ(crc32c("123456789"), 0xE3069283);
  CHECK_EQ(crc32c(zeros), 0x8A9136AA);
  CHECK_EQ(crc32c(ones), 0x62A8AB43);
  CHECK_EQ(crc32c(""), 0);
  std::string text;
  for (int i = 0; i < 100; ++i) {
    CHECK_EQ(crc32c(text), crc32c_by_table(text));
    text.push_back(static_cast<char>(i * 37));
  }
}

TEST_CASE("the keyed hash is SipHash-2-4") {
  // The key 00 01 .. 0f, and texts 00 01 .. of its authors' test vectors.
  hash_key key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string text;
  CHECK_EQ(keyed_hash(key, text), 0x726fdb47dd0e0e31);
  for (char i = 0; i < 15; ++i)
    text.push_back(i);
  CHECK_EQ(keyed_hash(key, text), 0xa129ca6149be45e5);
  CHECK_NE(random_hash_key(), random_hash_key());
}

TEST_CASE("numbers come back as they were, and nothing comes of half a one") {
  for (int64_t x :
       {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{127}, int64_t{-128},
        int64_t{1} << 40, std::numeric_limits<int64_t>::max(),
        std::numeric_limits<int64_t>::min()}) {
    CAPTURE(x);
    std::string bytes;
    put_zigzag(bytes, x);
    put_varint(bytes, static_cast<uint64_t>(x));
    std::string_view from{bytes};
    int64_t back = 7;
    uint64_t unsigned_back = 7;
    CHECK(take_zigzag(from, back));
    CHECK(take_varint(from, unsigned_back));
    CHECK_EQ(back, x);
    CHECK_EQ(unsigned_back, static_cast<uint64_t>(x));
    CHECK(from.empty());
  }
  uint64_t number = 0;
  std::string_view endless{"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"};
  CHECK_FALSE(take_varint(endless, number));
  std::string_view text{"\x05"
                        "abc"};
  std::string_view taken;
  CHECK_FALSE(take_text(text, taken));
}

TEST_CASE("a ring takes all or nothing, and goes around its end") {
  byte_ring ring{16};
  auto taken = [&ring](uint64_t end) {
    std::string out;
    for (auto part : ring.look(end))
      out += part;
    ring.take(end);
    return out;
  };
  CHECK(ring.put("12345"));
  for (int i = 0; i < 50; ++i) { // it is never empty
    auto end = ring.written();
    CHECK(ring.put("ab", "cde"));
    CHECK(ring.put("fg"));
    CHECK_FALSE(ring.put("0123", "4"));
    CHECK_EQ(taken(end), i == 0 ? "12345" : "abcdefg");
  }
  CHECK_EQ(taken(ring.written()), "abcdefg");
  CHECK_FALSE(ring.put("0123456789abcdef", "0"));
  CHECK(ring.put("0123456789abcdef"));
  CHECK_FALSE(ring.put("0"));
  CHECK_EQ(taken(ring.written()), "0123456789abcdef");
}

TEST_CASE("an empty ring begins anew, whoever still thinks of its old end") {
  byte_ring ring{16};
  CHECK(ring.put("0123456789"));
  auto old = ring.written();
  ring.take(old);
  CHECK(ring.put("abcdef"));
  CHECK_EQ(ring.written() % 16, 6);
  CHECK(ring.look(old)[0].empty());
  ring.take(old);
  CHECK_EQ(ring.look(ring.written())[0], "abcdef");
  CHECK_EQ(ring.look(ring.written())[1], "");
}
