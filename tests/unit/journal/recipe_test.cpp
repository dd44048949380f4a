#include "actors/journal/recipe.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace muster;

namespace {

log_recipe full() {
  log_recipe x;
  x.base_us = 1'790'000'000'000'001;
  x.socket_path = "/home/ci/.cache/muster/run-1/socket";
  x.project = 4'000'000'000;
  x.timeout_ms = 3'600'000;
  x.prepare_timeout_ms = 60'000;
  x.get_sources_timeout_ms = 120'000;
  x.failure_reasons = {"job_canceled"};
  x.debug_trace = true;
  x.sections = true;
  x.stages
    = {{"step_script", "Executing", stage_phase::step, 3, false, "by policy\n"},
       {"cleanup", "Cleaning", stage_phase::cleanup, 1, true, {}, true}};
  x.masked = {secret{std::string{"any \0 byte \xff", 13}}, secret{"other"}};
  x.token_prefixes = {"glpat-"};
  x.mask_all_default_tokens = false;
  x.timestamps = false;
  x.limit_bytes = 4'194'304;
  return x;
}

} // namespace

TEST_CASE(
  "a recipe and lines are read as they were written, any byte in them") {
  CHECK(decode_recipe(encode(full())) == full());
  std::vector<manager_line> lines{{1, -5, secret{std::string{"\xc3 \0\n", 4}}},
                                  {4, 1LL << 60, secret{}}};
  CHECK(decode_lines(encode(lines)) == lines);
  CHECK(decode_lines(encode(std::vector<manager_line>{}))->empty());
}

TEST_CASE("bytes that are no recipe are none") {
  auto whole = encode(full());
  for (size_t i = 0; i < whole.size(); ++i)
    CHECK_FALSE(decode_recipe(std::string_view{whole}.substr(0, i)));
  CHECK_FALSE(decode_recipe("a recipe"));
  CHECK_FALSE(decode_lines(whole));
}

TEST_CASE("a recipe of another version is read as far as it is known, never "
          "without its masks") {
  auto written = nlohmann::json::from_cbor(encode(full()));
  auto read = [](const nlohmann::json& x) {
    auto bytes = nlohmann::json::to_cbor(x);
    return decode_recipe(
      {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  auto newer = written;
  newer["of a later version"] = {1, 2};
  newer["stages"][0]["of a later version"] = true;
  CHECK(read(newer) == full());
  auto older = written;
  older.erase("debug_trace");
  REQUIRE(read(older));
  CHECK_FALSE(read(older)->debug_trace);
  auto unmasked = written;
  unmasked.erase("masked");
  CHECK_FALSE(read(unmasked));
}
