#include "tests/e2e/fleeting/bed.hpp"
#include "tests/e2e/fleeting/registry_bed.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <sys/stat.h>

using namespace muster;
using namespace muster::test;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;
using texts = std::vector<std::string>;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A program that tells its version.
plugin_image image(const std::string& version) {
  plugin_image out;
  out.version = version;
  out.program = "#!/bin/sh\necho " + version + "\n";
  return out;
}

void push_versions(const plugin_registry& to, const std::string& repository,
                   const texts& versions) {
  for (const auto& x : versions)
    to.push(repository, {image(x)}, {x});
}

} // namespace

TEST_CASE("plugins are installed by tag, by constraint and by digest") {
  plugin_registry registry;
  auto repository = registry.name() + "/group/cloud";
  push_versions(registry, "group/cloud", {"1.0.0", "1.2.0", "1.10.1"});
  registry.push("group/cloud", {image("2.0.0-rc.1")}, {"2.0.0-rc.1", "edge"});
  auto pinned = registry.push("group/cloud", {image("0.9.0")}, {"0.9.0"});
  struct row {
    std::string tag;
    std::string folder;
  };
  const row rows[] = {
    {":1.0.0", "1.0.0"},
    {":1.2", "1.2.0"},
    {":1", "1.10.1"},
    {"", "1.10.1"},
    {":latest", "1.10.1"},
    {":2.0.0-rc.1", "2.0.0-rc.1"},
    {"@" + pinned, "sha256-" + pinned.substr(7)},
    {":0.9@" + pinned, "sha256-" + pinned.substr(7)},
  };
  for (const auto& r : rows) {
    CAPTURE(r.tag);
    fleeting_place x;
    auto plugin = repository + r.tag;
    x.configure({plugin});
    auto path = fmt::format("{}/{}/{}/plugin", x.plugins().string(), repository,
                            r.folder);
    auto line
      = fmt::format("runner: 123456789, plugin: {}, path: {}\n", plugin, path);
    auto missing = x.muster("muster fleeting list");
    CHECK_EQ(missing.status, 1);
    CHECK_EQ(missing.out, "");
    CHECK_MESSAGE(has(missing.err, fmt::format("runner: 123456789, plugin: {}, "
                                               "error: plugin \"{}\" is not "
                                               "installed: install it with "
                                               "`muster fleeting install`",
                                               plugin, plugin)),
                  missing.err);
    auto done = x.muster("muster fleeting install");
    CHECK_MESSAGE(done.status == 0, done.err);
    CHECK_EQ(done.out, line);
    CHECK((x.files() == texts{repository + "/" + r.folder + "/plugin"}));
    struct stat facts {};
    REQUIRE_EQ(::stat(path.c_str(), &facts), 0);
    CHECK_EQ(facts.st_mode & 07777, 0755);
    auto listed = x.muster("muster fleeting -c config.toml list");
    CHECK_EQ(listed.status, 0);
    CHECK_EQ(listed.out, line);
    CHECK_EQ(listed.err, "");
  }
}

TEST_CASE("what is there is left alone, unless an upgrade is wanted") {
  plugin_registry registry;
  fleeting_place x;
  auto repository = registry.name() + "/cloud";
  x.configure({repository + ":1"});
  push_versions(registry, "cloud", {"1.0.0"});
  REQUIRE_EQ(x.muster("muster fleeting install").status, 0);
  push_versions(registry, "cloud", {"1.1.0"});
  CHECK(has(x.muster("muster fleeting install").out, "/1.0.0/plugin"));
  CHECK(
    has(x.muster("muster fleeting install --upgrade").out, "/1.1.0/plugin"));
  CHECK(has(x.muster("muster fleeting list").out, "/1.1.0/plugin"));
  CHECK_EQ(x.files().size(), 2);
  SUBCASE("a program that was lost is put there again") {
    auto broken = x.plugins() / repository / "1.1.0/plugin";
    fs::remove(broken);
    CHECK(has(x.muster("muster fleeting list").err, "install it again"));
    CHECK(has(x.muster("muster fleeting install").out, broken.string()));
    CHECK_EQ(x.files().size(), 2);
  }
  SUBCASE("what a killed installation left is removed by the next") {
    x.write("plugins/.muster-install-abcdef/layer", "half");
    push_versions(registry, "cloud", {"1.2.0"});
    CHECK_EQ(x.muster("muster fleeting install --upgrade").status, 0);
    CHECK_EQ(x.files().size(), 3);
  }
}

TEST_CASE("the image is the one for this machine") {
  plugin_registry registry;
  auto other = image("1.0.0");
  other.os = "plan9";
  auto other_arch = image("1.0.0");
  other_arch.arch = "mips";
  registry.push("cloud", {other, other_arch, image("1.0.0")}, {"1.0.0"});
  registry.push("elsewhere", {other, other_arch}, {"1.0.0"});
  registry.push_image("alone", other, "1.0.0");
  fleeting_place x;
  x.configure({registry.name() + "/cloud"});
  CHECK_EQ(x.muster("muster fleeting install").status, 0);
  x.configure({registry.name() + "/elsewhere"});
  auto none = x.muster("muster fleeting install");
  CHECK_EQ(none.status, 1);
  CHECK_MESSAGE(has(none.err, "it has no image for linux/"), none.err);
  CHECK(has(none.err, "only for plan9/"));
  CHECK(has(none.err, "linux/mips"));
}

TEST_CASE("images of other publishers are understood") {
  plugin_registry registry;
  auto docker = image("1.0.0");
  docker.docker = true;
  docker.annotated = false;
  registry.push("docker", {docker}, {"1.0.0"});
  auto zstd = image("1.0.0");
  zstd.compression = "zstd";
  registry.push("zstd", {zstd}, {"1.0.0"});
  auto plain = image("1.0.0");
  plain.compression = "none";
  plain.annotated = false;
  registry.push_image("plain", plain, "1.0.0");
  // Only the publisher's own alias is there.
  registry.push("alias", {image("1.4.2")}, {"1"});
  fleeting_place x;
  auto name = registry.name();
  x.configure(
    {name + "/docker", name + "/zstd", name + "/plain:1", name + "/alias:1"});
  auto done = x.muster("muster fleeting install");
  CHECK_MESSAGE(done.status == 0, done.err);
  CHECK((x.files()
         == texts{name + "/alias/1.4.2/plugin", name + "/docker/1.0.0/plugin",
                  name + "/plain/1.0.0/plugin", name + "/zstd/1.0.0/plugin"}));
}

TEST_CASE("a plugin that cannot be installed does not keep others from it") {
  plugin_registry registry;
  push_versions(registry, "cloud", {"1.0.0"});
  registry.push("moved", {image("3.0.0")}, {"1.0.0"});
  auto name = registry.name();
  auto digest = digest_text("something else");
  fleeting_place x;
  x.configure({name + "/cloud:7", name + "/none", name + "/cloud:1.x",
               name + "/cloud@" + digest, name + "/moved:1.0.0", "local",
               name + "/cloud:1", "/none/here", "fleeting-plugin-none"});
  auto done = x.muster("muster fleeting install");
  CHECK_EQ(done.status, 1);
  CHECK_EQ(done.out, fmt::format("runner: 723456789, plugin: {}/cloud:1, path: "
                                 "{}/{}/cloud/1.0.0/plugin\n",
                                 name, x.plugins().string(), name));
  for (const auto& line :
       {fmt::format("runner: 123456789, plugin: {}/cloud:7, install error: "
                    "{}/cloud: there is no 7: 404",
                    name, name),
        fmt::format("{}/none: there is no latest: 404", name),
        std::string{"invalid semantic version \"1.x\""},
        fmt::format("there is no {}: 404", digest),
        std::string{"what is there as 1.0.0 is version \"3.0.0\""},
        std::string{"there is no such file"},
        std::string{"is in no folder of PATH"}})
    CHECK_MESSAGE(has(done.err, line), done.err);
  CHECK_FALSE(has(done.err, "plugin: local"));
}

TEST_CASE("without a plugin there is nothing to install") {
  fleeting_place x;
  x.configure({"local"});
  auto done = x.muster("muster fleeting install");
  CHECK_EQ(done.status, 0);
  CHECK(has(done.err, "No plugins to install, review your runner "
                      "configuration."));
  auto list = x.muster("muster fleeting list");
  CHECK_EQ(list.status, 0);
  CHECK_EQ(list.out + list.err, "");
  for (const auto* command : {"install", "list"}) {
    auto none = x.muster("CONFIG_FILE=none.toml muster fleeting "
                         + std::string{command});
    CHECK_EQ(none.status, 1);
    CHECK(has(none.err, "there is no such file"));
  }
}

TEST_CASE("a registry that wants a user gets the one of the login") {
  plugin_registry registry{true};
  push_versions(registry, "cloud", {"1.0.0"});
  fleeting_place x;
  x.configure({registry.name() + "/cloud"});
  auto refused = x.muster("muster fleeting install");
  CHECK_EQ(refused.status, 1);
  CHECK_MESSAGE(has(refused.err, "it wants a user: `muster fleeting login "
                                   + registry.name() + "`"),
                refused.err);
  SUBCASE("by a password on stdin") {
    auto in = x.muster("muster fleeting login --username runner "
                       "--password-stdin "
                         + registry.name(),
                       "s3cr3t-pass\n");
    CHECK_MESSAGE(in.status == 0, in.err);
    auto file = (x.path() / "docker/config.json").string();
    CHECK_EQ(in.out, "logged in via " + file + "\n");
    struct stat facts {};
    REQUIRE_EQ(::stat(file.c_str(), &facts), 0);
    CHECK_EQ(facts.st_mode & 07777, 0600);
    auto done = x.muster("muster fleeting install");
    CHECK_MESSAGE(done.status == 0, done.err);
    CHECK_EQ(x.files().size(), 1);
    CHECK_FALSE(has(in.err + done.err, "s3cr3t-pass"));
  }
  SUBCASE("a wrong password is told from none") {
    x.muster("muster fleeting login --username runner --password-stdin "
               + registry.name(),
             "wrong\n");
    auto done = x.muster("muster --debug fleeting install");
    CHECK_EQ(done.status, 1);
    CHECK_MESSAGE(has(done.err, "401"), done.err);
    CHECK(has(done.err, "the user that is logged in may not read it"));
    CHECK_FALSE(has(done.err, "wrong"));
    CHECK(x.files().empty());
  }
  SUBCASE("by a credential helper, which is told nothing on a command line") {
    x.write("docker/config.json", R"({"credsStore":"test"})");
    x.write("bin/docker-credential-test",
            "#!/bin/sh\necho \"$@\" >>args\n"
            "if [ $1 = store ]; then cat >kept; exit; fi\n"
            "read server\n"
            "grep -q \"$server\" kept 2>/dev/null || "
            "{ echo credentials not found in native keychain; exit 1; }\n"
            "cat kept\n");
    fs::permissions(x.path() / "bin/docker-credential-test",
                    fs::perms::owner_all);
    auto none = x.muster("muster fleeting install");
    CHECK_MESSAGE(has(none.err, "it wants a user"), none.err);
    CHECK_FALSE(has(none.err, "credentials not found"));
    auto in = x.muster("muster fleeting login --username runner "
                       "--password-stdin "
                         + registry.name(),
                       "s3cr3t-pass");
    CHECK_MESSAGE(in.status == 0, in.err);
    CHECK(has(in.out, "logged in via docker-credential-test"));
    auto done = x.muster("muster fleeting install");
    CHECK_MESSAGE(done.status == 0, done.err);
    CHECK_FALSE(has(x.text("docker/config.json"), "auths"));
    CHECK_FALSE(has(x.text("args"), "s3cr3t-pass"));
  }
}

TEST_CASE("a login that cannot be kept changes nothing") {
  fleeting_place x;
  const auto words = std::string{"muster fleeting login --username me "
                                 "--password-stdin r.example.com"};
  x.write("docker/config.json", "no JSON: hidden");
  auto bad = x.muster(words, "p");
  CHECK_EQ(bad.status, 1);
  CHECK_MESSAGE(has(bad.err, "docker/config.json cannot be used: it is no JSON "
                             "object"),
                bad.err);
  CHECK_FALSE(has(bad.err, "hidden"));
  CHECK_EQ(x.text("docker/config.json"), "no JSON: hidden");
  CHECK_EQ(x.muster(words, "").status, 1);
  CHECK_EQ(x.muster("muster fleeting login r.example.com", "p").status, 1);
  CHECK_EQ(x.muster("muster fleeting login --password-stdin", "p").status, 1);
  CHECK_EQ(x.muster("muster fleeting login --username a:b --password p").status,
           1);
  // Others' entries, and a symbolic link, stay.
  x.write("real.json", R"({"auths":{"a.example":{"auth":"eDp5"}},"x":1})");
  fs::remove(x.path() / "docker/config.json");
  fs::create_symlink("../real.json", x.path() / "docker/config.json");
  CHECK_EQ(x.muster(words, "p\r\n").status, 0);
  CHECK(fs::is_symlink(x.path() / "docker/config.json"));
  auto kept = json::parse(x.text("real.json"));
  CHECK_EQ(kept["auths"]["a.example"]["auth"], "eDp5");
  CHECK_EQ(kept["auths"]["r.example.com"]["auth"], "bWU6cA==");
  CHECK_EQ(kept["x"], 1);
  // Without a server it is GitLab's.
  CHECK_EQ(x.muster("muster fleeting login --username me --password p").status,
           0);
  CHECK(
    json::parse(x.text("real.json"))["auths"].contains("registry.gitlab.com"));
}

TEST_CASE("a password is asked for and not shown") {
  fleeting_place x;
  // A terminal of its own, in which two lines are typed.
  x.write("type.py",
          "import os, pty, sys, time\n"
          "pid, fd = pty.fork()\n"
          "if pid == 0:\n"
          "    os.execvp('muster', ['muster', 'fleeting', 'login', "
          "'r.example.com'])\n"
          "seen = b''\n"
          "def until(what):\n"
          "    global seen\n"
          "    while what not in seen:\n"
          "        seen += os.read(fd, 1000)\n"
          "until(b']: ')\n"
          "os.write(fd, b'me\\n')\n"
          "until(b'shown): ')\n"
          "os.write(fd, b'typed-secret\\n')\n"
          "try:\n"
          "    until(b'never')\n"
          "except OSError:\n"
          "    pass\n"
          "sys.stdout.write(seen.decode())\n"
          "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
          "\n");
  auto in = x.muster("python3 type.py");
  CHECK_MESSAGE(in.status == 0, in.out, in.err);
  CHECK_MESSAGE(has(in.out, "logged in via "), in.out);
  CHECK_FALSE(has(in.out, "typed-secret"));
  CHECK(has(x.text("docker/config.json"), "bWU6dHlwZWQtc2VjcmV0"));
}

TEST_CASE("check and the manager's hint lead to a plugin that starts") {
  plugin_registry registry;
  auto real = image("1.2.3");
  std::ifstream in{plugin_bed::plugin(), std::ios::binary};
  real.program.assign(std::istreambuf_iterator<char>{in}, {});
  registry.push("cloud", {real}, {"1.2.3"});
  fleeting_place x;
  x.configure({registry.name() + "/cloud:1.2"});
  auto before = x.muster("muster check");
  CHECK_EQ(before.status, 1);
  CHECK_MESSAGE(has(before.err, "`muster fleeting install`"), before.err);
  auto done = x.muster("muster fleeting install");
  REQUIRE_MESSAGE(done.status == 0, done.err);
  auto after = x.muster("muster check");
  CHECK_MESSAGE(after.status == 0, after.err);
}
