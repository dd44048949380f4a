// What the journal keeps when the disk is full, cannot be written, or the
// process is killed. Each in a process of its own.

#include "actors/journal/store.hpp"
#include "tests/unit/journal/folder.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace muster;
using namespace muster::test;

namespace {

journal_job big_job(int number) {
  journal_job x;
  x.key = acquisition_key{"k" + std::to_string(number)};
  x.job = number;
  x.payload = secret{std::string(20'000, 'p')};
  return x;
}

bool is_clear(const failure<journal_errc>& x) {
  return x.code == journal_errc::not_writable
         && x.text.find("cannot write the journal") != std::string::npos
         && x.text.find("disk") != std::string::npos;
}

/// Writes until it fails, by ones and by batches. Returns 0 if nothing was lost
/// and nothing half-written, else the step that went wrong.
int fill(const std::string& path, void (*make_room)()) {
  auto store = journal_store::open(path);
  if (!store)
    return 1;
  auto written = 0;
  auto wrote = result<void, journal_errc>{};
  for (; written < 5'000; ++written)
    if (wrote = store->put_job(big_job(written)); !wrote)
      break;
  if (wrote || !is_clear(wrote.error()))
    return 2;
  auto read = store->all_jobs();
  if (!read || static_cast<int>(read->size()) != written)
    return 3;
  {
    auto tx = store->begin();
    auto failed = !tx;
    for (auto i = 0; tx && i < 100; ++i)
      failed |= !store->put_job(big_job(10'000 + i));
    // With a cache for all of it, the disk says so at the commit only.
    if (tx && tx->commit())
      return 4;
  }
  read = store->all_jobs();
  if (!read || static_cast<int>(read->size()) != written)
    return 5;
  make_room();
  if (!store->put_job(big_job(20'000)))
    return 6;
  auto again = journal_store::open(path);
  if (!again)
    return 7;
  read = again->all_jobs();
  return read && static_cast<int>(read->size()) == written + 1 ? 0 : 8;
}

void limit_files(rlim_t bytes) {
  rlimit both{};
  ::getrlimit(RLIMIT_FSIZE, &both);
  both.rlim_cur = bytes;
  ::setrlimit(RLIMIT_FSIZE, &both);
}

} // namespace

TEST_CASE("a file that cannot grow loses nothing and works again afterwards") {
  folder at;
  CHECK_EQ(in_child([&at] {
             std::signal(SIGXFSZ, SIG_IGN);
             limit_files(1'000'000);
             return fill(at.path, [] { limit_files(RLIM_INFINITY); });
           }),
           0);
}

TEST_CASE("a full disk loses nothing and works again afterwards") {
  constexpr auto cannot_mount = 77;
  static folder at;
  auto code = in_child([] {
    // Only this process sees the small disk.
    if (::unshare(CLONE_NEWNS) != 0
        || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0
        || ::mount("none", at.path.c_str(), "tmpfs", 0, "size=2m") != 0)
      return cannot_mount;
    return fill(at.path, [] {
      ::mount("none", at.path.c_str(), "tmpfs", MS_REMOUNT, "size=20m");
    });
  });
  if (code == cannot_mount)
    MESSAGE("skipped: no right to mount a small disk");
  else
    CHECK_EQ(code, 0);
}

TEST_CASE("a journal that can only be read is refused at once") {
  folder at;
  REQUIRE(journal_store::open(at.path));
  auto code = in_child([&at] {
    constexpr auto nobody = 65'534;
    ::chmod(at.path.c_str(), 0500);
    ::chmod((at.path + "/journal.db").c_str(), 0400);
    if (::geteuid() == 0
        && (::chown(at.path.c_str(), nobody, nobody) != 0
            || ::chown((at.path + "/journal.db").c_str(), nobody, nobody) != 0
            || ::setresuid(nobody, nobody, nobody) != 0))
      return 1;
    auto opened = journal_store::open(at.path);
    if (opened)
      return 2;
    return opened.error().code == journal_errc::not_writable ? 0 : 3;
  });
  CHECK_EQ(code, 0);
}

TEST_CASE("a folder that cannot be made is refused") {
  auto opened = journal_store::open("/proc/no/such");
  REQUIRE_FALSE(opened);
  CHECK_EQ(opened.error().code, journal_errc::not_writable);
  CHECK_NE(opened.error().text.find("/proc/no/such"), std::string::npos);
  folder at;
  auto file = at.path + "/file";
  ::close(::open(file.c_str(), O_CREAT | O_WRONLY, 0600));
  auto on_file = journal_store::open(file);
  REQUIRE_FALSE(on_file);
  CHECK_NE(on_file.error().text.find("not a folder"), std::string::npos);
}

TEST_CASE("what was reported as written is there after a kill") {
  folder at;
  for (auto round = 0; round < 5; ++round) {
    int pipe[2];
    REQUIRE_EQ(::pipe(pipe), 0);
    auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(pipe[0]);
      auto store = journal_store::open(at.path);
      // Each number goes into two rows of one transaction.
      for (auto i = 1; store; ++i) {
        auto tx = store->begin();
        if (!tx || !store->put_job(big_job(i))
            || !store->put_instance({"g", instance_id{"i"}, i, 0, 0, {}, {}})
            || !tx->commit() || ::write(pipe[1], &i, sizeof i) != sizeof i)
          break;
        if (!store->remove_job(big_job(i - 20).key))
          break;
      }
      ::_exit(1);
    }
    ::close(pipe[1]);
    auto told = 0;
    while (told < 40 + 37 * round
           && ::read(pipe[0], &told, sizeof told) == sizeof told)
      ;
    ::kill(child, SIGKILL);
    for (auto more = 0; ::read(pipe[0], &more, sizeof more) == sizeof more;)
      told = more;
    ::close(pipe[0]);
    auto status = 0;
    REQUIRE_EQ(::waitpid(child, &status, 0), child);
    REQUIRE(WIFSIGNALED(status));

    auto store = journal_store::open(at.path);
    REQUIRE_MESSAGE(store, store.error().text);
    auto known = store->instances_of("g");
    REQUIRE(known);
    REQUIRE_EQ(known->size(), 1);
    // One more may have been committed than it came to tell of.
    auto last = known->at(0).use_count;
    CHECK_GE(last, told);
    CHECK_LE(last, told + 1);
    auto jobs = store->all_jobs();
    REQUIRE(jobs);
    CHECK_EQ(jobs->back().job, last);
    for (const auto& x : *jobs)
      CHECK_EQ(x.payload.reveal().size(), 20'000);
    for (const auto& x : *jobs)
      REQUIRE(store->remove_job(x.key));
  }
}
