#include "tests/e2e/admin/shell.hpp"
#include "tools/coordinator/test_gitlab.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

constexpr auto good = "glrt-goodgoodgood01";
constexpr auto other = "glrt-otherother0002";
constexpr auto legacy = "legacytoken-000001";

struct world {
  admin_place place;
  test_gitlab gitlab;

  world() : gitlab(options()) {
    REQUIRE(gitlab.start());
  }

  static test_gitlab_options options() {
    test_gitlab_options out;
    out.base_path = "/gitlab"; // below a path
    out.store.runner_tokens = {good, other, legacy};
    return out;
  }

  std::string runner(const std::string& name, const std::string& token) const {
    return fmt::format("# about {0}\n[[runners]]\n  name = \"{0}\"\n  url = "
                       "\"{1}\"\n  token = \"{2}\" # of {0}\n  executor = "
                       "\"instance\"\n\n",
                       name, gitlab.url(), token);
  }

  void write(const std::string& runners) const {
    place.write("concurrent = 4 # all\n\n" + runners);
  }

  void check_rules() {
    CHECK_EQ(gitlab.violations().list().size(), 0);
  }
};

} // namespace

TEST_CASE("list shows runners, and of tokens a short part") {
  world x;
  x.write(x.runner("one", good) + x.runner("two", legacy));
  auto out = x.place.muster("muster list");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "one"));
  CHECK(has(out.text, "Token\033[0;m=goodgoodg"));
  CHECK(has(out.text, "URL\033[0;m=" + x.gitlab.url()));
  CHECK(has(out.text, "Executor\033[0;m=instance"));
  CHECK_FALSE(has(out.text, good));
  CHECK_FALSE(has(out.text, legacy));
  x.place.write("[[runners]]\nurl = \"https://u:hidden@gl.test\"\n");
  out = x.place.muster("muster list");
  CHECK(has(out.text, "URL\033[0;m=https://[MASKED]@gl.test"));
  CHECK_FALSE(has(out.text, "hidden"));
  CHECK_EQ(x.place.muster("CONFIG_FILE=none.toml muster list").status, 0);
  x.place.write("[[runners");
  out = x.place.muster("muster list");
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "config.toml:1:"));
}

TEST_CASE("verify finds out which tokens GitLab knows") {
  world x;
  x.write(x.runner("one", good) + x.runner("old", legacy));
  auto before = x.place.config();
  auto out = x.place.muster("muster verify");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "Verifying runner... is valid"));
  CHECK(has(out.text, "Verifying runner... is alive"));
  CHECK_EQ(x.place.config(), before);

  SUBCASE("and which it does not") {
    x.write(x.runner("one", good) + x.runner("gone", "glrt-unknown00001")
            + x.runner("old gone", "unknownlegacy"));
    before = x.place.config();
    out = x.place.muster("muster verify");
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "Verifying runner... is not valid"));
    CHECK(has(out.text, "Verifying runner... is removed"));
    CHECK_EQ(x.place.config(), before);
    out = x.place.muster("muster verify --delete");
    CHECK_EQ(out.status, 0);
    CHECK(has(out.text, "Updated"));
    CHECK_EQ(
      x.place.config(),
      "concurrent = 4 # all\n\n"
        + x.runner("one", good).substr(0, x.runner("one", good).size() - 1));
  }

  SUBCASE("of those that are asked for") {
    x.write(x.runner("one", good) + x.runner("gone", "glrt-unknown00001"));
    CHECK_EQ(x.place.muster("muster verify --name one").status, 0);
    CHECK_EQ(x.place.muster("muster verify -n gone").status, 1);
    CHECK_EQ(x.place.muster(fmt::format("muster verify -t {}", good)).status,
             0);
    CHECK_EQ(x.place
               .muster(fmt::format("muster verify -t {} --url {}", good,
                                   x.gitlab.url()))
               .status,
             0);
    out = x.place.muster("muster verify --name nobody");
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "no runner matches"));
    // The environment does not choose here.
    CHECK_EQ(x.place.muster("CI_SERVER_TOKEN=nothing muster verify").status, 1);
  }
  x.check_rules();
}

TEST_CASE("a GitLab that cannot be reached makes no runner invalid") {
  world x;
  auto dead = x.runner("away", good);
  dead.replace(dead.find(x.gitlab.url()), x.gitlab.url().size(),
               "http://127.0.0.1:1");
  auto odd = x.runner("odd", good);
  odd.replace(odd.find(x.gitlab.url()), x.gitlab.url().size(), "ftp://x");
  x.write(dead + odd);
  auto before = x.place.config();
  auto out = x.place.muster("muster verify --delete");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "Verifying runner... failed"));
  CHECK(has(out.text, "Verifying runner... client error"));
  CHECK_EQ(x.place.config(), before);
}

TEST_CASE("a variable that is not set makes no runner invalid") {
  world x;
  x.write(x.runner("env", "$RUNNER_TOKEN_UNSET") + x.runner("none", "")
          + x.runner("gone", "glrt-unknown00001"));
  auto out = x.place.muster("muster verify --delete");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "it has no token. Is the variable set?"));
  CHECK(has(x.place.config(), "$RUNNER_TOKEN_UNSET"));
  CHECK(has(x.place.config(), "\"none\""));
  CHECK_FALSE(has(x.place.config(), "glrt-unknown00001"));
}

TEST_CASE("commands ask an overloaded GitLab again") {
  world x;
  x.write(x.runner("one", good));
  x.gitlab.fail_with({.at = endpoint::verify,
                      .kind = fault_kind::status,
                      .count = 1,
                      .state = {},
                      .status = 429,
                      .retry_after = 2,
                      .location = {}});
  x.gitlab.fail_with({.at = endpoint::verify,
                      .kind = fault_kind::status,
                      .count = 2,
                      .state = {},
                      .status = 502,
                      .location = {}});
  auto out = x.place.muster("muster verify");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "is valid"));
  CHECK(has(out.text, "tried again in 2 s"));
  x.check_rules();
}

TEST_CASE("unregister removes what GitLab agreed to") {
  world x;
  x.write(x.runner("one", good) + x.runner("two", other)
          + x.runner("old", legacy));
  auto out = x.place.muster("muster unregister --name one");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "Unregistering runner manager from GitLab succeeded"));
  CHECK_FALSE(has(x.place.config(), good));
  CHECK(has(x.place.config(), other));
  out = x.place.muster(
    fmt::format("CI_SERVER_TOKEN={} muster unregister", legacy));
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "Unregistering runner from GitLab succeeded"));
  CHECK_FALSE(has(x.place.config(), legacy));
  CHECK_EQ(x.place.muster("muster verify").status, 0);

  SUBCASE("and nothing else") {
    x.write(x.runner("one", good) + x.runner("gone", "glrt-unknown00001"));
    auto before = x.place.config();
    out = x.place.muster("muster unregister --name gone");
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "forbidden"));
    CHECK_EQ(x.place.config(), before);
    out = x.place.muster("muster unregister --all-runners");
    CHECK_EQ(out.status, 0);
    CHECK_FALSE(has(x.place.config(), good));
    CHECK(has(x.place.config(), "glrt-unknown00001"));
    CHECK_EQ(x.place.muster("muster unregister --name nobody").status, 1);
    out = x.place.muster("muster unregister");
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "--all-runners"));
  }

  SUBCASE("also a runner whose token is in the environment") {
    x.write(x.runner("env", "$TOKEN") + x.runner("one", good));
    out = x.place.muster(
      fmt::format("TOKEN={} muster unregister --name env", other));
    CHECK_EQ(out.status, 0);
    CHECK_FALSE(has(x.place.config(), "$TOKEN"));
    CHECK(has(x.place.config(), good));
    x.write(x.runner("env", "$TOKEN") + x.runner("one", good));
    out = x.place.muster("muster unregister --all-runners"); // it is not set
    CHECK_EQ(out.status, 0);
    CHECK(has(out.text, "it has no token. Is the variable set?"));
    CHECK(has(x.place.config(), "$TOKEN"));
    CHECK_FALSE(has(x.place.config(), good));
  }

  SUBCASE("also a runner that is in no file") {
    out = x.place.muster(fmt::format("CI_SERVER_URL={} muster unregister -t {}",
                                     x.gitlab.url(), good));
    CHECK_EQ(out.status, 0);
    out = x.place.muster(fmt::format("muster unregister -t {}", good));
    CHECK_EQ(out.status, 1);
  }
  x.check_rules();
}

TEST_CASE("reset-token puts another token into GitLab and the file") {
  world x;
  x.write(x.runner("one", good) + x.runner("two", other));
  auto out = x.place.muster("muster reset-token --name two");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "Updated"));
  auto config = x.place.config();
  CAPTURE(config);
  CHECK(has(config, good));
  CHECK_FALSE(has(config, other));
  CHECK(has(config, " # of two\n  token_obtained_at = 20"));
  CHECK(has(config, "  token_expires_at = 0001-01-01T00:00:00Z\n"));
  CHECK_EQ(x.place.muster("muster verify").status, 0);

  SUBCASE("by a personal access token") {
    x.place.write(x.place.config() + "  id = 1\n");
    out = x.place.muster("muster reset-token --all-runners --pat glpat-wrong");
    CHECK_EQ(out.status, 0); // as GitLab Runner's
    CHECK(has(out.text, "failed"));
    out = x.place.muster(fmt::format("muster reset-token -u {} -i 1 --pat "
                                     "glpat-test-person",
                                     x.gitlab.url()));
    CHECK_EQ(out.status, 0);
    CHECK_FALSE(has(out.text, "glpat"));
  }

  SUBCASE("not one that is in the environment") {
    x.write(x.runner("env", "$TOKEN"));
    out
      = x.place.muster(fmt::format("TOKEN={} muster reset-token -n env", good));
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "environment"));
    CHECK_EQ(x.place.muster(fmt::format("TOKEN={} muster verify", good)).status,
             0);
  }

  SUBCASE("not if the file cannot be written afterwards") {
    auto before = x.place.config();
    std::filesystem::create_directory(x.place.file("sub"));
    x.place.write(before, "sub/real.toml");
    out = x.place.muster("sh -c 'mount -t tmpfs -o size=16k none sub && cp "
                         "config.toml sub/real.toml && mount -o remount,ro "
                         "sub; muster reset-token -c sub/real.toml -n one; "
                         "echo \"status $?\"; umount sub'");
    CAPTURE(out.text);
    CHECK(has(out.text, "status 1"));
    CHECK(has(out.text, "is unchanged"));
    CHECK_EQ(x.place.muster("muster verify").status, 0); // still the old one
  }
  x.check_rules();
}
