#include "config/rewrite.hpp"

#include "config/source.hpp"

#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace muster;
namespace fs = std::filesystem;

namespace {

/// A private folder that goes with the test.
struct folder {
  fs::path path;

  folder() {
    auto name = (fs::temp_directory_path() / "rewrite-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }

  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  ~folder() {
    std::error_code ignored;
    fs::permissions(path, fs::perms::owner_all, ignored);
    fs::remove_all(path, ignored);
  }

  std::string file(const std::string& name = "config.toml") const {
    return (path / name).string();
  }

  size_t files() const {
    return static_cast<size_t>(
      std::distance(fs::directory_iterator{path}, fs::directory_iterator{}));
  }
};

void write(const std::string& path, const std::string& text) {
  std::ofstream{path, std::ios::binary} << text;
}

std::string content(const std::string& path) {
  return read_source(path).value_or("(none)");
}

struct stat facts_of(const std::string& path) {
  struct stat out {};
  REQUIRE_EQ(::stat(path.c_str(), &out), 0);
  return out;
}

constexpr auto one = "# mine\n[[runners]]\n  token = \"old\" # here\n";
constexpr auto one_changed = "# mine\n[[runners]]\n  token = \"new\" # here\n";

result<void, config_errc> change(config_text& x) {
  return x.set(0, {"token"}, secret{"new"});
}

} // namespace

TEST_CASE("a changed file keeps its mode, owner and comments") {
  folder at;
  write(at.file(), one);
  REQUIRE_EQ(::chmod(at.file().c_str(), 0640), 0);
  if (::geteuid() == 0)
    REQUIRE_EQ(::chown(at.file().c_str(), 12, 34), 0);
  auto before = facts_of(at.file());
  auto done = rewrite_config(at.file(), change);
  CHECK_MESSAGE(done, (done ? "" : done.error().text));
  CHECK_EQ(content(at.file()), one_changed);
  auto after = facts_of(at.file());
  CHECK_EQ(after.st_mode, before.st_mode);
  CHECK_EQ(after.st_uid, before.st_uid);
  CHECK_EQ(after.st_gid, before.st_gid);
  CHECK_NE(after.st_ino, before.st_ino); // it was replaced at once
  CHECK_EQ(at.files(), 1);
}

TEST_CASE("a symbolic link stays one, and its file is changed") {
  folder at;
  fs::create_directory(at.path / "real");
  write(at.file("real/file"), one);
  fs::create_symlink("real/file", at.path / "link");
  fs::create_symlink(at.path / "link", at.file());
  CHECK(rewrite_config(at.file(), change));
  CHECK(fs::is_symlink(at.file()));
  CHECK(fs::is_symlink(at.path / "link"));
  CHECK_EQ(content(at.file("real/file")), one_changed);
}

TEST_CASE("a new file and its folder are for their owner only") {
  folder at;
  auto file = at.file("a/b/config.toml");
  auto add
    = [](config_text& x) { return x.append(*config_text::parse(one, "new")); };
  CHECK_EQ(rewrite_config(file, add).error().code, config_errc::not_readable);
  CHECK_FALSE(fs::exists(at.path / "a"));
  CHECK(rewrite_config(file, add, {.may_create = true}));
  CHECK_EQ(facts_of(file).st_mode & 07777, 0600);
  CHECK_EQ(facts_of(at.file("a/b")).st_mode & 07777, 0700);
  CHECK_EQ(facts_of(at.file("a")).st_mode & 07777, 0700);
}

TEST_CASE("nothing is written when nothing changes") {
  folder at;
  write(at.file(), one);
  auto before = facts_of(at.file());
  CHECK(rewrite_config(
    at.file(), [](config_text&) { return result<void, config_errc>{}; }));
  CHECK_EQ(facts_of(at.file()).st_ino, before.st_ino);
}

TEST_CASE("a change by somebody else in the meantime is not lost") {
  folder at;
  write(at.file(), one);
  auto times = 0;
  auto edit_by_hand = [&] {
    if (++times == 1)
      write(at.file(), std::string{one} + "  limit = 3\n");
  };
  CHECK(rewrite_config(at.file(), change, {.meanwhile = edit_by_hand}));
  CHECK_EQ(times, 2);
  CHECK_EQ(content(at.file()), std::string{one_changed} + "  limit = 3\n");

  SUBCASE("also when the file was replaced, with the same text") {
    times = 0;
    write(at.file(), one);
    auto replace = [&] {
      if (++times == 1) {
        write(at.file("other"), one);
        fs::rename(at.file("other"), at.file());
      }
    };
    CHECK(rewrite_config(at.file(), change, {.meanwhile = replace}));
    CHECK_EQ(times, 2);
    CHECK_EQ(content(at.file()), one_changed);
  }

  SUBCASE("nor is a file that somebody else makes") {
    times = 0;
    auto file = at.file("fresh.toml");
    auto make = [&] {
      if (++times == 1)
        write(file, "concurrent = 7\n");
    };
    auto add = [](config_text& x) {
      return x.append(*config_text::parse(one, "new"));
    };
    CHECK(rewrite_config(
      file, add, {.may_create = true, .is_trial = false, .meanwhile = make}));
    CHECK_EQ(content(file), std::string{"concurrent = 7\n\n"}
                              + std::string{one}.substr(7)); // "# mine"
  }

  SUBCASE("what changes all the time is left alone") {
    write(at.file(), one);
    auto always = [&] {
      write(at.file(), one + std::string(static_cast<size_t>(++times), '\n'));
    };
    auto done = rewrite_config(at.file(), change, {.meanwhile = always});
    REQUIRE_FALSE(done);
    CHECK_EQ(done.error().code, config_errc::not_writable);
  }
  for (const auto& left : fs::directory_iterator{at.path})
    CHECK_NE(left.path().filename().string().front(), '.');
}

TEST_CASE("a full disk leaves the file as it was") {
  folder at;
  write(at.file(), one);
  // What a disk without room does to a write, for this process alone.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  REQUIRE_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit small{8, old.rlim_max};
  REQUIRE_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto done = rewrite_config(at.file(), change);
  REQUIRE_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  REQUIRE_FALSE(done);
  CHECK_EQ(done.error().code, config_errc::not_writable);
  CHECK_NE(done.error().text.find("is unchanged"), std::string::npos);
  CHECK_NE(done.error().text.find("make room"), std::string::npos);
  CHECK_EQ(content(at.file()), one);
  CHECK_EQ(at.files(), 1);
}

TEST_CASE("a folder that may not be written to leaves the file as it was") {
  constexpr uid_t nobody = 65'534; // to root nothing is forbidden
  folder at;
  write(at.file(), one);
  auto is_root = ::geteuid() == 0;
  if (is_root) {
    REQUIRE_EQ(::chown(at.path.c_str(), nobody, nobody), 0);
    REQUIRE_EQ(::chown(at.file().c_str(), nobody, nobody), 0);
    REQUIRE_EQ(::seteuid(nobody), 0);
  }
  fs::permissions(at.path, fs::perms::owner_read | fs::perms::owner_exec);
  auto done = rewrite_config(at.file(), change);
  if (is_root)
    REQUIRE_EQ(::seteuid(0), 0);
  REQUIRE_FALSE(done);
  CHECK_EQ(done.error().code, config_errc::not_writable);
  CHECK_NE(done.error().text.find(at.path.string()), std::string::npos);
  CHECK_EQ(content(at.file()), one);
}

TEST_CASE("a file that is mounted by itself is written in place") {
  folder at;
  write(at.file("outside"), one);
  write(at.file(), "");
  if (::geteuid() != 0
      || ::mount(at.file("outside").c_str(), at.file().c_str(), nullptr,
                 MS_BIND, nullptr)
           != 0)
    return; // only root can mount
  auto done = rewrite_config(at.file(), change);
  auto text = content(at.file());
  ::umount(at.file().c_str());
  CHECK_MESSAGE(done, (done ? "" : done.error().text));
  CHECK_EQ(text, one_changed);
  CHECK_EQ(content(at.file("outside")), one_changed);
  CHECK_EQ(at.files(), 2);
}

TEST_CASE("a file that cannot be read or understood is left alone") {
  folder at;
  CHECK_EQ(rewrite_config(at.path.string(), change).error().code,
           config_errc::not_readable);
  write(at.file(), "[[runners]\n");
  CHECK_EQ(rewrite_config(at.file(), change).error().code,
           config_errc::not_valid);
  write(at.file(), "");
  CHECK_EQ(rewrite_config(at.file(), change).error().code,
           config_errc::not_valid); // no such runner
  CHECK_EQ(content(at.file()), "");
}
