#include "tests/e2e/admin/shell.hpp"
#include "tools/coordinator/test_gitlab.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

namespace {

constexpr auto token = "glrt-t1_goodgoodgood01";
constexpr auto registration = "GR1348941test-registration";

struct world {
  admin_place place;
  test_gitlab gitlab;

  world() : gitlab(options()) {
    REQUIRE(gitlab.start());
  }

  static test_gitlab_options options() {
    test_gitlab_options out;
    out.store.runner_tokens = {token};
    return out;
  }

  shell_result enter(const std::string& words, const std::string& input = {}) {
    auto out = place.muster("muster register " + words, input);
    INFO(out.text);
    CHECK_FALSE(has(out.text, token));
    return out;
  }

  std::string flags() const {
    return fmt::format("-n -u {} -t {} --name fleet --executor instance ",
                       gitlab.url(), token);
  }

  int calls(const char* endpoint) const {
    return gitlab.counters()["requests"].value(endpoint, 0);
  }
};

constexpr auto fleet_template
  = "# what all of ours have\n[[runners]]\n  limit = 3 # enough\n  "
    "[runners.autoscaler]\n    plugin = \"local\"\n    max_instances = 2\n";

} // namespace

TEST_CASE("register adds a runner that was made in GitLab, asking nothing") {
  world x;
  x.place.write(fleet_template, "template.toml");
  auto out
    = x.enter(x.flags()
              + "--template-config template.toml --request-concurrency 2 "
                "--env A=1 --env B=2 --feature-flags FF_TIMESTAMPS:false");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "Verifying runner... is valid"));
  CHECK(has(out.text, "Runner registered successfully"));
  auto config = x.place.config();
  CAPTURE(config);
  CHECK(config.starts_with("concurrent = 1\n\n"));
  for (const auto* line :
       {"[[runners]]\n  limit = 3 # enough\n  name = \"fleet\"\n  url = \"",
        "  id = 1\n", "  token = \"glrt-t1_goodgoodgood01\"\n",
        "  token_expires_at = 0001-01-01T00:00:00Z\n",
        "  executor = \"instance\"\n", "  request_concurrency = 2\n",
        "  environment = [\"A=1\", \"B=2\"]\n", "FF_TIMESTAMPS = false\n",
        "  [runners.autoscaler]\n    plugin = \"local\"\n    max_instances = "
        "2\n"})
    CHECK_MESSAGE(has(config, line), line);
  struct stat facts {};
  REQUIRE_EQ(::stat(x.place.file().c_str(), &facts), 0);
  CHECK_EQ(facts.st_mode & 07777, 0600);
  CHECK_EQ(x.place.muster("muster check").status, 0);

  SUBCASE("and a second time, with a warning") {
    auto again = x.enter(x.flags() + "--template-config template.toml");
    CHECK_EQ(again.status, 0);
    CHECK(has(again.text, "twice"));
    CHECK_EQ(x.place.config().substr(0, config.size()), config);
  }
  CHECK_EQ(x.gitlab.violations().list().size(), 0);
}

TEST_CASE("values in brackets are no lists") {
  world x;
  auto out
    = x.enter(x.flags()
              + "--pre-build-script '[ -d /cache, x ]' --post-build-script "
                "'[[ -f /x ]]' --env '[x=y]' --env '[a=b,c]' "
                "--docker-allowed-images '[ab],c]'");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  auto config = x.place.config();
  CAPTURE(config);
  for (const auto* line : {"  pre_build_script = \"[ -d /cache, x ]\"\n",
                           "  post_build_script = \"[[ -f /x ]]\"\n",
                           "  environment = [\"[x=y]\", \"[a=b,c]\"]\n",
                           "    allowed_images = [\"[ab],c]\"]\n"})
    CHECK_MESSAGE(has(config, line), line);
}

TEST_CASE("register asks for what it is not told, on a pipe as well") {
  world x;
  auto out = x.enter(
    "", fmt::format("\n{}\n{}\n\nshell\ninstance\n", x.gitlab.url(), token));
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "Enter the GitLab instance URL"));
  CHECK(has(out.text, "Enter the registration token"));
  CHECK(has(out.text, "Enter a name for the runner"));
  CHECK(has(out.text, "no executor \"shell\""));
  CHECK(has(x.place.config(), "executor = \"instance\"\n"));
  CHECK_FALSE(has(x.place.config(), "name = \"\""));
  // Nothing says yet where its instances come from.
  CHECK(has(out.text, "requires [runners.autoscaler]"));

  SUBCASE("until the input ends: the runner is given back") {
    auto before = x.place.config();
    out = x.enter("", fmt::format("{}\n{}\nname\n", x.gitlab.url(), token));
    CAPTURE(out.text);
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "the input ended before --executor was given"));
    CHECK(has(out.text, "taken back"));
    CHECK_EQ(x.calls("unregister"), 1);
    CHECK_EQ(x.place.config(), before);
    x.enter("--leave-runner",
            fmt::format("{}\n{}\nname\n", x.gitlab.url(), token));
    CHECK_EQ(x.calls("unregister"), 1);
  }
}

TEST_CASE("an interrupted registration is taken back") {
  world x;
  auto out = x.place.muster(fmt::format(
    "sh -c 'mkfifo in; muster register <in >out 2>&1 & p=$!; exec 3>in; "
    "printf \"%s\\n%s\\n\" {} {} >&3; until grep -q \"Enter a name\" out; do "
    "sleep 0.1; done; kill -INT $p; wait $p; echo \"status $?\"; cat out'",
    x.gitlab.url(), token));
  CAPTURE(out.text);
  CHECK(has(out.text, "status 1"));
  CHECK(has(out.text, "interrupted"));
  CHECK(has(out.text, "taken back"));
  CHECK_EQ(x.place.config(), "");
}

TEST_CASE("register takes its settings from the environment") {
  world x;
  auto out = x.place.muster(fmt::format(
    "REGISTER_NON_INTERACTIVE=T CI_SERVER_URL={} CI_SERVER_TOKEN={} "
    "RUNNER_STRICT_CHECK_INTERVAL=TRUE RUNNER_DEBUG_TRACE_DISABLED=f "
    "RUNNER_NAME=env RUNNER_EXECUTOR=instance RUNNER_LIMIT=7 "
    "RUNNER_ENV=A=1,B=2 CACHE_TYPE=s3 CACHE_S3_SERVER_ADDRESS=s3.example.com "
    "DOCKER_HOST=tcp://not-for-this-one muster register",
    x.gitlab.url(), token));
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  auto config = x.place.config();
  CAPTURE(config);
  for (const auto* line :
       {"  name = \"env\"\n", "  limit = 7\n",
        "  strict_check_interval = true\n", "  debug_trace_disabled = false\n",
        "  environment = [\"A=1\", \"B=2\"]\n",
        "  [runners.cache]\n    Type = \"s3\"\n",
        "  [runners.cache.s3]\n    ServerAddress = \"s3.example.com\"\n"})
    CHECK_MESSAGE(has(config, line), line);
  CHECK_FALSE(has(config, "docker"));
}

TEST_CASE("an executor with images asks for one, and has a cache volume") {
  world x;
  auto out = x.enter(fmt::format("-u {} -t {} --name d --executor "
                                 "docker-autoscaler --docker-pull-policy "
                                 "if-not-present --docker-privileged",
                                 x.gitlab.url(), token),
                     "alpine:3.20\n");
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(x.place.config(),
            "  [runners.docker]\n    privileged = true\n    pull_policy = "
            "\"if-not-present\"\n    image = \"alpine:3.20\"\n    volumes = "
            "[\"/cache\"]\n"));
}

TEST_CASE("a registration token makes a new runner") {
  world x;
  x.place.write("# mine\nconcurrent = 2");
  auto out = x.enter(fmt::format(
    "-n -u {} -r {} --description old --executor instance --tag-list a,b "
    "--locked=F --run-untagged=1 --paused --maximum-timeout 600",
    x.gitlab.url(), registration));
  CAPTURE(out.text);
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "Registering runner... succeeded"));
  CHECK(has(out.text, "deprecated"));
  CHECK(
    x.place.config().starts_with("# mine\nconcurrent = 2\n\n[[runners]]\n"));
  CHECK_FALSE(has(x.place.config(), registration));
  CHECK_FALSE(has(out.text, registration));
  CHECK_EQ(x.place.muster("muster verify").status, 0);
  CHECK_EQ(x.place.muster("muster unregister -n old").status, 0);
  CHECK_EQ(x.place.config(), "# mine\nconcurrent = 2\n");
  out = x.enter(fmt::format("-n -u {} -r GR1348941wrong --executor instance",
                            x.gitlab.url()));
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "forbidden (check registration token)"));
  CHECK_EQ(x.gitlab.violations().list().size(), 0);
}

TEST_CASE("what GitLab decides for a runner cannot be said here") {
  world x;
  for (const auto* flag :
       {"--tag-list a", "--run-untagged", "--locked", "--locked=false",
        "--access-level not_protected", "--maximum-timeout 1", "--paused",
        "--maintenance-note x"}) {
    CAPTURE(flag);
    auto out = x.enter(x.flags() + flag);
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, "is reserved (specifically --locked"));
  }
  CHECK_EQ(x.calls("verify"), 0);
  auto out = x.enter(fmt::format("-n -u {} -r {} --executor instance --paused",
                                 x.gitlab.url(), token));
  CHECK_EQ(out.status, 0);
  CHECK(has(out.text, "have no effect"));
}

TEST_CASE("a registration that cannot work fails before GitLab is asked") {
  world x;
  x.place.write("[[runners]]\n[[runners]]\n", "two.toml");
  struct row {
    std::string words;
    const char* says;
  };
  auto flags = x.flags();
  const row rows[] = {
    {flags + "--executor shell", "no executor \"shell\""},
    {flags + "--template-config two.toml", "exactly one [[runners]]"},
    {flags + "--template-config none.toml", "none.toml"},
    {flags + "--limit many", "--limit"},
    {flags + "--unhealthy-interval 5", "duration"},
    {flags + "--feature-flags FF_X", "NAME:VALUE"},
    {"-n -t " + std::string{token}, "--url is missing"},
    {fmt::format("-n -u {}", x.gitlab.url()), "--token is missing"},
    {fmt::format("-n=true -u={}", x.gitlab.url()), "--token is missing"},
    {fmt::format("-n=true -t={}", token), "--url is missing"},
    {fmt::format("-n -u ftp://x -t {} --executor instance", token), "ftp"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.words);
    auto out = x.enter(r.words);
    CAPTURE(out.text);
    CHECK_EQ(out.status, 1);
    CHECK(has(out.text, r.says));
  }
  x.place.write("concurrent = = 1\n");
  auto out = x.enter(x.flags());
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "config.toml:1:"));
  CHECK_EQ(x.calls("verify"), 0);
}

TEST_CASE("a token that GitLab does not know is not written") {
  world x;
  auto out = x.enter(fmt::format("-n -u {} -t glrt-unknown --executor instance",
                                 x.gitlab.url()));
  CHECK_EQ(out.status, 1);
  CHECK(has(out.text, "Failed to verify the runner"));
  CHECK_EQ(x.place.config(), "");
}
