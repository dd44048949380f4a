#include "executors/shells/posix.hpp"
#include "tests/unit/plan/shell_run.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace muster;
using muster::test::run_shell;

namespace {

const std::string both_shells[] = {"bash", "dash"};

constexpr auto green = "\x1b[32;1m";
constexpr auto reset = "\x1b[0;m";

std::string shown(const std::string& command) {
  return std::string{green} + "$ " + command + reset + "\n";
}

/// Runs commands as a step's script does.
test::shell_result run_commands(const std::string& shell,
                                const std::vector<std::string>& commands,
                                const posix::command_options& options = {},
                                bool xtrace = false) {
  posix::script body;
  body.user_commands(commands, "script_step", options);
  return run_shell(shell, posix::whole_script(body, xtrace));
}

std::string random_text(std::mt19937& random) {
  std::uniform_int_distribution<int> length(0, 60);
  std::uniform_int_distribution<int> kind(0, 3);
  std::uniform_int_distribution<int> byte(1, 255);
  constexpr std::string_view awkward = "'\"\\$`!*?[]{}()<>|&;~#%\n\t\r =-";
  std::uniform_int_distribution<size_t> pick(0, awkward.size() - 1);
  std::string result;
  for (auto n = length(random); n > 0; --n)
    result += kind(random) == 0 ? static_cast<char>(byte(random))
                                : awkward[pick(random)];
  return result;
}

} // namespace

TEST_CASE("simple words stay bare, others are quoted") {
  struct row {
    std::string_view text;
    std::string_view expected;
  };
  const row rows[] = {
    {"", "''"},
    {"main", "main"},
    {"a/b-c.d_e@f:g+h,i%j", "a/b-c.d_e@f:g+h,i%j"},
    {"a b", "'a b'"},
    {"it's", "'it'\\''s'"},
    {"~", "'~'"},
    {"$HOME", "'$HOME'"},
    {"a=b", "'a=b'"},
    {std::string_view{"a\0b", 3}, "'ab'"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.text);
    CHECK_EQ(posix::quote(r.text), r.expected);
  }
}

TEST_CASE("the mark becomes the login directory and quotes what is around it") {
  auto mark = std::string{posix::login_mark};
  CHECK_EQ(posix::quote(mark + "/builds"), "\"$muster_login\"/builds");
  CHECK_EQ(posix::quote("a b" + mark + "'"), "'a b'\"$muster_login\"''\\'''");
}

TEST_CASE("names that a shell cannot export are told from those it can") {
  for (auto good : {"A", "_", "a1", "CI_JOB_ID"})
    CHECK(posix::is_variable_name(good));
  for (auto bad : {"", "1A", "A-B", "a.b", "A B", "A=B", "\xc3\xa9", "../x"})
    CHECK_FALSE(posix::is_variable_name(bad));
}

TEST_CASE("random bytes survive quoting, exporting and printing") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::vector<std::string> texts;
  std::string expected;
  posix::script body;
  for (int i = 0; i < 300; ++i) {
    auto text = random_text(random);
    body.line("printf '%s\\0' " + posix::quote(text));
    body.export_variable("X", text);
    body.line("printf '%s\\0' \"$X\"");
    body.notice(text);
    expected += text + '\0' + text + '\0' + green + text + reset + '\n';
  }
  for (const auto& shell : both_shells) {
    CAPTURE(shell);
    auto got = run_shell(shell, posix::whole_script(body, false));
    CHECK_EQ(got.exit_code, 0);
    CHECK_EQ(got.err, "");
    CHECK(got.out == expected);
  }
}

TEST_CASE("commands are shown as the trace has them, whatever the shell") {
  struct row {
    const char* what;
    std::string command;
    std::string expected;
  };
  const row rows[] = {
    {"one line", "echo one", shown("echo one") + "one\n"},
    {"trimmed", "  \n echo one \n", shown("echo one") + "one\n"},
    {"several lines", "echo one\necho two",
     shown("echo one # collapsed multi-line command") + "one\ntwo\n"},
    {"empty", " \n", "\n"},
    {"backslashes", "printf '%s\\n' 'a\\tb\\c'",
     shown("printf '%s\\n' 'a\\tb\\c'") + "a\\tb\\c\n"},
    {"quotes", "echo \"it's\"", shown("echo \"it's\"") + "it's\n"},
    {"unexpanded", "X=1; echo \"$X\"", shown("X=1; echo \"$X\"") + "1\n"},
    {"a comment", "echo a # b", shown("echo a # b") + "a\n"},
    {"a here-document", "cat <<E\n$((1+1))'\nE",
     shown("cat <<E # collapsed multi-line command") + "2'\n"},
    {"reads nothing of the script", "cat; echo end",
     shown("cat; echo end") + "end\n"},
  };
  for (const auto& shell : both_shells) {
    for (const auto& r : rows) {
      CAPTURE(shell);
      CAPTURE(r.what);
      auto got = run_commands(shell, {r.command});
      CHECK_EQ(got.exit_code, 0);
      CHECK_EQ(got.out, r.expected);
      CHECK_EQ(got.err, "");
    }
  }
}

TEST_CASE("a script ends with the exit code of the command that failed") {
  struct row {
    const char* what;
    std::vector<std::string> commands;
    posix::command_options options;
    int expected;
  };
  const posix::command_options checked{.check_exit_code = true};
  const row rows[] = {
    {"success", {"true"}, {}, 0},
    {"false", {"false", "echo not reached"}, {}, 1},
    {"a code", {"sh -c 'exit 37'", "true"}, {}, 37},
    {"exit", {"exit 3"}, {}, 3},
    {"exit 0 ends early", {"exit 0", "false"}, {}, 0},
    {"an unknown command", {"no-such-command-here"}, {}, 127},
    {"killed", {"sh -c 'kill -9 $$'"}, {}, 137},
    {"the last of a user's set +e counts", {"set +e", "sh -c 'exit 5'"}, {}, 5},
    {"set +e goes on", {"set +e", "false", "true"}, {}, 0},
    {"checked", {"set +e", "sh -c 'exit 6'", "true"}, checked, 6},
    {"unfinished", {"if true; then"}, {}, 2},
  };
  for (const auto& shell : both_shells) {
    for (const auto& r : rows) {
      CAPTURE(shell);
      CAPTURE(r.what);
      auto code = run_commands(shell, r.commands, r.options).exit_code;
      // bash says 1 for an unfinished body in some versions, dash 2.
      if (std::string_view{r.what} == "unfinished")
        CHECK(code != 0);
      else
        CHECK_EQ(code, r.expected);
    }
  }
}

TEST_CASE(
  "a failing part of a pipeline fails the command where the shell can") {
  CHECK_EQ(run_commands("bash", {"false | true"}).exit_code, 1);
  CHECK_EQ(run_commands("dash", {"false | true"}).exit_code, 0);
}

TEST_CASE("a file may be overwritten although the host forbids it") {
  for (const auto& shell : both_shells) {
    CAPTURE(shell);
    auto got = run_commands(
      shell, {"f=$(mktemp)", "echo a >$f", "echo b >$f", "cat $f; rm $f"});
    CHECK_EQ(got.exit_code, 0);
    CHECK(got.out.ends_with("b\n"));
  }
}

TEST_CASE(
  "several lines become a collapsed section that ends before they run") {
  for (const auto& shell : both_shells) {
    CAPTURE(shell);
    auto got = run_commands(shell, {"echo x", "echo a\necho 'b\\n'"},
                            {.sections = true});
    CHECK_EQ(got.exit_code, 0);
    auto now = got.out.substr(got.out.find("section_start:") + 14, 10);
    auto expected
      = shown("echo x") + "x\nsection_start:" + now
        + ":section_script_step_1[hide_duration=true,collapsed=true]\r\x1b[0K"
        + shown("echo a\necho 'b\\n'") + "section_end:" + now
        + ":section_script_step_1\r\x1b[0K\na\n";
    CHECK(got.out.starts_with(expected));
  }
}

TEST_CASE("a traced script shows its commands and works the same") {
  for (const auto& shell : both_shells) {
    CAPTURE(shell);
    auto got = run_commands(shell, {"echo one", "exit 4"}, {}, true);
    CHECK_EQ(got.exit_code, 4);
    CHECK(got.err.find("+ echo one\n") != std::string::npos);
    CHECK(got.err.find("eval") == std::string::npos);
  }
}

TEST_CASE("a script that is told to terminate fails") {
  for (const auto& shell : both_shells) {
    CAPTURE(shell);
    auto got = run_commands(shell, {"kill -TERM $$; sh -c 'kill $PPID'; true"});
    CHECK_EQ(got.exit_code, 1);
  }
}

TEST_CASE("warnings are yellow and errors red, without a word before them") {
  posix::script body;
  body.warning("w").error("e");
  auto got = run_shell("dash", posix::whole_script(body, false));
  CHECK_EQ(got.out, "\x1b[0;33mw\x1b[0;m\n\x1b[31;1me\x1b[0;m\n");
}
