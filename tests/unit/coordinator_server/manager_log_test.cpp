#include "tools/coordinator/manager_log.hpp"

#include "config/log.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace muster;
using namespace muster::gitlab;

namespace {

std::string line(std::string_view format, const std::string& message,
                 const log::fields& with) {
  return log::format_line(format, log::level::info, message, with, 0) + "\n";
}

std::string dialing(std::string_view format, const std::string& job,
                    const std::string& instance, const std::string& slot) {
  return line(format, "Dialing instance",
              {{"job", job}, {"instance", instance}, {"slot", slot}});
}

} // namespace

TEST_CASE("places of jobs are read from what a manager logs") {
  auto log = line("json", "Configuration loaded", {{"builds", "0"}})
             + dialing("json", "1", "i-1", "0")
             + dialing("json", "2", "i-1", "12");
  auto places = job_places(log);
  REQUIRE_EQ(places.size(), 2);
  CHECK_EQ(places[1], job_place{"i-1", "0"});
  CHECK_EQ(places[2], job_place{"i-1", "12"});
}

TEST_CASE("of two lines about a job the later counts") {
  auto log
    = dialing("json", "1", "i-1", "0") + dialing("json", "1", "i-2", "3");
  CHECK_EQ(job_places(log)[1], job_place{"i-2", "3"});
}

TEST_CASE("what is no such line is passed over") {
  for (const auto& log :
       {std::string{}, std::string{"\n\n"}, std::string{"Dialing instance\n"},
        std::string{R"({"msg": "Dialing instance")"},
        std::string{R"(["Dialing instance"])"},
        std::string{R"({"msg": "Dialing instance", "job": "x"})"},
        std::string{R"({"msg": 3, "job": 1, "x": "Dialing instance"})"},
        dialing("runner", "1", "i-1", "0"), dialing("text", "1", "i-1", "0")}) {
    CAPTURE(log);
    CHECK(job_places(log).empty());
  }
}

TEST_CASE("a last line without its end is read, half a line is not") {
  auto whole = dialing("json", "1", "i-1", "0");
  whole.pop_back();
  CHECK_EQ(job_places(whole).size(), 1);
  whole.pop_back();
  CHECK(job_places(whole).empty());
}
