#include "executors/cache/digest.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("digests are those of the standards' examples") {
  // FIPS 180-2, appendix B.1.
  CHECK_EQ(hex_of(sha256("abc")),
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2.
  CHECK_EQ(hex_of(hmac_sha256("Jefe", "what do ya want for nothing?")),
           "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // RFC 4231, test case 6: a key longer than a block.
  CHECK_EQ(hex_of(hmac_sha256(
             std::string(131, '\xaa'),
             "Test Using Larger Than Block-Size Key - Hash Key First")),
           "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("base64 is that of RFC 4648, section 10") {
  CHECK_EQ(base64_of(""), "");
  CHECK_EQ(base64_of("f"), "Zg==");
  CHECK_EQ(base64_of("fo"), "Zm8=");
  CHECK_EQ(base64_of("foo"), "Zm9v");
  CHECK_EQ(base64_of("foobar"), "Zm9vYmFy");
}

TEST_CASE("percent-encoding leaves what needs none") {
  CHECK_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  CHECK_EQ(percent_encoded("a b/c+\xc3\xa9"), "a%20b%2Fc%2B%C3%A9");
  CHECK_EQ(percent_encoded("a b/c", true), "a%20b/c");
}
