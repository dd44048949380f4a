#include "actors/recorder/reader.hpp"
#include "actors/recorder/recorder.hpp"
#include "actors/recorder/words.hpp"
#include "actors/slot/slot.hpp"
#include "messages/errors.hpp"
#include "tests/support/virtual_system.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

using namespace muster;
namespace fs = std::filesystem;

namespace {

constexpr int64_t start_us = 1'790'000'000'000'000;

/// A recorder in the door, and a world before it.
struct bed {
  explicit bed(int64_t size_max = 256 << 20, size_t ring_bytes = 8 << 20,
               std::chrono::milliseconds delay = {}) {
    std::string name = (fs::temp_directory_path() / "muster-rec-XXXXXX");
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    recorder_options options;
    options.writer.folder = (folder / "recordings").string();
    options.writer.delay = delay;
    options.writer.retry_pause = std::chrono::milliseconds(1);
    options.writer.size_max = size_max;
    options.writer.ring_bytes = ring_bytes;
    options.about.run_id = "1f2e3d4c";
    options.about.workers = 1;
    options.unix_us = [this] { return wall_us; };
    door = std::make_unique<recorder>(std::move(options));
    the_delivery = door.get();
    world = std::make_unique<test::virtual_system>();
  }

  bed(const bed&) = delete;
  bed& operator=(const bed&) = delete;

  ~bed() {
    world.reset();
    the_delivery = nullptr;
    fs::remove_all(folder);
  }

  std::vector<record> records() const {
    door->flush();
    auto reader = recording_reader::open((folder / "recordings").string());
    REQUIRE(reader);
    std::vector<record> out;
    record x;
    while (reader->next(x))
      out.push_back(x);
    CHECK(reader->problems().empty());
    return out;
  }

  int64_t wall_us = start_us;
  fs::path folder;
  std::unique_ptr<recorder> door;
  std::unique_ptr<test::virtual_system> world;
};

/// Who, what, in a line.
std::string line(const record& x) {
  return fmt::format("{}{} {}{} {} {}", to_string(x.kind),
                     x.is_input ? "!" : "", to_string(x.from),
                     x.is_timer ? " (timer)" : "", to_string(x.to),
                     words_of(x));
}

std::vector<std::string> lines(const std::vector<record>& xs) {
  std::vector<std::string> out;
  for (const auto& x : xs)
    out.push_back(line(x));
  return out;
}

struct boss_state {
  int seen = 0;
  slot_actor slot;
  const char* name = "boss";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, boss_state& x) {
  return f(caf::meta::type_name("boss_state"), x.seen);
}

using boss_actor = slot_parent_actor::extend<caf::reacts_to<list_tick>,
                                             caf::reacts_to<occupy_slot>>;

/// Stands for an instance: has a slot, cleans it at once.
boss_actor::behavior_type boss(self_ptr<boss_actor, boss_state> self,
                               const journal_actor& edge) {
  plays(self, "instance:i-1");
  self->state.slot
    = spawn_slot(self, caf::actor_cast<slot_parent_actor>(self), 0);
  self->monitor(self->state.slot);
  self->set_down_handler([self](const caf::down_msg&) {
    self->state.slot
      = spawn_slot(self, caf::actor_cast<slot_parent_actor>(self), 0);
  });
  return {
    [self](const slot_status&) { ++self->state.seen; },
    [self](const clean_slot& x) {
      self->send(self->state.slot, slot_cleaned{x.key, true});
    },
    [self, edge](const list_tick& x) {
      self->send(edge, forget_job{acquisition_key{"a"}});
      if (x.number < 3)
        send_later(self, self->now() + std::chrono::seconds(1),
                   list_tick{x.number + 1});
    },
    [self](const occupy_slot& x) {
      note(self, retire{"a remark"});
      self->send(self->state.slot, x);
    },
  };
}

struct edge_state {
  const char* name = "edge";
};

journal_actor::behavior_type
deaf_journal(watched_ptr<journal_actor, edge_state> /*self*/) {
  return {
    [](const write_job&) {},       [](const write_job_lines&) {},
    [](const write_job_start&) {}, [](const write_job_result&) {},
    [](const rename_runner&) {},   [](const forget_job&) {},
    [](const write_instance&) {},  [](const forget_instance&) {},
    [](const read_instances&) {},  [](const read_jobs&) {},
    [](const read_host_key&) {},   [](const write_leftover&) {},
    [](const forget_leftover&) {},
  };
}

} // namespace

TEST_CASE("a run is recorded as it went, with roles, causes and ends") {
  bed at;
  auto& world = *at.world;
  auto edge = world.spawn(deaf_journal);
  plays_edge(edge, "journal");
  auto actor = world.spawn(boss, edge);
  auto job = world.spawn_idle();
  world.send(actor, list_tick{2});
  world.run_for(std::chrono::seconds(1));
  world.send(actor, occupy_slot{acquisition_key{"k"}, {"job:7", job}});
  world.stop(job);
  world.stop(
    caf::actor_cast<caf::actor>(caf::actor_cast<caf::actor_addr>(edge)));
  auto found = at.records();
  REQUIRE_FALSE(found.empty());
  CHECK_EQ(found[0].type, "run_begun");
  for (size_t i = 0; i < found.size(); ++i)
    CHECK_EQ(found[i].number, i + 1);
  auto got = lines(found);
  got.erase(got.begin());
  CHECK_EQ(
    got,
    std::vector<std::string>{
      "born - journal ", "born - instance:i-1 ",
      "born instance:i-1 instance:i-1/slot:0 ",
      "handled! - instance:i-1 list_tick number=2",
      "sent instance:i-1 journal forget_job key=a",
      "handled! instance:i-1 (timer) instance:i-1 list_tick number=3",
      "sent instance:i-1 journal forget_job key=a",
      "handled! - instance:i-1 occupy_slot key=k holder=job:7",
      "note - instance:i-1 retire reason=\"a remark\"",
      "handled instance:i-1 instance:i-1/slot:0 occupy_slot key=k "
      "holder=job:7",
      "handled instance:i-1/slot:0 instance:i-1 slot_status slot=0 phase=held "
      "key=k version=1",
      "handled! - instance:i-1/slot:0 peer_down why={category=exit code=kill}",
      "handled instance:i-1/slot:0 instance:i-1 clean_slot slot=0 key=k",
      "handled instance:i-1/slot:0 instance:i-1 slot_status slot=0 "
      "phase=cleaning key=k version=2",
      "handled instance:i-1 instance:i-1/slot:0 slot_cleaned key=k clean=true",
      "handled instance:i-1/slot:0 instance:i-1 slot_status slot=0 phase=free "
      "version=3",
      "ended! - journal exit_told why={category=exit code=kill}"});
}

TEST_CASE("who takes a dead actor's role is its next life") {
  bed at;
  auto& world = *at.world;
  auto edge = world.spawn(deaf_journal);
  auto actor = world.spawn(boss, edge);
  auto found = at.records();
  auto slot = caf::actor_cast<caf::actor>(
    dynamic_cast<stateful<boss_state, traced<boss_actor>>&>(
      *caf::actor_cast<caf::abstract_actor*>(actor))
      .state.slot);
  world.stop(slot);
  found = at.records();
  auto got = lines({found.end() - 4, found.end()});
  INFO(fmt::format("{}", fmt::join(got, "\n")));
  CHECK_EQ(got, std::vector<std::string>{
                  "handled instance:i-1/slot:0 instance:i-1/slot:0 exit_told "
                  "who=instance:i-1/slot:0 why={category=exit code=kill}",
                  "ended - instance:i-1/slot:0 exit_told why={category=exit "
                  "code=kill}",
                  "handled! instance:i-1/slot:0 instance:i-1 peer_down "
                  "who=instance:i-1/slot:0 why={category=exit code=kill}",
                  "born instance:i-1 instance:i-1/slot:0#2 "});
}

TEST_CASE("a decision's wall clock is that of the message it handles") {
  bed at;
  CHECK_EQ(at.door->unix_us(), start_us);
  at.wall_us += 5;
  CHECK_EQ(at.door->unix_us(), start_us + 5);
  int64_t first = 0;
  int64_t second = 0;
  using asker_actor = caf::typed_actor<caf::reacts_to<decide>>;
  auto asker =
    [&](self_ptr<asker_actor, boss_state> self) -> asker_actor::behavior_type {
    plays(self, "asker");
    return {[&](const decide&) {
      first = at.door->unix_us();
      at.wall_us += 1'000;
      second = at.door->unix_us();
    }};
  };
  auto actor = at.world->spawn(asker);
  at.world->send(actor, decide{1});
  CHECK_EQ(first, start_us + 5);
  CHECK_EQ(second, start_us + 5);
  for (const auto& x : at.records())
    if (x.kind == record_kind::handled && x.type == "decide")
      CHECK_EQ(x.unix_us, start_us + 5);
}

TEST_CASE(
  "a full segment is followed by one with all that it takes to read it") {
  bed at{1 << 20};
  auto& world = *at.world;
  at.door->configured("/etc/c.toml", {},
                      [](secret_book&) { return "concurrent = 3\n"; });
  auto edge = world.spawn(deaf_journal);
  plays_edge(edge, "journal");
  auto actor = world.spawn(boss, edge);
  for (int i = 0; i < 8'000; ++i)
    world.send(actor, list_tick{3});
  at.door->flush();
  auto files = find_segments((at.folder / "recordings").string());
  REQUIRE(files);
  CHECK_GT(files->size(), 3);
  // The first ones are gone.
  fs::remove(files->at(0));
  fs::remove(files->at(1));
  auto found = at.records();
  REQUIRE_GT(found.size(), 100);
  auto got = lines({found.begin(), found.begin() + 5});
  CHECK_EQ(got[0],
           "note - - config_in_force path=/etc/c.toml text=\"concurrent = "
           "3\\n\"");
  CHECK_EQ(got[1], "state - journal actor_state");
  CHECK_EQ(got[2], "state - instance:i-1 actor_state text=boss_state(0)");
  CHECK(got[3].starts_with(
    "state - instance:i-1/slot:0 actor_state text=\"slot_state("));
  CHECK_EQ(got[4], "handled! - instance:i-1 list_tick number=3");
  // Snapshots of segments without a gap between them are left out.
  for (size_t i = 5; i < found.size(); ++i)
    CHECK_EQ(found[i].number, found[i - 1].number + 1);
  CHECK_EQ(found.back().number, 16'000 + 5);
  SUBCASE("one in the middle is gone, too") {
    auto rest = find_segments((at.folder / "recordings").string());
    REQUIRE_GE(rest->size(), 3);
    fs::remove(rest->at(1));
    uint64_t missing = 0;
    for (const auto& x : at.records())
      missing += x.missing;
    CHECK_EQ(missing + at.records().size(),
             found.size() + 1 + 4); // the gap, and a snapshot after it
  }
}

TEST_CASE("what finds no room is counted, and a new segment tells of it") {
  bed at{256 << 20, 1 << 12, std::chrono::hours(1)};
  auto& world = *at.world;
  auto edge = world.spawn(deaf_journal);
  auto actor = world.spawn(boss, edge);
  at.door->flush();
  // The disk takes its time.
  for (int i = 0; i < 500; ++i)
    caf::anon_send(actor, list_tick{3});
  world.run();
  CHECK_GT(at.door->counters().lost, 0);
  at.door->flush();
  world.send(actor, list_tick{3});
  auto found = at.records();
  uint64_t missing = 0;
  uint64_t records = 0;
  for (const auto& x : found) {
    missing += x.missing;
    records += x.kind != record_kind::gap && x.kind != record_kind::state;
  }
  CHECK_EQ(missing, at.door->counters().lost);
  CHECK_EQ(records, at.door->counters().records);
}
