#include "tests/unit/pipeline/parsed.hpp"

#include <chrono>

using namespace muster::gitlab;
using namespace muster::test;

TEST_CASE("aliases that multiply are refused before they fill the memory") {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    auto last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k)
      text += (k == 0 ? "" : ", ") + last;
    text += "]\n";
  }
  CHECK_NE(refused(text).find("too many"), std::string::npos);
}

TEST_CASE("one long text that is used often is refused") {
  std::string text
    = ".a: &a " + std::string(500'000, 'x') + "\njob:\n  script:\n";
  for (int i = 0; i < 1000; ++i)
    text += "    - *a\n";
  CHECK_NE(refused(text).find("too many"), std::string::npos);
}

TEST_CASE("references and extends that multiply are refused") {
  std::string text = ".r0: {script: [x, x, x, x, x, x, x, x, x, x]}\n";
  for (int i = 1; i < 10; ++i) {
    text += ".r" + std::to_string(i) + ": {script: [";
    for (int k = 0; k < 10; ++k)
      text += std::string{k == 0 ? "" : ", "} + "!reference [.r"
              + std::to_string(i - 1) + ", script]";
    text += "]}\n";
  }
  CHECK_NE(refused(text + "job: {script: !reference [.r9, script]}\n")
             .find("too many"),
           std::string::npos);
  text = ".base: {script: x, variables: {";
  for (int i = 0; i < 1500; ++i)
    text += "V" + std::to_string(i) + ": x, ";
  text += "}}\n";
  for (int i = 0; i < 400; ++i)
    text += "job" + std::to_string(i) + ": {extends: .base}\n";
  CHECK_NE(refused(text).find("too many"), std::string::npos);
}

TEST_CASE("a chain of many bases at each level is read once each") {
  std::string text = ".e0: {script: [x]}\n";
  for (int i = 1; i < 10; ++i) {
    text += ".e" + std::to_string(i) + ": {extends: [";
    for (int k = 0; k < 10; ++k)
      text += (k == 0 ? ".e" : ", .e") + std::to_string(i - 1);
    text += "]}\n";
  }
  CHECK(has_job(parsed(text + "job: {extends: .e9}\n"), "job"));
}

TEST_CASE("depth, width and size have their limits") {
  auto begin = std::chrono::steady_clock::now();
  refused("job: " + std::string(100'000, '[') + "\n");
  refused(std::string(100'000, '{'));
  CHECK_NE(refused("job: {script: " + std::string(70, '[')
                   + std::string(70, ']') + "}\n")
             .find("too deep"),
           std::string::npos);
  CHECK_NE(refused("job: {script: " + std::string(30, '[') + "x"
                   + std::string(30, ']') + "}\n")
             .find("lists in lists"),
           std::string::npos);
  std::string wide;
  for (int i = 0; i < 3000; ++i)
    wide += "k" + std::to_string(i) + ": x\n";
  CHECK_NE(refused(wide).find("more than 2000 keys"), std::string::npos);
  CHECK_NE(refused(std::string(3'000'000, '#')).find("2 MiB"),
           std::string::npos);
  std::string many;
  for (int i = 0; i < 501; ++i)
    many += "j" + std::to_string(i) + ": {script: x}\n";
  CHECK_NE(refused(many).find("more than 500 jobs"), std::string::npos);
  CHECK_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{60});
}

TEST_CASE("variables that grow without end are refused or cut off") {
  std::string text = "variables:\n  X0: xxxxxxxxxxxxxxxxxxxx\n";
  for (int i = 1; i < 9; ++i) {
    text += "  X" + std::to_string(i) + ": ";
    for (int k = 0; k < 50; ++k)
      text += "$X" + std::to_string(i - 1);
    text += "\n";
  }
  auto read = parse_pipeline(text + "job: {script: x}\n", push_to_main());
  CHECK(read.file.jobs.size() <= 1);
}

TEST_CASE("bytes that are no YAML, or no text, end in a message") {
  for (const std::string& text :
       {std::string{"\0\0\0", 3}, std::string{"\xff\xfe\x00j", 4},
        std::string{"job: {script: \"\xc3\x28\"}\n"},
        std::string{"%YAML 9.9\n---\n"}, std::string{"? [a, b]\n: c\n"},
        std::string{"<<: 1\njob: {script: x}\n"}, std::string{"&a [*a]\n"},
        std::string{"a: &a {b: *a}\n"}, std::string{"--- a\n--- b\n"},
        std::string{"\tjob: x\n"}}) {
    CAPTURE(text);
    auto read = parse_pipeline(text, push_to_main());
    for (const auto& what : read.notes.diagnostics()) {
      CHECK_FALSE(what.message.empty());
      CHECK_FALSE(read.notes.shown(what).empty());
    }
  }
}

TEST_CASE("text that yaml-cpp never gets past is refused") {
  for (const auto* text : {",", ",\"\"!", "\n  ,a: b", "--- ,", ", {}"}) {
    CAPTURE(text);
    CHECK_NE(refused(text), "");
  }
  CHECK_NE(refused(" ,").find(":1:2: no value can begin here"),
           std::string::npos);
}

TEST_CASE("a header with inputs is named, and not taken for the pipeline") {
  CHECK_NE(refused("spec:\n  inputs:\n    a:\n---\njob: {script: x}\n")
             .find("spec:inputs"),
           std::string::npos);
  CHECK_NE(refused("spec: {inputs: {}}\njob: {script: x}\n")
             .find("\"spec\" in the file is not supported here"),
           std::string::npos);
}
