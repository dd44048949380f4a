#include "actors/journal/journal.hpp"
#include "actors/journal/recipe.hpp"
#include "tests/support/virtual_system.hpp"
#include "tests/unit/journal/folder.hpp"

#include <doctest/doctest.h>

using namespace muster;

namespace {

/// A journal over a real file, which tests change behind its back as another
/// version or a bad disk would.
struct fixture {
  test::folder at;
  std::shared_ptr<journal_store> store = open();
  test::virtual_system world;
  test::probe<journal_asker_actor> runner
    = world.spawn_probe<journal_asker_actor>();
  caf::actor parent = world.spawn_idle();
  journal_actor it = world.spawn(journal, parent.address(), store,
                                 std::make_shared<metrics_sink>());

  std::shared_ptr<journal_store> open() const {
    auto opened = journal_store::open(at.path);
    REQUIRE_MESSAGE(opened, opened.error().text);
    return std::make_shared<journal_store>(std::move(*opened));
  }

  /// A job of which nothing was sent yet.
  void write() {
    job_payload payload;
    payload.id = 7;
    payload.token = secret{"glcbt-7"};
    payload.name = "build";
    payload.steps = {{"script", {"make"}}};
    world.send(
      it, write_job{acquisition_key{"k"},
                    "url|abc",
                    payload,
                    5,
                    {"runner", caf::actor_cast<caf::actor>(runner.handle)}});
    REQUIRE_FALSE(runner.last<job_written>().why);
  }

  template <class Change>
  void change(Change how) {
    auto row = store->all_jobs()->front();
    how(row);
    REQUIRE(store->put_job(row));
  }

  left_job read() {
    world.send(
      it, read_jobs{"url|abc",
                    {"runner", caf::actor_cast<caf::actor>(runner.handle)}});
    auto jobs = runner.last<left_jobs>().jobs;
    REQUIRE_EQ(jobs.size(), 1);
    return jobs.front();
  }

  static void check_head(const left_job& x) {
    CHECK_EQ(x.payload.id, 7);
    CHECK_EQ(x.payload.token.reveal(), "glcbt-7");
  }
};

secret damaged() {
  return secret{std::string(40, '\xff')};
}

} // namespace

TEST_CASE("a job that waits is read as a whole by the muster that wrote it") {
  fixture f;
  f.write();
  auto left = f.read();
  CHECK_EQ(left.at, left_phase::waiting);
  CHECK_EQ(left.payload.name, "build");
  fixture::check_head(left);
}

TEST_CASE("a job whose payload cannot be read is lost, and can be told") {
  fixture f;
  f.write();
  SUBCASE("of another version") {
    f.change([](journal_job& x) { x.layout = "9.9 abc"; });
  }
  SUBCASE("of another version, in a form that is not known") {
    f.change([](journal_job& x) {
      x.layout = "9.9 abc";
      x.payload = damaged();
    });
  }
  SUBCASE("damaged") {
    f.change([](journal_job& x) { x.payload = damaged(); });
  }
  SUBCASE("cut off") {
    f.change([](journal_job& x) {
      x.payload = secret{x.payload.reveal().substr(0, 30)};
    });
  }
  SUBCASE("of version 2, whose tokens stand in the payload") {
    f.change([](journal_job& x) {
      x.layout = "0.1 abc";
      x.token = {};
    });
  }
  SUBCASE("sent, by a recipe that cannot be read") {
    f.change([](journal_job& x) {
      x.instance = instance_id{"i-1"};
      x.recipe = damaged();
    });
  }
  auto left = f.read();
  CHECK_EQ(left.at, left_phase::lost);
  fixture::check_head(left);
}

TEST_CASE("a job goes on by its recipe, whatever became of its payload") {
  fixture f;
  f.write();
  log_recipe recipe;
  recipe.project = 3;
  recipe.limit_bytes = 1;
  f.change([&recipe](journal_job& x) {
    x.layout = "9.9 abc";
    x.payload = damaged();
    x.instance = instance_id{"i-1"};
    x.manager_lines = secret{encode(std::vector<manager_line>{})};
    x.recipe = secret{encode(recipe)};
  });
  auto left = f.read();
  CHECK_EQ(left.at, left_phase::started);
  CHECK_EQ(left.payload.project_id, 3);
  fixture::check_head(left);
}

TEST_CASE("a result is told although the payload is damaged; without a token "
          "there is nobody to tell") {
  fixture f;
  f.write();
  f.change([](journal_job& x) {
    x.payload = damaged();
    x.outcome = job_outcome{true, 0, ""};
  });
  CHECK_EQ(f.read().at, left_phase::ended);
  fixture::check_head(f.read());
  f.change([](journal_job& x) { x.token = {}; });
  CHECK(f.read().payload.token.empty());
  CHECK_EQ(f.read().payload.id, 7);
}

TEST_CASE("what is left on a machine is told, also if nothing else is known of "
          "it") {
  fixture f;
  auto group = f.world.spawn_probe<instances_asker_actor>();
  acquisition_key a{"a"};
  acquisition_key b{"b"};
  instance_id known{"known"};
  instance_id other{"other"};
  f.world.send(f.it, write_instance{"g", known, 3, 0, "key", 0, ""});
  f.world.send(f.it, write_leftover{"g", known, a});
  f.world.send(f.it, write_leftover{"g", known, b});
  f.world.send(f.it, write_leftover{"g", other, a});
  f.world.send(f.it, write_leftover{"another group", other, b});
  f.world.send(f.it, forget_leftover{"g", known, a});
  f.world.send(f.it, forget_instance{"g", known, true});
  f.world.send(
    f.it,
    read_instances{"g", {"group", caf::actor_cast<caf::actor>(group.handle)}});
  auto told = group.last<known_instances>().instances;
  REQUIRE_EQ(told.size(), 2);
  CHECK_EQ(told[0].instance, known);
  CHECK_EQ(told[0].host_key, "key");
  CHECK_EQ(told[0].leftovers, std::vector{b});
  CHECK_EQ(told[1].instance, other);
  CHECK_EQ(told[1].leftovers, std::vector{a});
}
