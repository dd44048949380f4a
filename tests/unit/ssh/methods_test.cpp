#include "executors/ssh/methods.hpp"

#include "executors/ssh/wire.hpp"

#include <doctest/doctest.h>
#include <libssh2.h>

using namespace muster::ssh;

namespace {

std::string kexinit(const char* kex, const char* host_keys, const char* ciphers,
                    const char* macs) {
  std::string body = std::string{"\x14"} + std::string(16, 'c');
  for (auto list :
       {kex, host_keys, ciphers, ciphers, macs, macs, "none", "none"})
    body += wire_string(list);
  return wire_u32(static_cast<uint32_t>(body.size() + 5)) + "\x04" + body
         + std::string(4, '\0');
}

} // namespace

TEST_CASE("libssh2 accepts the lists, for every pinned type") {
  for (auto pinned : {"", "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"}) {
    auto* session = libssh2_session_init();
    CHECK(restrict_methods(session, pinned));
    libssh2_session_free(session);
  }
}

TEST_CASE("none of the lists holds a method that is broken") {
  for (std::string list : {key_exchange_methods, cipher_methods, mac_methods}) {
    for (auto bad : {"cbc", "arcfour", "3des", "md5", "sha1", "group1-"})
      CHECK_EQ(list.find(bad), std::string::npos);
  }
}

TEST_CASE("a server's offer is found behind its banner, whole or not at all") {
  auto packet = kexinit("kex-a,kex-b", "hk", "ci", "ma");
  auto received = "a line before\r\nSSH-2.0-x\r\n" + packet;
  auto offer = parse_offer(received);
  REQUIRE(offer);
  CHECK_EQ(offer->key_exchanges, "kex-a,kex-b");
  CHECK_EQ(offer->host_keys, "hk");
  CHECK_EQ(offer->ciphers, "ci");
  CHECK_EQ(offer->macs, "ma");
  auto lists_end
    = received.size() - packet.size() + 5 + 17 + (4 + 11) + (4 + 2) * 5;
  for (size_t size = 0; size < lists_end; ++size)
    CHECK_FALSE(parse_offer(std::string_view{received}.substr(0, size)));
  CHECK_FALSE(parse_offer("SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff"));
}

TEST_CASE("what two sides have not in common is named") {
  server_offer offer{"curve25519-sha256", "rsa-sha2-512,ssh-ed25519",
                     "aes256-ctr", "hmac-sha2-512"};
  CHECK_EQ(missing_method(offer), "");
  auto bad = offer;
  bad.host_keys = "rsa-sha2-512,rsa-sha2-256";
  CHECK_NE(missing_method(bad).find("rsa-sha2-512"), std::string::npos);
  CHECK_NE(missing_method(bad).find("ed25519"), std::string::npos);
  bad = offer;
  bad.ciphers = "aes256-gcm@openssh.com";
  CHECK(missing_method(bad).starts_with("no cipher in common"));
  bad = offer;
  bad.macs = "hmac-sha1";
  CHECK(missing_method(bad).starts_with("no mac in common"));
  bad = offer;
  bad.key_exchanges = "curve25519-sha25";
  CHECK(missing_method(bad).starts_with("no key exchange in common"));
}
