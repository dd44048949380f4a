#include "executors/docker/multiplexed.hpp"

#include <doctest/doctest.h>
#include <random>
#include <string>

using namespace muster::docker;

namespace {

std::string frame(int stream, const std::string& text) {
  std::string bytes{static_cast<char>(stream), 0, 0, 0};
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes += static_cast<char>(text.size() >> shift);
  return bytes + text;
}

struct collector {
  std::string out;
  std::string err;
  demultiplexer parts{
    [this](demultiplexer::origin from, std::string_view text) {
      (from == demultiplexer::origin::out ? out : err) += text;
    }};
};

} // namespace

TEST_CASE("two streams come apart wherever they are cut") {
  auto big = std::string(100'000, 'x');
  auto bytes = frame(1, "out ") + frame(2, "err ") + frame(1, "")
               + frame(1, big) + frame(3, "engine");
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  for (int round = 0; round < 30; ++round) {
    collector x;
    size_t longest = round < 15 ? 9 : 70'000;
    for (size_t at = 0; at < bytes.size();) {
      auto size = chance() % longest + 1;
      REQUIRE(x.parts.feed(std::string_view{bytes}.substr(at, size)));
      at += size;
    }
    CHECK_EQ(x.out, "out " + big);
    CHECK_EQ(x.err, "err engine");
    CHECK(x.parts.between_frames());
  }
}

TEST_CASE("a stream that ends within a frame is known as cut off") {
  collector x;
  CHECK(x.parts.feed(frame(1, "whole")));
  CHECK(x.parts.between_frames());
  CHECK(x.parts.feed(frame(1, "half").substr(0, 5)));
  CHECK_FALSE(x.parts.between_frames());
  CHECK(x.parts.feed(frame(1, "half").substr(5, 4)));
  CHECK_FALSE(x.parts.between_frames());
}

TEST_CASE("what has no frames is refused, from then on always") {
  for (const auto& bytes :
       {std::string("plain text"), std::string("\4\0\0\0\0\0\0\0", 8),
        std::string("\1\0\1\0\0\0\0\1x", 9)}) {
    collector x;
    CHECK_FALSE(x.parts.feed(bytes));
    CHECK_FALSE(x.parts.feed(frame(1, "late")));
    CHECK_EQ(x.out, "");
  }
}

TEST_CASE("a size of 4 GiB takes no memory") {
  collector x;
  CHECK(x.parts.feed(std::string("\1\0\0\0\xff\xff\xff\xff", 8)));
  CHECK(x.parts.feed("some"));
  CHECK_EQ(x.out, "some");
}
