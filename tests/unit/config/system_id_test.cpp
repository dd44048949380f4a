#include "config/config.hpp"
#include "config/system_id.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

using namespace muster;

namespace {

/// A folder that goes with its owner.
struct folder {
  std::string path;

  folder() {
    std::string name
      = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }

  ~folder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }

  std::string write(const std::string& name, const std::string& text) const {
    auto file = path + "/" + name;
    std::ofstream{file} << text;
    return file;
  }

  std::string read(const std::string& name) const {
    std::ifstream in{path + "/" + name};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
};

} // namespace

TEST_CASE("a machine id gives the same system id as with GitLab Runner") {
  folder here;
  // echo -n gitlab-runner | openssl dgst -sha256 -hmac <machine id>
  auto file = here.write("machine-id", "0123456789abcdef0123456789abcdef\n");
  system_id_sources from{{here.path + "/none", file}, {}};
  CHECK_EQ(make_system_id(from), "s_ee3af03959fe");
  CHECK_EQ(make_system_id(from), make_system_id(from));
}

TEST_CASE("without a machine id the id is random") {
  system_id_sources from{{"/nonexistent/machine-id"}, {}};
  auto first = make_system_id(from);
  CHECK(is_system_id(first));
  CHECK(first.starts_with("r_"));
  CHECK_NE(first, make_system_id(from));
  from.random = [](unsigned char*, size_t) { return false; };
  CHECK(is_system_id(make_system_id(from)));
}

TEST_CASE("the id in the side file is kept, anything else there is replaced") {
  folder here;
  auto config = here.path + "/config.toml";
  system_id_sources from{{here.write("machine-id", "abc")}, {}};
  auto made = load_system_id(config, from);
  CHECK(made.warning.empty());
  CHECK_EQ(here.read(".runner_system_id"), made.id);
  struct stat facts {};
  REQUIRE_EQ(stat((here.path + "/.runner_system_id").c_str(), &facts), 0);
  CHECK_EQ(facts.st_mode & 0777, 0600);
  here.write(".runner_system_id", " r_ABCdef123456\n");
  CHECK_EQ(load_system_id(config, from).id, "r_ABCdef123456");
  here.write(".runner_system_id", "r_ABCdef12345!");
  CHECK_EQ(load_system_id(config, from).id, made.id);
  CHECK_EQ(here.read(".runner_system_id"), made.id);
}

TEST_CASE(
  "an id that cannot be written holds for the process, with a warning") {
  auto made = load_system_id("/nonexistent/folder/config.toml", {});
  CHECK(is_system_id(made.id));
  CHECK_NE(made.warning.find("/nonexistent/folder"), std::string::npos);
}

TEST_CASE("short tokens lose their prefixes and keep nine characters") {
  struct row {
    std::string token;
    const char* expected;
  };
  const row rows[] = {
    {"", ""},
    {"abc", "abc"},
    {"glrt-0123456789abc", "012345678"},
    {"glrt-t1_0123456789abc", "012345678"},
    {"glrt-t3_0123456789abc", "012345678"},
    {"t2_0123456789abc", "012345678"},
    {"t4_0123456789abc", "t4_012345"},
    {"glrtr-0123456789abc", "012345678"},
    {"glrt-glcbt-0123456789abc", "012345678"},
    {"glcbt-0123456789abc", "012345678"},
    {"GR1348941abcdefghijk", "abcdefghi"},
    {"GR134894", "GR134894"},
    {"GR134894xabcdefghijk", "GR134894x"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.token);
    CHECK_EQ(short_token(secret{r.token}), r.expected);
  }
}
