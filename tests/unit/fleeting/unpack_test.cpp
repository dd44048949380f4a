#include "tools/muster/fleeting/unpack.hpp"

#include "executors/helper/unique_fd.hpp"
#include "tests/support/tar_text.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <sys/mman.h>
#include <unistd.h>

using namespace muster;
using namespace muster::fleeting;
using namespace muster::test;

namespace {

namespace fs = std::filesystem;

/// A folder, and what was unpacked there.
class place {
public:
  place() {
    auto name = (fs::temp_directory_path() / "muster-unpack.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }

  ~place() {
    fs::remove_all(path_);
  }

  place(const place&) = delete;
  place& operator=(const place&) = delete;

  /// Nothing, or what is wrong.
  std::string unpack(const std::string& bytes,
                     const unpack_limits& limits = {}) const {
    helper::unique_fd file{memfd_create("layer", MFD_CLOEXEC)};
    REQUIRE(file);
    REQUIRE_EQ(write(file.get(), bytes.data(), bytes.size()),
               static_cast<ssize_t>(bytes.size()));
    auto done = unpack_plugin(file.get(), path_.string(), limits);
    return done ? "" : done.error().text;
  }

  std::set<std::string> names() const {
    std::set<std::string> out;
    for (const auto& x : fs::directory_iterator{path_})
      out.insert(x.path().filename().string());
    return out;
  }

  std::string text(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream{path_ / name, std::ios::binary}.rdbuf();
    return out.str();
  }

  unsigned mode(const std::string& name) const {
    return static_cast<unsigned>(fs::status(path_ / name).permissions());
  }

private:
  fs::path path_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::vector<tar_entry> good{
  {"./", "", 0755, '5', ""},
  {"plugin/", "", 0755, '5', ""},
  {"plugin/plugin", "program", 0644, '0', ""},
  {"plugin/data", "more", 0666, '0', ""},
  {"etc/passwd", "other", 0644, '0', ""},
};

} // namespace

TEST_CASE("a plugin's files are unpacked from any kind of layer") {
  auto tar = tar_of(good);
  auto half = tar.size() / 2;
  const std::string layers[]
    = {tar, gzip_of(tar), zstd_of(tar),
       // Members one after the other, as some programs write them.
       gzip_of(tar.substr(0, half)) + gzip_of(tar.substr(half)),
       zstd_of(tar.substr(0, half)) + zstd_of(tar.substr(half))};
  for (const auto& layer : layers) {
    place x;
    CHECK_EQ(x.unpack(layer), "");
    CHECK((x.names() == std::set<std::string>{"plugin", "data"}));
    CHECK_EQ(x.text("plugin"), "program");
    CHECK_EQ(x.text("data"), "more");
    // It can be run, by anybody; and changed by nobody else.
    CHECK_EQ(x.mode("plugin"), 0755);
    CHECK_EQ(x.mode("data"), 0644);
  }
}

TEST_CASE("the folder Files of images for Windows is passed over") {
  place x;
  CHECK_EQ(x.unpack(tar_of({{"Hives", "", 0755, '5', ""},
                            {"Files/plugin/plugin", "x", 0755, '0', ""}})),
           "");
  CHECK_EQ(x.text("plugin"), "x");
}

TEST_CASE("archives that want more than files are refused") {
  struct row {
    const char* what;
    tar_entry entry;
    const char* says;
  };
  const row rows[] = {
    {"absolute", {"/plugin/x", "x", 0644, '0', ""}, "leads out of its folder"},
    {"up", {"plugin/../../x", "x", 0644, '0', ""}, "leads out of its folder"},
    {"up elsewhere", {"etc/../x", "x", 0644, '0', ""}, "leads out of"},
    {"link", {"plugin/x", "", 0777, '2', "/etc/passwd"}, "neither a file nor"},
    {"link elsewhere", {"bin", "", 0777, '2', "usr/bin"}, "neither a file nor"},
    {"hard link", {"plugin/x", "", 0644, '1', "plugin/plugin"}, "neither a"},
    {"device", {"plugin/x", "", 0644, '3', ""}, "neither a file nor"},
    {"pipe", {"plugin/x", "", 0644, '6', ""}, "neither a file nor"},
    {"folder", {"plugin/sub", "", 0755, '5', ""}, "is a further folder"},
    {"below", {"plugin/sub/x", "x", 0644, '0', ""}, "is in a further folder"},
    {"twice", {"plugin/plugin", "x", 0755, '0', ""}, "is there twice"},
    {"a file", {"plugin", "x", 0755, '0', ""}, "instead of a folder"},
    {"a name that lies", {"plugin/x\x1b[2J", "", 0, '2', ""}, "plugin/x?[2J"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    place x;
    auto entries = good;
    entries.push_back(r.entry);
    CHECK_MESSAGE(has(x.unpack(gzip_of(tar_of(entries))), r.says), r.what);
  }
}

TEST_CASE("what is no plugin's layer is refused") {
  auto tar = tar_of(good);
  auto gzip = gzip_of(tar);
  struct row {
    std::string bytes;
    const char* says;
  };
  const row rows[] = {
    {"", "has no program"},
    {"#!/bin/sh\n", "damaged"},
    {std::string(4096, 'x'), "damaged"},
    {gzip.substr(0, gzip.size() / 2), "cut off"},
    {"\x1f\x8b" + std::string(4096, 'x'), "damaged"},
    {"\x28\xb5\x2f\xfd" + std::string(4096, 'x'), "damaged"},
    {tar.substr(0, 1100), "damaged"},
    {tar_of({}), "has no program plugin/plugin"},
    {tar_of({{"plugin/other", "x", 0755, '0', ""}}), "has no program"},
    {tar_of({{"plugin/plugin", "", 0755, '0', ""}}), "has no program"},
    {tar_of({{"plugin.exe", "x", 0755, '0', ""}}), "has no program"},
  };
  for (const auto& r : rows) {
    place x;
    auto says = x.unpack(r.bytes);
    CHECK_MESSAGE(has(says, r.says), says);
  }
}

TEST_CASE("a small layer does not become a large plugin") {
  place x;
  unpack_limits limits{1 << 20, 2};
  auto large = tar_of({{"plugin/plugin", std::string(80 << 20, 'x')}});
  CHECK(has(x.unpack(gzip_of(large), limits), "is too large"));
  place y;
  CHECK(has(
    y.unpack(
      tar_of({{"plugin/plugin", "x"}, {"plugin/b", "x"}, {"plugin/c", "x"}}),
      limits),
    "too many files"));
}
