#include "actors/dialer/edge.hpp"
#include "tests/support/scripted_transport.hpp"
#include "tests/unit/plan/shell_run.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <zlib.h>

// What the dialer has an instance do is a script: carried out here by the
// machine's own shell, with a home of its own.

using namespace muster;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void pack(const std::string& text, const fs::path& to) {
  auto* out = gzopen(to.c_str(), "wb9");
  REQUIRE(out != nullptr);
  REQUIRE_EQ(gzwrite(out, text.data(), static_cast<unsigned int>(text.size())),
             static_cast<int>(text.size()));
  REQUIRE_EQ(gzclose(out), Z_OK);
}

struct host {
  fs::path folder;
  fs::path home;
  fs::path tools; ///< in front of the others, if there are any
  fs::path helper;
  std::string limit; ///< said before the command
  std::shared_ptr<test::scripted_transport> wire
    = std::make_shared<test::scripted_transport>();
  std::unique_ptr<dial_edge> edge;

  host() {
    char name[] = "/tmp/muster-bootstrap-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    folder = name;
    home = folder / "home";
    tools = folder / "tools";
    helper = folder / "muster-helper";
    fs::create_directory(home);
    fs::create_directory(tools);
    std::string program = "#!/bin/sh\necho \"ready $3/socket\"\nexit 0\n";
    uint32_t chance = 1;
    for (int i = 0; i < 20'000; ++i) { // packs badly
      chance = chance * 1'664'525 + 1'013'904'223;
      program += static_cast<char>('A' + (chance >> 24) % 26);
    }
    std::ofstream{helper} << program;
  }

  ~host() {
    fs::remove_all(folder);
  }

  host(const host&) = delete;
  host& operator=(const host&) = delete;

  fs::path packed() const {
    return helper.string() + ".gz";
  }

  /// In place of the machine's.
  void tool(const char* name, const std::string& script) const {
    std::ofstream{tools / name} << "#!/bin/sh\n" << script << "\n";
    fs::permissions(tools / name, fs::perms::owner_all);
  }

  test::shell_result carry_out() const {
    const auto& asked = wire->commands.back().what;
    auto input
      = asked.input_file.empty() ? std::string{} : text_of(asked.input_file);
    test::shell_options how;
    how.directory = home.string();
    return test::run_program(
      {"/bin/sh", "-c",
       "PATH=\"" + tools.string() + ":$PATH\"; " + limit + asked.command},
      input, how);
  }

  bootstrap_answer probe() const {
    dial_edge{wire, helper.string()}.probe_helper(1, 1, {});
    return read_bootstrap(carry_out().out);
  }

  /// Begins with the helper as it is now.
  void start() {
    edge = std::make_unique<dial_edge>(wire, helper.string());
  }

  bootstrap_answer upload(bool unpacks, int place = 1) {
    if (!edge)
      start();
    edge->upload_helper(1, 1, place, unpacks, {});
    return read_bootstrap(carry_out().out);
  }

  /// What is in the folder for it.
  std::vector<std::string> put() const {
    std::vector<std::string> out;
    auto at = home / ".cache" / "muster";
    if (fs::exists(at))
      for (const auto& x : fs::directory_iterator{at})
        out.push_back(text_of(x.path()));
    return out;
  }
};

} // namespace

TEST_CASE("a host says what it needs, and whether it can unpack that") {
  host x;
  auto bare = x.probe();
  CHECK(bare.socket_path.empty());
  CHECK_EQ(bare.platform, "Linux x86_64");
  CHECK(bare.unpacks);
  x.limit = "PATH=" + x.tools.string() + "; ";
  for (const auto* name : {"sh", "id", "uname", "cksum"})
    fs::create_symlink("/usr/bin/" + std::string{name}, x.tools / name);
  auto poor = x.probe();
  CHECK_EQ(poor.platform, "Linux x86_64");
  CHECK_FALSE(poor.unpacks);
}

TEST_CASE("the helper is put there and starts, packed or not") {
  host x;
  bool unpacks = false;
  SUBCASE("packed") {
    pack(text_of(x.helper), x.packed());
    unpacks = true;
  }
  SUBCASE("nothing packed is there") {
    unpacks = true;
  }
  SUBCASE("the host cannot unpack") {
    pack(text_of(x.helper), x.packed());
  }
  auto is_packed = unpacks && fs::exists(x.packed());
  CHECK(x.upload(unpacks).socket_path.ends_with("/socket"));
  CHECK(fs::equivalent(x.wire->commands.back().what.input_file,
                       is_packed ? x.packed() : x.helper));
  CHECK_EQ(x.put(), std::vector{text_of(x.helper)});
  CHECK(x.probe().socket_path.ends_with("/socket"));
}

TEST_CASE("a helper that cannot be unpacked leaves nothing, and is asked for "
          "as it is") {
  host x;
  pack(text_of(x.helper), x.packed());
  SUBCASE("the bytes are damaged") {
    auto bytes = text_of(x.packed());
    bytes[bytes.size() / 2] ^= 0x55;
    std::ofstream{x.packed()} << bytes;
  }
  SUBCASE("gzip gives up half way") {
    x.tool("gzip", "head -c 1000; exit 1");
  }
  SUBCASE("gzip claims to have done it") {
    x.tool("gzip", "cat >/dev/null; echo short");
  }
  SUBCASE("gzip finds out too late that it is not whole") {
    x.tool("gzip", "cat " + x.helper.string() + "; exit 1");
  }
  auto answer = x.upload(true);
  CHECK_EQ(answer.packed, 1);
  CHECK_EQ(answer.full, 0);
  CHECK(answer.socket_path.empty());
  CHECK(x.put().empty());
  CHECK(x.upload(false).socket_path.ends_with("/socket"));
  CHECK_EQ(x.put(), std::vector{text_of(x.helper)});
}

TEST_CASE("a folder without room is said to be full, and nothing stays in it") {
  host x;
  pack(text_of(x.helper), x.packed());
  x.limit = "ulimit -f 4; "; // blocks of 512 bytes
  auto answer = x.upload(true);
  CHECK_EQ(answer.packed, 1);
  CHECK(x.put().empty());
  answer = x.upload(false);
  CHECK_EQ(answer.packed, 0);
  CHECK_EQ(answer.full, 1);
  CHECK(x.put().empty());
}

TEST_CASE("that no folder has room is the reason to go without a helper") {
  host x;
  auto why = x.upload(false, 5).obstacle;
  INFO(why);
  CHECK(why.starts_with(x.home.string() + "/.cache/muster: no room for it; "));
  CHECK_EQ(std::count(why.begin(), why.end(), ';'), 3);
  CHECK(why.ends_with(": no room for it"));
}

TEST_CASE("a packed file of another helper is not used, and it is said") {
  host x;
  auto problem = [&x] {
    return dial_edge{x.wire, x.helper.string()}.packed_problem();
  };
  CHECK_EQ(problem(), "");
  pack(text_of(x.helper), x.packed());
  CHECK_EQ(problem(), "");
  SUBCASE("another one") {
    auto text = text_of(x.helper);
    text.back() = '!';
    pack(text, x.packed());
  }
  SUBCASE("cut off") {
    fs::resize_file(x.packed(), fs::file_size(x.packed()) - 1);
  }
  SUBCASE("empty") {
    fs::resize_file(x.packed(), 0);
  }
  SUBCASE("not gzip's") {
    std::ofstream{x.packed()} << std::string(100, 'x');
  }
  CHECK_NE(problem().find(x.packed().string()), std::string::npos);
  CHECK_NE(problem().find("gzip -9nkf"), std::string::npos);
  x.upload(true);
  CHECK(fs::equivalent(x.wire->commands.back().what.input_file, x.helper));
}

TEST_CASE("files that are upgraded meanwhile do not matter") {
  host x;
  auto before = text_of(x.helper);
  auto unpacks = false;
  SUBCASE("as it is") {
  }
  SUBCASE("packed") {
    pack(before, x.packed());
    unpacks = true;
  }
  x.start();
  // As a package manager does it.
  for (const auto& path : {x.helper, x.packed()}) {
    std::ofstream{x.folder / "new"} << "of another version";
    fs::rename(x.folder / "new", path);
  }
  CHECK(x.upload(unpacks).socket_path.ends_with("/socket"));
  CHECK_EQ(x.put(), std::vector{before});
}
