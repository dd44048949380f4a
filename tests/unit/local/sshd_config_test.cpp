#include "providers/local/sshd_config.hpp"

#include <doctest/doctest.h>

using namespace muster::local;

namespace {

const sshd_place place{.folder = "/run/muster",
                       .user = "root",
                       .port = 2222,
                       .home = "",
                       .mark = "MUSTER_INSTANCE=a"};

size_t at(const std::string& text, const std::string& what) {
  auto out = text.find(what + "\n");
  CAPTURE(text);
  CAPTURE(what);
  CHECK_NE(out, std::string::npos);
  return out;
}

} // namespace

TEST_CASE("sshd listens on loopback alone and takes keys alone") {
  auto text = sshd_config_text(place, {});
  at(text, "ListenAddress 127.0.0.1:2222");
  at(text, "HostKey \"/run/muster/host_key\"");
  at(text, "PasswordAuthentication no");
  at(text, "AllowStreamLocalForwarding yes");
  at(text, "MaxStartups 200");
  CHECK_EQ(text.find("ForceCommand"), std::string::npos);
}

TEST_CASE(
  "an option stands before what it may change and after what it may not") {
  auto text = sshd_config_text(place, {"PasswordAuthentication yes"});
  auto given = at(text, "PasswordAuthentication yes");
  CHECK_LT(given, at(text, "PasswordAuthentication no"));
  CHECK_GT(given, at(text, "ListenAddress 127.0.0.1:2222"));
}

TEST_CASE("a Match block takes nothing of ours into it") {
  auto text = sshd_config_text(
    place, {"MaxSessions 1", " match User x", "AllowTcpForwarding no"});
  CHECK_LT(at(text, "MaxSessions 1"), at(text, "MaxStartups 200"));
  CHECK_LT(at(text, "UsePAM no"), at(text, " match User x"));
  CHECK_LT(at(text, " match User x"), at(text, "AllowTcpForwarding no"));
}

TEST_CASE("without a mount namespace commands begin in the instance's home") {
  auto with_home = place;
  with_home.home = "/state/with space/home";
  auto text = sshd_config_text(with_home, {});
  at(text, "SetEnv \"HOME=/state/with space/home\" \"MUSTER_INSTANCE=a\"");
  CHECK_NE(text.find("ForceCommand exec /bin/sh -c 'cd \"$HOME\""),
           std::string::npos);
}
