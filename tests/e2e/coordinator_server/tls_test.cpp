#include "tests/e2e/coordinator_server/server_world.hpp"

#include <doctest/doctest.h>
#include <fstream>

using namespace muster;
using namespace muster::test;
using nlohmann::json;

namespace {

/// A folder with a CA, a certificate for 127.0.0.1 and one for a client.
struct certificates : scratch {
  certificates() {
    auto made = shell(fmt::format(
      "cd {}; exec 2>/dev/null; "
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca "
      "  -keyout ca.key -out ca.crt; "
      "for who in server client; do "
      "  openssl req -newkey rsa:2048 -nodes -subj /CN=$who "
      "    -keyout $who.key -out $who.csr; "
      "  echo subjectAltName=IP:127.0.0.1,DNS:localhost > names; "
      "  openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.key "
      "    -CAcreateserial -days 2 -extfile names -out $who.crt; "
      "done",
      path.string()));
    if (!made)
      FAIL(made.error().text);
  }

  std::string file(const char* name) const {
    return (path / name).string();
  }

  test_gitlab_options options() const {
    test_gitlab_options result;
    result.base_path = "/gitlab";
    result.tls = {file("server.crt"), file("server.key"), {}};
    return result;
  }
};

} // namespace

TEST_CASE("all of the API is served over HTTPS") {
  certificates files;
  server_world x{files.options()};
  CHECK(x.server.url().starts_with("https://127.0.0.1:"));
  auto runner = x.runner();
  CHECK_FALSE(runner.request()); // an unknown CA
  auto trusting = x.runner();
  trusting.http().set_ca_cert_path(files.file("ca.crt"));
  x.server.enqueue({{"script", "true"}});
  auto answer = trusting.request();
  REQUIRE(answer);
  REQUIRE_EQ(answer->status, 201);
  auto job = json::parse(answer->body);
  trusting.update(job, "running");
  std::string log(900'000, 'x'); // over many records of TLS
  CHECK_EQ(trusting.patch(job, 0, log)->status, 202);
  const std::string zip = "PK\x03\x04" + std::string(3'000'000, 'y');
  CHECK_EQ(trusting.upload(job, {{"file", zip, "a.zip", ""}}, "")->status, 201);
  auto id = job["id"].get<int64_t>();
  CHECK_EQ(trusting.download(id, job["token"])->body, zip);
  auto sent_on = trusting.download(id, job["token"], "direct_download=true");
  CHECK(sent_on->get_header_value("Location").starts_with("https://127."));
  trusting.update(job, "success", log);
  CHECK_EQ(x.server.violations().total(), 0);
  for (const auto& variable : job["variables"])
    if (variable["key"] == "CI_SERVER_PROTOCOL")
      CHECK_EQ(variable["value"], "https");
}

TEST_CASE("a client certificate is asked for") {
  certificates files;
  auto options = files.options();
  options.tls.client_ca = files.file("ca.crt");
  server_world x{options};
  auto without = x.runner();
  without.http().set_ca_cert_path(files.file("ca.crt"));
  CHECK_FALSE(without.request());
  auto path = x.server.url().substr(0, x.server.url().rfind('/'));
  httplib::Client with{path, files.file("client.crt"),
                       files.file("client.key")};
  with.set_ca_cert_path(files.file("ca.crt"));
  auto answer = with.Get("/control/jobs");
  REQUIRE(answer);
  CHECK_EQ(answer->status, 200);
}

TEST_CASE("faults break connections over TLS too") {
  certificates files;
  server_world x{files.options()};
  auto runner = x.runner();
  runner.http().set_ca_cert_path(files.file("ca.crt"));
  using enum gitlab::fault_kind;
  for (auto kind : {half, reset, close, lost}) {
    CAPTURE(gitlab::to_string(kind));
    x.server.enqueue({{"script", "true"}});
    x.server.fail_with(make_fault(kind, gitlab::endpoint::request));
    CHECK_FALSE(runner.request());
  }
  CHECK_EQ(runner.request()->status, 201);
}

TEST_CASE("certificates that cannot be used are named") {
  certificates files;
  auto options = files.options();
  SUBCASE("missing") {
    options.tls.certificate = "/nowhere/x.crt";
  }
  SUBCASE("a key of another certificate") {
    options.tls.key = files.file("client.key");
  }
  SUBCASE("a CA that is none") {
    std::ofstream{files.file("junk")} << "junk\n";
    options.tls.client_ca = files.file("junk");
  }
  test_gitlab server{options};
  auto started = server.start();
  REQUIRE_FALSE(started);
  CHECK(started.error().code == test_gitlab_errc::bad_tls);
  CHECK_NE(started.error().text.find("in PEM"), std::string::npos);
}
