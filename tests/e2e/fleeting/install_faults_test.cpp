#include "tests/e2e/fleeting/registry_bed.hpp"
#include "tests/e2e/helper_commands/peers.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>
#include <httplib.h>
#include <map>
#include <mutex>
#include <sys/socket.h>

using namespace muster;
using namespace muster::test;
using nlohmann::json;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string answer(const std::string& status, const std::string& body,
                   const std::string& headers = "") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status,
                     body.size(), headers, body);
}

/// Sends a body that never ends.
void endless(int connection) {
  write_text(connection,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  auto piece = "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
  while (::send(connection, piece.data(), piece.size(), MSG_NOSIGNAL) > 0)
    ;
}

/// A registry with one plugin, `cloud:1.0.0`, that does something else with
/// requests whose first line has a certain part.
class scripted_registry {
public:
  using reaction = std::function<void(int connection, const std::string& head)>;

  scripted_registry() {
    plugin_image what;
    what.program = "#!/bin/sh\necho it works\n";
    parts = make_image(what);
  }

  std::string name() const {
    return fmt::format("127.0.0.1:{}", peer.port());
  }

  std::string plugin() const {
    return name() + "/cloud:1.0.0";
  }

  void instead(const std::string& part, const std::string& text) {
    std::lock_guard lock{mutex_};
    reactions_[part]
      = [text](int to, const std::string&) { write_text(to, text); };
  }

  void instead(const std::string& part, reaction what) {
    std::lock_guard lock{mutex_};
    reactions_[part] = std::move(what);
  }

  /// What it answers if nothing is wrong.
  std::string good(const std::string& head) const {
    auto manifest = parts.manifest.dump();
    if (has(head, "/v2/ "))
      return answer("200 OK", "{}");
    if (has(head, "/tags/list"))
      return answer("200 OK", R"({"name":"cloud","tags":["1.0.0"]})");
    if (has(head, "/manifests/1.0.0") || has(head, digest_text(manifest)))
      return answer("200 OK", manifest,
                    "Content-Type: application/vnd.oci.image.manifest.v1+json"
                    "\r\n");
    if (has(head, digest_text(parts.layer)))
      return answer("200 OK", parts.layer);
    if (has(head, digest_text(parts.config)))
      return answer("200 OK", parts.config);
    return answer("404 Not Found",
                  R"({"errors":[{"code":"X","message":"unknown"}]})");
  }

  image_parts parts;

private:
  void serve(int connection) {
    auto head = read_head(connection);
    auto line = head.substr(0, head.find('\r'));
    reaction found;
    {
      std::lock_guard lock{mutex_};
      for (const auto& [part, what] : reactions_)
        if (has(line, part))
          found = what;
    }
    if (found)
      found(connection, head);
    else
      write_text(connection, good(line));
  }

  std::mutex mutex_;
  std::map<std::string, reaction> reactions_;

public:
  peer_script peer{[this](int connection) { serve(connection); }};
};

/// The error of an installation that leaves nothing behind.
std::string failed_install(const std::string& plugin) {
  fleeting_place x;
  x.configure({plugin});
  auto done = x.muster("muster fleeting install");
  CHECK_EQ(done.status, 1);
  CHECK_EQ(done.out, "");
  CHECK(x.files().empty());
  CHECK(has(done.err,
            "runner: 123456789, plugin: " + plugin + ", install error: "));
  return done.err;
}

} // namespace

TEST_CASE("a registry that answers as it should is a registry") {
  scripted_registry registry;
  fleeting_place x;
  x.configure({registry.plugin()});
  auto done = x.muster("muster fleeting install");
  CHECK_MESSAGE(done.status == 0, done.err);
  CHECK_EQ(x.files().size(), 1);
}

TEST_CASE("a registry that fails is told, and nothing is left behind") {
  const auto later = "Retry-After: 0\r\n"; // no test waits
  scripted_registry fine;
  auto layer = fine.parts.layer;
  auto other = layer;
  other[other.size() / 2] ^= 1;
  auto cut = answer("200 OK", layer);
  cut.resize(cut.size() - layer.size() / 2);
  auto huge = fine.parts.manifest;
  huge["layers"][0]["size"] = 5000000000;
  auto not_ours = fine.parts.manifest;
  not_ours["layers"][0].erase("annotations");
  not_ours["layers"].push_back(not_ours["layers"][0]);
  struct row {
    const char* what;
    const char* part;
    std::string text;
    const char* says;
  };
  const row rows[] = {
    {"cut off", "/blobs/", cut, " was cut off after "},
    {"changed", "/blobs/", answer("200 OK", other), "has another digest"},
    {"shorter", "/blobs/", answer("200 OK", "x"), "was cut off after 1 of "},
    {"longer", "/blobs/", answer("200 OK", layer + "x"), "is longer than the "},
    {"no blob", "/blobs/", answer("404 Not Found", ""), "404 Not Found"},
    {"401", "/manifests/", answer("401 Unauthorized", ""),
     "a way to authenticate that muster does not have"},
    {"403", "/manifests/",
     answer("403 Forbidden", R"({"errors":[{"message":"denied here"}]})"),
     "403 Forbidden (denied here): there is no such repository, or it wants a "
     "user; `muster fleeting login 127.0.0.1:"},
    {"404", "/manifests/", answer("404 Not Found", ""),
     "there is no 1.0.0: 404 Not Found"},
    {"429", "/manifests/", answer("429 Too Many Requests", "", later),
     "429 Too Many Requests"},
    {"500", "/manifests/", answer("500 Internal Server Error", "", later),
     "500 Internal Server Error"},
    {"a page", "/manifests/", answer("200 OK", "<html>hello</html>"),
     "its manifest cannot be read: it is no JSON object"},
    {"an old image", "/manifests/",
     answer("200 OK", R"({"schemaVersion":1,"fsLayers":[]})"),
     "it is neither an image nor an index"},
    {"another plugin", "/manifests/", answer("200 OK", not_ours.dump()),
     "this is no fleeting plugin"},
    {"a huge layer", "/manifests/", answer("200 OK", huge.dump()),
     "is too large"},
    {"a digest that lies", "/manifests/",
     answer("200 OK", fine.parts.manifest.dump(),
            "Docker-Content-Digest: " + digest_text("x") + "\r\n"),
     "has another digest"},
    {"round and round", "/manifests/",
     answer("302 Found", "", "Location: /v2/cloud/manifests/1.0.0\r\n"),
     "redirects without end"},
    {"a realm to listen at", "/manifests/",
     answer("401 Unauthorized", "",
            "WWW-Authenticate: Bearer realm=\"http://192.0.2.1/t\"\r\n"),
     "not without TLS"},
    {"no realm", "/manifests/",
     answer("401 Unauthorized", "", "WWW-Authenticate: Bearer realm=x\r\n"),
     "it names no server that gives tokens"},
    {"control characters", "/manifests/",
     answer("403 Forbidden", "{\"message\":\"\x1b[2Jx\"}"), "[2Jx"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    scripted_registry registry;
    registry.instead(r.part, r.text);
    auto says = failed_install(registry.plugin());
    CHECK_MESSAGE(has(says, r.says), says);
    CHECK_FALSE(has(says, "\x1b[2J")); // levels are coloured
  }
}

TEST_CASE("bodies without end do not fill memory or disk") {
  for (const auto* part : {"/manifests/", "/blobs/"}) {
    scripted_registry registry;
    registry.instead(part, [](int to, const std::string&) { endless(to); });
    auto says = failed_install(registry.plugin());
    CHECK_MESSAGE(has(says, "longer than"), says);
  }
}

TEST_CASE("a pinned manifest is the one that is meant") {
  scripted_registry registry;
  auto digest = digest_text("another");
  registry.instead("/manifests/sha256:",
                   answer("200 OK", registry.parts.manifest.dump()));
  auto says = failed_install(registry.name() + "/cloud@" + digest);
  CHECK_MESSAGE(has(says, "what came for " + digest + " has another digest"),
                says);
}

TEST_CASE("a registry that is nowhere is told") {
  int port = 0;
  {
    scripted_registry gone;
    port = gone.peer.port();
  }
  auto says = failed_install(fmt::format("127.0.0.1:{}/cloud:1.0.0", port));
  CHECK_MESSAGE(has(says, "cannot connect to 127.0.0.1:"), says);
}

TEST_CASE("what passes is waited for") {
  scripted_registry registry;
  std::atomic<int> asked = 0;
  registry.instead("/blobs/", [&](int to, const std::string& head) {
    write_text(to, asked++ == 0 ? answer("503 Service Unavailable", "",
                                         "Retry-After: 0\r\n")
                                : registry.good(head));
  });
  fleeting_place x;
  x.configure({registry.plugin()});
  auto done = x.muster("muster fleeting install");
  CHECK_MESSAGE(done.status == 0, done.err);
  CHECK_EQ(asked, 2);
}

TEST_CASE("lists of tags are read to their last page") {
  scripted_registry registry;
  registry.instead(
    "/tags/list",
    answer("200 OK", R"({"tags":["0.9.0"]})",
           "Link: </v2/cloud/tags/list?last=0.9.0>; rel=\"next\"\r\n"));
  registry.instead("last=0.9.0", answer("200 OK", R"({"tags":["1.0.0"]})"));
  fleeting_place x;
  x.configure({registry.name() + "/cloud"});
  auto done = x.muster("muster fleeting install");
  CHECK_MESSAGE(done.status == 0, done.err);
  CHECK(has(done.out, "/cloud/1.0.0/plugin"));
  SUBCASE("and one without end is not") {
    registry.instead(
      "last=0.9.0",
      answer("200 OK", R"({"tags":["1.0.0"]})",
             "Link: </v2/cloud/tags/list?last=0.9.0>; rel=\"next\"\r\n"));
    fleeting_place y;
    y.configure({registry.name() + "/cloud"});
    auto lost = y.muster("muster fleeting install");
    CHECK_EQ(lost.status, 1); // there is no alias `latest` either
    CHECK_MESSAGE(has(lost.err, "there is no latest"), lost.err);
  }
}

TEST_CASE("a token is fetched with the user's name, and kept from others") {
  scripted_registry registry;
  std::mutex mutex;
  std::string elsewhere_heads;
  std::string token_head;
  peer_script elsewhere{[&](int to) {
    auto head = read_head(to);
    std::lock_guard lock{mutex};
    elsewhere_heads += head;
    write_text(to, answer("200 OK", registry.parts.layer));
  }};
  auto challenge = fmt::format(
    "WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"the "
    "registry\",scope=\"repository:cloud:pull\"\r\n",
    registry.name());
  auto wants_token = [&](int to, const std::string& head) {
    if (!has(head, "\r\nAuthorization: Bearer T0KEN\r\n"))
      write_text(to, answer("401 Unauthorized", "", challenge));
    else if (has(head, "/blobs/"))
      write_text(to, answer("307 Temporary Redirect", "",
                            fmt::format("Location: {}/layer?signed=1\r\n",
                                        elsewhere.url())));
    else
      write_text(to, registry.good(head));
  };
  registry.instead("/cloud/", wants_token);
  registry.instead("/token", [&](int to, const std::string& head) {
    std::lock_guard lock{mutex};
    token_head = head;
    write_text(to, has(head, "\r\nAuthorization: Basic bWU6cA==\r\n")
                     ? answer("200 OK", R"({"access_token":"T0KEN"})")
                     : answer("401 Unauthorized", ""));
  });
  fleeting_place x;
  x.configure({registry.name() + "/cloud:1"});
  auto nobody = x.muster("muster fleeting install");
  CHECK_EQ(nobody.status, 1);
  CHECK_MESSAGE(has(nobody.err, "/token: 401 Unauthorized: there is no such "
                                "repository, or it wants a user"),
                nobody.err);
  x.muster("muster fleeting login --username me --password-stdin "
             + registry.name(),
           "p");
  auto done = x.muster("muster --debug fleeting install");
  CHECK_MESSAGE(done.status == 0, done.err);
  CHECK_FALSE(has(done.err, "T0KEN"));
  std::lock_guard lock{mutex};
  CHECK_MESSAGE(has(token_head, "GET /token?service=the%20registry&scope="
                                "repository%3Acloud%3Apull "),
                token_head);
  CHECK(has(elsewhere_heads, "GET /layer?signed=1"));
  CHECK_FALSE(has(elsewhere_heads, "Authorization"));
}

TEST_CASE("an identity token is exchanged in a form") {
  scripted_registry registry;
  std::mutex mutex;
  std::string form;
  registry.instead("/cloud/", [&](int to, const std::string& head) {
    write_text(to, has(head, "Bearer T0KEN")
                     ? registry.good(head)
                     : answer("401 Unauthorized", "",
                              fmt::format("WWW-Authenticate: Bearer "
                                          "realm=\"http://{}/token\"\r\n",
                                          registry.name())));
  });
  registry.instead("POST /token", [&](int to, const std::string& head) {
    std::lock_guard lock{mutex};
    auto at = head.find("Content-Length: ");
    form.resize(std::stoul(head.substr(at + 16)));
    ::recv(to, form.data(), form.size(), MSG_WAITALL);
    write_text(to, answer("200 OK", R"({"access_token":"T0KEN"})"));
  });
  fleeting_place x;
  x.configure({registry.plugin()});
  x.write("docker/config.json",
          json{{"auths", {{registry.name(), {{"identitytoken", "id+token"}}}}}}
            .dump());
  auto done = x.muster("muster fleeting install");
  CHECK_MESSAGE(done.status == 0, done.err);
  std::lock_guard lock{mutex};
  CHECK_MESSAGE(has(form, "grant_type=refresh_token&"), form);
  CHECK(has(form, "&refresh_token=id%2Btoken"));
  CHECK(has(form, "&scope=repository%3Acloud%3Apull"));
}

TEST_CASE("a registry with TLS is trusted by the system's authorities") {
  scripted_registry registry;
  fleeting_place x;
  make_certificates(x.path().string());
  httplib::SSLServer server{(x.path() / "server.pem").c_str(),
                            (x.path() / "server.key").c_str()};
  server.Get(".*", [&](const httplib::Request& asked, httplib::Response& to) {
    auto text = registry.good(asked.path + " ");
    to.status = std::stoi(text.substr(9));
    to.set_content(text.substr(text.find("\r\n\r\n") + 4), "text/plain");
  });
  auto port = server.bind_to_any_port("127.0.0.1");
  std::thread serving{[&] { server.listen_after_bind(); }};
  x.configure({fmt::format("127.0.0.1:{}/cloud:1.0.0", port)});
  auto strange = x.muster("muster fleeting install");
  CHECK_EQ(strange.status, 1);
  CHECK_MESSAGE(has(strange.err, "is not trusted: "), strange.err);
  CHECK(has(strange.err, "SSL_CERT_FILE"));
  auto done = x.muster("SSL_CERT_FILE=ca.pem muster fleeting install");
  CHECK_MESSAGE(done.status == 0, done.err);
  CHECK_EQ(x.files().size(), 1);
  server.stop();
  serving.join();
}

TEST_CASE("other machines' registries are asked with TLS only") {
  // No name of another machine is looked up: the proxy is asked for it.
  std::mutex mutex;
  std::string heads;
  peer_script proxy{[&](int to) {
    auto head = read_head(to);
    std::lock_guard lock{mutex};
    heads += head.substr(0, head.find('\r')) + "\n";
    write_text(to, "HTTP/1.1 502 Bad Gateway\r\n\r\n");
  }};
  fleeting_place x;
  x.configure({"registry.example.invalid/cloud:1.0.0"});
  auto done = x.muster(fmt::format("HTTPS_PROXY={0} HTTP_PROXY={0} NO_PROXY= "
                                   "muster fleeting install",
                                   proxy.url()));
  CHECK_EQ(done.status, 1);
  CHECK_MESSAGE(has(done.err, "the proxy refuses a connection to "
                              "registry.example.invalid:443: 502 Bad Gateway"),
                done.err);
  std::lock_guard lock{mutex};
  CHECK(has(heads, "CONNECT registry.example.invalid:443"));
  CHECK_FALSE(has(heads, "GET "));
}
