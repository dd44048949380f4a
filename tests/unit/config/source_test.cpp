#include "config/load.hpp"
#include "config/source.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace muster;

TEST_CASE("what cannot be a configuration file is refused with its reason") {
  std::string folder
    = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  auto pipe = folder + "/pipe";
  REQUIRE_EQ(mkfifo(pipe.c_str(), 0600), 0);
  auto huge = folder + "/huge";
  std::ofstream{huge} << std::string((size_t{4} << 20) + 1, '#');
  auto full = folder + "/good.toml";
  std::ofstream{full} << "concurrent = 3\n";
  auto locked = folder + "/locked.toml";
  std::ofstream{locked} << "concurrent = 3\n";
  chmod(locked.c_str(), 0);
  struct row {
    std::string path;
    const char* expected;
  };
  const row rows[] = {
    {folder, "it is a folder"},           {pipe, "not a regular file"},
    {huge, "larger than 4 MiB"},          {folder + "/none", "No such file"},
    {full + "/below", "Not a directory"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.path);
    auto loaded = load_config(r.path);
    CHECK(!loaded.passed);
    REQUIRE_EQ(loaded.diagnostics.size(), 1);
    CHECK_EQ(loaded.diagnostics[0].level, severity::fatal);
    CHECK_NE(loaded.diagnostics[0].message.find(r.expected), std::string::npos);
  }
  CHECK(load_config(full).passed);
  if (geteuid() != 0)
    CHECK(!load_config(locked).passed);
  load_options lenient;
  lenient.missing_is_empty = true;
  auto empty = load_config(folder + "/none", lenient);
  CHECK(empty.passed);
  CHECK_EQ(empty.value.concurrent, 1);
  CHECK(!load_config(folder, lenient).passed);
  std::filesystem::remove_all(folder);
}

TEST_CASE("bytes that are not UTF-8 are found with their place") {
  for (const auto* bad : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    auto fault = find_source_fault(std::string{"a = 1\nb\xc3\xa4 = \""} + bad);
    REQUIRE(fault);
    CHECK_EQ(fault->line, 2);
    CHECK_EQ(fault->column, 7);
  }
  CHECK(!find_source_fault("a = \"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""));
}

TEST_CASE("nesting that would exhaust the stack is found before parsing") {
  auto repeat = [](std::string_view text, int times) {
    std::string into;
    for (int i = 0; i < times; ++i)
      into += text;
    return into;
  };
  for (const auto& deep :
       {"[" + repeat("a.", 100'000) + "a]", repeat("a . ", 50'000) + "a = 1",
        "x = " + repeat("[", 100'000), "x = " + repeat("{a=", 100'000),
        repeat("\"a.b\".", 50'000) + "a = 1"}) {
    CHECK(find_source_fault(deep));
    auto loaded = parse_config(deep, "f");
    CHECK(!loaded.passed);
  }
  CHECK(!find_source_fault("a = \"" + repeat("a.", 1000) + "\""));
  CHECK(!find_source_fault("a = \"\"\"\n" + repeat("[{a.\n", 1000) + "\"\"\""));
  CHECK(!find_source_fault("a = '''" + repeat("[", 1000) + "'''''"));
  CHECK(!find_source_fault("# " + repeat("a.[", 1000)));
  CHECK(!find_source_fault(repeat("a = [1.5, 2.5]\n", 100)));
}

TEST_CASE("a pipe is read to its end where it may be one") {
  int ends[2];
  REQUIRE_EQ(pipe(ends), 0);
  auto path = "/dev/fd/" + std::to_string(ends[0]);
  CHECK_FALSE(read_source(path));
  const std::string part(100'000, 'x');
  std::thread writer{[&] {
    for (int i = 0; i < 3; ++i)
      CHECK_EQ(write(ends[1], part.data(), part.size()),
               static_cast<ssize_t>(part.size()));
    close(ends[1]);
  }};
  auto got = read_source(path, source_kind::pipe);
  writer.join();
  close(ends[0]);
  REQUIRE(got);
  CHECK(*got == part + part + part);
}

TEST_CASE("lines within strings over several lines are recognised") {
  const auto* text = "a = \"\"\"\nin \\\"\"\"\nstill\n\"\"\"\nb = '''x\n'''\nc";
  const bool expected[] = {false, true, true, true, false, true, false};
  for (size_t line = 1; line <= 7; ++line) {
    CAPTURE(line);
    CHECK_EQ(begins_inside_string(text, line), expected[line - 1]);
  }
  CHECK(!begins_inside_string("", 3));
}
