#include "tests/support/program_output.hpp"
#include "tests/unit/docs/pages.hpp"

#include <doctest/doctest.h>
#include <set>
#include <sstream>
#include <string>

using namespace muster;
using namespace muster::test;

namespace {

/// Runs a program that ends by itself; both of its streams.
program_output run(const std::string& program, const std::string& arguments) {
  return output_of("HOME=/home/gitlab-runner LC_ALL=C '" + program + "' "
                   + arguments + " 2>&1 </dev/null");
}

/// A screen has 24 lines of 80 characters; one line is the next prompt's.
void check_screen(const std::string& program, const std::string& arguments) {
  auto help = run(program, arguments);
  CAPTURE(help.text);
  CHECK_EQ(help.status, 0);
  std::istringstream lines{help.text};
  size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    CHECK_MESSAGE(line.size() <= 80, arguments, ": ", line);
  CHECK_MESSAGE(count > 3, arguments);
  CHECK_MESSAGE(count <= 23, arguments, ": ", count, " lines");
}

} // namespace

TEST_CASE("the help of each command of muster fits a screen") {
  for (const auto* words : {"",
                            "--help",
                            "run --help",
                            "check --help",
                            "lint --help",
                            "plan --help",
                            "trace --help",
                            "trace cat --help",
                            "trace grep --help",
                            "trace stat --help",
                            "explain --help",
                            "replay --help",
                            "simulate --help",
                            "try --help",
                            "list --help",
                            "verify --help",
                            "register --help",
                            "unregister --help",
                            "reset-token --help",
                            "run-single --help",
                            "known-hosts --help",
                            "known-hosts list --help",
                            "known-hosts forget --help",
                            "fleeting",
                            "fleeting --help",
                            "fleeting install --help",
                            "fleeting list --help",
                            "fleeting login --help"})
    check_screen(MUSTER_PROGRAM, words);
}

TEST_CASE("the help of each command of muster-coordinator fits a screen") {
  for (const auto* words :
       {"--help", "serve --help", "enqueue --help", "pipeline --help",
        "wait --help", "trace --help", "status --help", "cancel --help",
        "fault --help", "violations --help", "counters --help",
        "shutdown --help"})
    check_screen(MUSTER_COORDINATOR_PROGRAM, words);
}

TEST_CASE("the page on performance has the scenarios of muster-bench, each") {
  std::set<std::string> helped;
  std::istringstream lines{run(MUSTER_BENCH_PROGRAM, "--help").text};
  auto in_list = false;
  for (std::string line; std::getline(lines, line);) {
    if (in_list && line.starts_with("  "))
      helped.insert(line.substr(2, line.find(' ', 2) - 2));
    in_list = line == "Scenarios:" || (in_list && !line.empty());
  }
  std::set<std::string> told;
  for (const auto& line :
       test::prose_of(test::read_page("docs/performance.md"))) {
    // `| g2c-429, g2d-416 | figure |`; the words of the heading have no `-`.
    if (!line.starts_with("| "))
      continue;
    auto cell = line.substr(2, line.find(" |", 2) - 2);
    std::istringstream names{cell};
    for (std::string name; names >> name;)
      if (name.find('-') != std::string::npos && name.front() != '-')
        told.insert(name.substr(0, name.find(',')));
  }
  CHECK_GT(helped.size(), 20);
  for (const auto& name : helped)
    CHECK_MESSAGE(told.contains(name), name);
  for (const auto& name : told)
    CHECK_MESSAGE(helped.contains(name), name);
}

TEST_CASE("a command that is not there is named") {
  for (const auto* program : {MUSTER_PROGRAM, MUSTER_COORDINATOR_PROGRAM}) {
    auto answer = run(program, "frobnicate");
    CHECK_EQ(answer.status, 1);
    CHECK_NE(answer.text.find("frobnicate"), std::string::npos);
    CHECK_NE(answer.text.find("--help"), std::string::npos);
  }
  auto answer = run(MUSTER_PROGRAM, "install --service x");
  CHECK_EQ(answer.status, 1);
  CHECK_NE(answer.text.find("install"), std::string::npos);
}
