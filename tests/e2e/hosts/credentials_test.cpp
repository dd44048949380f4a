#include "tests/e2e/hosts/hosts_world.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

TEST_CASE("keys of every kind, format and protection lead to a job") {
  struct row {
    const char* name;
    std::string make; ///< `{}` is the file
  };
  auto keygen = [](const std::string& kind, const std::string& phrase = "") {
    return "ssh-keygen -q -N '" + phrase + "' -f {} -t " + kind;
  };
  const row rows[] = {
    {"ed25519", keygen("ed25519")},
    {"ecdsa", keygen("ecdsa -b 256")},
    {"ecdsa-pem", keygen("ecdsa -b 384 -m PEM")},
    {"ecdsa-pkcs8", keygen("ecdsa -b 521 -m PKCS8")},
    {"rsa", keygen("rsa -b 2048")},
    {"rsa-pem", keygen("rsa -b 2048 -m PEM")},
    {"rsa-pkcs8", keygen("rsa -b 2048 -m PKCS8")},
    {"ed25519-locked", keygen("ed25519", secret_word)},
    {"rsa-pem-locked", keygen("rsa -b 2048 -m PEM", secret_word)},
    {"ecdsa-pkcs8-locked", keygen("ecdsa -m PKCS8", secret_word)},
    {"rsa-gcm-locked",
     keygen("rsa -b 2048 -Z aes256-gcm@openssh.com", secret_word)},
  };
  sshd host;
  pool_config what;
  for (const auto& r : rows) {
    auto file = (host.home() / r.name).string();
    run_command(fmt::format(fmt::runtime(r.make), file));
    host.authorize(read_text(file + ".pub"));
    what.hosts.push_back(fmt::format(
      "{{name = \"{}\", address = \"127.0.0.1:{}\", key_path = \"{}\"}}",
      r.name, host.port(), file));
  }
  what.connector = {"username = \"" + host.user() + "\""};
  what.muster = {std::string{"key_passphrase = \""} + secret_word + '"'};
  what.idle_count = static_cast<int>(std::size(rows));
  hosts_world x{what};
  auto checked = x.muster({"check"});
  CAPTURE(checked.output);
  CHECK_EQ(checked.status, 0);
  CHECK_FALSE(has(checked.output, secret_word));
  x.start();
  for (const auto& r : rows)
    CHECK_MESSAGE(x.manager().says("ready", {{"instance", r.name}}), r.name,
                  "\n", x.manager().log());
  CHECK(x.in.serves_a_job());
  CHECK_EQ(x.in.stop_manager(), 0);
  check_silence(x);
}

TEST_CASE("one key serves the group, and the port comes from protocol_port") {
  sshd host;
  pool_config what;
  SUBCASE("by address") {
    what.hosts = {"\"127.0.0.1\""};
  }
  SUBCASE("by name") {
    what.hosts = {"\"localhost\""};
  }
  what.connector = {"username = \"" + host.user() + "\"",
                    "key_path = \"" + host.key_file().string() + "\"",
                    fmt::format("protocol_port = {}", host.port()),
                    "os = \"linux\"",
                    "arch = \"amd64\"",
                    "protocol = \"ssh\"",
                    "keepalive = \"20s\""};
  what.autoscaler = {"log_internal_ip = true"};
  hosts_world x{what};
  x.start();
  auto id = x.in.enqueue_script("echo \"CLIENT=$SSH_CONNECTION\"");
  CHECK_EQ(x.in.ended(id).state, job_state::success);
  CHECK(has(x.in.log(id), "Dialing instance "));
}

TEST_CASE("a key that cannot be used is told at check, and heals by itself") {
  sshd host;
  auto copy = (host.home() / "late-key").string();
  pool_config what;
  what.hosts = {fmt::format("\"127.0.0.1:{}\"", host.port())};
  what.connector
    = {"username = \"" + host.user() + "\"", "key_path = \"" + copy + "\""};
  hosts_world x{what};
  auto check_says = [&](const std::string& words) {
    auto checked = x.muster({"check"});
    CAPTURE(checked.output);
    CHECK_EQ(checked.status, 1);
    CHECK(has(checked.output, "reading instance group connector key"));
    CHECK(has(checked.output, words));
    CHECK_FALSE(has(checked.output, "PRIVATE KEY"));
  };
  check_says("No such file or directory");
  std::ofstream{copy} << "no key";
  check_says("cannot be read");
  run_command("ssh-keygen -q -N " + std::string{secret_word} + " -t ed25519 -f "
              + copy + "2");
  std::filesystem::copy_file(copy + "2", copy,
                             std::filesystem::copy_options::overwrite_existing);
  check_says("set key_passphrase in [runners.muster]");
  x.start();
  CHECK(x.manager().says("the group is tried again until it works"));
  auto id = x.in.enqueue_script("echo fine");
  std::filesystem::copy_file(host.key_file(), copy,
                             std::filesystem::copy_options::overwrite_existing);
  CHECK_EQ(x.in.ended(id).state, job_state::success);
  check_silence(x);
}

TEST_CASE("IPv6 leads to a host" * doctest::skip(!has_address("::1"))) {
  sshd host{{.address = "::1"}};
  pool_config what;
  what.connector = {"username = \"" + host.user() + "\"",
                    "key_path = \"" + host.key_file().string() + "\""};
  SUBCASE("in brackets, with a port") {
    what.hosts = {fmt::format("\"[::1]:{}\"", host.port())};
  }
  SUBCASE("bare") {
    what.hosts = {"\"::1\""};
    what.connector.push_back(fmt::format("protocol_port = {}", host.port()));
  }
  SUBCASE("as the external address") {
    what.hosts = {fmt::format("{{name = \"six\", address = \"192.0.2.1\", "
                              "external_addr = \"[::1]:{}\"}}",
                              host.port())};
    what.connector.push_back("use_external_addr = true");
  }
  hosts_world x{what};
  x.start();
  CHECK(x.in.serves_a_job());
}

TEST_CASE("winrm and Windows are refused by name, at check and by run") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "one")};
  std::string words;
  SUBCASE("protocol") {
    what.connector = {"protocol = \"winrm\""};
    words = "protocol \"winrm\" is not supported yet";
  }
  SUBCASE("os") {
    what.connector = {"os = \"windows\""};
    words = "os \"windows\" is not supported yet";
  }
  SUBCASE("of one host") {
    what.hosts.push_back(
      "{name = \"w\", address = \"h\", protocol = \"winrm+https\"}");
    words = "protocol \"winrm+https\" is not supported yet";
  }
  hosts_world x{what};
  auto checked = x.muster({"check"});
  CAPTURE(checked.output);
  CHECK_EQ(checked.status, 1);
  CHECK(has(checked.output, words));
  x.start();
  CHECK(eventually([&] {
    return has(x.manager().log(), "is not supported yet")
           && has(x.manager().log(), "the runner is not served");
  }));
}
