#include "executors/helper/stage_report.hpp"

#include "executors/helper/unique_fd.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>

using namespace muster;
using namespace muster::helper;

TEST_CASE("a text for people is cut, and none of its characters in two") {
  struct row {
    const char* what;
    std::string text;
    std::string expected;
  };
  const row rows[] = {
    {"short", "no such image", "no such image"},
    {"just short enough", std::string(4'096, 'x'), std::string(4'096, 'x')},
    {"long", std::string(4'097, 'x'), std::string(4'096, 'x') + "..."},
    {"in a character", std::string(4'094, 'x') + "\u20ac",
     std::string(4'094, 'x') + "..."},
    {"behind a character", std::string(4'093, 'x') + "\u20acy",
     std::string(4'093, 'x') + "\u20ac..."},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(clipped(r.text), r.expected);
  }
}

TEST_CASE("the text of a stage's result is no longer than helps people") {
  unique_fd file{::memfd_create("report", MFD_CLOEXEC)};
  stage_report report{file.get()};
  report.begin_stage();
  report.add({plan_outcome::image_missing, 0, std::string(150'000, 'x')});
  auto said = report.result();
  REQUIRE(said.has_value());
  CHECK_EQ(said->outcome, plan_outcome::image_missing);
  CHECK_LT(said->text.size(), 5'000);
}
