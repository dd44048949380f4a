#include "providers/fleeting/handshake.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace muster;
using namespace muster::fleeting;

TEST_CASE("a handshake tells where a plugin listens") {
  struct row {
    std::string line;
    const char* target;
    const char* socket;
  };
  const row rows[] = {
    {"1|0|unix|/tmp/plugin123|grpc|", "unix:/tmp/plugin123", "/tmp/plugin123"},
    {"1|0|unix|/tmp/plugin123|grpc", "unix:/tmp/plugin123", "/tmp/plugin123"},
    {"  1|0|unix|/tmp/plugin123|grpc||true\r", "unix:/tmp/plugin123",
     "/tmp/plugin123"},
    {"1|0|tcp|127.0.0.1:10000|grpc|", "127.0.0.1:10000", ""},
    {"1|0|unix|/s|grpc|short is no certificate", "unix:/s", "/s"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.line);
    auto read = parse_handshake(r.line);
    REQUIRE(read);
    CHECK_EQ(read->target, r.target);
    CHECK_EQ(read->socket_path, r.socket);
  }
}

TEST_CASE("what is no handshake is refused in words") {
  struct row {
    std::string line;
    const char* says;
  };
  const row rows[] = {
    {"", "unrecognised remote plugin message: \"\""},
    {"hello", "unrecognised remote plugin message: \"hello\""},
    {"1|0|unix", "unrecognised remote plugin message"},
    {std::string(100'000, 'x'), "unrecognised remote plugin message"},
    {"2|0|unix|/s|grpc|", "core API version"},
    {"1|7|unix|/s|grpc|", "plugin version: 7, muster versions: [0]"},
    {"1|0|unix|/s", "unsupported plugin protocol \"netrpc\""},
    {"1|0|unix|/s|netrpc|", "unsupported plugin protocol \"netrpc\""},
    {"1|0|pipe|/s|grpc|", "unknown address type: \"pipe\""},
    {"1|0|unix|relative|grpc|", "no path of a unix socket"},
    {"1|0|unix||grpc|", "no path of a unix socket"},
    {"1|0|unix|/" + std::string(200, 'x') + "|grpc|", "no path of a unix"},
    {"1|0|tcp|10.0.0.1:80|grpc|", "no port of loopback"},
    {"1|0|tcp|127.0.0.1|grpc|", "no port of loopback"},
    {"1|0|tcp|127.0.0.1:x|grpc|", "no port of loopback"},
    {"1|0|unix|/s|grpc|" + std::string(60, 'M'), "TLS"},
  };
  for (const auto& r : rows) {
    auto read = parse_handshake(r.line);
    CAPTURE(r.line);
    REQUIRE(!read);
    CHECK_EQ(read.error().code, provider_errc::not_available);
    CHECK_MESSAGE(read.error().text.find(r.says) != std::string::npos,
                  read.error().text);
    CHECK_LT(read.error().text.size(), 500);
  }
}
