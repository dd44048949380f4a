#include "actors/coordinator/api_client.hpp"

#include "actors/coordinator/http_client.hpp"
#include "actors/coordinator/server_chain.hpp"
#include "tests/unit/coordinator/servers.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace muster;
using namespace std::chrono_literals;
using json = nlohmann::json;

namespace {

std::unique_ptr<api_client> client_of(const std::string& url,
                                      http_settings http = {}) {
  api_settings with;
  with.url = url;
  with.http = std::move(http);
  with.http.user_agent = "muster test";
  with.http.connect_timeout = 10s;
  auto made
    = api_client::make(with, std::make_shared<certificate_store>("", nullptr));
  REQUIRE(made);
  return std::move(*made);
}

job_request some_request() {
  job_request what;
  what.token = secret{"glrt-x"};
  return what;
}

trace_patch some_patch() {
  trace_patch what;
  what.job = 101;
  what.token = secret{"glcbt-x"};
  what.offset = 10;
  what.bytes = "hello";
  return what;
}

job_update some_update() {
  job_update what;
  what.job = 101;
  what.token = secret{"glcbt-x"};
  what.state = "running";
  return what;
}

} // namespace

TEST_CASE("a request for a job has the documented form") {
  web_server server;
  httplib::Request seen;
  server.http.Post("/gitlab/api/v4/jobs/request",
                   [&](const httplib::Request& in, httplib::Response& out) {
                     seen = in;
                     out.status = 201;
                     out.set_header("X-GitLab-Last-Update", "cursor");
                     out.set_header("X-Request-Id", "server-id");
                     out.set_content(R"({"id": 5, "token": "t"})",
                                     "application/json; charset=utf-8");
                   });
  auto client = client_of(server.start() + "/gitlab/");
  auto answer = client->request_job(some_request());
  REQUIRE_FALSE(answer.error);
  CHECK_EQ(answer.status, 201);
  CHECK_EQ(answer.last_update, "cursor");
  REQUIRE(answer.job);
  CHECK_EQ(answer.job->id, 5);
  CHECK_EQ(answer.job->correlation_id, "server-id");
  CHECK_EQ(seen.get_header_value("RUNNER-TOKEN"), "glrt-x");
  CHECK_EQ(seen.get_header_value("Content-Type"), "application/json");
  CHECK_EQ(seen.get_header_value("Accept"), "application/json");
  CHECK_EQ(seen.get_header_value("User-Agent"), "muster test");
  CHECK_EQ(seen.get_header_value("X-Request-Id").size(), 32);
  CHECK_EQ(json::parse(seen.body)["token"], "glrt-x");
}

TEST_CASE("a patch has the documented form") {
  web_server server;
  httplib::Request seen;
  server.http.Patch("/api/v4/jobs/101/trace",
                    [&](const httplib::Request& in, httplib::Response& out) {
                      seen = in;
                      out.status = 202;
                      out.set_header("Range", "0-15");
                      out.set_header("Job-Status", "canceling");
                      out.set_header("X-GitLab-Trace-Update-Interval", "60");
                    });
  auto client = client_of(server.start());
  auto answer = client->patch_trace(some_patch());
  REQUIRE_FALSE(answer.error);
  CHECK_EQ(answer.next_offset, 15);
  CHECK_EQ(answer.job_status, "canceling");
  CHECK_EQ(answer.trace_interval, 60s);
  CHECK_EQ(seen.body, "hello");
  CHECK_EQ(seen.get_param_value("debug_trace"), "false");
  CHECK_EQ(seen.get_header_value("Content-Range"), "10-14");
  CHECK_EQ(seen.get_header_value("Content-Type"), "text/plain");
  CHECK_EQ(seen.get_header_value("JOB-TOKEN"), "glcbt-x");
}

TEST_CASE("statuses are told apart") {
  struct row {
    int status;
    bool job_fails;
    bool update_fails;
    bool patch_fails;
    coordinator_errc code; ///< where it fails
  };
  const row rows[] = {
    {200, true, false, true, coordinator_errc::bad_answer},
    {202, true, false, false, coordinator_errc::bad_answer},
    {204, false, true, true, coordinator_errc::bad_answer},
    {401, true, true, true, coordinator_errc::rejected},
    {403, true, true, true, coordinator_errc::forbidden},
    {404, true, true, true, coordinator_errc::rejected},
    {412, true, true, true, coordinator_errc::rejected},
    {416, true, true, true, coordinator_errc::rejected},
    {429, true, true, true, coordinator_errc::server_error},
    {500, true, true, true, coordinator_errc::server_error},
    {503, true, true, true, coordinator_errc::server_error},
  };
  web_server server;
  auto status = 0;
  auto handle = [&](const httplib::Request&, httplib::Response& out) {
    out.status = status;
    out.set_header("Retry-After", "7");
    if (status != 204)
      out.set_content(R"({"message": "because"})", "application/json");
  };
  server.http.Post(".*", handle);
  server.http.Put(".*", handle);
  server.http.Patch(".*", handle);
  auto client = client_of(server.start());
  for (const auto& r : rows) {
    status = r.status;
    CAPTURE(status);
    auto check = [&r](const api_answer& answer, bool fails) {
      CHECK_EQ(answer.status, r.status);
      CHECK_EQ(answer.retry_after, 7s);
      REQUIRE_EQ(answer.error.has_value(), fails);
      if (!fails)
        return;
      CHECK_EQ(answer.error->code, r.code);
      CHECK_NE(answer.error->text.find(std::to_string(r.status)),
               std::string::npos);
      CHECK_NE(answer.error->text.find("/api/v4/"), std::string::npos);
    };
    check(client->request_job(some_request()), r.job_fails);
    check(client->update_job(some_update()), r.update_fails);
    check(client->patch_trace(some_patch()), r.patch_fails);
  }
}

TEST_CASE("verify understands new and old servers") {
  web_server server;
  std::string body = R"({"id": 3, "token_expires_at": "2030-01-01T00:00:00Z"})";
  server.http.Post("/api/v4/runners/verify",
                   [&](const httplib::Request&, httplib::Response& out) {
                     out.set_content(body, "text/plain");
                   });
  auto client = client_of(server.start());
  auto answer = client->verify({});
  CHECK_FALSE(answer.error);
  CHECK_EQ(answer.runner.id, 3);
  CHECK_EQ(answer.runner.token_expires_at, 1'893'456'000);
  body = "200";
  CHECK_FALSE(client->verify({}).error);
}

TEST_CASE("calls about a runner have the documented form") {
  web_server server;
  httplib::Request seen;
  auto status = 201;
  std::string body = R"({"id": 3, "token": "glrt-new"})";
  auto answer = [&](const httplib::Request& in, httplib::Response& out) {
    seen = in;
    out.status = status;
    if (status != 204)
      out.set_content(body, "application/json");
  };
  server.http.Post(".*", answer);
  server.http.Delete(".*", answer);
  auto client = client_of(server.start());
  auto is_asked = [&](const char* path, const json& with) {
    CHECK_EQ(seen.path, std::string{"/api/v4/"} + path);
    CHECK_EQ(json::parse(seen.body), with);
    CHECK_EQ(seen.get_header_value("X-Request-Id").size(), 32);
  };
  auto reset = client->reset_token(secret{"glrt-old"});
  CHECK_FALSE(reset.error);
  CHECK_EQ(reset.runner.token.reveal(), "glrt-new");
  CHECK_FALSE(seen.has_header("RUNNER-TOKEN"));
  is_asked("runners/reset_authentication_token", {{"token", "glrt-old"}});
  CHECK_FALSE(client->reset_token_of(7, secret{"pat"}).error);
  CHECK_EQ(seen.get_header_value("PRIVATE-TOKEN"), "pat");
  is_asked("runners/7/reset_authentication_token", nullptr);
  registration form;
  form.token = secret{"GR1"};
  CHECK_EQ(client->register_runner(form).runner.id, 3);
  CHECK_EQ(seen.path, "/api/v4/runners");
  CHECK_EQ(seen.get_header_value("RUNNER-TOKEN"), "GR1");
  status = 204;
  CHECK_FALSE(client->unregister_runner(secret{"old"}).error);
  CHECK_EQ(seen.method, "DELETE");
  is_asked("runners", {{"token", "old"}});
  CHECK_EQ(seen.get_header_value("RUNNER-TOKEN"), "old");
  CHECK_FALSE(client->unregister_manager(secret{"glrt-x"}, "s_1").error);
  is_asked("runners/managers", {{"token", "glrt-x"}, {"system_id", "s_1"}});

  SUBCASE("and other answers are failures") {
    status = 403;
    body = R"({"message": "403 Forbidden"})";
    CHECK_EQ(client->unregister_runner(secret{"x"}).error->code,
             coordinator_errc::forbidden);
    CHECK_EQ(client->register_runner(form).error->code,
             coordinator_errc::forbidden);
    status = 201;
    body = R"({"id": 3})";
    CHECK_EQ(client->reset_token(secret{"x"}).error->code,
             coordinator_errc::bad_answer);
    status = 200;
    CHECK_EQ(client->unregister_manager(secret{"x"}, "").error->code,
             coordinator_errc::bad_answer);
  }
}

TEST_CASE("a job that is none is a bad answer") {
  web_server server;
  std::string body;
  std::string type = "application/json";
  server.http.Post(".*", [&](const httplib::Request&, httplib::Response& out) {
    out.status = 201;
    out.set_content(body, type.c_str());
  });
  auto client = client_of(server.start());
  for (const auto* garbage : {"", "{", "null", "<html>", R"({"id": 5})"}) {
    CAPTURE(garbage);
    body = garbage;
    auto answer = client->request_job(some_request());
    REQUIRE(answer.error);
    CHECK_EQ(answer.error->code, coordinator_errc::bad_answer);
    CHECK_FALSE(answer.job);
  }
  body = R"({"id": 5, "token": "t"})";
  type = "text/html";
  CHECK_EQ(client->request_job(some_request()).error->code,
           coordinator_errc::bad_answer);
  type = "application/json";
  CHECK(client->request_job(some_request()).job);
}

TEST_CASE("an answer that is too large is not read to its end, and counts") {
  web_server server;
  auto status = 200;
  auto handle = [&](const httplib::Request&, httplib::Response& out) {
    out.status = status;
    out.set_header("Retry-After", "7");
    out.set_header("Job-Status", "canceled");
    out.set_header("Range", "0-15");
    out.set_content(std::string(1 << 20, 'x'), "text/html");
  };
  server.http.Put(".*", handle);
  server.http.Patch(".*", handle);
  auto url = server.start();
  auto client = client_of(url);
  auto check = [&](const api_answer& x, std::optional<coordinator_errc> code) {
    CHECK_EQ(x.status, status);
    CHECK_EQ(x.retry_after, 7s);
    CHECK_EQ(x.job_status, "canceled");
    REQUIRE_EQ(x.error.has_value(), code.has_value());
    if (code)
      CHECK_EQ(x.error->code, *code);
  };
  check(client->update_job(some_update()), {});
  status = 403;
  check(client->update_job(some_update()), coordinator_errc::forbidden);
  status = 404;
  check(client->patch_trace(some_patch()), coordinator_errc::rejected);
  status = 503;
  check(client->update_job(some_update()), coordinator_errc::server_error);
  status = 202;
  auto patched = client->patch_trace(some_patch());
  check(patched, {});
  CHECK_EQ(patched.next_offset, 15);
  http_client plain{{}, *parse_url(url), nullptr};
  http_call call;
  call.method = "PUT";
  call.path = "/";
  call.answer_max = 1000;
  auto reply = plain.send(call);
  REQUIRE(reply);
  CHECK(reply->is_cut);
  CHECK_EQ(reply->body, std::string(1000, 'x'));
}

TEST_CASE("a job that is too large is none") {
  web_server server;
  server.http.Post(".*", [&](const httplib::Request&, httplib::Response& out) {
    out.status = 201;
    out.set_content(R"({"id": 5, "token": "t"})" + std::string(100, ' '),
                    "application/json");
  });
  api_settings with;
  with.url = server.start();
  with.job_bytes_max = 100; // only spaces are missing then
  auto made = api_client::make(with, nullptr);
  REQUIRE(made);
  auto answer = (*made)->request_job(some_request());
  REQUIRE(answer.error);
  CHECK_EQ(answer.error->code, coordinator_errc::bad_answer);
  CHECK_NE(answer.error->text.find("more than 100 bytes"), std::string::npos);
  CHECK_FALSE(answer.job);
}

TEST_CASE("no answer, half an answer and nonsense are unreachable") {
  struct row {
    const char* what;
    std::string bytes;
    bool reset;
  };
  const row rows[] = {
    {"nothing", "", false},
    {"reset", "", true},
    {"garbage", "garbage\r\n\r\n", false},
    {"half a status line", "HTTP/1.1 20", false},
    {"half a header", "HTTP/1.1 201 Created\r\nContent-Le", false},
    {"half a body",
     "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
     "Content-Length: 100\r\n\r\n{\"id\": 1, ",
     false},
    {"half a body, then reset",
     "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{", true},
    {"half a chunk",
     "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc",
     false},
    {"no chunk",
     "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    raw_server server{r.bytes, r.reset};
    auto client = client_of(server.url());
    auto answer = client->request_job(some_request());
    REQUIRE(answer.error);
    CHECK_EQ(answer.error->code, coordinator_errc::unreachable);
    CHECK_FALSE(answer.job);
  }
}

TEST_CASE("nobody listening is unreachable, and the client lives on") {
  std::string url;
  {
    raw_server server{"", false};
    url = server.url();
  }
  auto client = client_of(url);
  for (auto i = 0; i < 2; ++i) {
    auto answer = client->patch_trace(some_patch());
    REQUIRE(answer.error);
    CHECK_EQ(answer.error->code, coordinator_errc::unreachable);
    CHECK_NE(answer.error->text.find("no connection to 127.0.0.1:"),
             std::string::npos);
  }
}

TEST_CASE("a name that nobody knows is told from a server that is away") {
  auto client = client_of("http://gitlab.invalid");
  auto answer = client->patch_trace(some_patch());
  REQUIRE(answer.error);
  CHECK_EQ(answer.error->code, coordinator_errc::unreachable);
  CHECK_NE(answer.error->text.find(
             "the host name of gitlab.invalid:80 cannot be resolved"),
           std::string::npos);
}

TEST_CASE("a server that stalls is given up after the read time-out") {
  silent_server server;
  http_settings http;
  http.read_timeout = 50ms;
  auto client = client_of(server.url(), http);
  auto answer = client->request_job(some_request());
  REQUIRE(answer.error);
  CHECK_EQ(answer.error->code, coordinator_errc::unreachable);
}

TEST_CASE("stop ends a long poll promptly and for good") {
  silent_server server;
  auto client = client_of(server.url());
  std::optional<job_answer> answer;
  std::thread worker{[&] { answer = client->request_job(some_request()); }};
  server.wait_for_request();
  auto began = std::chrono::steady_clock::now();
  client->stop();
  worker.join();
  CHECK_LT(std::chrono::steady_clock::now() - began, 5s);
  REQUIRE(answer->error);
  CHECK_EQ(answer->error->code, coordinator_errc::stopped);
  CHECK_EQ(client->update_job(some_update()).error->code,
           coordinator_errc::stopped);
}

TEST_CASE("stop ends a connect that gets no answer") {
  full_server server; // its backlog is full: connecting hangs
  auto client = client_of(server.url());
  std::optional<job_answer> answer;
  std::thread worker{[&] { answer = client->request_job(some_request()); }};
  std::this_thread::yield();
  client->stop();
  auto began = std::chrono::steady_clock::now();
  worker.join();
  CHECK_LT(std::chrono::steady_clock::now() - began, 5s);
  CHECK_EQ(answer->error->code, coordinator_errc::stopped);
}

TEST_CASE("connections are kept, and renewed when they are old") {
  web_server server;
  std::vector<int> ports;
  server.http.Put(".*", [&](const httplib::Request& in, httplib::Response&) {
    ports.push_back(in.remote_port);
  });
  auto url = server.start();
  auto client = client_of(url);
  client->update_job(some_update());
  client->update_job(some_update());
  REQUIRE_EQ(ports.size(), 2);
  CHECK_EQ(ports[0], ports[1]);
  http_settings http;
  http.connection_max_age = 1ms;
  auto aging = client_of(url, http);
  aging->update_job(some_update());
  auto until = std::chrono::steady_clock::now() + 3ms;
  while (std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  aging->update_job(some_update());
  REQUIRE_EQ(ports.size(), 4);
  CHECK_NE(ports[2], ports[3]);
}

TEST_CASE("redirects keep the request, and the host") {
  web_server server;
  web_server other;
  auto asked_elsewhere = 0;
  other.http.Put(".*", [&](const httplib::Request&, httplib::Response&) {
    ++asked_elsewhere;
  });
  std::string location = "/there";
  auto status = 307;
  httplib::Request seen;
  server.http.Put("/api/v4/.*",
                  [&](const httplib::Request&, httplib::Response& out) {
                    out.status = status;
                    out.set_header("Location", location);
                  });
  server.http.Put("/there", [&](const httplib::Request& in,
                                httplib::Response&) { seen = in; });
  auto url = server.start();
  auto client = client_of(url);
  auto refusal = [&] {
    auto answer = client->update_job(some_update());
    REQUIRE(answer.error);
    CHECK_EQ(answer.error->code, coordinator_errc::rejected);
    return answer.error->text;
  };
  for (auto kind : {301, 302, 307, 308})
    for (const auto& to : {std::string{"/there"}, url + "/there"}) {
      status = kind;
      location = to;
      seen = {};
      CHECK_FALSE(client->update_job(some_update()).error);
      CHECK_EQ(json::parse(seen.body)["state"], "running");
      CHECK_EQ(seen.get_header_value("JOB-TOKEN"), "glcbt-x");
    }
  for (auto kind : {303, 305}) {
    status = kind;
    CHECK_NE(refusal().find("/there"), std::string::npos);
  }
  status = 302;
  location = other.start() + "/there";
  location.replace(location.find("127.0.0.1"), 9, "localhost");
  CHECK_NE(refusal().find("another host"), std::string::npos);
  CHECK_EQ(asked_elsewhere, 0); // the body has a token, too
  location = "";
  CHECK_NE(refusal().find("nowhere"), std::string::npos);
  location = "ftp://127.0.0.1/";
  CHECK_NE(refusal().find("no URL"), std::string::npos);
  location = "/api/v4/again"; // for ever
  CHECK_NE(refusal().find("more than 5 times"), std::string::npos);
}

TEST_CASE("a server's certificate must be trusted") {
  tls_server server;
  api_settings with;
  with.url = server.url();
  auto unknown
    = api_client::make(with, std::make_shared<certificate_store>("", nullptr));
  auto answer = (*unknown)->update_job(some_update());
  REQUIRE(answer.error);
  CHECK_EQ(answer.error->code, coordinator_errc::unreachable);
  CHECK_NE(answer.error->text.find("certificate"), std::string::npos);

  auto trusted
    = std::make_shared<certificate_store>(server.certificate_file(), nullptr);
  for (auto i = 0; i < 3; ++i) { // they share the store
    auto client = api_client::make(with, trusted);
    CHECK_FALSE((*client)->update_job(some_update()).error);
  }
}

TEST_CASE("what a server was trusted by is known after a call") {
  tls_server server;
  auto url = parse_url(server.url());
  REQUIRE(url);
  http_client client{
    {},
    *url,
    std::make_shared<certificate_store>(server.certificate_file(), nullptr)};
  CHECK_EQ(client.server_chain_pem(), "");
  http_call call;
  call.method = "PUT";
  call.path = "/";
  REQUIRE(client.send(call));
  CHECK_EQ(client.server_chain_pem(), read_pem_file(server.certificate_file()));
  CHECK(client.server_chain_pem().starts_with("-----BEGIN CERTIFICATE-----"));
  CHECK_EQ(read_pem_file("/nonexistent"), "");
  CHECK_EQ(read_pem_file(""), "");
  CHECK_EQ(read_pem_file("/dev/zero"), ""); // more than a file may have
}

TEST_CASE(
  "files that cannot be used are told, or ignored where the peer does") {
  std::string told;
  auto warn = [&told](const std::string& text) { told = text; };
  CHECK(certificate_store("/nonexistent", warn).get());
  CHECK_EQ(told, "");
  CHECK(certificate_store("/dev/null", warn).get());
  CHECK_NE(told.find("/dev/null"), std::string::npos);

  api_settings with;
  with.url = "example.com";
  CHECK_FALSE(api_client::make(with, nullptr));
}

TEST_CASE("requests go through a proxy") {
  web_server proxy;
  std::string target;
  proxy.http.Put(".*", [&](const httplib::Request& in, httplib::Response&) {
    target = in.get_header_value("Host");
  });
  api_settings with;
  with.url = "http://gitlab.invalid";
  with.http.proxies.http = proxy.start();
  auto client = api_client::make(with, nullptr);
  CHECK_FALSE((*client)->update_job(some_update()).error);
  CHECK_EQ(target, "gitlab.invalid");
}

TEST_CASE("a GitLab with an IPv6 address is reached") {
  httplib::Server server;
  std::string host;
  server.Put(".*", [&](const httplib::Request& in, httplib::Response&) {
    host = in.get_header_value("Host");
  });
  auto port = server.bind_to_any_port("::1");
  if (port <= 0) {
    MESSAGE("this machine has no IPv6");
    return;
  }
  std::thread thread{[&] { server.listen_after_bind(); }};
  auto client = client_of("http://[::1]:" + std::to_string(port) + "/gitlab");
  auto answer = client->update_job(some_update());
  server.stop();
  thread.join();
  CHECK_FALSE(answer.error);
  CHECK_EQ(host, "[::1]:" + std::to_string(port));
}
