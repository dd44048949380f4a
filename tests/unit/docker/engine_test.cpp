#include "executors/docker/engine.hpp"

#include "tests/support/scripted_engine.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::docker;
using namespace muster::test;
using namespace std::chrono_literals;

TEST_CASE("the version is the lower one, and an old Engine is refused") {
  struct row {
    const char* offered;
    const char* expected; ///< empty: refused
  };
  const row rows[] = {
    {"1.41", "1.41"}, {"1.55", "1.55"}, {"1.99", "1.55"}, {"1.40", "1.40"},
    {"1.39", ""},     {"2.0", ""},      {"nonsense", ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.offered);
    scripted_engine engine{[&r](const std::string&) {
      return answer_of("200 OK", "OK",
                       std::string{"Api-Version: "} + r.offered + "\r\n");
    }};
    auto at = engine.api("");
    auto met = at.negotiate();
    CHECK_EQ(met.has_value(), *r.expected != '\0');
    if (met)
      CHECK_EQ(at.version(), r.expected);
    else
      CHECK_NE(met.error().text.find("needs 1.40"), std::string::npos);
    CHECK_EQ(engine.requests()[0].find("GET /_ping HTTP/1.1"), 0);
  }
}

TEST_CASE("an Engine that does not say its version is taken for a new one") {
  scripted_engine engine{
    [](const std::string&) { return answer_of("200 OK", "OK"); }};
  auto at = engine.api("");
  REQUIRE(at.negotiate().has_value());
  CHECK_EQ(at.version(), "1.55");
  CHECK(at.speaks(1, 49));
  CHECK_FALSE(at.speaks(1, 56));
}

TEST_CASE("no call goes on beyond the end that is set for all") {
  for (bool has_begun : {false, true}) {
    CAPTURE(has_begun);
    scripted_engine engine{[has_begun](const std::string&) {
      return has_begun ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"
                           + std::string{scripted_engine::hang}
                       : std::string{scripted_engine::hang};
    }};
    auto at = engine.api();
    auto begun = std::chrono::steady_clock::now();
    at.end_by(begun + 200ms);
    auto x = at.ask({"GET", "/info"});
    REQUIRE_FALSE(x.has_value());
    CHECK_EQ(x.error().code, engine_errc::timed_out);
    CHECK_LT(std::chrono::steady_clock::now() - begun, 60s);
  }
}

TEST_CASE(
  "that nothing had to be changed is no fault: a start whose answer was "
  "lost is asked for again") {
  for (const auto* head : {"304 Not Modified", "204 No Content"}) {
    CAPTURE(head);
    scripted_engine engine{
      [head](const std::string&) { return answer_of(head, ""); }};
    auto x = engine.api("1.41").ask({"POST", "/containers/a/start"});
    REQUIRE(x.has_value());
    CHECK(x->is_null());
  }
}

TEST_CASE("a fault of an answer has the code of what can be done about it") {
  struct row {
    const char* what;
    std::string answer;
    engine_errc expected;
    const char* words;
  };
  const row rows[] = {
    {"bad request", answer_of("400 Bad Request", R"({"message":"why"})"),
     engine_errc::bad_request, "why"},
    {"not found", answer_of("404 Not Found", R"({"message":"why"})"),
     engine_errc::not_found, "why"},
    {"conflict", answer_of("409 Conflict", R"({"message":"why"})"),
     engine_errc::conflict, "why"},
    {"an error without JSON", answer_of("500 Internal Server Error", "plain"),
     engine_errc::refused, "plain"},
    {"an error without words", answer_of("503 Service Unavailable", ""),
     engine_errc::refused, "503 Service Unavailable"},
    {"nobody behind what leads there",
     answer_of("502 Bad Gateway", R"({"message":"cannot be reached"})"),
     engine_errc::unreachable, "cannot be reached"},
    {"a redirect", answer_of("301 Moved", ""), engine_errc::refused, "301"},
    {"nothing", "", engine_errc::lost, "hung up"},
    {"half a head", "HTTP/1.1 200 OK\r\nContent-", engine_errc::lost, ""},
    {"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a",
     engine_errc::lost, ""},
    {"no JSON", answer_of("200 OK", "<html>"), engine_errc::bad_answer,
     "no JSON"},
    {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", engine_errc::bad_answer, ""},
    {"too large", answer_of("200 OK", std::string(17u << 20, ' ')),
     engine_errc::bad_answer, "more than"},
    {"a head without end", "HTTP/1.1 200 OK\r\nA: " + std::string(100'000, 'x'),
     engine_errc::bad_answer, ""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    scripted_engine engine{[&r](const std::string&) { return r.answer; }};
    auto x = engine.api().ask({"GET", "/info"});
    REQUIRE_FALSE(x.has_value());
    CHECK_EQ(static_cast<int>(x.error().code), static_cast<int>(r.expected));
    CAPTURE(x.error().text);
    CHECK_NE(x.error().text.find(r.words), std::string::npos);
  }
}

TEST_CASE("an Engine that hangs is not waited for without end") {
  for (const auto& said :
       {std::string{}, std::string{"HTTP/1.1 200 OK\r\n"},
        std::string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"}}) {
    scripted_engine engine{
      [&said](const std::string&) { return said + scripted_engine::hang; }};
    call what{"GET", "/info"};
    what.time = 1s;
    auto x = engine.api().ask(what);
    REQUIRE_FALSE(x.has_value());
    CHECK_EQ(static_cast<int>(x.error().code),
             static_cast<int>(engine_errc::timed_out));
  }
}

TEST_CASE("a change of protocols that is refused is an error") {
  scripted_engine engine{[](const std::string& line) {
    return line.find("plain") != std::string::npos
             ? answer_of("200 OK", "")
             : answer_of("404 Not Found", R"({"message":"no container"})");
  }};
  auto x = engine.api().attach({"POST", "/containers/a/attach"});
  REQUIRE_FALSE(x.has_value());
  CHECK_EQ(static_cast<int>(x.error().code),
           static_cast<int>(engine_errc::not_found));
  x = engine.api().attach({"POST", "/containers/plain/attach"});
  REQUIRE_FALSE(x.has_value());
  CHECK_NE(x.error().text.find("does not change to a stream"),
           std::string::npos);
}

TEST_CASE("a stream begins with what came behind the answer's head") {
  scripted_engine engine{[](const std::string&) {
    return std::string{"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
                       "Upgrade: tcp\r\n\r\n"}
           + std::string("\1\0\0\0\0\0\0\2ab\2\0\0\0\0\0\0\1c", 19);
  }};
  auto x = engine.api().attach({"POST", "/containers/a/attach"});
  REQUIRE(x.has_value());
  std::string out;
  std::string err;
  auto read
    = x->read_all([&](demultiplexer::origin from, std::string_view text) {
        (from == demultiplexer::origin::out ? out : err) += text;
      });
  CHECK(read.has_value());
  CHECK_EQ(out, "ab");
  CHECK_EQ(err, "c");
}

TEST_CASE("lines are given as they come, and one without end is refused") {
  scripted_engine engine{[](const std::string& line) {
    if (line.find("endless") != std::string::npos)
      return answer_of("200 OK", std::string(2u << 20, 'x'));
    return answer_of("200 OK", "one\ntwo\nlast");
  }};
  std::string lines;
  auto keep = [&lines](std::string_view line) {
    lines += std::string{line} + ";";
    return true;
  };
  CHECK(engine.api().ask_lines({"GET", "/x"}, keep).has_value());
  CHECK_EQ(lines, "one;two;last;");
  CHECK_FALSE(engine.api().ask_lines({"GET", "/endless"}, keep).has_value());
}

TEST_CASE("names are safe in a URL") {
  CHECK_EQ(url_encoded("a/b:c@d e?&"), "a%2Fb%3Ac%40d%20e%3F%26");
  CHECK_EQ(url_encoded("a/b:c\xc3\xa4", "/:"), "a/b:c%C3%A4");
}
