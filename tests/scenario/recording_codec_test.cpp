#include "actors/recorder/codec.hpp"
#include "actors/recorder/varint.hpp"
#include "actors/recorder/words.hpp"
#include "messages/errors.hpp"
#include "tests/scenario/recording_filler.hpp"
#include "tests/support/virtual_system.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace muster;

namespace {

struct context : writing_context {
  secret_book book{hash_key{1, 2}};
  std::map<uint64_t, uint32_t> numbers;

  uint32_t number_of(uint64_t actor, const std::string&) const override {
    auto found = numbers.find(actor);
    return found == numbers.end() ? 0 : found->second;
  }

  secret_book& secrets() override {
    return book;
  }
};

std::vector<std::string> type_names() {
  std::vector<std::string> out;
  for (auto x : message_type_names())
    out.emplace_back(x);
  return out;
}

template <class T>
std::string written(const T& what, context& with) {
  std::string out;
  auto message = caf::make_message(what);
  write_message(out, message.content(), with);
  return out;
}

read_message_result read(std::string_view bytes) {
  return read_message(bytes, type_names(), [](uint64_t number) {
    static const std::string role = "runner:a/job:7";
    return number == 7 ? &role : nullptr;
  });
}

std::string number_of(std::string_view name) {
  const auto& names = message_type_names();
  auto at = std::find(names.begin(), names.end(), name) - names.begin();
  std::string out;
  put_varint(out, static_cast<uint64_t>(at));
  return out;
}

} // namespace

TEST_CASE("every message comes back as it was, but for handles and scripts") {
  test::filler fill;
  fill.has_scripts = false;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    fill.random.seed(seed);
    size_t types = 0;
    test::for_each_type([&](auto x) {
      ++types;
      context with;
      uint64_t secrets = 0;
      // In the order in which they are numbered.
      fill.sealed = [&] { return fmt::format("#{}", ++secrets); };
      fill.text = [&] { return fmt::format("text {}", fill.random() % 100); };
      fill.put(x);
      auto bytes = written(x, with);
      auto back = read(bytes);
      CAPTURE(back.type);
      CHECK_EQ(back.problem, "");
      REQUIRE_EQ(back.what.size(), 1);
      // Else its header is missing in actors/recorder/meson.build.
      CHECK_EQ(json_of(back.what).dump().find("field_"), std::string::npos);
      CHECK_EQ(json_of(back.what).dump(), json_of(caf::make_message(x)).dump());
    });
    CHECK_EQ(types, message_type_names().size());
  }
}

TEST_CASE("bytes that are no message are told, wherever they go wrong") {
  test::filler fill;
  fill.random.seed(7);
  fill.sealed = fill.text = [] { return "some text"; };
  test::for_each_type([&](auto x) {
    context with;
    fill.put(x);
    auto bytes = written(x, with);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      auto back = read(std::string_view{bytes}.substr(0, cut));
      CHECK_FALSE(back.problem.empty());
      CHECK(back.what.empty());
    }
    for (int i = 0; i < 200; ++i) {
      auto broken = bytes;
      broken[fill.random() % broken.size()] = static_cast<char>(fill.random());
      auto back = read(broken); // whatever it is, it is read or told
      CHECK_EQ(back.what.empty(), !back.problem.empty());
    }
  });
}

TEST_CASE("a few bytes cannot ask for much memory") {
  std::string bytes = number_of("left_jobs");
  bytes.push_back(2);             // fields
  put_varint(bytes, 10'000'000);  // jobs, of which each is
  bytes.append(10'000'000, '\0'); // one without fields
  auto back = read(bytes);
  CHECK_EQ(back.problem, "it is larger than any message of muster's");
}

TEST_CASE("fields that an earlier muster did not have are as by default") {
  auto bytes = number_of("dial");
  bytes.push_back(1);
  put_text(bytes, "i-1");
  auto back = read(bytes);
  CHECK_EQ(back.problem, "");
  REQUIRE(back.what.match_elements<dial>());
  CHECK_EQ(back.what.get_as<dial>(0).instance, instance_id{"i-1"});
  CHECK_EQ(back.what.get_as<dial>(0).failure_threshold, 3);
}

TEST_CASE("what a later muster has recorded is told to be so") {
  auto bytes = number_of("vacate_slot");
  bytes.push_back(2);
  put_text(bytes, "key");
  bytes.push_back(1);
  CHECK_EQ(read(bytes).problem, "it has fields that this muster does not know: "
                                "a newer one has recorded it");
  std::string other;
  put_varint(other, 0);
  auto back = read_message(other, {"beam_up"}, {});
  CHECK_EQ(back.type, "beam_up");
  CHECK_EQ(back.problem, "this muster knows no message of the type beam_up: "
                         "another version has recorded it");
}

TEST_CASE("types are found by their names, whatever their numbers were") {
  context with;
  auto bytes = written(vacate_slot{acquisition_key{"a"}}, with);
  std::string_view fields{bytes};
  uint64_t number = 0;
  REQUIRE(take_varint(fields, number));
  auto back = read_message(std::string{"\x01"} + std::string{fields},
                           {"occupy_slot", "vacate_slot"}, {});
  CHECK(back.what.match_elements<vacate_slot>());
}

TEST_CASE("peers are their roles, and no handle is kept alive for them") {
  test::virtual_system world;
  context with;
  auto ghost = world.sys.spawn(
    [](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; });
  world.run();
  with.numbers[ghost.id()] = 7;
  auto weak = caf::actor_cast<caf::weak_actor_ptr>(ghost);
  auto bytes
    = written(occupy_slot{acquisition_key{"a"}, {"job:7", ghost}}, with);
  ghost = nullptr;
  CHECK(caf::actor_cast<caf::strong_actor_ptr>(weak) == nullptr);
  auto back = read(bytes);
  REQUIRE(back.what.match_elements<occupy_slot>());
  const auto& holder = back.what.get_as<occupy_slot>(0).holder;
  CHECK_EQ(holder.role, "runner:a/job:7");
  CHECK_FALSE(static_cast<bool>(holder.handle));
}

TEST_CASE("downs and exits stand for themselves, with roles") {
  test::virtual_system world;
  context with;
  auto other = world.spawn_idle();
  with.numbers[other.id()] = 7;
  auto down = written(
    caf::down_msg{other.address(),
                  error_of(instance_errc::removed_externally, "it is gone")},
    with);
  auto back = read(down);
  REQUIRE(back.what.match_elements<peer_down>());
  CHECK_EQ(back.what.get_as<peer_down>(0).who.role, "runner:a/job:7");
  CHECK(
    is(back.what.get_as<peer_down>(0).why, instance_errc::removed_externally));
  CHECK_EQ(text_of(back.what.get_as<peer_down>(0).why), "it is gone");
  auto exit
    = written(caf::exit_msg{nullptr, caf::exit_reason::user_shutdown}, with);
  auto told = read(exit);
  REQUIRE(told.what.match_elements<exit_told>());
  CHECK_EQ(told.what.get_as<exit_told>(0).who.role, "");
  CHECK(told.what.get_as<exit_told>(0).why == caf::exit_reason::user_shutdown);
  auto foreign = read(written(42, with));
  CHECK(foreign.what.match_elements<foreign_message>());
}

TEST_CASE("equal scripts are told from others, and none is written") {
  context with;
  job_offer one;
  one.jobs.resize(1);
  one.jobs[0].steps = {{"script", {"echo hidden", "exit 1"}}};
  auto two = one;
  auto other = one;
  other.jobs[0].steps[0].script[1] = "exit 2";
  auto bytes = written(one, with);
  CHECK_EQ(bytes.find("hidden"), std::string::npos);
  CHECK_EQ(bytes, written(two, with));
  CHECK_NE(bytes, written(other, with));
}
