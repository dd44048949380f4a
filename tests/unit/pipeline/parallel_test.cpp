#include "tests/unit/pipeline/parsed.hpp"

using namespace muster::gitlab;
using namespace muster::test;

namespace {

std::vector<std::string> names(const pipeline_file& file) {
  std::vector<std::string> out;
  for (const auto& x : file.jobs)
    out.push_back(x.name);
  return out;
}

} // namespace

TEST_CASE("parallel makes numbered jobs that know their place") {
  auto file = parsed("job: {script: x, parallel: 3}\n");
  CHECK_EQ(names(file),
           std::vector<std::string>{"job 1/3", "job 2/3", "job 3/3"});
  CHECK_EQ(file.jobs[1].base, "job");
  CHECK_EQ(file.jobs[1].spec["node_index"], 2);
  CHECK_EQ(file.jobs[1].spec["node_total"], 3);
  CHECK_EQ(names(parsed("job: {script: x, parallel: 1}\n")),
           std::vector<std::string>{"job 1/1"});
}

TEST_CASE("a matrix makes a job of each combination, named as GitLab does") {
  auto file = parsed(R"(
deploy:
  script: x
  variables: {B: own}
  parallel:
    matrix:
      - A: [one, two]
        B: [x, y]
      - A: three
)");
  CHECK_EQ(names(file),
           std::vector<std::string>{"deploy: [one, x]", "deploy: [one, y]",
                                    "deploy: [two, x]", "deploy: [two, y]",
                                    "deploy: [three]"});
  CHECK_EQ(file.jobs[3].spec["variables"]["A"], "two");
  CHECK_EQ(file.jobs[3].spec["variables"]["B"], "y");
  CHECK_EQ(file.jobs[4].spec["variables"]["B"], "own");
  CHECK_EQ(file.jobs[4].spec["node_index"], 5);
}

TEST_CASE("rules see the variables of their combination") {
  auto file = parsed(R"(
job:
  script: x
  parallel: {matrix: [{A: [one, two]}]}
  rules: [{if: '$A == "two"'}]
)");
  CHECK_EQ(names(file), std::vector<std::string>{"job: [two]"});
}

TEST_CASE("needs mean all of them, or those that are named") {
  auto file = parsed(R"(
build: {stage: build, script: x, parallel: {matrix: [{A: [one, two]}]}}
all: {script: x, needs: [build]}
some:
  script: x
  needs: [{job: build, parallel: {matrix: [{A: two}]}}]
by_name: {script: x, needs: ["build: [one]"]}
)");
  CHECK_EQ(job_named(file, "all").needs, std::vector<size_t>{0, 1});
  CHECK_EQ(job_named(file, "some").needs, std::vector<size_t>{1});
  CHECK_EQ(job_named(file, "by_name").needs, std::vector<size_t>{0});
}

TEST_CASE("what parallel cannot be is said") {
  for (const auto* value :
       {"0", "201", "many", "{}", "{matrix: []}", "{matrix: [{}]}",
        "{matrix: [{A: [[x]]}]}", "{matrix: [{A: []}]}", "[2]"}) {
    CAPTURE(value);
    auto text
      = refused(std::string{"job: {script: x, parallel: "} + value + "}\n");
    CHECK_NE(text.find("error ci.yml:1:"), std::string::npos);
  }
  std::string many;
  for (int i = 0; i < 15; ++i)
    many += (i == 0 ? "" : ", ") + std::to_string(i);
  CHECK_NE(refused("job: {script: x, parallel: {matrix: [{A: [" + many
                   + "], B: [" + many + "]}]}}\n")
             .find("more than 200"),
           std::string::npos);
}
