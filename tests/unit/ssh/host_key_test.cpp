#include "executors/ssh/host_key.hpp"

#include "executors/ssh/wire.hpp"

#include <doctest/doctest.h>

using namespace muster::ssh;

namespace {

/// A key made for this test alone, and what `ssh-keygen -l` says of it.
constexpr const char* known_text
  = "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

} // namespace

TEST_CASE("a host key is read with blanks and comment, and written without") {
  for (auto tail : {"", " comment", "\n", "\tfirst second\r\n"}) {
    auto key = parse_host_key(std::string{known_text} + tail);
    REQUIRE(key);
    CHECK_EQ(key->type, "ssh-ed25519");
    CHECK_EQ(to_text(*key), known_text);
  }
  CHECK(parse_host_key("  " + std::string{known_text}));
}

TEST_CASE("text that is no host key is not read as one") {
  std::string base64 = std::string{known_text}.substr(12);
  for (const auto& text :
       {std::string{}, std::string{"ssh-ed25519"}, base64, "ssh-rsa " + base64,
        "ssh-ed25519 A" + base64, std::string{"ssh-ed25519 !!!!"},
        std::string{"ssh-ed25519 AAAA"}}) {
    CAPTURE(text);
    CHECK_FALSE(parse_host_key(text));
  }
}

TEST_CASE("a fingerprint has OpenSSH's form") {
  auto text = fingerprint(*parse_host_key(known_text));
  CHECK(text.starts_with("SHA256:"));
  CHECK_EQ(text.size(), 7u + 43u);
  CHECK_EQ(text.find('='), std::string::npos);
  auto digest = base64_decode(text.substr(7));
  CHECK_EQ(digest, sha256(parse_host_key(known_text)->blob));
}

TEST_CASE("ed25519 comes first unless another type is pinned") {
  CHECK(host_key_preference("").starts_with("ssh-ed25519,ecdsa-"));
  CHECK(host_key_preference("ecdsa-sha2-nistp384")
          .starts_with("ecdsa-sha2-nistp384,ssh-ed25519,"));
  CHECK_EQ(host_key_preference("ssh-rsa"), host_key_preference(""));
  CHECK_EQ(host_key_preference("ssh-ed25519"), host_key_preference(""));
}
