#include "tests/e2e/helper_commands/peers.hpp"
#include "tests/e2e/helper_commands/run.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <mutex>

using namespace muster::test;

namespace {

constexpr const char* secret = "glcbt-very-secret";

std::vector<std::string> job_of(const std::string& url) {
  return {"CI_SERVER_URL=" + url, std::string{"CI_JOB_TOKEN="} + secret,
          "CI_JOB_ID=42"};
}

std::vector<std::string> with(std::vector<std::string> environment,
                              std::initializer_list<std::string> more) {
  environment.insert(environment.end(), more);
  return environment;
}

const std::vector<std::string> upload{"artifacts-uploader", "--path", "a"};

} // namespace

TEST_CASE("a certificate is trusted by its authority alone") {
  scratch here;
  auto certs = here.root().string();
  make_certificates(certs);
  write_file("a", "content");
  store gitlab{{certs + "/server.pem", certs + "/server.key", ""}};
  SUBCASE("given by flag") {
    auto end = run_helper(
      {"artifacts-uploader", "--path", "a", "--tls-ca-file", certs + "/ca.pem"},
      job_of(gitlab.url()));
    CAPTURE(end.err);
    CHECK_EQ(end.status, 0);
    CHECK_EQ(gitlab.seen().size(), 1);
  }
  SUBCASE("given by variable, with a large body") {
    write_file("a", std::string(3'000'000, 'x'));
    auto end = run_helper(
      {"artifacts-uploader", "--path", "a", "--artifact-format", "raw"},
      with(job_of(gitlab.url()),
           {"CI_SERVER_TLS_CA_FILE=" + certs + "/ca.pem"}));
    CAPTURE(end.err);
    CHECK_EQ(end.status, 0);
    REQUIRE_EQ(gitlab.seen().size(), 1);
    CHECK_EQ(gitlab.seen()[0].body.size(), 3'000'000);
  }
  SUBCASE("of the system") {
    auto end = run_helper(upload, with(job_of(gitlab.url()),
                                       {"SSL_CERT_FILE=" + certs + "/ca.pem"}));
    CAPTURE(end.err);
    CHECK_EQ(end.status, 0);
  }
  SUBCASE("not given") {
    auto end = run_helper(upload, job_of(gitlab.url()));
    CHECK_EQ(end.status, 1);
    CHECK(has(end.err, "is not trusted"));
    CHECK(has(end.err, "tls-ca-file"));
    CHECK(gitlab.seen().empty());
  }
  SUBCASE("for another name") {
    auto port = std::to_string(gitlab.port());
    auto end = run_helper(
      {"artifacts-uploader", "--path", "a", "--tls-ca-file", certs + "/ca.pem"},
      job_of("https://localhost:" + port));
    CHECK_EQ(end.status, 1);
    CHECK(has(end.err, "is not trusted"));
    CHECK(gitlab.seen().empty());
  }
  SUBCASE("a missing file is no error, a wrong one is") {
    auto missing
      = run_helper(upload, with(job_of(gitlab.url()),
                                {"SSL_CERT_FILE=" + certs + "/ca.pem",
                                 "CI_SERVER_TLS_CA_FILE=/nonexistent"}));
    CHECK_EQ(missing.status, 0);
    auto wrong = run_helper(
      upload, with(job_of(gitlab.url()), {"CI_SERVER_TLS_CA_FILE=a"}));
    CHECK_EQ(wrong.status, 1);
    CHECK(has(wrong.err, "the CA file a cannot be used"));
  }
}

TEST_CASE("a client certificate is shown to who asks for it") {
  scratch here;
  auto certs = here.root().string();
  make_certificates(certs);
  write_file("a", "content");
  store gitlab{
    {certs + "/server.pem", certs + "/server.key", certs + "/ca.pem"}};
  auto job = with(job_of(gitlab.url()),
                  {"CI_SERVER_TLS_CA_FILE=" + certs + "/ca.pem"});
  auto without = run_helper(upload, job);
  CHECK_EQ(without.status, 1);
  CHECK(gitlab.seen().empty());
  auto end = run_helper(
    upload, with(job, {"CI_SERVER_TLS_CERT_FILE=" + certs + "/client.pem",
                       "CI_SERVER_TLS_KEY_FILE=" + certs + "/client.key"}));
  CAPTURE(end.err);
  CHECK_EQ(end.status, 0);
  CHECK_EQ(gitlab.seen().size(), 1);
}

TEST_CASE("requests go through a proxy") {
  scratch here;
  auto certs = here.root().string();
  make_certificates(certs);
  write_file("a", "content");
  std::mutex mutex;
  std::string head;
  auto first_head = [&] {
    std::lock_guard lock{mutex};
    return head;
  };
  SUBCASE("plain, naming the whole URL") {
    peer_script proxy{[&](int connection) {
      std::lock_guard lock{mutex};
      head = read_head(connection);
      write_text(connection, "HTTP/1.1 403 Forbidden\r\n"
                             "Content-Length: 0\r\n\r\n");
      read_to_end(connection);
    }};
    auto port = std::to_string(proxy.port());
    auto end = run_helper(
      upload, with(job_of("http://gitlab.example/base"),
                   {"HTTP_PROXY=http://user:p%3A1@127.0.0.1:" + port}));
    CAPTURE(end.err);
    CHECK_EQ(end.status, 1);
    CHECK(has(end.err, "forbidden"));
    CHECK(has(first_head(),
              "POST http://gitlab.example/base/api/v4/jobs/42/artifacts "
              "HTTP/1.1\r\nHost: gitlab.example\r\n"));
    CHECK(has(first_head(), "Proxy-Authorization: Basic dXNlcjpwOjE=\r\n"));
    CHECK_FALSE(has(end.err, "p:1"));
  }
  SUBCASE("a tunnel for HTTPS") {
    store gitlab{{certs + "/server.pem", certs + "/server.key", ""}};
    auto target = gitlab.port();
    peer_script proxy{[&, target](int connection) {
      {
        std::lock_guard lock{mutex};
        head = read_head(connection);
      }
      write_text(connection, "HTTP/1.1 200 Connection established\r\n\r\n");
      relay_to(connection, target);
    }};
    auto end = run_helper(
      upload, with(job_of("https://gitlab.example"),
                   {"https_proxy=127.0.0.1:" + std::to_string(proxy.port()),
                    "CI_SERVER_TLS_CA_FILE=" + certs + "/ca.pem"}));
    CAPTURE(end.err);
    CHECK_EQ(end.status, 0);
    CHECK(has(first_head(), "CONNECT gitlab.example:443 HTTP/1.1\r\n"));
    CHECK_FALSE(has(first_head(), secret));
    REQUIRE_EQ(gitlab.seen().size(), 1);
    CHECK_EQ(gitlab.seen()[0].header("JOB-TOKEN"), secret);
    CHECK_EQ(gitlab.seen()[0].header("Host"), "gitlab.example");
  }
  SUBCASE("one that refuses") {
    peer_script proxy{[](int connection) {
      read_head(connection);
      write_text(connection, "HTTP/1.1 407 Proxy Authentication Required\r\n"
                             "Content-Length: 0\r\n\r\n");
    }};
    auto end = run_helper(
      upload, with(job_of("https://gitlab.example"),
                   {"https_proxy=127.0.0.1:" + std::to_string(proxy.port())}));
    CHECK_EQ(end.status, 1);
    CHECK(has(end.err, "the proxy refuses a connection"));
    CHECK(has(end.err, "407"));
  }
  SUBCASE("one of an unknown kind") {
    auto end = run_helper(upload, with(job_of("http://gitlab.example"),
                                       {"HTTP_PROXY=socks5://127.0.0.1:1"}));
    CHECK_EQ(end.status, 1);
    CHECK(has(end.err, "the proxy for gitlab.example cannot be used"));
  }
}

TEST_CASE("GitLab may have an IPv6 address") {
  if (!has_ipv6()) {
    MESSAGE("skipped: this machine has no IPv6");
    return;
  }
  scratch here;
  write_file("a", "content");
  std::atomic<bool> right = false;
  peer_script gitlab{[&right](int connection) {
                       right = has(read_head(connection), "Host: [::1]:");
                       write_text(connection, "HTTP/1.1 413 Too Large\r\n"
                                              "Content-Length: 0\r\n\r\n");
                       read_to_end(connection);
                     },
                     "::1"};
  auto end = run_helper(upload, job_of(gitlab.url()));
  CAPTURE(end.err);
  CHECK(has(end.err, "too large"));
  CHECK(right);
}

TEST_CASE("an answer before the end of the upload counts") {
  scratch here;
  write_file("a", std::string(30'000'000, 'x'));
  peer_script gitlab{[](int connection) {
    read_head(connection);
    write_text(connection,
               "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n");
    // Hangs up on the rest.
  }};
  auto end = run_helper(
    {"artifacts-uploader", "--path", "a", "--artifact-format", "raw"},
    job_of(gitlab.url()));
  CAPTURE(end.err);
  CHECK_EQ(end.status, 1);
  CHECK(has(end.err, "FATAL: too large"));
  CHECK_EQ(gitlab.connections(), 1);
}

TEST_CASE("answers that are none are tried again and told") {
  struct row {
    const char* answer;
    const char* text;
  };
  const row rows[] = {
    {"", "hung up without an answer"},
    {"HTTP/1.1 200 OK\r\nContent-Le", "hung up without an answer"},
    {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "cannot be understood"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
     "cannot be understood"},
    {"HTTP/1.1 302 Found\r\nLocation: ftp://x\r\n\r\n", "no URL"},
    {"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", "without end"},
  };
  for (const auto& r : rows) {
    scratch here;
    std::string answer = r.answer;
    peer_script gitlab{[answer](int connection) {
      read_head(connection);
      write_text(connection, answer);
    }};
    auto end = run_helper(
      {"artifacts-downloader", "--retry", "1", "--retry-time", "1ms"},
      job_of(gitlab.url()));
    CAPTURE(end.err);
    CHECK_EQ(end.status, 1);
    CHECK(has(end.err, r.text));
    CHECK(has(end.err, "Retrying..."));
    CHECK_FALSE(has(end.err, secret));
  }
}

TEST_CASE("a server that does not answer is given up in time") {
  scratch here;
  write_file("a", "content");
  peer_script gitlab{[](int connection) { read_to_end(connection); }};
  auto late = run_helper(
    {"artifacts-uploader", "--path", "a", "--response-header-timeout", "50ms"},
    job_of(gitlab.url()));
  CHECK_EQ(late.status, 1);
  CHECK(has(late.err, "timed out waiting for 127.0.0.1"));
  CHECK_EQ(gitlab.connections(), 3);
  auto whole
    = run_helper({"artifacts-uploader", "--path", "a", "--timeout", "50ms"},
                 job_of(gitlab.url()));
  CHECK_EQ(whole.status, 1);
  CHECK(has(whole.err, "timed out waiting for 127.0.0.1"));
}

TEST_CASE("a server that is not there is told by its address") {
  scratch here;
  write_file("a", "content");
  int port = 0;
  {
    peer_script gone{[](int) {}};
    port = gone.port();
  }
  auto end
    = run_helper(upload, job_of("http://127.0.0.1:" + std::to_string(port)));
  CHECK_EQ(end.status, 1);
  CHECK(has(end.err, "cannot connect to 127.0.0.1:" + std::to_string(port)
                       + ": Connection refused"));
  auto unknown = run_helper(upload, job_of("http://no-such-host.invalid"));
  CHECK_EQ(unknown.status, 1);
  CHECK(has(unknown.err, "no-such-host.invalid cannot be resolved"));
}

TEST_CASE("the token does not go from HTTPS to HTTP") {
  scratch here;
  auto certs = here.root().string();
  make_certificates(certs);
  write_file("a", "content");
  store gitlab{{certs + "/server.pem", certs + "/server.key", ""}};
  store plain;
  auto to = plain.url();
  gitlab.on_request([to](const seen_request& what, httplib::Response& answer) {
    answer.status = 307;
    answer.set_header("Location", to + what.path);
  });
  auto end
    = run_helper(upload, with(job_of(gitlab.url()),
                              {"CI_SERVER_TLS_CA_FILE=" + certs + "/ca.pem"}));
  CAPTURE(end.err);
  REQUIRE_EQ(plain.seen().size(), 1);
  CHECK_EQ(plain.seen()[0].header("JOB-TOKEN"), "");
}
