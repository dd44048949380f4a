#include "executors/ssh/failures.hpp"

#include "executors/ssh/exec_channel.hpp"
#include "executors/ssh/wire.hpp"

#include <cerrno>
#include <csignal>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::ssh;
using namespace std::chrono_literals;

TEST_CASE("durations read as people write them") {
  CHECK_EQ(ssh::to_text(10'000ms), "10s");
  CHECK_EQ(ssh::to_text(1'500ms), "1.5s");
  CHECK_EQ(ssh::to_text(500ms), "500ms");
  CHECK_EQ(ssh::to_text(0ms), "0ms");
}

TEST_CASE("every layer's time-out names layer, address and time") {
  struct row {
    layer where;
    const char* begin;
  };
  const row rows[] = {
    {layer::name, "name: "},
    {layer::turn, "waiting: "},
    {layer::tcp, "tcp: "},
    {layer::banner, "ssh banner: nothing from 10.0.0.1:22 within 10s"},
    {layer::key_exchange, "key exchange: "},
    {layer::authentication, "authentication: "},
  };
  for (const auto& r : rows) {
    CAPTURE(r.begin);
    auto why = layer_timed_out(r.where, "10.0.0.1:22", 10s, "");
    CHECK_EQ(why.code, connection_errc::timed_out);
    CHECK(why.text.starts_with(r.begin));
    CHECK_NE(why.text.find("10.0.0.1:22"), std::string::npos);
    CHECK_NE(why.text.find("within 10s"), std::string::npos);
  }
}

TEST_CASE("a failed connect says why, in one line") {
  const std::pair<int, const char*> rows[] = {
    {ECONNREFUSED, "tcp: connection refused by 127.0.0.1:2222"},
    {EHOSTUNREACH, "tcp: no route to 127.0.0.1:2222"},
    {ENETUNREACH, "tcp: no route to 127.0.0.1:2222"},
    {ETIMEDOUT, "tcp: no answer from 127.0.0.1:2222"},
    {EMFILE, "tcp: cannot connect to 127.0.0.1:2222: Too many open files"},
  };
  for (const auto& [number, begin] : rows) {
    auto why = tcp_failed("127.0.0.1:2222", number);
    CHECK_EQ(why.code, connection_errc::unreachable);
    CHECK_MESSAGE(why.text.starts_with(begin), why.text);
  }
}

TEST_CASE(
  "a differing host key shows both, and a type that cannot be checked") {
  auto make = [](const char* type) {
    return *host_key_of_blob(wire_string(type) + wire_string("numbers"));
  };
  auto a = make("ssh-ed25519");
  auto b = make("ecdsa-sha2-nistp256");
  auto why = host_key_differs("h:22", a, b);
  CHECK_EQ(why.code, connection_errc::host_key_mismatch);
  CHECK(why.text.starts_with("host key: h:22 presented " + fingerprint(a)));
  CHECK_NE(why.text.find(fingerprint(b)), std::string::npos);
  CHECK_NE(
    host_key_differs("h:22", a, make("ssh-rsa")).text.find("pin its ed25519"),
    std::string::npos);
}

TEST_CASE("a refused login names user, credential and what the server takes") {
  auto why = not_authenticated("h:22", "ci", "an ed25519 key", "password");
  CHECK_EQ(why.code, connection_errc::not_authenticated);
  CHECK(why.text.starts_with(
    "authentication: user \"ci\" with an ed25519 key was refused by h:22"));
  CHECK_NE(why.text.find("accepts password"), std::string::npos);
  CHECK_NE(why.text.find("authorized_keys"), std::string::npos);
}

TEST_CASE("texts stay one line whatever the server says") {
  std::string evil = "x\nERROR: \x1b[2J\r\n";
  for (const auto& why :
       {layer_timed_out(layer::banner, "h:22", 1s, evil),
        layer_broken(layer::banner, "h:22", "closed the connection", evil),
        stream_refused("h:22", "/s\nx", evil), exec_refused("h:22", evil),
        not_authenticated("h:22", evil, "a password", evil)}) {
    CHECK_EQ(why.text.find('\n'), std::string::npos);
    CHECK_EQ(why.text.find('\x1b'), std::string::npos);
  }
}

TEST_CASE("signals have their numbers, unknown ones none") {
  CHECK_EQ(signal_number("TERM"), SIGTERM);
  CHECK_EQ(signal_number("KILL"), SIGKILL);
  CHECK_EQ(signal_number("USR1"), SIGUSR1);
  CHECK_EQ(signal_number("SIG@openssh.com"), 0);
  CHECK_EQ(signal_number(""), 0);
}
