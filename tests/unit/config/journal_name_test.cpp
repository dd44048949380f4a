#include "config/journal_name.hpp"

#include <doctest/doctest.h>

using namespace muster;

namespace {

runner_config runner(const char* name, const char* token, int64_t id = 0) {
  runner_config x;
  x.name = name;
  x.url = "u";
  x.token = secret{token};
  x.id = id;
  return x;
}

std::vector<std::string> names_of(std::vector<runner_config> runners) {
  tell_apart(runners);
  std::vector<std::string> out;
  for (const auto& x : runners)
    out.push_back(journal_name(x));
  return out;
}

using names = std::vector<std::string>;

} // namespace

TEST_CASE("runners that GitLab takes for one have names of their own in the "
          "journal") {
  CHECK_EQ(names_of({runner("a", "glrt-1"), runner("b", "glrt-2")}),
           names{"u|1", "u|2"});
  CHECK_EQ(names_of({runner("a", "glrt-1"), runner("b", "glrt-1"),
                     runner("c", "glrt-2")}),
           names{"u|1|a", "u|1|b", "u|2"});
  CHECK_EQ(names_of({runner("a", "glrt-1"), runner("a", "glrt-1")}),
           names{"u|1|a", "u|1|a#2"});
  CHECK_EQ(names_of({runner("", "glrt-1"), runner("", "glrt-1")}),
           names{"u|1|#1", "u|1|#2"});
  CHECK_EQ(names_of({runner("a", "glrt-1", 7), runner("b", "glrt-2", 7)}),
           names{"u|#7|a", "u|#7|b"});
}

TEST_CASE("the order of the file does not say which of two runners is which") {
  auto one = runner("a", "glrt-1");
  auto two = runner("b", "glrt-1");
  CHECK_EQ(names_of({one, two}), names{"u|1|a", "u|1|b"});
  CHECK_EQ(names_of({two, one}), names{"u|1|b", "u|1|a"});
}

TEST_CASE("jobs find their runner when it has got or lost a double") {
  auto renames = [](const std::set<std::string>& written,
                    std::vector<runner_config> runners) {
    tell_apart(runners);
    return journal_renames(written, runners);
  };
  using map = std::map<std::string, std::string>;
  std::vector both{runner("a", "glrt-1"), runner("b", "glrt-1")};
  CHECK_EQ(renames({"u|1"}, both), map{{"u|1", "u|1|a"}});
  CHECK_EQ(renames({"u|1|b", "u|1|a"}, both), map{});
  CHECK_EQ(renames({"u|1|b"}, {runner("a", "glrt-1")}), map{{"u|1|b", "u|1"}});
  CHECK_EQ(renames({"u|1|b"}, {runner("z", "glrt-12")}), map{});
  CHECK_EQ(renames({"u|other"}, both), map{});
}
