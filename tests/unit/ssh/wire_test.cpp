#include "executors/ssh/wire.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace muster::ssh;
using namespace std::string_literals;

TEST_CASE("numbers and strings are written as RFC 4251 says") {
  CHECK_EQ(wire_u32(0x699921), "\x00\x69\x99\x21"s);
  CHECK_EQ(wire_string("testing"), "\x00\x00\x00\x07testing"s);
  CHECK_EQ(wire_string(""), "\0\0\0\0"s);
  CHECK_EQ(wire_mpint(""), "\0\0\0\0"s);
  CHECK_EQ(wire_mpint("\0\0"s), "\0\0\0\0"s);
  CHECK_EQ(wire_mpint("\x80"s), "\0\0\0\x02\0\x80"s);
  CHECK_EQ(wire_mpint("\0\x09\xa3\x78"s), "\0\0\0\x03\x09\xa3\x78"s);
}

TEST_CASE("a reader gives back what was written, and nothing beyond the end") {
  auto bytes = wire_u32(7) + wire_string("abc") + "x";
  wire_reader in{bytes};
  CHECK_EQ(in.u32(), 7u);
  CHECK_EQ(in.string(), "abc");
  CHECK_EQ(in.byte(), 'x');
  CHECK_FALSE(in.byte());
  CHECK_FALSE(in.u32());
  CHECK_FALSE(in.string());
  CHECK_FALSE(wire_reader{"\xff\xff\xff\xff short"}.string());
}

TEST_CASE("base64 decodes what it encoded, of any length and content") {
  CHECK_EQ(base64_encode(""), "");
  CHECK_EQ(base64_encode("f"), "Zg==");
  CHECK_EQ(base64_encode("fo"), "Zm8=");
  CHECK_EQ(base64_encode("foo"), "Zm9v");
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 generator{seed};
  for (size_t size = 0; size < 100; ++size) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i)
      bytes.push_back(static_cast<char>(generator()));
    auto text = base64_encode(bytes);
    CHECK_EQ(base64_decode(text), bytes);
    CHECK_EQ(base64_decode(text.substr(0, text.find('='))), bytes);
  }
}

TEST_CASE("what is not base64 is not decoded") {
  for (auto text : {"A", "AAAAA", "A===", "AA=A", "AA A", "A\nAA", "AA-_"})
    CHECK_FALSE(base64_decode(text));
}

TEST_CASE("foreign text becomes one short printable line") {
  CHECK_EQ(printable("hello\r\n"), "hello");
  CHECK_EQ(printable("a\x1b[31mb\nc"), "a?[31mb?c");
  CHECK_EQ(printable(std::string(500, 'x')), std::string(200, 'x') + "...");
}
