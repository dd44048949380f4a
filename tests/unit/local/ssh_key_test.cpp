#include "providers/local/ssh_key.hpp"

#include <doctest/doctest.h>
#include <string>
#include <string_view>

using namespace muster::local;

namespace {

std::string from_hex(std::string_view text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(
      std::stoi(std::string{text.substr(i, 2)}, nullptr, 16));
  return out;
}

} // namespace

TEST_CASE("a key is written byte for byte as ssh-keygen does") {
  // Made by OpenSSH 9.2 for this test; its parts were taken out of the file.
  auto key = encode_ssh_key(
    from_hex(
      "f5175e2900b6023218087135824002f4e080604fac1f036c29a389bbca354061"),
    from_hex(
      "f886673dde21fde7abf5cb76e4909fb4ef812e9235d38be80f5609d83546f02e"),
    0xc994174a);
  CHECK_EQ(
    key.public_key,
    "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIPiGZz3eIf3nq/XLduSQn7TvgS6SNdOL6A9WCdg1RvAu");
  CHECK_EQ(
    key.private_key.reveal(),
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACD4hmc93iH956v1y3bkkJ+074EukjXTi+gPVgnYNUbwLgAAAIjJlBdKyZQX\n"
    "SgAAAAtzc2gtZWQyNTUxOQAAACD4hmc93iH956v1y3bkkJ+074EukjXTi+gPVgnYNUbwLg\n"
    "AAAED1F14pALYCMhgIcTWCQAL04IBgT6wfA2wpo4m7yjVAYfiGZz3eIf3nq/XLduSQn7Tv\n"
    "gS6SNdOL6A9WCdg1RvAuAAAAAAECAwQF\n"
    "-----END OPENSSH PRIVATE KEY-----\n");
}

TEST_CASE("two keys are never the same") {
  auto one = make_ssh_key();
  auto two = make_ssh_key();
  REQUIRE(one.has_value());
  REQUIRE(two.has_value());
  CHECK_NE(one->public_key, two->public_key);
  CHECK_NE(one->private_key.reveal(), two->private_key.reveal());
}
