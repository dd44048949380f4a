#include "config/edit.hpp"

#include "config/toml_write.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace muster;

namespace {

config_text parsed(const std::string& text) {
  auto out = config_text::parse(text, "config.toml");
  REQUIRE_MESSAGE(out, out.error().text, "\n", text);
  return std::move(*out);
}

std::optional<std::string> no_variable(const std::string&) {
  return std::nullopt;
}

std::vector<std::string> names(const config_text& x) {
  std::vector<std::string> out;
  for (size_t i = 0; i < x.runners(); ++i)
    out.push_back(x.facts(i, no_variable).name);
  return out;
}

struct row {
  const char* what;
  std::string before;
  std::string after;
};

} // namespace

TEST_CASE("a value is replaced where it stands, and nothing else") {
  const row rows[] = {
    {"plain", "[[runners]]\ntoken = \"old\" # keep\n",
     "[[runners]]\ntoken = \"new\" # keep\n"},
    {"no final line break", "[[runners]]\ntoken = 'old'",
     "[[runners]]\ntoken = \"new\""},
    {"carriage returns",
     "[[runners]]\r\n  token=\"old\"\t# a\r\nname = \"x\"\r\n",
     "[[runners]]\r\n  token=\"new\"\t# a\r\nname = \"x\"\r\n"},
    {"a long string", "[[runners]]\ntoken = \"\"\"\nold\"\"\"\"\"\nname='x'\n",
     "[[runners]]\ntoken = \"new\"\nname='x'\n"},
    {"an inline table", "runners = [ { name = 'a', token = 'old' } ] # b\n",
     "runners = [ { name = 'a', token = \"new\" } ] # b\n"},
    {"a quoted key", "[[\"runners\"]]\n\"token\" = 'old'\n",
     "[[\"runners\"]]\n\"token\" = \"new\"\n"},
    {"other letter case", "[[Runners]]\nToken = 'old'\n",
     "[[Runners]]\nToken = \"new\"\n"},
    {"behind characters of several bytes",
     "# Läufer\n[[runners]]\nname = 'ü€😀'\ntoken = 'old'\n",
     "# Läufer\n[[runners]]\nname = 'ü€😀'\ntoken = \"new\"\n"},
    {"a byte order mark", "\xef\xbb\xbf[[runners]]\ntoken = 'old'\n",
     "\xef\xbb\xbf[[runners]]\ntoken = \"new\"\n"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto text = parsed(r.before);
    auto done = text.set(0, {"token"}, secret{"new"});
    CHECK_MESSAGE(done, (done ? "" : done.error().text));
    CHECK_EQ(text.text(), r.after);
  }
}

TEST_CASE("a new key stands behind its neighbour") {
  const row rows[] = {
    {"behind its line's comment",
     "[[runners]]\n  name = 'a'\n  token = 't' # x\n  executor = 'instance'\n",
     "[[runners]]\n  name = 'a'\n  token = 't' # x\n  id = 7\n  executor = "
     "'instance'\n"},
    {"at the end of the file", "[[runners]]\n  token = 't'",
     "[[runners]]\n  token = 't'\n  id = 7"},
    {"before tables",
     "[[runners]]\r\n\ttoken = "
     "'t'\r\n\r\n[runners.autoscaler]\r\nplugin='x'\r\n",
     "[[runners]]\r\n\ttoken = 't'\r\n\tid = 7\r\n\r\n[runners.autoscaler]\r\n"
     "plugin='x'\r\n"},
    {"without the neighbour", "[[runners]]\n name = 'a'\n# end\n",
     "[[runners]]\n name = 'a'\n id = 7\n# end\n"},
    {"into an empty runner", "[[runners]]\n", "[[runners]]\n  id = 7\n"},
    {"into an inline table", "runners = [{token = 't', name = 'a'}]",
     "runners = [{token = 't', id = 7, name = 'a'}]"},
    {"into an empty inline table", "runners = [{}]", "runners = [{ id = 7 }]"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto text = parsed(r.before);
    CHECK(text.set(0, {"id"}, int64_t{7}, "token"));
    CHECK_EQ(text.text(), r.after);
    CHECK_EQ(text.facts(0, no_variable).id, 7);
  }
}

TEST_CASE("keys of tables go into their table, which is added if need be") {
  const row rows[] = {
    {"into it",
     "[[runners]]\n[runners.docker]\nprivileged = true\n[runners.x]\n",
     "[[runners]]\n[runners.docker]\nprivileged = true\nimage = \"i\"\n"
     "[runners.x]\n"},
    {"a new one", "[[runners]]\nname = 'a'\n# end\n\n[other]\n",
     "[[runners]]\nname = 'a'\n  [runners.docker]\n    image = \"i\"\n# end\n\n"
     "[other]\n"},
    {"beside a table below it",
     "[[runners]]\n[runners.docker.sysctls]\na='b'\n",
     "[[runners]]\n[runners.docker.sysctls]\na='b'\n  [runners.docker]\n    "
     "image = \"i\"\n"},
    {"dotted", "[[runners]]\ndocker.privileged = true\n",
     "[[runners]]\ndocker.privileged = true\ndocker.image = \"i\"\n"},
    {"inline", "[[runners]]\ndocker = {privileged = true}\n",
     "[[runners]]\ndocker = {privileged = true, image = \"i\"}\n"},
    {"of an inline runner", "runners = [{name = 'a'}]",
     "runners = [{name = 'a', docker.image = \"i\"}]"},
    {"of the second runner", "[[runners]]\n[runners.docker]\n[[runners]]\n",
     "[[runners]]\n[runners.docker]\n[[runners]]\n  [runners.docker]\n    "
     "image "
     "= \"i\"\n"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto text = parsed(r.before);
    auto last = text.runners() - 1;
    auto done = text.set(last, {"docker", "image"}, std::string{"i"});
    CHECK_MESSAGE(done, (done ? "" : done.error().text));
    CHECK_EQ(text.text(), r.after);
    CHECK(text.has(last, {"docker", "image"}));
  }
}

TEST_CASE("what cannot be set changes nothing") {
  auto text = parsed("[[runners]]\nname = 'a'\n[runners.token]\nx = 1\n");
  auto before = text.text();
  CHECK_EQ(text.set(0, {"token"}, secret{"new"}).error().code,
           config_errc::not_valid);
  CHECK_FALSE(text.set(0, {"name", "x"}, true));
  CHECK_FALSE(text.set(1, {"id"}, int64_t{1}));
  CHECK_FALSE(text.set(0, {"name"}, std::string{"\xff"}));
  CHECK_EQ(text.text(), before);
}

TEST_CASE("all kinds of values are read back as they were") {
  auto text = parsed("[[runners]]\n");
  std::string odd = "a\"b\\c\nd\te\rf\x01g\x7fh'ü";
  CHECK(text.set(0, {"name"}, odd));
  CHECK_EQ(text.facts(0, no_variable).name, odd);
  CHECK(text.set(0, {"token_expires_at"}, unix_time{1'700'000'000}));
  CHECK_NE(text.text().find("token_expires_at = 2023-11-14T22:13:20Z\n"),
           std::string::npos);
  CHECK(text.set(0, {"locked"}, true));
  CHECK(text.set(0, {"environment"}, std::vector<std::string>{"A=1", "B=\""}));
  CHECK_NE(text.text().find("environment = [\"A=1\", \"B=\\\"\"]\n"),
           std::string::npos);
  CHECK(text.set(0, {"feature_flags", "FF odd.name"}, false));
  CHECK_NE(text.text().find("\"FF odd.name\" = false"), std::string::npos);
}

TEST_CASE("a runner is removed with what belongs to it") {
  const row rows[] = {
    {"between others",
     "a = 1\n\n# first\n[[runners]]\nname = '1'\n\n# second\n[[runners]]\n"
     "name = '2'\n  # off = true\n  [runners.autoscaler]\n  plugin = 'x'\n\n"
     "# third\n[[runners]]\nname = '3'\n",
     "a = 1\n\n# first\n[[runners]]\nname = '1'\n\n# third\n[[runners]]\nname "
     "= "
     "'3'\n"},
    {"the tables of a runner stand apart",
     "[[runners]]\nname='1'\n[[runners]]\nname = '2'\n[other]\nx=[1,\n# "
     "[y]\n2]\n"
     "[runners.docker]\nimage = '''\n[[runners]]\n'''\n",
     "[[runners]]\nname='1'\n[other]\nx=[1,\n# [y]\n2]\n"},
    {"at the end", "[[runners]]\nname = '1'\n\n[[runners]]\nname = '2'",
     "[[runners]]\nname = '1'\n"},
    {"remarks of their own stay",
     "[[runners]]\nname = '1'\n\n[[runners]]\nname = '2'\n\n# end of the "
     "file\n",
     "[[runners]]\nname = '1'\n\n# end of the file\n"},
    {"of a list", "runners = [ {name = '1'}, {name = '2'}, {name = '3'} ]",
     "runners = [ {name = '1'}, {name = '3'} ]"},
    {"of a list over lines",
     "runners = [\n  {name = '1'}, # a\n  {name = '2'},\n  {name = '3'}\n]\n",
     "runners = [\n  {name = '1'}, # a\n  {name = '3'}\n]\n"},
    {"the last of a list", "runners = [ {name = '1'}, {name = '2'} ]",
     "runners = [ {name = '1'} ]"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto text = parsed(r.before);
    auto done = text.remove(1);
    CHECK_MESSAGE(done, (done ? "" : done.error().text));
    CHECK_EQ(text.text(), r.after);
  }
}

TEST_CASE("the only runner can be removed, and one added again") {
  for (const auto* before :
       {"# top\n[[runners]]\nname = 'a'\n", "concurrent = 4\n\n[[runners]]\n",
        "runners = [{name = 'a'}]\n", "runners = [\n  {name = 'a'},\n]\n"}) {
    CAPTURE(before);
    auto text = parsed(before);
    CHECK(text.remove(0));
    CAPTURE(text.text());
    CHECK_EQ(text.runners(), 0);
    CHECK(text.append(parsed("[[runners]]\n  name = 'b'\n")));
    CHECK_EQ(names(text), std::vector<std::string>{"b"});
  }
  auto text = parsed("# top\n[[runners]]\nname = 'a'\n");
  CHECK(text.remove(0));
  CHECK_EQ(text.text(), "# top\n");
}

TEST_CASE("a runner is added at the end, as it is written elsewhere") {
  auto entry
    = parsed("x = 1\n# fast ones\n[[runners]]\n  name = 'b'\n  [runners."
             "autoscaler] # see wiki\n    plugin = 'p'\n    "
             "[[runners.autoscaler.policy]]\n    idle_count = 2\n");
  const std::string block
    = "# fast ones\n[[runners]]\n  name = 'b'\n  [runners.autoscaler] # see "
      "wiki\n    plugin = 'p'\n    [[runners.autoscaler.policy]]\n    "
      "idle_count = 2\n";
  const row rows[] = {
    {"to nothing", "", block},
    {"to a file", "concurrent = 4\n", "concurrent = 4\n\n" + block},
    {"without a final line break", "[[runners]]\nname = 'a'",
     "[[runners]]\nname = 'a'\n\n" + block},
    {"behind a blank line", "concurrent = 4\n\n", "concurrent = 4\n\n" + block},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto text = parsed(r.before);
    CHECK(text.append(entry));
    CHECK_EQ(text.text(), r.after);
  }
  auto text = parsed("[[Runners]]\r\nname = 'a'\r\n");
  CHECK(text.append(entry));
  CHECK_EQ(names(text), std::vector<std::string>{"a", "b"});
  CHECK_NE(text.text().find("[[Runners.autoscaler.policy]]\r\n"),
           std::string::npos);
  text = parsed("runners = [{name = 'a'}]\n[other]\n");
  CHECK(text.append(entry));
  CHECK_EQ(names(text), std::vector<std::string>{"a", "b"});
  CHECK(text.has(1, {"autoscaler", "policy"}));
}

TEST_CASE("only a text with exactly one [[runners]] can be added") {
  auto text = parsed("");
  for (const auto* other : {"", "[[runners]]\n[[runners]]\n", "runners = [{}]"})
    CHECK_FALSE(text.append(parsed(other)));
}

TEST_CASE("what is no configuration is refused without quoting it") {
  for (const auto* text :
       {"[[runners]]\ntoken = glrt-secret\n", "runners = 3", "runners = [1]",
        "[runners]\ntoken='glrt-secret'", "\xff"}) {
    auto out = config_text::parse(text, "config.toml");
    REQUIRE_FALSE(out);
    CHECK_NE(out.error().text.find("config.toml:"), std::string::npos);
    CHECK_EQ(out.error().text.find("secret"), std::string::npos);
  }
}

TEST_CASE("a token from the environment is known as such") {
  auto text = parsed("[[runners]]\nurl = '$A'\ntoken = \"$B\"\n[[runners]]\n"
                     "token = 'glrt-1'\n");
  auto variable
    = [](const std::string& name) { return std::optional{"value of " + name}; };
  CHECK_EQ(text.facts(0, variable).url, "value of A");
  CHECK_EQ(text.facts(0, variable).token.reveal(), "value of B");
  CHECK_FALSE(text.facts(0, variable).token_is_literal);
  CHECK(text.facts(1, variable).token_is_literal);
}

// -- random files -------------------------------------------------------------

namespace {

/// Writes files that are valid and odd.
struct file_maker {
  std::mt19937 dice;
  int keys = 0;

  size_t below(size_t n) {
    return dice() % n;
  }

  template <size_t N>
  std::string any(const char* const (&x)[N]) {
    return x[below(N)];
  }

  std::string space() {
    return any({"", " ", "\t", "   "});
  }

  std::string noise() {
    return any({"", "", "", "\n", "# plain\n", "  # [[runners]]\n", "\t\n",
                "# \"quoted' = {\n", "#\n", "# ü€😀 ]\n"});
  }

  std::string value() {
    return any({"1", "-0.5", "true", "'a'", "\"b # c\"", "\"\\\"]\"",
                "'''x\n"
                "[[runners]]\ny''''",
                "\"\"\"\\\n  z\"\"\"", "[1, 2]", "[ # c\n 'a' , [ ] ,\n]",
                "{ }", "{a = 1, b = [{c = '}'}]}", "1979-05-27 07:32:00",
                "1979-05-27T07:32:00.5-07:00", "\"ü€😀\"", "07:32:00"});
  }

  std::string key() {
    auto number = std::to_string(++keys);
    return any({"k", "\"k.", "'k#", "d.k", "d . \"]\".k"}) + number;
  }

  std::string assignment() {
    auto name = key();
    if (name.starts_with('"'))
      name += '"';
    if (name.starts_with('\''))
      name += '\'';
    return space() + name + space() + "=" + space() + value() + space()
           + any({"", "", "# c ' \""}) + "\n";
  }

  std::string body() {
    std::string out;
    for (auto n = below(4); n > 0; --n)
      out += noise() + assignment();
    return out;
  }

  std::string table() {
    auto number = std::to_string(++keys);
    switch (below(4)) {
      case 0:
        return space() + "[runners.t" + number + "]\n" + body();
      case 1:
        return space() + "[[runners.l" + number + "]]" + space() + "# x\n"
               + body();
      case 2:
        return space() + "[ runners . \"t ]" + number + "\" . u ]\n" + body();
      default:
        return space() + "[other" + number + "]\n" + body();
    }
  }

  std::string file(size_t runners) {
    std::string text = noise() + body();
    for (size_t i = 0; i < runners; ++i) {
      text += noise() + space() + "[[" + space() + "runners" + space() + "]]"
              + space() + "\n" + noise() + body() + space() + "name = 'n"
              + std::to_string(i) + "'" + space() + "\n" + noise() + space()
              + "token =" + space() + any({"'t'", "\"t\"", "\"\"\"t\"\"\""})
              + "\n" + body();
      for (auto n = below(3); n > 0; --n)
        text += noise() + table();
    }
    text += noise();
    if (below(3) == 0 && text.ends_with('\n'))
      text.pop_back();
    if (below(3) != 0)
      return text;
    std::string with_returns;
    for (auto c : text)
      with_returns += c == '\n' ? std::string{"\r\n"} : std::string{c};
    return with_returns;
  }
};

/// The lines of `text` that are comments.
std::vector<std::string> comments(const std::string& text) {
  std::vector<std::string> out;
  size_t at = 0;
  while (at < text.size()) {
    auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    auto first = line.find_first_not_of(" \t");
    if (first != std::string::npos && line[first] == '#')
      out.push_back(line);
    at = end + 1;
  }
  return out;
}

} // namespace

TEST_CASE("any file can be changed, and keeps all of its lines") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  for (uint32_t round = 0; round < 400; ++round) {
    file_maker make{std::mt19937{seed + round}};
    auto count = make.below(4) + 1;
    auto before = make.file(count);
    auto which = make.below(count);
    CAPTURE(round);
    CAPTURE(before);
    auto text = parsed(before);
    REQUIRE_EQ(text.runners(), count);

    auto with_token = text;
    REQUIRE(with_token.set(which, {"token"}, secret{"glrt-new"}));
    CHECK_EQ(with_token.facts(which, no_variable).token.reveal(), "glrt-new");
    CHECK_EQ(comments(with_token.text()), comments(before));

    auto with_key = with_token;
    REQUIRE(with_key.set(which, {"token_expires_at"}, unix_time{1'700'000'000},
                         "token"));
    REQUIRE(with_key.set(which, {"token_expires_at"}, unix_time{1'800'000'000},
                         "token"));
    auto at = with_key.text().find("token_expires_at");
    REQUIRE_NE(at, std::string::npos);
    CHECK_EQ(with_key.text().find("token_expires_at", at + 1),
             std::string::npos);

    auto without = text;
    auto done = without.remove(which);
    REQUIRE_MESSAGE(done, (done ? "" : done.error().text));
    CAPTURE(without.text());
    auto left = names(text);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(which));
    CHECK_EQ(names(without), left);

    auto more = text;
    REQUIRE(more.append(parsed("[[runners]]\nname = 'new'\n")));
    CHECK_EQ(more.runners(), count + 1);
    CHECK_EQ(more.text().substr(0, before.size()), before);
  }
}
