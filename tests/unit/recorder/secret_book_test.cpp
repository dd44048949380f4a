#include "actors/recorder/secret_book.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <random>
#include <string>

using namespace muster;

namespace {

constexpr hash_key key{1, 2};

/// The text as it is written.
std::string shown(secret_book& book, const std::string& text) {
  std::string out;
  return book.scrub(text, out) ? out : text;
}

std::string base64(std::string_view x, const char* more = "+/") {
  auto digits
    = std::string{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                  "0123456789"}
      + more;
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (auto c : x) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (count += 8; count >= 6; count -= 6)
      out.push_back(digits[bits >> (count - 6) & 63]);
  }
  if (count > 0)
    out.push_back(digits[bits << (6 - count) & 63]);
  return out;
}

} // namespace

TEST_CASE("equal secrets have equal numbers, empty ones have none") {
  secret_book book{key};
  CHECK_EQ(book.number(""), 0);
  CHECK_EQ(book.number("first one"), 1);
  CHECK_EQ(book.number("second one"), 2);
  CHECK_EQ(book.number("first one"), 1);
  CHECK_EQ(book.number("first one", in_texts::left), 1);
  CHECK_EQ(book.count(), 2);
}

TEST_CASE("what is forgotten gets another number, what is kept does not") {
  secret_book book{key};
  auto kept = book.keep("of the configuration");
  auto seen = book.number("seen again and again");
  auto once = book.number("seen only once");
  for (int i = 0; i < 40'000; ++i) {
    book.number(fmt::format("token of job {}", i));
    if (i % 10'000 == 0)
      CHECK_EQ(book.number("seen again and again"), seen);
  }
  CHECK_EQ(book.number("of the configuration"), kept);
  CHECK_EQ(shown(book, "see of the configuration!"), "see <secret#1>!");
  CHECK_EQ(book.number("seen again and again"), seen);
  CHECK_NE(book.number("seen only once"), once);
}

TEST_CASE("secrets are found in texts, raw and encoded") {
  secret_book book{key};
  // Bytes that each encoding has to do something about.
  const std::string secret = "p@ss/w0rd +\"\\\n~?";
  CHECK_EQ(book.number(secret), 1);
  CHECK_EQ(shown(book, secret), "<secret#1>");
  CHECK_EQ(shown(book, "a" + secret + "b" + secret), "a<secret#1>b<secret#1>");
  SUBCASE("base64, at each place in what is encoded") {
    for (std::string before : {"", "x", "xx", "xxx"})
      for (const char* digits : {"+/", "-_"}) {
        auto text = base64(before + secret + "and more", digits);
        CAPTURE(text);
        CHECK_EQ(shown(book, "login " + text + "== failed"),
                 "login <secret#1>== failed");
        // Glued to what is no part of it.
        CHECK_EQ(shown(book, "login:ab" + text + "/x"), "login:<secret#1>");
      }
  }
  SUBCASE("hexadecimal digits") {
    std::string text = "f";
    for (auto c : secret)
      text += fmt::format("{:02X}", static_cast<uint8_t>(c));
    CHECK_EQ(shown(book, "key " + text.substr(1) + "."), "key <secret#1>.");
    CHECK_EQ(shown(book, "key " + text + "."), "key <secret#1>.");
  }
  SUBCASE("percent") {
    CHECK_EQ(shown(book, "?k=p%40ss%2Fw0rd+%2B%22%5C%0A~%3F&x"),
             "?k=<secret#1>&x");
    CHECK_EQ(shown(book, "?k=p%40ss%2fw0rd%20%2b%22%5c%0a%7e%3f&x"),
             "?k=<secret#1>&x");
  }
  SUBCASE("backslashes") {
    CHECK_EQ(shown(book, R"("p@ss/w0rd +\"\\\n~?")"), R"("<secret#1>")");
    CHECK_EQ(shown(book, R"("p@ss\/w0rd \u002b\"\\\n~?")"), R"("<secret#1>")");
  }
}

TEST_CASE("a secret is found although it is cut off at an end of a text") {
  secret_book book{key};
  book.number("0123456789abcdefghij");
  CHECK_EQ(shown(book, "its beginning: 0123456789ab"),
           "its beginning: <secret#1>");
  CHECK_EQ(shown(book, "9abcdefghij is its end"), "<secret#1> is its end");
  CHECK_EQ(shown(book, "0123456789ab is neither"), "0123456789ab is neither");
}

TEST_CASE("of many secrets that begin alike each is found") {
  secret_book book{key};
  for (int i = 0; i < 3000; ++i)
    book.number(fmt::format("https://gitlab-ci-token:{:05}@gitlab/x.git", i));
  for (int i : {0, 1234, 2999})
    CHECK_EQ(
      shown(book, fmt::format(
                    "at https://gitlab-ci-token:{:05}@gitlab/x.git: no", i)),
      fmt::format("at <secret#{}>: no", i + 1));
}

TEST_CASE("what is a part of a secret is found by itself") {
  secret_book book{key};
  book.number("https://ci:hunter2hunter@gitlab.example.com/a/b.git");
  book.number("-----BEGIN OPENSSH PRIVATE KEY-----\n"
              "b3BlbnNzaC1rZXktdjEAAAAA\n"
              "QyNTUxOQAAACDf0123456789\n"
              "-----END OPENSSH PRIVATE KEY-----\n");
  book.number(base64(R"({"username":"me","password":"of the registry"})"));
  book.number(base64("me:another of a registry"));
  CHECK_EQ(shown(book, "hunter2hunter is wrong"), "<secret#1> is wrong");
  CHECK_EQ(shown(book, "line 2: QyNTUxOQAAACDf0123456789"),
           "line 2: <secret#2>");
  CHECK_EQ(shown(book, "as me, of the registry, no"), "as me, <secret#3>, no");
  CHECK_EQ(shown(book, "another of a registry"), "<secret#4>");
}

TEST_CASE("what looks like a secret is hidden although nobody has told of it") {
  struct row {
    const char* text;
    const char* expected;
  };
  const row rows[] = {
    {"cloning https://u:p4ss@host/x", "cloning https://<secret>@host/x"},
    {"cloning ssh://git@host/x", "cloning ssh://git@host/x"},
    {"at https://host/x?a=b@c", "at https://host/x?a=b@c"},
    {"glpat-0123456789abcdefghij.", "<secret>"},
    {"the prefix glpat- is", "the prefix glpat- is"},
    {"Authorization: Bearer abcdefgh", "Authorization: Bearer <secret>"},
    {"PRIVATE-TOKEN: abcdefgh x", "PRIVATE-TOKEN: <secret> x"},
    {R"({"auth_token": "abcdefgh", "b": 1})",
     R"({"auth_token": "<secret>", "b": 1})"},
    {"?private_token=abcdefgh&page=2", "?private_token=<secret>&page=2"},
    {"DB_PASSWORD='abcdefgh'", "DB_PASSWORD='<secret>'"},
    {"the token: expired", "the token: expired"},
    {"a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE "
     "KEY-----\nb",
     "a\n<secret>\nb"},
    {"cut: -----BEGIN PRIVATE KEY-----\nMIIE", "cut: <secret>"},
    {"", ""},
    {"://", "://"},
    {"token=", "token="},
    {"100%", "100%"},
    {"C:\\", "C:\\"},
  };
  secret_book book{key};
  for (const auto& x : rows)
    CHECK_EQ(shown(book, x.text), x.expected);
}

TEST_CASE("short secrets and what is shown in GitLab stay in texts") {
  secret_book book{key};
  book.number("main");
  book.number("gitlab.example.com", in_texts::left);
  CHECK_EQ(shown(book, "main at gitlab.example.com"),
           "main at gitlab.example.com");
  // Until somebody has it as a secret.
  CHECK_EQ(book.number("gitlab.example.com"), 2);
  CHECK_EQ(shown(book, "main at gitlab.example.com"), "main at <secret#2>");
}

TEST_CASE("a text that was clean is not, once what it has is a secret") {
  std::mt19937 chance{7};
  const std::string letters = "abcXYZ0189-_/+ %\\\"";
  auto some = [&](size_t least, size_t most) {
    std::string out(least + chance() % (most - least + 1), ' ');
    for (auto& c : out)
      c = letters[chance() % letters.size()];
    return out;
  };
  auto hex = [](const std::string& x) {
    std::string out;
    for (auto c : x)
      out += fmt::format("{:02x}", static_cast<uint8_t>(c));
    return out;
  };
  secret_book book{key};
  for (int i = 0; i < 2'000; ++i) {
    auto secret = some(8, 24);
    auto before = some(0, 3);
    const std::string texts[] = {
      "see " + secret + " there",
      "cut " + secret.substr(0, 8),
      secret.substr(secret.size() - 8) + " cut",
      "as " + base64(before + secret + some(0, 3)),
      "as " + base64(before + secret, "-_"),
      "in hex " + hex(secret),
      "short of it: " + base64(before + secret.substr(0, 8)),
    };
    std::string out;
    for (const auto& x : texts)
      book.scrub(x, out);
    // Others come between.
    for (auto n = chance() % 4; n > 0; --n)
      book.number("another " + std::to_string(chance()));
    book.number(secret);
    CAPTURE(secret);
    for (const auto& x : texts) {
      CAPTURE(x);
      CHECK(book.scrub(x, out));
    }
  }
}

TEST_CASE("fingerprints tell equal texts, and nothing without the key") {
  secret_book book{key};
  secret_book other{hash_key{3, 4}};
  CHECK_EQ(book.fingerprint("a script"), book.fingerprint("a script"));
  CHECK_NE(book.fingerprint("a script"), book.fingerprint("a skript"));
  CHECK_NE(book.fingerprint("a script"), other.fingerprint("a script"));
}
