#include "executors/helper/processes.hpp"
#include "executors/helper/remove_tree.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace muster;
using namespace muster::helper;

namespace {

void make_file(const std::string& path, mode_t mode) {
  unique_fd fd{::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
  REQUIRE(static_cast<bool>(fd));
  REQUIRE_EQ(::fchmod(fd.get(), mode), 0);
}

struct scratch {
  char folder[32] = "/tmp/muster-tree-XXXXXX";

  scratch() {
    REQUIRE_NE(::mkdtemp(folder), nullptr);
  }

  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  ~scratch() {
    CHECK(remove_tree("/root", folder).has_value());
  }

  std::string path(const std::string& name) const {
    return std::string{folder} + "/" + name;
  }
};

bool exists(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

} // namespace

TEST_CASE("bash is taken before sh, and only what can be executed") {
  scratch here;
  REQUIRE_EQ(::mkdir(here.path("a").c_str(), 0700), 0);
  REQUIRE_EQ(::mkdir(here.path("b").c_str(), 0700), 0);
  auto search_path = here.path("a") + "::" + here.path("b");
  auto none = find_shell("", here.folder, search_path);
  REQUIRE_FALSE(none.has_value());
  CHECK_EQ(none.error().text.find("there is neither bash nor sh in PATH"), 0);
  make_file(here.path("a/sh"), 0700);
  CHECK_EQ(*find_shell("", here.folder, search_path), here.path("a/sh"));
  make_file(here.path("a/bash"), 0600);
  make_file(here.path("b/bash"), 0700);
  CHECK_EQ(*find_shell("", here.folder, search_path), here.path("b/bash"));
  CHECK_EQ(*find_shell("sh", here.folder, search_path), here.path("a/sh"));
  CHECK_EQ(*find_shell("b/bash", here.folder, ""), here.path("b/bash"));
  CHECK_FALSE(find_shell(here.path("a/bash"), "/", search_path).has_value());
  CHECK_FALSE(find_shell(here.path("a"), "/", search_path).has_value());
}

TEST_CASE("a tree is removed whole, and links are not followed") {
  scratch here;
  REQUIRE_EQ(::mkdir(here.path("kept").c_str(), 0700), 0);
  make_file(here.path("kept/file"), 0600);
  REQUIRE_EQ(::mkdir(here.path("x.tmp").c_str(), 0700), 0);
  REQUIRE_EQ(::mkdir(here.path("x.tmp/inner").c_str(), 0700), 0);
  make_file(here.path("x.tmp/inner/file"), 0);
  REQUIRE_EQ(
    ::symlink(here.path("kept").c_str(), here.path("x.tmp/link").c_str()), 0);
  REQUIRE_EQ(::chmod(here.path("x.tmp/inner").c_str(), 0), 0);
  CHECK(remove_tree(here.folder, "x.tmp").has_value());
  CHECK_FALSE(exists(here.path("x.tmp")));
  CHECK(exists(here.path("kept/file")));
  REQUIRE_EQ(::symlink(here.path("kept").c_str(), here.path("y").c_str()), 0);
  CHECK(remove_tree(here.folder, "./y/").has_value());
  CHECK_FALSE(exists(here.path("y")));
  CHECK(exists(here.path("kept/file")));
  CHECK(remove_tree(here.folder, "x.tmp").has_value());
  CHECK(remove_tree(here.folder, "kept/file/below").has_value());
  CHECK(remove_tree(here.folder, "").has_value());
}

TEST_CASE("what would take the home along is not removed") {
  scratch here;
  make_file(here.path("file"), 0600);
  std::string home = here.folder;
  for (const std::string& path :
       {std::string{"."}, std::string{"./"}, std::string{"../"}, home,
        home + "/", std::string{"/"}, std::string{"/tmp"}, home + "/../x",
        std::string{"a/../.."}, "//" + home + "/."}) {
    CAPTURE(path);
    CHECK_FALSE(remove_tree(home, path).has_value());
  }
  CHECK(exists(here.path("file")));
}
