#include "config/diagnostic.hpp"

#include <doctest/doctest.h>

using namespace muster;

namespace {

std::string shown(std::string_view source, size_t line, size_t column) {
  auto text = format_diagnostic(
    {severity::warning, "f", line, column, "k", "m", ""}, source);
  return text.substr(text.find('\n') + 1);
}

} // namespace

TEST_CASE("a diagnostic shows place, line, caret and what to write") {
  diagnostic what{severity::warning, "config.toml",     2, 3, "idle_cnt",
                  "unknown key",     "write idle_count"};
  CHECK_EQ(format_diagnostic(what, "a = 1\n  idle_cnt = 3\n"),
           "config.toml:2:3: warning: unknown key\n"
           "    idle_cnt = 3\n"
           "    ^\n"
           "  write idle_count");
  what.line = 0;
  CHECK_EQ(format_diagnostic(what, "a = 1"),
           "config.toml: warning: unknown key\n  write idle_count");
  CHECK_EQ(headline(what), "config.toml: unknown key");
  what.level = severity::notice;
  CHECK(format_diagnostic(what, "").starts_with("config.toml: note: unknown"));
  what.level = severity::fatal;
  CHECK(format_diagnostic(what, "").starts_with("config.toml: error: unknown"));
}

TEST_CASE("the caret stands below its character") {
  CHECK_EQ(shown("\tx = 1\r\n", 1, 2), "   x = 1\n   ^");
  CHECK_EQ(shown("# \xc3\xa4\xc3\xb6 x", 1, 6),
           "  # \xc3\xa4\xc3\xb6 x\n       ^");
  CHECK_EQ(shown("abc", 1, 99), "  abc\n     ^");
  CHECK_EQ(shown("a\033[2Jb", 1, 1), "  a?[2Jb\n  ^");
  CHECK_EQ(shown("a\xff"
                 "b",
                 1, 3),
           "  a?b\n    ^");
}

TEST_CASE("of a long line the part around the column is shown") {
  auto line = std::string(500, 'a') + "X" + std::string(500, 'b');
  auto text = shown(line, 1, 501);
  auto end = text.find('\n');
  CHECK_LT(end, 140);
  CHECK_EQ(text[text.find('^') - end - 1], 'X');
}

TEST_CASE("a secret is never shown") {
  struct row {
    std::string line;
    const char* expected;
  };
  const row rows[] = {
    {"token = \"glrt-1\" # x", "  token = <secret>"},
    {"  Token=glrt-1", "    Token=<secret>"},
    {"\"password\" = 'x'", "  \"password\" = <secret>"},
    {"a = {user = \"u\", password = \"glrt-1\"}",
     "  a = {user = \"u\", password = <secret>}"},
    {"a = [{token = 'x', b = [1, 2]}, {password = 3, c = 4}]",
     "  a = [{token = <secret>, b = [1, 2]}, {password = <secret>"},
    {"a = {token = 'x' glrt-1, b = 1}", "  a = {token = <secret>"},
    {"token = \"a\", \"glrt-1\"", "  token = <secret>"},
    {"token = [ \"a\"", "  token = <secret>"},
    {"runners.token = 3", "  runners.token = <secret>"},
    {"tokn = \"glrt-1\"", "  tokn = <secret>"},
    {"passwrd = \"glrt-1\"", "  passwrd = <secret>"},
    {"environment = [\"A=glrt-1\"]", "  environment = <secret>"},
    {"url = \"https://u:p/q@h\" # x", "  url = \"https://<secret>@h\" # x"},
    {"a = {url = \"http://u:p@h\", token = 'x'}",
     "  a = {url = \"http://<secret>@h\", token = <secret>}"},
    {"volume_driver_ops = {o = \"pass=glrt-1\", x = 1}",
     "  volume_driver_ops = <secret>"},
    {"name = \"visible\"", "  name = \"visible\""},
  };
  for (const auto& r : rows) {
    CAPTURE(r.line);
    auto text = shown(r.line, 1, 40);
    CHECK_EQ(text.substr(0, text.find('\n')), r.expected);
  }
  CHECK_EQ(shown("a = \"\"\"\nhidden\n\"\"\"", 2, 3), "  <secret>\n  ^");
}

TEST_CASE("no line of a list is shown that may hold a secret") {
  for (const std::string name : {"environment", "environmnt", "token"}) {
    CAPTURE(name);
    auto source = name
                  + " = [ # hidden\n  \"A=hidden\", 5,\n"
                    "  # [\n  \"]hidden\"\n]\n[runners]\nb = 1\n";
    CHECK_EQ(shown(source, 2, 15), "  <secret>\n  ^");
    CHECK_EQ(shown(source, 4, 3), "  <secret>\n  ^");
    CHECK_EQ(shown(source, 6, 2), "  [runners]\n   ^");
    CHECK_EQ(shown(source, 7, 1), "  b = 1\n  ^");
  }
  // Not closed: nobody knows where it ends.
  CHECK_EQ(shown("environment = [\n\"hidden\"\nb = 1", 3, 1),
           "  <secret>\n  ^");
}

TEST_CASE("the caret stands right beside what is hidden") {
  std::string line = "a = {token = \"glrt-secret\", limt = 3, b = {x = 1}}";
  CHECK_EQ(shown(line, 1, line.find("limt") + 1),
           "  a = {token = <secret>, limt = 3, b = {x = 1}}\n"
           "                         ^");
  CHECK_EQ(shown(line, 1, line.find("secret") + 1),
           "  a = {token = <secret>, limt = 3, b = {x = 1}}\n"
           "               ^");
  CHECK_EQ(shown(line, 1, 1),
           "  a = {token = <secret>, limt = 3, b = {x = 1}}\n  ^");
}

TEST_CASE("the caret counts columns of the terminal, the position characters") {
  // Three wide characters; an accent of its own.
  CHECK_EQ(shown("n = \"\u65e5\u672c\u8a9e\", x = 1", 1, 11),
           "  n = \"\u65e5\u672c\u8a9e\", x = 1\n               ^");
  CHECK_EQ(shown("n = \"e\u0301\", x = 1", 1, 10),
           "  n = \"e\u0301\", x = 1\n          ^");
}

TEST_CASE("the nearest name is suggested only if it is near") {
  const std::vector<std::string_view> names{"idle_count", "idle_time",
                                            "tls-ca-file", "policy", "limit"};
  CHECK_EQ(nearest("idle_cnt", names), "idle_count");
  CHECK_EQ(nearest("idel_time", names), "idle_time");
  CHECK_EQ(nearest("IDLE_TIME", names), "idle_time");
  CHECK_EQ(nearest("tls_ca_file", names), "tls-ca-file");
  CHECK_EQ(nearest("policies", names), "policy");
  CHECK_EQ(nearest("limits", names), "limit");
  CHECK_EQ(nearest("memory", names), std::nullopt);
  CHECK_EQ(nearest("", names), std::nullopt);
  CHECK_EQ(nearest(std::string(100000, 'x'), names), std::nullopt);
}

TEST_CASE("text from a file stays on one line") {
  CHECK_EQ(in_quotes("a\nb"), "\"a?b\"");
  CHECK_LT(in_quotes(std::string(1000, 'x')).size(), 100);
  CHECK_EQ(in_quotes(std::string(79, 'x') + "\xc3\xa4"),
           "\"" + std::string(79, 'x') + "...\"");
  CHECK_EQ(one_line("a\033b\xff"), "a?b?");
}
