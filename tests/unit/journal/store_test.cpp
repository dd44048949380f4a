#include "actors/journal/store.hpp"

#include "tests/unit/journal/folder.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <sqlite3.h>
#include <sys/stat.h>

using namespace muster;
using namespace muster::test;

namespace {

journal_store open(const folder& at) {
  auto opened = journal_store::open(at.path);
  REQUIRE_MESSAGE(opened, opened.error().text);
  return std::move(*opened);
}

journal_job job(const std::string& key) {
  journal_job x;
  x.key = acquisition_key{key};
  x.job = 4'000'000'000;
  x.token = secret{"glcbt-1"};
  x.runner = "https://gitlab.example.com|abc";
  x.payload = secret{std::string{"bytes \0 of any kind \xff", 22}};
  x.instance = instance_id{"i-1"};
  x.slot = 2;
  x.layout = "0.1 abc";
  x.taken_us = 1'790'000'000'000'000;
  x.outcome = job_outcome{false, -7, "script_failure"};
  x.manager_lines = secret{"line\n"};
  x.recipe = secret{std::string{"\xa1 \0", 3}};
  return x;
}

journal_instance instance(const std::string& id) {
  return {"group", instance_id{id}, 3, 1000, 900, secret{"connect"}, "ssh k1"};
}

unsigned mode_of(const std::string& path) {
  struct stat found = {};
  REQUIRE_EQ(::stat(path.c_str(), &found), 0);
  return found.st_mode & 0777;
}

/// Runs SQL on a journal behind the store's back.
void alter(const folder& at, const char* sql) {
  sqlite3* db = nullptr;
  REQUIRE_EQ(sqlite3_open((at.path + "/journal.db").c_str(), &db), SQLITE_OK);
  REQUIRE_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
}

failure<journal_errc> refusal(const folder& at) {
  auto opened = journal_store::open(at.path);
  REQUIRE_FALSE(opened);
  return opened.error();
}

bool tells(const failure<journal_errc>& x, const std::string& what) {
  return x.text.find(what) != std::string::npos;
}

} // namespace

TEST_CASE("what was written is read again, to the byte, after reopening") {
  folder at;
  auto full = job("a");
  journal_job bare;
  bare.key = acquisition_key{"b"};
  {
    auto store = open(at);
    REQUIRE(store.put_job(full));
    REQUIRE(store.put_job(bare));
    REQUIRE(store.put_instance(instance("i-1")));
  }
  auto store = open(at);
  CHECK(*store.all_jobs() == std::vector{full, bare});
  CHECK(*store.instances_of("group") == std::vector{instance("i-1")});
  CHECK(store.instances_of("other")->empty());
  CHECK(*store.jobs_of(full.runner) == std::vector{full});
}

TEST_CASE("jobs of a runner with another token are found under its new name") {
  folder at;
  auto store = open(at);
  auto mine = job("a");
  journal_job others;
  others.key = acquisition_key{"b"};
  others.runner = "other";
  REQUIRE(store.put_job(mine));
  REQUIRE(store.put_job(others));
  REQUIRE(store.rename_runner(mine.runner, "new", others.key)); // not its own
  CHECK(*store.all_jobs() == std::vector{mine, others});
  REQUIRE(store.rename_runner(mine.runner, "new", mine.key));
  CHECK(store.jobs_of(mine.runner)->empty());
  mine.runner = "new";
  CHECK(*store.all_jobs() == std::vector{mine, others});
}

TEST_CASE("a job is updated in its place and forgotten once") {
  folder at;
  auto store = open(at);
  for (const auto* key : {"b", "a"}) {
    journal_job x;
    x.key = acquisition_key{key};
    REQUIRE(store.put_job(x));
  }
  acquisition_key b{"b"};
  REQUIRE(store.update_job_lines(b, secret{"first"}));
  CHECK(store.all_jobs()->at(0).manager_lines == secret{"first"});
  journal_job start;
  start.key = b;
  start.instance = instance_id{"i-9"};
  start.slot = 3;
  start.manager_lines = secret{"lines"};
  start.recipe = secret{"recipe"};
  REQUIRE(store.update_job_start(start));
  REQUIRE(store.put_job_result(b, {true, 0, ""}));
  journal_job expected;
  expected.key = b;
  expected.instance = instance_id{"i-9"};
  expected.slot = 3;
  expected.manager_lines = secret{"lines"};
  expected.recipe = secret{"recipe"};
  expected.outcome = job_outcome{true, 0, ""};
  CHECK(store.all_jobs()->at(0) == expected);
  REQUIRE(store.put_job(expected)); // once more: keeps its place
  CHECK(store.all_jobs()->at(0) == expected);
  REQUIRE(store.remove_job(b));
  REQUIRE(store.remove_job(b));
  CHECK_EQ(store.all_jobs()->size(), 1);
}

TEST_CASE("a start of a job that is not written is refused") {
  folder at;
  auto store = open(at);
  journal_job start;
  start.key = acquisition_key{"none"};
  auto done = store.update_job_start(start);
  REQUIRE_FALSE(done);
  CHECK(tells(done.error(), "none"));
  CHECK(store.all_jobs()->empty());
}

TEST_CASE("a journal of version 1 keeps its jobs") {
  folder at;
  alter(at, "CREATE TABLE jobs (number INTEGER PRIMARY KEY, key TEXT NOT NULL "
            "UNIQUE, job INTEGER NOT NULL, runner TEXT NOT NULL, payload BLOB "
            "NOT NULL, instance TEXT NOT NULL, slot INTEGER NOT NULL, state "
            "TEXT NOT NULL, has_outcome INTEGER NOT NULL, success INTEGER NOT "
            "NULL, exit_code INTEGER NOT NULL, failure_reason TEXT NOT NULL, "
            "trace_acknowledged INTEGER NOT NULL, manager_lines BLOB NOT NULL);"
            "CREATE TABLE instances (group_id TEXT NOT NULL, instance TEXT NOT "
            "NULL, use_count INTEGER NOT NULL DEFAULT 0, last_use_ms INTEGER "
            "NOT NULL DEFAULT 0, provisioned_at_ms INTEGER NOT NULL DEFAULT 0, "
            "connect_info BLOB NOT NULL DEFAULT x'', host_key TEXT NOT NULL "
            "DEFAULT '', PRIMARY KEY (group_id, instance)) WITHOUT ROWID;"
            "INSERT INTO jobs VALUES (1, 'k', 7, 'r', x'0102', 'i-1', 2, "
            "'accepted', 1, 0, 3, 'script_failure', 9, x'');"
            "PRAGMA application_id = 1836282994; PRAGMA user_version = 1;");
  journal_job expected;
  expected.key = acquisition_key{"k"};
  expected.job = 7;
  expected.runner = "r";
  expected.payload = secret{"\x01\x02"};
  expected.instance = instance_id{"i-1"};
  expected.slot = 2;
  expected.outcome = job_outcome{false, 3, "script_failure"};
  for (int i = 0; i < 2; ++i) { // once it is converted, then it is read
    auto store = open(at);
    CHECK(*store.all_jobs() == std::vector{expected});
  }
}

TEST_CASE("a journal of version 2 keeps its jobs, their tokens in what they "
          "are") {
  folder at;
  auto expected = job("k");
  {
    auto store = open(at);
    REQUIRE(store.put_job(expected));
  }
  alter(at, "ALTER TABLE jobs DROP COLUMN token; DROP TABLE leftovers; "
            "ALTER TABLE instances DROP COLUMN leaves; "
            "PRAGMA user_version = 2");
  expected.token = {};
  for (int i = 0; i < 2; ++i) {
    auto store = open(at);
    CHECK(*store.all_jobs() == std::vector{expected});
  }
}

TEST_CASE("a change to a job that is not written changes nothing") {
  folder at;
  auto store = open(at);
  acquisition_key none{"none"};
  CHECK(store.update_job_lines(none, secret{"x"}));
  CHECK(store.put_job_result(none, {}));
  CHECK(store.all_jobs()->empty());
}

TEST_CASE("a pinned host key stays until it is unpinned or forgotten") {
  folder at;
  auto store = open(at);
  instance_id i{"i-1"};
  CHECK_EQ(*store.host_key("group", i), "");
  REQUIRE(store.pin_host_key("group", i, "ssh k1"));
  auto x = instance("i-1");
  x.host_key.clear();
  REQUIRE(store.put_instance(x));
  CHECK_EQ(*store.host_key("group", i), "ssh k1");
  CHECK_EQ(*store.host_key("other group", i), "");
  x.host_key = "ssh k2";
  REQUIRE(store.put_instance(x));
  CHECK_EQ(*store.host_key("group", i), "ssh k2");
  REQUIRE(store.unpin_host_key("group", i));
  CHECK_EQ(*store.host_key("group", i), "");
  REQUIRE(store.pin_host_key("group", i, "ssh k3"));
  CHECK_EQ(store.instances_of("group")->at(0).use_count, 3);
  REQUIRE(store.remove_instance("group", i));
  CHECK_EQ(*store.host_key("group", i), "");
}

TEST_CASE("a transaction is written as a whole or not at all") {
  folder at;
  auto store = open(at);
  {
    auto undone = store.begin();
    REQUIRE(undone);
    REQUIRE(store.put_job(job("a")));
  }
  CHECK(store.all_jobs()->empty());
  auto done = store.begin();
  REQUIRE(done);
  REQUIRE(store.put_job(job("a")));
  REQUIRE(store.put_instance(instance("i")));
  REQUIRE(done->commit());
  REQUIRE(done->commit()); // nothing is left to do
  CHECK_EQ(open(at).all_jobs()->size(), 1);
  REQUIRE(store.begin()); // the next one
}

TEST_CASE("folder and files are closed to others") {
  folder parent;
  folder at;
  std::filesystem::remove(at.path);
  at.path = parent.path + "/deep/er";
  auto before = ::umask(0);
  auto store = open(at);
  REQUIRE(store.put_job(job("a")));
  ::umask(before);
  CHECK_EQ(mode_of(at.path), 0700);
  for (const auto* name :
       {"/journal.db", "/journal.db-wal", "/journal.db-shm"}) {
    CAPTURE(name);
    CHECK_EQ(mode_of(at.path + name), 0600);
  }
}

TEST_CASE("an open folder is closed if it is ours, and refused if it is not") {
  folder at;
  REQUIRE_EQ(::chmod(at.path.c_str(), 0755), 0);
  SUBCASE("empty") {
    open(at);
    CHECK_EQ(mode_of(at.path), 0700);
  }
  SUBCASE("with files of others") {
    std::ofstream{at.path + "/something"} << "else";
    CHECK_EQ(refusal(at).code, journal_errc::not_writable);
    CHECK_EQ(mode_of(at.path), 0755);
  }
}

TEST_CASE("a journal of a newer version is refused in words") {
  folder at;
  open(at);
  alter(at, "PRAGMA user_version = 7");
  auto why = refusal(at);
  CHECK_EQ(why.code, journal_errc::not_readable);
  CHECK(tells(why, "has version 7, this muster knows up to 5"));
}

TEST_CASE("another program's database is refused and left alone") {
  folder at;
  alter(at, "CREATE TABLE theirs (x)");
  auto why = refusal(at);
  CHECK_EQ(why.code, journal_errc::not_readable);
  CHECK(tells(why, "another program"));
  alter(at, "INSERT INTO theirs VALUES (1)");
}

TEST_CASE("a damaged journal is refused with what to do") {
  folder at;
  {
    auto store = open(at);
    auto tx = store.begin();
    for (auto i = 0; i < 500; ++i)
      REQUIRE(store.put_job(job("k" + std::to_string(i))));
    REQUIRE(tx->commit());
  }
  auto file = at.path + "/journal.db";
  SUBCASE("its beginning is overwritten") {
    std::ofstream{file} << std::string(9000, 'x');
  }
  SUBCASE("its middle is overwritten") {
    std::fstream edit{file, std::ios::in | std::ios::out | std::ios::binary};
    edit.seekp(3 * 4096);
    edit << std::string(40'000, 'x');
  }
  SUBCASE("its end is cut off") {
    std::filesystem::resize_file(file, 5 * 4096);
  }
  auto why = refusal(at);
  CHECK_EQ(why.code, journal_errc::not_readable);
  CHECK(tells(why, "is damaged"));
  CHECK(tells(why, "mv " + file));
}

TEST_CASE(
  "another program that writes to the journal is waited for, not long") {
  folder at;
  auto store = open(at);
  sqlite3* other = nullptr;
  REQUIRE_EQ(sqlite3_open((at.path + "/journal.db").c_str(), &other),
             SQLITE_OK);
  REQUIRE_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr),
             SQLITE_OK);
  auto refused = store.put_job(job("a"));
  sqlite3_close(other);
  REQUIRE_FALSE(refused);
  CHECK_EQ(refused.error().code, journal_errc::not_writable);
  CHECK(tells(refused.error(), "another program has it locked"));
  CHECK(store.put_job(job("a")));
}

TEST_CASE("thousands of jobs a second are written") {
  folder at;
  auto store = open(at);
  constexpr auto jobs = 5'000;
  auto before = std::chrono::steady_clock::now();
  for (auto batch = 0; batch < jobs / 50; ++batch) {
    auto tx = store.begin();
    REQUIRE(tx);
    for (auto i = 0; i < 50; ++i)
      if (!store.put_job(job(std::to_string(batch * 50 + i))))
        FAIL("not written");
    REQUIRE(tx->commit());
  }
  std::chrono::duration<double> took
    = std::chrono::steady_clock::now() - before;
  MESSAGE("jobs a second: ", jobs / took.count());
  CHECK_EQ(store.all_jobs()->size(), jobs);
  CHECK_LT(took.count(), 5.0); // a fifth of the goal, for busy machines
}

TEST_CASE("the host key of a machine that may come back is kept, no more") {
  folder at;
  auto x = open(at);
  REQUIRE(x.put_instance(instance("i-1")));
  REQUIRE(x.release_instance("group", instance_id{"i-1"}));
  auto left = x.instances_of("group");
  REQUIRE(left);
  REQUIRE_EQ(left->size(), 1);
  CHECK_EQ(left->front(), (journal_instance{"group", instance_id{"i-1"}, 0, 0,
                                            0, secret{""}, "ssh k1"}));
}

TEST_CASE("pinned host keys are listed by group and instance") {
  folder at;
  auto x = open(at);
  REQUIRE(x.pin_host_key("b", instance_id{"2"}, "ssh k2"));
  REQUIRE(x.pin_host_key("b", instance_id{"1"}, "ssh k1"));
  REQUIRE(x.pin_host_key("a", instance_id{"3"}, "ssh k3"));
  REQUIRE(x.put_instance({"a", instance_id{"none"}, 0, 0, 0, {}, ""}));
  using pins = std::vector<pinned_host_key>;
  auto all = x.host_keys();
  REQUIRE(all);
  CHECK_EQ(*all, pins{{"a", instance_id{"3"}, "ssh k3"},
                      {"b", instance_id{"1"}, "ssh k1"},
                      {"b", instance_id{"2"}, "ssh k2"}});
  REQUIRE(x.unpin_host_key("b", instance_id{"1"}));
  CHECK_EQ(x.host_keys()->size(), 2);
}

TEST_CASE("what jobs left on a machine is kept when job and instance are "
          "forgotten") {
  folder at;
  instance_id host{"host"};
  acquisition_key a{"a"};
  acquisition_key b{"b"};
  using rows = std::vector<journal_leftover>;
  {
    auto x = open(at);
    REQUIRE(x.put_job(job("a")));
    REQUIRE(x.put_instance(instance("host")));
    for (const auto& key : {b, a, a}) // twice is once
      REQUIRE(x.put_leftover({"group", host, key}));
    REQUIRE(x.put_leftover({"other", host, a}));
    REQUIRE(x.remove_job(a));
    REQUIRE(x.release_instance("group", host));
  }
  auto x = open(at);
  CHECK_EQ(*x.leftovers_of("group"),
           rows{{"group", host, a}, {"group", host, b}});
  REQUIRE(x.remove_leftover({"group", host, a}));
  REQUIRE(x.remove_leftover({"group", host, a}));
  CHECK_EQ(*x.leftovers_of("group"), rows{{"group", host, b}});
  CHECK_EQ(*x.leftovers_of("other"), rows{{"other", host, a}});
}

TEST_CASE("a journal of version 3 keeps its jobs, and has room for leftovers") {
  folder at;
  {
    auto store = open(at);
    REQUIRE(store.put_job(job("k")));
  }
  alter(at, "DROP TABLE leftovers; ALTER TABLE instances DROP COLUMN leaves; "
            "PRAGMA user_version = 3");
  for (int i = 0; i < 2; ++i) {
    auto store = open(at);
    CHECK(*store.all_jobs() == std::vector{job("k")});
    CHECK(store.put_leftover({"g", instance_id{"i"}, acquisition_key{"k"}}));
  }
}

TEST_CASE("a journal of version 4 keeps its instances, all of them to stay") {
  folder at;
  {
    auto store = open(at);
    REQUIRE(store.put_instance(instance("i-1")));
  }
  alter(at, "ALTER TABLE instances DROP COLUMN leaves; "
            "PRAGMA user_version = 4");
  for (int i = 0; i < 2; ++i) {
    auto store = open(at);
    CHECK(*store.instances_of("group") == std::vector{instance("i-1")});
  }
}

TEST_CASE("what is not told of an instance stays as it was written") {
  folder at;
  auto store = open(at);
  instance_id i{"i-1"};
  REQUIRE(store.put_instance({"g", i, 0, 0, 1'000, {}, ""}));
  REQUIRE(store.put_instance({"g", i, 1, 2'000, 0, {}, ""}));
  REQUIRE(store.put_instance({"g", i, 1, 0, 0, {}, "ssh k1"}));
  REQUIRE(store.put_instance({"g", i, 2, 0, 0, {}, "", "unhealthy"}));
  journal_instance expected{"g", i, 2, 2'000, 1'000, {}, "ssh k1", "unhealthy"};
  CHECK(*store.instances_of("g") == std::vector{expected});
  SUBCASE("the machine stays, and may be an instance again") {
    REQUIRE(store.release_instance("g", i));
    expected = {"g", i, 0, 0, 0, {}, "ssh k1", ""};
    CHECK(*store.instances_of("g") == std::vector{expected});
  }
  SUBCASE("it is gone, and what jobs have left on it") {
    REQUIRE(store.put_leftover({"g", i, acquisition_key{"a"}}));
    REQUIRE(
      store.put_leftover({"g", instance_id{"i-2"}, acquisition_key{"b"}}));
    REQUIRE(store.remove_instance("g", i));
    CHECK(store.instances_of("g")->empty());
    REQUIRE_EQ(store.leftovers_of("g")->size(), 1);
    CHECK_EQ(store.leftovers_of("g")->front().key, acquisition_key{"b"});
  }
}

TEST_CASE("a journal is changed beside who uses it, and never brought up to "
          "date") {
  folder at;
  auto none = journal_store::open_beside(at.path);
  REQUIRE_FALSE(none);
  CHECK_NE(none.error().text.find("there is no journal"), std::string::npos);
  auto used = open(at);
  REQUIRE(used.pin_host_key("g", instance_id{"i"}, "ssh k"));
  auto beside = journal_store::open_beside(at.path);
  REQUIRE_MESSAGE(beside, beside.error().text);
  REQUIRE(beside->unpin_host_key("g", instance_id{"i"}));
  CHECK_EQ(*used.host_key("g", instance_id{"i"}), "");
  REQUIRE(used.pin_host_key("g", instance_id{"i"}, "ssh k2"));
  CHECK_EQ(beside->host_keys()->front().host_key, "ssh k2");
  alter(at, "PRAGMA user_version = 1");
  auto older = journal_store::open_beside(at.path);
  REQUIRE_FALSE(older);
  CHECK_NE(older.error().text.find("has version 1"), std::string::npos);
}
