#include "executors/helper/frames.hpp"

#include <doctest/doctest.h>
#include <random>
#include <vector>

using namespace muster;
using namespace muster::frames;

namespace {

job_plan full_plan() {
  job_plan plan;
  plan.key = std::string{"key\0with\xff bytes", 15};
  plan.shell = "bash";
  plan.timeout_ms = 3'600'000;
  plan.steps_timeout_ms = 60'000;
  plan.temp_dir = "builds/x.tmp";
  stage_plan stage;
  stage.name = "get_sources";
  stage.heading = "Getting source from Git repository";
  stage.script = std::string(100'000, 's');
  stage.condition = stage_condition::on_failure;
  stage.phase = stage_phase::archive;
  stage.attempts_max = 3;
  stage.before_retry = "rm -rf x";
  stage.timeout_ms = -1;
  stage.failure_counts = false;
  stage.status_variable = true;
  stage.retry_pause_ms = 7;
  stage.retry_pause_max_ms = 8;
  plan.stages = {stage, {}};
  return plan;
}

image_request full_image(const char* name) {
  image_request x;
  x.name = name;
  x.platform = "linux/arm64/v8";
  x.policies = {pull_policy::never, pull_policy::always};
  x.kept = true;
  x.auth = secret{"auth"};
  x.auth_source = "$DOCKER_AUTH_CONFIG";
  return x;
}

job_plan plan_with_containers() {
  auto plan = full_plan();
  plan.stages[0].place = stage_place::engine;
  plan.stages[1].place = stage_place::build;
  auto& x = plan.containers.emplace();
  x.host = "unix:///run/docker.sock";
  x.api_version = "1.41";
  x.job_label = "17";
  x.helper = {"predefined", full_image("helper:{arch}"), secret{"{}"}};
  x.build = {"build", full_image("ruby"), secret{R"({"Env":[]})"}};
  x.services = {{{"postgres", full_image("postgres"), secret{"{}"}},
                 "postgres:16",
                 {"postgres", "db"}}};
  x.volumes = {{"cache", "/cache", "{}", true}};
  x.network = network_request{"net", "{}"};
  x.services_timeout_ms = -1;
  x.services_logs = true;
  x.keep_anonymous_volumes = true;
  x.given_to_user = {"/builds/a", "/builds/a.tmp"};
  return plan;
}

/// A plan as a manager of version 1 may send it.
job_plan plan_v1() {
  auto plan = full_plan();
  plan.steps_timeout_ms = 0;
  plan.stages[0].condition = stage_condition::after_steps;
  plan.stages[0].phase = stage_phase::cleanup;
  return plan;
}

/// One frame of each type that decoders return, in the order of their numbers.
std::vector<frame> one_of_each() {
  return {hello{7},
          run_v1{plan_v1()},
          attach{"a", 1ull << 40},
          cancel{"b", cancel_mode::now},
          clean{"c"},
          ping{},
          welcome{1, "build"},
          accepted{"d"},
          refused{"e", helper_errc::unknown_key, "why"},
          cleaned{"f", true, "text"},
          pong{},
          stage_begun{1, -2, 3, 4},
          output{5, 6, output_stream::err, "bytes"},
          stage_ended{7, 8, 9, 2, plan_outcome::timed_out, 137, "late"},
          job_ended{10, 11, plan_outcome::broken, 1, -1, 99, "lost"},
          run{full_plan()},
          run_containers{plan_with_containers()},
          pack{}};
}

std::optional<frame> decoded(std::string_view bytes) {
  decoder from;
  from.feed(bytes);
  auto x = from.next();
  return x ? *x : std::nullopt;
}

} // namespace

TEST_CASE("a frame of each type comes back as it was sent") {
  auto all = one_of_each();
  REQUIRE_EQ(all.size() + 1, std::variant_size_v<frame>);
  for (size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    CHECK_EQ(all[i].index(), i);
    auto bytes = encode(all[i]);
    CHECK_EQ(static_cast<size_t>(bytes[4]), i + 1);
    auto back = decoded(bytes);
    REQUIRE(back.has_value());
    CHECK_EQ(back->index(), i);
    CHECK_EQ(encode(*back), bytes);
  }
}

TEST_CASE("a plan keeps all of its fields") {
  auto back = decoded(encode(run{full_plan()}));
  REQUIRE(back.has_value());
  const auto& plan = std::get<run>(*back).plan;
  auto expected = full_plan();
  CHECK_EQ(plan.key, expected.key);
  CHECK_EQ(plan.shell, expected.shell);
  CHECK_EQ(plan.timeout_ms, expected.timeout_ms);
  CHECK_EQ(plan.steps_timeout_ms, 60'000);
  CHECK_EQ(plan.temp_dir, expected.temp_dir);
  REQUIRE_EQ(plan.stages.size(), 2);
  const auto& stage = plan.stages[0];
  CHECK_EQ(stage.name, expected.stages[0].name);
  CHECK_EQ(stage.heading, expected.stages[0].heading);
  CHECK_EQ(stage.script, expected.stages[0].script);
  CHECK_EQ(stage.condition, stage_condition::on_failure);
  CHECK_EQ(stage.phase, stage_phase::archive);
  CHECK_EQ(stage.attempts_max, 3);
  CHECK_EQ(stage.before_retry, "rm -rf x");
  CHECK_EQ(stage.timeout_ms, -1);
  CHECK_FALSE(stage.failure_counts);
  CHECK(stage.status_variable);
  CHECK_EQ(stage.retry_pause_ms, 7);
  CHECK_EQ(stage.retry_pause_max_ms, 8);
}

TEST_CASE("a plan keeps its containers, and is said in the lowest version") {
  CHECK_EQ(version_of(full_plan()), 2);
  CHECK(std::holds_alternative<run>(run_of(full_plan())));
  CHECK_EQ(version_of(plan_with_containers()), version);
  auto back = decoded(encode(run_of(plan_with_containers())));
  REQUIRE(back.has_value());
  const auto& plan = std::get<run_containers>(*back).plan;
  CHECK_EQ(plan.stages[0].place, stage_place::engine);
  CHECK_EQ(plan.stages[1].place, stage_place::build);
  CHECK_EQ(plan.stages[0].script.size(), 100'000);
  REQUIRE(plan.containers.has_value());
  const auto& x = *plan.containers;
  CHECK_EQ(x.host, "unix:///run/docker.sock");
  CHECK_EQ(x.api_version, "1.41");
  CHECK_EQ(x.job_label, "17");
  CHECK_EQ(x.helper.name, "predefined");
  CHECK_EQ(x.helper.image.name, "helper:{arch}");
  CHECK_EQ(x.helper.image.platform, "linux/arm64/v8");
  REQUIRE_EQ(x.helper.image.policies.size(), 2);
  CHECK_EQ(x.helper.image.policies[0], pull_policy::never);
  CHECK(x.helper.image.kept);
  CHECK_EQ(x.helper.image.auth.reveal(), "auth");
  CHECK_EQ(x.helper.image.auth_source, "$DOCKER_AUTH_CONFIG");
  CHECK_EQ(x.build.body.reveal(), R"({"Env":[]})");
  REQUIRE_EQ(x.services.size(), 1);
  CHECK_EQ(x.services[0].container.name, "postgres");
  CHECK_EQ(x.services[0].label, "postgres:16");
  CHECK_EQ(x.services[0].aliases, std::vector<std::string>{"postgres", "db"});
  REQUIRE_EQ(x.volumes.size(), 1);
  CHECK_EQ(x.volumes[0].destination, "/cache");
  CHECK(x.volumes[0].temporary);
  REQUIRE(x.network.has_value());
  CHECK_EQ(x.network->name, "net");
  CHECK_EQ(x.services_timeout_ms, -1);
  CHECK(x.services_logs);
  CHECK(x.keep_anonymous_volumes);
  CHECK_EQ(x.given_to_user.size(), 2);
  CHECK_EQ(x.given_to_user.back(), "/builds/a.tmp");
}

TEST_CASE("an end that only containers have is said by records alone") {
  auto back = decoded(
    encode(stage_ended{1, 2, 3, 1, plan_outcome::dependency_failed, 0, ""}));
  REQUIRE(back.has_value());
  CHECK_EQ(std::get<stage_ended>(*back).outcome,
           plan_outcome::dependency_failed);
  auto bytes
    = encode(job_ended{1, 2, plan_outcome::dependency_failed, 0, 0, 0, ""});
  REQUIRE(decoded(bytes).has_value());
  ++bytes[5 + 16];
  CHECK_FALSE(decoded(bytes).has_value());
}

TEST_CASE("a manager of version 1 is understood, and no more than it knew") {
  auto back = decoded(encode(run_v1{plan_v1()}));
  REQUIRE(back.has_value());
  CHECK_EQ(std::get<run_v1>(*back).plan.stages[0].phase, stage_phase::cleanup);
  CHECK_FALSE(decoded(encode(run_v1{full_plan()})).has_value());
}

TEST_CASE("the layout on the wire does not change") {
  CHECK_EQ(encode(hello{1}), std::string("\x05\0\0\0\x01\x01\0\0\0", 9));
  CHECK_EQ(encode(ping{}), std::string("\x01\0\0\0\x06", 5));
  CHECK_EQ(encode(output{1, 2, output_stream::err, "ab"}),
           std::string("\x14\0\0\0\x0d"
                       "\x01\0\0\0\0\0\0\0"
                       "\x02\0\0\0\0\0\0\0"
                       "\x02"
                       "ab",
                       24));
}

TEST_CASE("append_output writes what encode does") {
  std::string bytes = "before";
  append_output(bytes, 5, 6, output_stream::out, "text");
  CHECK_EQ(bytes, "before" + encode(output{5, 6, output_stream::out, "text"}));
}

TEST_CASE("a stream may be cut anywhere") {
  std::string stream;
  for (const auto& x : one_of_each())
    stream += encode(x);
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  for (int round = 0; round < 50; ++round) {
    decoder from;
    size_t count = 0;
    size_t longest = round < 25 ? 10 : 40'000;
    for (size_t at = 0; at < stream.size();) {
      auto size = std::min(chance() % longest + 1, stream.size() - at);
      from.feed(std::string_view{stream}.substr(at, size));
      at += size;
      for (auto x = from.next();; x = from.next()) {
        REQUIRE(x.has_value());
        if (!*x)
          break;
        CHECK_EQ((*x)->index(), count++);
      }
    }
    CHECK_EQ(count, one_of_each().size());
    CHECK_EQ(from.rest(), "");
  }
}

TEST_CASE("a body that is cut short is a bad frame, never another one") {
  for (const auto& x : one_of_each()) {
    auto bytes = encode(x);
    if (std::holds_alternative<output>(x) || bytes.size() > 60'000)
      continue;
    for (size_t size = 1; size + 4 < bytes.size(); ++size) {
      auto cut = bytes.substr(0, 4 + size);
      cut[0] = static_cast<char>(size);
      cut[1] = cut[2] = cut[3] = 0;
      decoder from;
      from.feed(cut);
      CHECK_FALSE(from.next().has_value());
    }
  }
}

TEST_CASE("impossible frames are refused before their bytes are awaited") {
  struct row {
    const char* what;
    std::string bytes;
  };
  auto plan_head = std::string("\0\0\0\0\0\0\0\0", 8)
                   + std::string("\0\0\0\0\0\0\0\0", 8)
                   + std::string("\0\0\0\0", 4);
  const row rows[] = {
    {"no type", std::string("\0\0\0\0", 4)},
    {"too large", std::string("\x01\0\0\x04", 4)},
    {"type 0", std::string("\x01\0\0\0\0", 5)},
    {"type after the last", std::string("\x01\0\0\0\x14", 5)},
    {"something left over", std::string("\x02\0\0\0\x06\0", 6)},
    {"text longer than its frame",
     std::string("\x05\0\0\0\x05\xff\xff\xff\xff", 9)},
    {"more stages than bytes",
     std::string("\x19\0\0\0\x02", 5) + plan_head + "\xff\xff\xff\x7f"},
    {"cancel mode 2", std::string("\x06\0\0\0\x04\0\0\0\0\x02", 10)},
    {"truth 2", std::string("\x0a\0\0\0\x0a\0\0\0\0\x02\0\0\0\0", 14)},
    {"stream 0", std::string("\x12\0\0\0\x0d", 5) + std::string(17, '\0')},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    decoder from;
    from.feed(r.bytes);
    auto x = from.next();
    REQUIRE_FALSE(x.has_value());
    CHECK_EQ(x.error().code, helper_errc::bad_frame);
    from.feed(encode(ping{}));
    CHECK_FALSE(from.next().has_value());
  }
}

TEST_CASE("more stages than the bound are refused") {
  run many;
  many.plan.stages.resize(stages_max);
  CHECK(decoded(encode(many)).has_value());
  many.plan.stages.resize(stages_max + 1);
  CHECK_FALSE(decoded(encode(many)).has_value());
}

TEST_CASE("damaged bytes never do more than end the stream") {
  std::string stream;
  for (const auto& x : one_of_each())
    stream += encode(x);
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  for (int round = 0; round < 2'000; ++round) {
    auto damaged = stream.substr(0, chance() % 400 + 1);
    if (round % 2 == 0)
      damaged = stream.substr(stream.size() - 400);
    for (int i = 0; i < 4; ++i)
      damaged[chance() % damaged.size()] = static_cast<char>(chance());
    decoder from;
    from.feed(damaged);
    size_t frames_seen = 0;
    for (auto x = from.next(); x && *x; x = from.next())
      ++frames_seen;
    CHECK_LE(frames_seen, damaged.size() / 5);
  }
}

TEST_CASE("packed frames come out as they went in, however they are cut") {
  std::string inside;
  for (uint64_t i = 0; i < 200; ++i)
    inside += encode(output{i, 7, output_stream::out,
                            std::to_string(i) + " lines of a log\n"});
  auto bytes = packed_frame(inside);
  REQUIRE(bytes.has_value());
  CHECK_LT(bytes->size(), inside.size() / 2);
  auto stream = encode(ping{}) + *bytes + encode(pong{});
  for (size_t piece : {size_t{1}, size_t{7}, stream.size()}) {
    CAPTURE(piece);
    decoder from;
    std::string outputs;
    size_t others = 0;
    for (size_t at = 0; at < stream.size(); at += piece) {
      from.feed(std::string_view{stream}.substr(at, piece));
      for (auto x = from.next();; x = from.next()) {
        REQUIRE(x.has_value());
        if (!*x)
          break;
        if (std::holds_alternative<output>(**x))
          outputs += encode(**x);
        else
          ++others;
      }
    }
    CHECK_EQ(outputs, inside);
    CHECK_EQ(others, 2);
    CHECK_GE(from.expansion(), 2);
  }
}

TEST_CASE("what would not shrink is not packed") {
  std::mt19937 chance{1};
  std::string noise(20'000, ' ');
  for (auto& c : noise)
    c = static_cast<char>(chance());
  CHECK_FALSE(
    packed_frame(encode(output{1, 2, output_stream::out, noise})).has_value());
}

TEST_CASE("packed frames that are damaged end the stream") {
  auto inside = encode(output{1, 2, output_stream::out, std::string(900, 'x')});
  auto good = *packed_frame(inside);
  auto claims = [&good](uint32_t size) {
    auto bytes = good;
    for (size_t i = 0; i < 4; ++i)
      bytes[5 + i] = static_cast<char>(size >> (8 * i));
    return bytes;
  };
  auto size = static_cast<uint32_t>(inside.size());
  REQUIRE(decoded(claims(size)).has_value());
  auto half = inside.substr(0, inside.size() - 1);
  struct row {
    const char* what;
    std::string bytes;
  };
  const row rows[] = {
    {"nothing in it", claims(0)},
    {"more in it than it says", claims(size - 1)},
    {"less in it than it says", claims(size + 1)},
    {"more than may be in it", claims(packed_size_max + 1)},
    {"no block", encode(packed{10, ""})},
    {"no whole frame", *packed_frame(half)},
    {"packed twice", *packed_frame(good + inside + inside)},
    {"no LZ4", encode(packed{100, "\xff\xff\xff\xff"})},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    decoder from;
    from.feed(r.bytes);
    auto x = from.next();
    REQUIRE_FALSE(x.has_value());
    CHECK_EQ(x.error().code, helper_errc::bad_frame);
  }
}

TEST_CASE("whole frames are cut off at a bound") {
  auto one = encode(ping{});
  CHECK_EQ(whole_frames(one + one + one.substr(0, 4), 100), one + one);
  CHECK_EQ(whole_frames(one + one, 9), one);
  CHECK_EQ(whole_frames(one, 4), "");
  CHECK_EQ(whole_frames("", 4), "");
}
