#include "actors/coordinator/api_client.hpp"
#include "tests/unit/coordinator/tls_kit.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

using namespace muster;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct told_store {
  std::vector<std::string> told;
  std::shared_ptr<certificate_store> store;

  explicit told_store(certificate_files files)
    : store(std::make_shared<certificate_store>(
      std::move(files), [this](const std::string& x) { told.push_back(x); })) {
  }
};

std::unique_ptr<api_client> client_of(const std::string& url,
                                      std::shared_ptr<certificate_store> store,
                                      proxy_environment proxies = {}) {
  api_settings with;
  with.url = url;
  with.http.connect_timeout = 10s;
  with.http.proxies = std::move(proxies);
  auto made = api_client::make(with, std::move(store));
  REQUIRE(made);
  return std::move(*made);
}

/// Why a call failed; empty if it did not.
std::string failure_of(api_client& client) {
  job_update what;
  what.job = 1;
  what.token = secret{"glcbt-x"};
  what.state = "running";
  auto answer = client.update_job(what);
  return answer.error ? answer.error->text : "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Another time for a file, whatever the clock's steps are.
void age(const std::string& file) {
  fs::last_write_time(file, fs::last_write_time(file) - 10s);
}

} // namespace

TEST_CASE("certificates are trusted by what signed them") {
  test_certificate authority;
  test_certificate server{{}, &authority};
  https_server https{server};
  told_store trusting{{authority.cert_file(), "", ""}};
  CHECK_EQ(failure_of(*client_of(https.url(), trusting.store)), "");
  told_store other{{}};
  auto why = failure_of(*client_of(https.url(), other.store));
  CHECK_MESSAGE(has(why, "not trusted"), why);
  CHECK_MESSAGE(has(why, "tls-ca-file"), why);
  CHECK_MESSAGE(has(why, "127.0.0.1.crt"), why);
  CHECK_EQ(https.client(), "");
}

TEST_CASE("a certificate that is not good is refused in words") {
  test_certificate authority;
  told_store trusting{{authority.cert_file(), "", ""}};
  struct row {
    certificate_wish wish;
    const char* says;
  };
  const row rows[] = {
    {{.ends_in = -60}, "certificate has expired): renew it"},
    {{.names = "DNS:gitlab.example.com"}, "for another host than 127.0.0.1"},
  };
  for (const auto& r : rows) {
    test_certificate server{r.wish, &authority};
    https_server https{server};
    auto why = failure_of(*client_of(https.url(), trusting.store));
    CHECK_MESSAGE(has(why, r.says), why);
  }
}

TEST_CASE("servers that speak something else are refused in words") {
  test_certificate authority;
  test_certificate server{{}, &authority};
  told_store trusting{{authority.cert_file(), "", ""}};
  https_server old{server, {.version_max = TLS1_1_VERSION}};
  auto why = failure_of(*client_of(old.url(), trusting.store));
  CHECK_MESSAGE(has(why, "TLS handshake failed"), why);
  CHECK_MESSAGE(has(why, "TLS 1.2"), why);
  https_server just{server, {.version_max = TLS1_2_VERSION}};
  CHECK_EQ(failure_of(*client_of(just.url(), trusting.store)), "");
  web_server plain;
  auto url = plain.start();
  why = failure_of(*client_of("https" + url.substr(4), trusting.store));
  CHECK_MESSAGE(has(why, "is the url's port one for https?"), why);
}

TEST_CASE("a client shows its certificate") {
  test_certificate authority;
  test_certificate server{{}, &authority};
  test_certificate me{{.is_client = true}, &authority};
  https_server https{server, {.wants_clients_of = &authority}};
  told_store with_identity{
    {authority.cert_file(), me.cert_file(), me.key_file()}};
  CHECK_EQ(failure_of(*client_of(https.url(), with_identity.store)), "");
  CHECK_EQ(https.client(), "test client");
  for (const auto& files :
       {certificate_files{authority.cert_file(), "", ""},
        certificate_files{authority.cert_file(), me.cert_file(), ""},
        certificate_files{authority.cert_file(), me.cert_file(), "/none"}}) {
    told_store without{files};
    auto why = failure_of(*client_of(https.url(), without.store));
    CHECK_MESSAGE(has(why, "client certificate"), why);
    CHECK_EQ(without.told.size(), 0);
  }
}

TEST_CASE(
  "client certificates that cannot be used are ignored, and told once") {
  test_certificate authority;
  test_certificate server{{}, &authority};
  test_certificate me{{.is_client = true}, &authority};
  https_server https{server};
  struct row {
    certificate_files files;
    const char* says;
  };
  const row rows[] = {
    {{authority.cert_file(), "/dev/null", me.key_file()},
     "the certificate cannot be read"},
    {{authority.cert_file(), me.cert_file(), "/dev/null"},
     "the key cannot be read"},
    {{authority.cert_file(), me.cert_file(), server.key_file()},
     "the key is not the certificate's"},
  };
  for (const auto& r : rows) {
    told_store given{r.files};
    auto client = client_of(https.url(), given.store);
    CHECK_EQ(failure_of(*client), "");
    CHECK_EQ(failure_of(*client), "");
    REQUIRE_EQ(given.told.size(), 1);
    CHECK_MESSAGE(has(given.told[0], r.says), given.told[0]);
    CHECK(has(given.told[0], r.files.cert));
  }
}

TEST_CASE("changed files are used from the next call on") {
  test_certificate authority;
  test_certificate stranger;
  test_certificate server{{}, &authority};
  https_server https{server};
  auto folder = fs::temp_directory_path() / "muster-certs-test";
  fs::create_directories(folder);
  auto ca = (folder / "ca.pem").string();
  fs::remove(ca);
  told_store given{{ca, "", ""}};
  auto client = client_of(https.url(), given.store);
  CHECK(has(failure_of(*client), "not trusted")); // there is no such file
  fs::copy_file(authority.cert_file(), ca);
  age(ca);
  CHECK_EQ(failure_of(*client), "");
  std::ofstream{ca} << "no certificate";
  CHECK(has(failure_of(*client), "not trusted"));
  REQUIRE_EQ(given.told.size(), 1);
  CHECK(has(given.told[0], "holds no certificate"));
  fs::copy_file(authority.cert_file(), ca,
                fs::copy_options::overwrite_existing);
  age(ca);
  CHECK_EQ(failure_of(*client), "");
  fs::remove_all(folder);
}

TEST_CASE("a kept connection that the server ended is not used again") {
  test_certificate authority;
  test_certificate own{{}, &authority};
  told_store trusting{{authority.cert_file(), "", ""}};
  for (const auto* as : {static_cast<test_certificate*>(nullptr), &own}) {
    ending_server server{as};
    CAPTURE(server.url());
    auto client = client_of(server.url(), trusting.store);
    for (auto i = 1; i <= 3; ++i) {
      CHECK_EQ(failure_of(*client), "");
      server.wait_for_end(i);
    }
  }
}

TEST_CASE("certificates are found by the name of the host") {
  auto folder = fs::temp_directory_path() / "muster-certs-found";
  fs::create_directories(folder / "a");
  fs::create_directories(folder / "b");
  auto a = (folder / "a").string();
  auto b = (folder / "b").string();
  std::ofstream{a + "/gitlab.example.com.crt"} << "x";
  auto found = find_certificates({}, "gitlab.example.com", {a, b});
  CHECK_EQ(found.ca, a + "/gitlab.example.com.crt");
  CHECK_EQ(found.cert, b + "/gitlab.example.com.auth.crt");
  CHECK_EQ(found.key, b + "/gitlab.example.com.auth.key");
  found = find_certificates({"ca", "cert", "key"}, "gitlab.example.com", {a});
  CHECK_EQ(found, certificate_files{"ca", "cert", "key"});
  CHECK_EQ(find_certificates({}, "../x", {a}), certificate_files{});
  CHECK_EQ(find_certificates({}, "x", {}), certificate_files{});
  fs::remove_all(folder);
}

TEST_CASE("https goes through a proxy by CONNECT") {
  test_certificate authority;
  test_certificate server{{.names = "DNS:gitlab.invalid"}, &authority};
  https_server https{server};
  told_store trusting{{authority.cert_file(), "", ""}};
  auto url = "https://gitlab.invalid:" + std::to_string(https.port());
  connect_proxy proxy;
  auto with_user = proxy.url();
  with_user.replace(0, 7, "http://me:p%40ss@");
  auto client = client_of(url, trusting.store, {.https = with_user});
  CHECK_EQ(failure_of(*client), "");
  CHECK_EQ(failure_of(*client), ""); // on the same connection
  auto heads = proxy.heads();
  REQUIRE_EQ(heads.size(), 1);
  CHECK(heads[0].starts_with("CONNECT gitlab.invalid:"
                             + std::to_string(https.port()) + " HTTP/1.1\r\n"));
  CHECK(has(heads[0], "Proxy-Authorization: Basic bWU6cEBzcw==\r\n"));
  CHECK_FALSE(has(heads[0], "glcbt"));
  // Not for http, and not where NO_PROXY says so.
  client = client_of(url, trusting.store,
                     {.https = proxy.url(), .exclude = "gitlab.invalid"});
  CHECK(has(failure_of(*client), "cannot be resolved"));
  CHECK_EQ(proxy.heads().size(), 1);
}

TEST_CASE("a proxy that refuses is named, and its password is not") {
  told_store trusting{{}};
  auto url = std::string{"https://gitlab.invalid:8443"};
  for (auto [answer, says] :
       {std::pair{"HTTP/1.1 403 Forbidden", "allow CONNECT"},
        std::pair{"HTTP/1.1 407 Proxy Authentication Required",
                  "wants other credentials (407)"}}) {
    connect_proxy proxy{answer};
    auto with_user = proxy.url();
    with_user.replace(0, 7, "http://me:hidden@");
    auto why
      = failure_of(*client_of(url, trusting.store, {.https = with_user}));
    CHECK_MESSAGE(has(why, says), why);
    CHECK_MESSAGE(has(why, proxy.url()), why);
    CHECK_FALSE(has(why, "hidden"));
  }
}
