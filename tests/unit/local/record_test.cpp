#include "providers/local/record.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::local;

namespace {

instance_record example() {
  instance_record out;
  out.id = "local-0123abcd";
  out.process = {4711, 18'446'744'073, "b7c1"};
  out.port = 65'535;
  out.isolated = true;
  out.created_at = 1'700'000'000;
  out.created_ms = 12'345'678;
  return out;
}

} // namespace

TEST_CASE("an instance.json is read as it was written") {
  auto again = parse_record(to_json(example()));
  REQUIRE(again.has_value());
  CHECK(*again == example());
}

TEST_CASE(
  "an instance.json that is not whole is damaged, whatever is missing") {
  auto whole = to_json(example());
  REQUIRE_EQ(whole.back(), '\n');
  for (size_t size = 0; size + 1 < whole.size(); ++size) {
    CAPTURE(size);
    auto record = parse_record(whole.substr(0, size));
    REQUIRE_FALSE(record.has_value());
    CHECK_EQ(record.error().code, provider_errc::call_failed);
  }
}

TEST_CASE("an instance.json with a value out of range is damaged") {
  struct row {
    const char* from;
    const char* to;
  };
  const row rows[] = {
    {R"("port": 65535)", R"("port": 65536)"},
    {R"("port": 65535)", R"("port": -1)"},
    {R"("port": 65535)", R"("port": "22")"},
    {R"("pid": 4711)", R"("pid": 99999999999)"},
    {R"("pid": 4711)", R"("pid": -1)"},
    {R"("isolated": true)", R"("isolated": 1)"},
    {R"("id": ")", R"("ids": ")"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.to);
    auto text = to_json(example());
    auto at = text.find(r.from);
    REQUIRE_NE(at, std::string::npos);
    text.replace(at, std::string{r.from}.size(), r.to);
    CHECK_FALSE(parse_record(text).has_value());
  }
}

TEST_CASE(
  "an instance.json of a newer version is refused, not called damaged") {
  auto record = parse_record(R"({"version": 2, "new": []})");
  REQUIRE_FALSE(record.has_value());
  CHECK_EQ(record.error().code, provider_errc::bad_config);
  CHECK_NE(record.error().text.find("version 2"), std::string::npos);
}
