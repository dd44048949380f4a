#include "executors/helper/archive/extract.hpp"
#include "executors/helper/archive/tar_reader.hpp"
#include "executors/helper/archive/writer.hpp"
#include "executors/helper/archive/zip_reader.hpp"
#include "executors/helper/unique_fd.hpp"
#include "tests/unit/helper_commands/scratch.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>

using namespace muster;
using namespace muster::helper;
using namespace muster::test;

namespace {

struct item {
  archive_entry facts;
  std::string content;
};

item file(std::string path, std::string content, uint32_t mode = 0644) {
  archive_entry facts;
  facts.path = std::move(path);
  facts.mode = mode;
  facts.modified_s = 1'600'000'001;
  facts.user = ::getuid();
  facts.group = ::getgid();
  facts.size_bytes = content.size();
  return {facts, std::move(content)};
}

item folder(std::string path, uint32_t mode = 0755) {
  auto made = file(std::move(path), "", mode);
  made.facts.kind = entry_kind::folder;
  return made;
}

item link_to(std::string path, std::string target) {
  auto made = file(std::move(path), "", 0777);
  made.facts.kind = entry_kind::link;
  made.facts.target = std::move(target);
  return made;
}

std::string archive_of(archive_format format, const std::vector<item>& items,
                       compression_level level = compression_level::normal) {
  text_sink to;
  auto writer = make_archive_writer(format, level, to);
  REQUIRE(writer.has_value());
  for (const auto& x : items)
    REQUIRE((*writer)->add(x.facts, source_of(x.content)).has_value());
  REQUIRE((*writer)->finish().has_value());
  return to.text;
}

/// Extracts into the current folder.
result<extracted, helper_errc> extract_text(const std::string& archive) {
  write_file("../archive", archive);
  unique_fd file{::open("../archive", O_RDONLY | O_CLOEXEC)};
  REQUIRE(static_cast<bool>(file));
  return extract(file.get(), ".");
}

struct stat facts_of_link(const char* path) {
  struct stat facts {};
  CAPTURE(path);
  REQUIRE_EQ(::lstat(path, &facts), 0);
  return facts;
}

std::string noise(size_t size) {
  std::mt19937 chance{1};
  std::string text(size, '\0');
  for (auto& c : text)
    c = static_cast<char>(chance());
  return text;
}

const archive_format formats[]
  = {archive_format::zip, archive_format::zipzstd, archive_format::tarzstd};

} // namespace

TEST_CASE("what goes into an archive comes out of it") {
  auto big = noise(700'000);
  std::string long_name(200, 'n');
  std::vector<item> items{
    folder("a", 0750),
    file("a/empty", ""),
    file("a/text", "hello\n", 0600),
    file("a/noise", big, 0755),
    file("a/zeros", std::string(3'000'000, '\0')),
    file("a/\xc3\xbc \xff\x01", "odd name"),
    file("a/" + long_name, "long"),
    link_to("a/link", "text"),
    link_to("a/away", "/etc/passwd"),
  };
  for (auto format : formats)
    for (auto level : {compression_level::fastest, compression_level::fast,
                       compression_level::slowest}) {
      scratch here;
      CAPTURE(static_cast<int>(format));
      CAPTURE(static_cast<int>(level));
      auto done = extract_text(archive_of(format, items, level));
      if (!done)
        FAIL(done.error().text);
      CHECK_EQ(done->entries, items.size());
      for (const auto& x : items) {
        CAPTURE(x.facts.path);
        auto facts = facts_of_link(x.facts.path.c_str());
        CHECK_EQ(facts.st_mtim.tv_sec, 1'600'000'001);
        if (x.facts.kind == entry_kind::link) {
          CHECK(S_ISLNK(facts.st_mode));
          CHECK_EQ(fs::read_symlink(x.facts.path).string(), x.facts.target);
          continue;
        }
        CHECK_EQ(facts.st_mode & 07777, x.facts.mode);
        CHECK_EQ(S_ISDIR(facts.st_mode), x.facts.kind == entry_kind::folder);
        if (x.facts.kind == entry_kind::file)
          CHECK(read_file(x.facts.path) == x.content);
      }
    }
}

TEST_CASE("gzip members become files again") {
  scratch here;
  auto archive = archive_of(archive_format::gzip,
                            {folder("a"), file("a/one", "1\n"),
                             file("two", noise(300'000)), file("three", "")});
  auto done = extract_text(archive);
  if (!done)
    FAIL(done.error().text);
  CHECK_EQ(done->entries, 3);
  CHECK_EQ(read_file("a/one"), "1\n");
  CHECK(read_file("two") == noise(300'000));
  CHECK_EQ(read_file("three"), "");
}

TEST_CASE("a raw archive is the file") {
  CHECK_EQ(archive_of(archive_format::raw, {file("a", "as it is")}),
           "as it is");
}

TEST_CASE("an empty archive is one") {
  for (auto format : formats) {
    scratch here;
    auto done = extract_text(archive_of(format, {}));
    if (!done)
      FAIL(done.error().text);
    CHECK_EQ(done->entries, 0);
  }
}

TEST_CASE("entries that lead out of the folder are refused") {
  for (auto format : formats)
    for (const auto* path :
         {"/tmp/muster-evil", "../evil", "a/../../evil", "..", "a/../b"}) {
      scratch here;
      CAPTURE(path);
      auto done = extract_text(archive_of(format, {file(path, "evil")}));
      REQUIRE_FALSE(done.has_value());
      CHECK_NE(done.error().text.find("not extracted"), std::string::npos);
      CHECK_FALSE(fs::exists("../evil"));
      CHECK_FALSE(fs::exists("/tmp/muster-evil"));
    }
}

TEST_CASE("nothing is written through a link of the archive") {
  for (auto format : formats)
    for (const auto* target : {"..", "/tmp", "../outside", "inside"}) {
      scratch here;
      fs::create_directory("../outside");
      fs::create_directory("inside");
      CAPTURE(target);
      auto done = extract_text(
        archive_of(format, {link_to("a", target), file("a/evil", "evil")}));
      REQUIRE_FALSE(done.has_value());
      CHECK_NE(done.error().text.find("symbolic link"), std::string::npos);
      CHECK_FALSE(fs::exists("../evil"));
      CHECK_FALSE(fs::exists("../outside/evil"));
      CHECK_FALSE(fs::exists("/tmp/evil"));
    }
}

TEST_CASE("nothing is written through a link that was there") {
  scratch here;
  fs::create_directory("../outside");
  fs::create_symlink("../outside", "a");
  SUBCASE("as a folder on the way") {
    auto done
      = extract_text(archive_of(archive_format::zip, {file("a/evil", "evil")}));
    CHECK_FALSE(done.has_value());
  }
  SUBCASE("as a file's place") {
    write_file("../outside/target", "kept");
    fs::remove("a");
    fs::create_symlink("../outside/target", "a");
    auto done = extract_text(archive_of(archive_format::zip, {file("a", "x")}));
    CHECK(done.has_value());
    CHECK_EQ(read_file("../outside/target"), "kept");
    CHECK_FALSE(fs::is_symlink("a"));
    fs::remove("../outside/target");
  }
  SUBCASE("as a folder's place") {
    auto done = extract_text(
      archive_of(archive_format::zip, {folder("a"), file("a/b", "x")}));
    CHECK(done.has_value());
    CHECK_EQ(read_file("a/b"), "x");
    CHECK_FALSE(fs::is_symlink("a"));
  }
  CHECK(fs::is_empty("../outside"));
}

TEST_CASE("a file linked to one outside keeps its content there") {
  scratch here;
  write_file("../outside", "kept");
  fs::create_hard_link("../outside", "a");
  auto done = extract_text(archive_of(archive_format::zip, {file("a", "new")}));
  CHECK(done.has_value());
  CHECK_EQ(read_file("a"), "new");
  CHECK_EQ(read_file("../outside"), "kept");
}

TEST_CASE("bits that lend rights are not restored") {
  for (auto format : formats) {
    scratch here;
    auto done = extract_text(
      archive_of(format, {file("a", "x", 06755), folder("b", 07777)}));
    CHECK(done.has_value());
    CHECK_EQ(facts_of_link("a").st_mode & 07777, 0755);
    CHECK_EQ(facts_of_link("b").st_mode & 07777, 0777);
  }
}

TEST_CASE("what was there is replaced") {
  scratch here;
  write_file("file", "old");
  fs::permissions("file", fs::perms::owner_read);
  fs::create_directory("empty");
  write_file("full/x", "old");
  fs::create_symlink("nowhere", "link");
  auto done = extract_text(
    archive_of(archive_format::zip, {file("file", "new"), file("empty", "new"),
                                     link_to("link", "file"), folder("full"),
                                     file("full/x", "new")}));
  if (!done)
    FAIL(done.error().text);
  CHECK_EQ(read_file("file"), "new");
  CHECK_EQ(read_file("empty"), "new");
  CHECK_EQ(read_file("full/x"), "new");
  CHECK_EQ(fs::read_symlink("link").string(), "file");
  done = extract_text(archive_of(archive_format::zip, {file("full", "new")}));
  REQUIRE_FALSE(done.has_value());
  CHECK_NE(done.error().text.find("not empty"), std::string::npos);
}

TEST_CASE("a folder without write permission is filled all the same") {
  scratch here;
  auto done = extract_text(
    archive_of(archive_format::zip, {folder("a", 0500), file("a/b", "x"),
                                     folder("a/c", 0555), file("a/c/d", "y")}));
  if (!done)
    FAIL(done.error().text);
  CHECK_EQ(facts_of_link("a").st_mode & 0777, 0500);
  CHECK_EQ(facts_of_link("a").st_mtim.tv_sec, 1'600'000'001);
  CHECK_EQ(read_file("a/c/d"), "y");
}

TEST_CASE("damage is noticed and leaves no file that looks whole") {
  auto content = noise(100'000) + std::string(100'000, 'x');
  for (auto format : formats) {
    auto whole = archive_of(format, {file("a", content)});
    SUBCASE("a changed byte") {
      scratch here;
      auto bad = whole;
      bad[whole.size() / 2] = static_cast<char>(bad[whole.size() / 2] ^ 0x10);
      auto done = extract_text(bad);
      // A tar has no checksum of its content: zstd's blocks notice most of it.
      if (format != archive_format::tarzstd) {
        CHECK_FALSE(done.has_value());
        CHECK_FALSE(fs::exists("a"));
      }
    }
    SUBCASE("cut off") {
      for (auto size :
           {size_t{3}, size_t{40}, whole.size() / 2, whole.size() - 5}) {
        scratch here;
        CAPTURE(size);
        auto done = extract_text(whole.substr(0, size));
        CHECK_FALSE(done.has_value());
        CHECK_FALSE((fs::exists("a") && size < whole.size() - 5));
      }
    }
  }
  scratch here;
  CHECK_FALSE(extract_text("").has_value());
  CHECK_FALSE(extract_text("<html>not an archive</html>").has_value());
}

TEST_CASE("a prefix does not hide a zip") {
  scratch here;
  auto done = extract_text(std::string(1'000, '#')
                           + archive_of(archive_format::zip, {file("a", "x")}));
  if (!done)
    FAIL(done.error().text);
  CHECK_EQ(read_file("a"), "x");
}

TEST_CASE("a repository's folder is noticed") {
  scratch here;
  auto done = extract_text(
    archive_of(archive_format::zip, {file("a/.git/config", "x")}));
  REQUIRE(done.has_value());
  CHECK(done->has_git);
}

TEST_CASE("a zip may have more entries than 16 bits can count") {
  constexpr uint64_t count = 66'000;
  scratch here;
  text_sink to;
  auto writer
    = make_archive_writer(archive_format::zip, compression_level::normal, to);
  REQUIRE(writer.has_value());
  auto empty = file("", "");
  for (uint64_t i = 0; i < count; ++i) {
    empty.facts.path = std::to_string(i);
    REQUIRE((*writer)->add(empty.facts, {}).has_value());
  }
  REQUIRE((*writer)->finish().has_value());
  write_file("../archive", to.text);
  unique_fd opened{::open("../archive", O_RDONLY | O_CLOEXEC)};
  auto reader = zip_reader::open(opened.get());
  REQUIRE(reader.has_value());
  uint64_t next = 0;
  auto done = reader->each(
    [&next](const archive_entry& what, const byte_source&) -> outcome {
      CHECK_EQ(what.path, std::to_string(next++));
      return {};
    });
  CHECK(done.has_value());
  CHECK_EQ(next, count);
}
