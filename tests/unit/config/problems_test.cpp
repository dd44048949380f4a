#include "config/load.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <random>

using namespace muster;

namespace {

loaded_config load(const std::string& text,
                   check_mode mode = check_mode::check) {
  load_options options;
  options.mode = mode;
  options.state_dir = "/state";
  options.timezone_exists
    = [](const std::string& name) { return name == "UTC"; };
  options.variable = [](const std::string&) { return std::nullopt; };
  return parse_config(text, "config.toml", options);
}

std::string runner(const std::string& keys = "",
                   const std::string& scaling = "") {
  return "[[runners]]\nurl = \"https://gitlab.example.com\"\n"
         "token = \"t\"\nexecutor = \"instance\"\n"
         + keys + "[runners.autoscaler]\nplugin = \"local\"\n" + scaling;
}

std::string policy(const std::string& keys) {
  return runner("", "[[runners.autoscaler.policy]]\n" + keys);
}

struct row {
  std::string what;
  std::string text;
  severity level;
  size_t line;
  size_t column;
  const char* says; ///< part of what is shown
};

void check_rows(const std::vector<row>& rows) {
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto loaded = load(r.text);
    bool found = false;
    for (const auto& d : loaded.diagnostics) {
      auto shown = format_diagnostic(d, loaded.source);
      if (d.line == r.line && d.column == r.column && d.level == r.level
          && shown.find(r.says) != std::string::npos)
        found = true;
      else
        INFO(shown);
    }
    std::string all;
    for (const auto& d : loaded.diagnostics)
      all += format_diagnostic(d, loaded.source) + "\n";
    CHECK_MESSAGE(found, r.what, "\n", all);
  }
}

} // namespace

TEST_CASE("unknown keys get the name or the table that was meant") {
  check_rows({
    {"sibling", policy("idle_cnt = 3\n"), severity::warning, 8, 1,
     "unknown key \"idle_cnt\", did you mean \"idle_count\"?"},
    {"dashes", runner("tls_ca_file = \"x\"\n"), severity::warning, 5, 1,
     "did you mean \"tls-ca-file\"?"},
    {"misplaced below", runner("", "idle_count = 3\n"), severity::warning, 7, 1,
     "misplaced key \"idle_count\": it belongs under "
     "[[runners.autoscaler.policy]]"},
    {"misplaced at the top", runner("concurrent = 3\n"), severity::warning, 5,
     1, "it belongs at the top of the file, before any [table]"},
    {"misplaced and misspelt", runner("", "idle_cnt = 3\n"), severity::warning,
     7, 1, "did you mean \"idle_count\" under [[runners.autoscaler.policy]]?"},
    {"section", runner("", "[[runners.autoscaler.policies]]\n"),
     severity::warning, 7, 22, "did you mean \"policy\"?"},
    {"misplaced section", "[runners2]\n[plugin_config]\n", severity::warning, 2,
     2, "it belongs under [runners.autoscaler]"},
    {"nothing near", "zzzzzz = 1\n", severity::warning, 1, 1,
     "no such key at the top of the file"},
    {"prefix",
     runner("", "[runners.autoscaler.connector_config]\nuser = \"u\"\n"),
     severity::warning, 8, 1,
     "unknown key \"user\", did you mean \"username\"?"},
    {"another word",
     runner("", "[runners.autoscaler.connector_config]\nprivate_key = \"u\"\n"),
     severity::warning, 8, 1, "did you mean \"key_path\"?"},
    {"another word for a folder",
     runner("", "[runners.autoscaler.state_storage]\npath = \"/s\"\n"),
     severity::warning, 8, 1, "did you mean \"dir\"?"},
    {"of the runner, behind its group", runner("", "request_concurrency = 2\n"),
     severity::warning, 7, 1, "it belongs under [[runners]]"},
    {"no keys of ours yet", runner("muster.x = 1\n"), severity::warning, 5, 8,
     "no such key in [runners.muster]"},
  });
}

TEST_CASE("settings of a plugin are told from keys of the group") {
  for (const std::string name : {"name", "credentials_file", "max_size",
                                 "profile", "region", "zone", "project"})
    check_rows({{name, runner("", name + " = \"x\"\n"), severity::warning, 7, 1,
                 "it has no effect: no such key in [runners.autoscaler]. "
                 "Settings of the plugin stand under "
                 "[runners.autoscaler.plugin_config]"}});
}

TEST_CASE("what is set in GitLab is told so") {
  for (const std::string name :
       {"locked", "run_untagged", "tag_list", "tag-list", "access_level",
        "maximum_timeout", "paused"})
    check_rows({{name, runner(name + " = \"x\"\n"), severity::warning, 5, 1,
                 "it has no effect: it is set in GitLab, for the runner"}});
}

TEST_CASE("names in free tables are nobody's business") {
  auto loaded = load(runner("environment = []\n",
                            "[runners.autoscaler.plugin_config]\n"
                            "idle_cnt = 3\nIdle_Count = [1, \"x\"]\n"
                            "[runners.labels]\nany-thing = \"x\"\n"
                            "[runners.kubernetes]\nimage = 3\n"));
  for (const auto& what : loaded.diagnostics)
    CHECK_EQ(what.level == severity::notice || what.key_path == "concurrent",
             true);
}

TEST_CASE("values of the wrong type are fatal and say what to write") {
  check_rows({
    {"string for number", "concurrent = \"4\"\n", severity::fatal, 1, 14,
     "write concurrent = 4, without quotes"},
    {"number for string", runner("name = 4\n"), severity::fatal, 5, 8,
     "write name = \"4\""},
    {"string for bool", runner("strict_check_interval = \"true\"\n"),
     severity::fatal, 5, 25, "write strict_check_interval = true"},
    {"number for secret", "[[runners]]\ntoken = 42\n", severity::fatal, 2, 9,
     "token must be a string, not a whole number\n  token = <secret>"},
    {"table for list", "[runners]\n", severity::fatal, 1, 1,
     "write [[runners]] above its keys"},
    {"list for table", "[[runners]]\n[[runners.autoscaler]]\n", severity::fatal,
     2, 1, "write [runners.autoscaler] above its keys"},
    {"list of mixed", runner("environment = [\"A=1\", 2]\n"), severity::fatal,
     5, 23,
     "environment must be a list of strings; this one is a whole number"},
    {"map of mixed", runner("feature_flags = {FF_X = \"true\"}\n"),
     severity::fatal, 5, 25, "feature_flags must be a table of true and false"},
    {"name with dots",
     runner("", "[runners.docker.sysctls]\nnet.ipv4.ip_forward = \"1\"\n"),
     severity::fatal, 8, 1,
     "a name with dots stands in quotes: \"net.ipv4.ip_forward\" = ..."},
    {"key not acted on", runner("", "reservation_throttling = 1\n"),
     severity::fatal, 7, 26, "must be true or false"},
    {"docker", runner("docker = {pull_policy = 3}\n"), severity::fatal, 5, 25,
     "a string or a list of strings"},
    {"fraction for duration", policy("idle_time = 1.5\n"), severity::fatal, 8,
     13, "write it like idle_time = \"20m0s\""},
    {"bad duration", policy("idle_time = \"3d\"\n"), severity::fatal, 8, 13,
     "write idle_time = \"72h\""},
    {"words for units", policy("idle_time = \"1 Hour, 30 mins\"\n"),
     severity::fatal, 8, 13, "write idle_time = \"1h30m\""},
    {"no unit", policy("idle_time = \"90\"\n"), severity::fatal, 8, 13,
     "write idle_time = \"90s\""},
    {"no duration at all", policy("idle_time = \"soon\"\n"), severity::fatal, 8,
     13, "write it like idle_time = \"1h30m\""},
    {"empty duration", policy("idle_time = \"\"\n"), severity::fatal, 8, 13,
     "invalid duration"},
  });
}

TEST_CASE("for text that is no duration what was meant is told") {
  struct row {
    const char* text;
    const char* says;
  };
  const row rows[] = {
    {"1.5d", "write idle_time = \"36h\""},
    {"0.5d", "write idle_time = \"12h\""},
    {"0.1d", "write idle_time = \"2.4h\""},
    {"2w", "write idle_time = \"336h\""},
    {"1 week", "write idle_time = \"168h\""},
    {"1.5 h", "write idle_time = \"1.5h\""},
    {"1,5h", "write idle_time = \"1.5h\""},
    {"1h, 5m", "write idle_time = \"1h5m\""},
    {"5 m ", "write idle_time = \"5m\""},
    {"1h30", "write idle_time = \"1h30m\""},
    {"1d 12", "write idle_time = \"24h12h\""},
    {"5m 20", "write idle_time = \"5m20s\""},
    {"90", "write idle_time = \"90s\""},
    {"90 30", "write it like idle_time = \"1h30m\""},
    {"20s 30", "write it like idle_time = \"1h30m\""},
    {"P1D", "write it like idle_time = \"1h30m\""},
    {"1:30", "write it like idle_time = \"1h30m\""},
    {"1.5.5h", "write it like idle_time = \"1h30m\""},
    {"h", "write it like idle_time = \"1h30m\""},
    {" ", "write it like idle_time = \"1h30m\""},
  };
  for (const auto& r : rows)
    check_rows(
      {{r.text, policy(std::string{"idle_time = \""} + r.text + "\"\n"),
        severity::fatal, 8, 13, r.says}});
}

TEST_CASE("for a number with a unit the number of the key's unit is told") {
  struct row {
    std::string text;
    size_t line;
    size_t column;
    const char* says;
  };
  auto docker = [](const char* key) {
    return runner("", "[runners.docker]\n" + std::string{key} + "\n");
  };
  const row rows[] = {
    {"shutdown_timeout = \"5m\"\n", 1, 20,
     "write shutdown_timeout = 300: it is a number of seconds"},
    {"check_interval = \"1.5s\"\n", 1, 18,
     "write a whole number of seconds, without quotes and unit, for "
     "check_interval"},
    {"check_interval = 1.5\n", 1, 18, "write a whole number of seconds"},
    {"check_interval = \"often\"\n", 1, 18, "write a whole number of seconds"},
    {"shutdown_timeout = \"300\"\n", 1, 20,
     "write shutdown_timeout = 300, without quotes"},
    {"[session_server]\nsession_timeout = \"30m\"\n", 2, 19,
     "write session_timeout = 1800: it is a number of seconds"},
    {runner("output_limit = \"4m\"\n"), 5, 16,
     "write output_limit = 4096: it is a number of kilobytes"},
    {runner("output_limit = \"100b\"\n"), 5, 16,
     "write a whole number of kilobytes"},
    {docker("shm_size = \"2g\""), 8, 12,
     "write shm_size = 2147483648: it is a number of bytes"},
    {docker("wait_for_services_timeout = \"1m\""), 8, 29,
     "write wait_for_services_timeout = 60: it is a number of seconds"},
    {runner("", "[runners.cache]\nMaxUploadedArchiveSize = \"5GB\"\n"), 8, 26,
     "write MaxUploadedArchiveSize = 5368709120: it is a number of bytes"},
    {runner("limit = \"many\"\n"), 5, 9,
     "write a whole number alone, without quotes and unit, for limit"},
  };
  for (const auto& r : rows)
    check_rows({{r.text, r.text, severity::fatal, r.line, r.column, r.says}});
}

TEST_CASE("syntax errors have place, caret and advice") {
  check_rows({
    {"bare word", "a = 1\nname = foo\n", severity::fatal, 2, 9,
     "strings stand in quotes: name = \"foo\""},
    {"bare duration", "idle_time = 20m\n", severity::fatal, 1, 15,
     "strings stand in quotes: idle_time = \"20m\""},
    {"no value", "a =\n", severity::fatal, 1, 4, "\"a\" has no value"},
    {"secret", "token = glrt-abc\n", severity::fatal, 1, 9,
     "not valid TOML here: "},
    {"twice", "a = 1\na = 2\n", severity::fatal, 2, 5, "remove one of the two"},
    {"a secret twice", "token = 'x'\ntoken = 'y'\n", severity::fatal, 2, 9,
     "cannot redefine existing string\n  token = <secret>\n"},
    {"not closed", "a = \"b\nc = 1\n", severity::fatal, 1, 7,
     "the string is not closed on its line"},
    {"a secret not closed", "token = \"b\nc = 1\n", severity::fatal, 1, 11,
     "the string is not closed on its line"},
    {"encoding", "a = \"\xff\"\n", severity::fatal, 1, 6, "UTF-8"},
  });
}

TEST_CASE("no secret of a broken file is shown") {
  for (const auto* text : {
         "token = SECRET\n",
         "token = \"SECRET\n",
         "token = \"SECRET\\q\"\n",
         "tokn = SECRET\n",
         "a = {token = SECRET}\n",
         "a.token = \"\"\"\nSECRET\\q\"\"\"\n",
         "[[runners]]\ntoken = [\"SECRET\"]\n",
         "[[runners]]\nenvironment = [\"SECRET\"]\n",
         "[[runners]]\nToken = {a = \"SECRET\"}\n",
         "[[runners]]\ntoken2 = \"SECRET\"\n",
       }) {
    CAPTURE(std::string{text});
    auto loaded = load(text);
    REQUIRE(!loaded.diagnostics.empty());
    for (const auto& what : loaded.diagnostics)
      CHECK_EQ(format_diagnostic(what, loaded.source).find("SECRET"),
               std::string::npos);
  }
}

TEST_CASE("values that cannot be served are refused, by runner or as a whole") {
  check_rows({
    {"concurrent", "concurrent = 0\n", severity::fatal, 1, 14, "at least 1"},
    {"log_level", "log_level = \"loud\"\n", severity::fatal, 1, 13, "unknown"},
    {"log_format", "log_format = \"xml\"\n", severity::fatal, 1, 14, "json"},
    {"label", "labels = {ab = \"x\"}\n", severity::fatal, 1, 16, "3 to 65"},
    {"label's value", "[labels]\ngood = \"x\"\nbad = \"a b\"\n",
     severity::fatal, 3, 7, "1 to 256"},
    {"state_dir", "[muster]\nstate_dir = \"x\"\n", severity::fatal, 2, 13,
     "absolute"},
    {"scheme", "[[runners]]\nurl = \"ftp://x\"\ntoken = \"t\"\n",
     severity::error, 2, 7, "must begin with http"},
    {"port", "[[runners]]\nurl = \"http://x:0\"\n", severity::error, 2, 7,
     "port"},
    {"executor", "[[runners]]\nexecutor = \"instanc\"\n", severity::error, 2,
     12, "did you mean \"instance\"?"},
    {"docker-autoscaler", "[[runners]]\nexecutor = \"docker-autoscaler\"\n",
     severity::error, 2, 12, "requires [runners.docker]"},
    {"peer's executor", "[[runners]]\nexecutor = \"shell\"\n", severity::error,
     2, 12, "GitLab Runner's alone"},
    {"no autoscaler", "[[runners]]\nexecutor = \"instance\"\n", severity::error,
     2, 12, "requires [runners.autoscaler]"},
    {"shell", runner("shell = \"fish\"\n"), severity::error, 5, 9, "unknown"},
    {"pwsh", runner("shell = \"pwsh\"\n"), severity::error, 5, 9, "not supp"},
    {"isolation", runner("", "vm_isolation = {enabled = true}\n"),
     severity::error, 7, 27, "not supported yet"},
    {"port", runner("", "connector_config = {protocol_port = 70000}\n"),
     severity::error, 7, 37, "no port"},
    {"protocol", runner("", "connector_config = {protocol = \"winrm\"}\n"),
     severity::error, 7, 32, "not supported yet"},
    {"windows", runner("", "connector_config = {os = \"Windows\"}\n"),
     severity::error, 7, 26, "not supported yet"},
    {"credentials",
     runner("", "connector_config = {use_static_credentials = true}\n"),
     severity::error, 7, 46, "needs a username"},
    {"period", policy("periods = [\"* * * * *\", \"* * * *\"]\n"),
     severity::error, 8, 25, "invalid cron format"},
    {"zone", policy("timezone = \"Mars/Base\"\n"), severity::error, 8, 12,
     "loading timezone"},
  });
}

TEST_CASE("what hardly can be meant is warned of") {
  check_rows({
    {"nanoseconds", policy("idle_time = 20\n"), severity::warning, 8, 13,
     "write idle_time = \"20s\" for 20 seconds"},
    {"short idle time", policy("idle_time = \"5ms\"\n"), severity::warning, 8,
     13, "less than a second"},
    {"unreachable",
     runner("", "max_instances = 2\n[[runners.autoscaler.policy]]\n"
                "idle_count = 3\n"),
     severity::warning, 9, 14, "can never be reached"},
    {"unreachable with one job an instance",
     runner("", "max_instances = 2\ncapacity_per_instance = 4\n"
                "max_use_count = 1\n[[runners.autoscaler.policy]]\n"
                "idle_count = 3\n"),
     severity::warning, 11, 14,
     "max_instances = 2 with max_use_count = 1 carry 2 jobs"},
    {"more idle than concurrent jobs", policy("idle_count = 2\n"),
     severity::warning, 8, 14, "ready than there can be jobs: concurrent = 1"},
    {"more idle than the limit",
     "concurrent = 9\n"
       + runner("limit = 2\n", "policy = [{idle_count = 3}]\n"),
     severity::warning, 9, 25, "write idle_count = 2 or less, or raise limit"},
    {"concurrent", "concurrent = 3\n" + runner("", "max_instances = 4\n"),
     severity::warning, 1, 14, "below the 4 jobs"},
    {"concurrent with one job an instance",
     "concurrent = 3\n"
       + runner("", "max_instances = 4\ncapacity_per_instance = 4\n"
                    "max_use_count = 1\n"),
     severity::warning, 1, 14, "below the 4 jobs"},
    {"throttle", runner("", "scale_throttle = {limit = -2}\n"),
     severity::warning, 7, 27, "write limit = -1 for no limit"},
    {"limit", runner("limit = 3\n", "max_instances = 4\n"), severity::warning,
     5, 9, "limit = 3 is below"},
    {"negative", runner("limit = -1\n"), severity::warning, 5, 9, "negative"},
    {"too large", runner("", "max_instances = 99999999999\n"),
     severity::warning, 7, 17, "200000 is taken"},
    {"factor", policy("scale_factor = nan\n"), severity::warning, 8, 16,
     "0 is"},
    {"never", policy("periods = [\"5/10 * * * *\"]\n"), severity::warning, 8,
     12, "never matches: a step"},
    {"no such day", policy("periods = [\"* * 31 feb,4 *\"]\n"),
     severity::warning, 8, 12, "never matches: its months have no such day"},
    {"ci", "[[runners]]\nurl = \"http://x/ci\"\n", severity::warning, 2, 7,
     "/ci"},
    {"number of a runner", runner("id = -5\n"), severity::warning, 5, 6,
     "id -5 is no number of a runner"},
    {"sources from a name", runner("clone_url = \"gitlab\"\n"),
     severity::warning, 5, 13, "clone_url is no address of HTTP"},
    {"half a certificate", runner("tls-cert-file = \"x\"\n"), severity::warning,
     5, 17, "both"},
    {"environment", runner("environment = [\"A=1\", \"B\"]\n"),
     severity::warning, 5, 23, "no '='"},
    {"no token", "[[runners]]\nurl = \"http://x\"\n", severity::warning, 1, 1,
     "has no token"},
    {"unset token", "[[runners]]\nurl = \"http://x\"\ntoken = \"$X\"\n",
     severity::warning, 3, 9, "once environment variables are expanded"},
    {"token with a line break",
     "[[runners]]\nurl = \"http://x\"\ntoken = \"glrt-1\\n\"\n",
     severity::warning, 3, 9, "a line break in it"},
    {"same token", runner() + runner("", "plugin_config = {name = \"x\"}\n"),
     severity::warning, 9, 9, "GitLab sees one runner"},
    {"same name", runner("name = \"x\"\n") + runner("name = \"x\"\n"),
     severity::warning, 12, 8, "that of another runner"},
    {"same group", runner() + runner(), severity::error, 12, 10,
     "serves one runner only; the runner is not served"},
    {"few for many runners",
     runner() + runner("", "plugin_config = {name = \"x\"}\n"),
     severity::warning, 1, 1, "below the number of runners"},
  });
}

TEST_CASE("a key that is not acted on yet is noticed once") {
  auto loaded = load("concurrent = 2\n"
                     + runner("proxy_exec = true\n"
                              "docker = {image = \"a\", memory = \"1g\"}\n")
                     + runner("proxy_exec = true\nssh = {}\n"));
  size_t proxies = 0;
  size_t docker = 0;
  size_t ignored = 0;
  // The whole section, since it is the instance executor's.
  for (const auto& what : loaded.diagnostics) {
    proxies += what.key_path == "runners.proxy_exec";
    docker += what.key_path.starts_with("runners.docker");
    ignored += what.key_path == "runners.ssh";
  }
  CHECK_EQ(proxies, 1);
  CHECK_EQ(docker, 1);
  CHECK_EQ(ignored, 1);
}

TEST_CASE("a runner that cannot be served does not keep others from it") {
  auto text = "concurrent = 9\n" + runner("name = \"good\"\n")
              + "[[runners]]\nname = \"bad\"\nurl = \"http://x\"\n"
                "token = \"u\"\nexecutor = \"nonsense\"\n";
  auto loaded = load(text, check_mode::run);
  CHECK(loaded.passed);
  REQUIRE_EQ(loaded.value.runners.size(), 1);
  CHECK_EQ(loaded.value.runners[0].name, "good");
  CHECK(!load(text, check_mode::check).passed);
}

TEST_CASE("unknown keys fail strictly only, fatal ones always") {
  CHECK(load("x = 1\n", check_mode::run).passed);
  CHECK(load("x = 1\n", check_mode::check).passed);
  CHECK(!load("x = 1\n", check_mode::strict).passed);
  CHECK(!load("concurrent = 0\n", check_mode::run).passed);
}

TEST_CASE("damaged files end in diagnostics that can be shown") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  const auto whole
    = "concurrent = 3\n[muster]\nworkers = 1\n"
      + runner("name = \"n\"\nlimit = 3\nenvironment = [\"A=1\"]\n"
               "docker = {image = \"x\", services = [{name = \"y\"}]}\n",
               "max_instances = 2\n[runners.autoscaler.plugin_config]\n"
               "x = [1, 2.5, {a = 1979-05-27}]\n"
               "[[runners.autoscaler.policy]]\nperiods = [\"* 22-6 * * *\"]\n"
               "idle_time = \"20m\"\nidle_count = 5\n");
  for (int i = 0; i < 1500; ++i) {
    auto text = whole;
    for (auto n = 1 + chance() % 4; n > 0; --n) {
      auto at = chance() % text.size();
      switch (chance() % 4) {
        case 0:
          text[at] = static_cast<char>(chance());
          break;
        case 1:
          text.erase(at, chance() % 9);
          break;
        case 2:
          text.insert(at, whole.substr(chance() % whole.size(), chance() % 40));
          break;
        default:
          text[at] = "\"'[]{}=.,\n#\\"[chance() % 12];
      }
      if (text.empty())
        text = "x";
    }
    auto loaded = load(text, check_mode::strict);
    bool bad = false;
    for (const auto& what : loaded.diagnostics) {
      CHECK(!what.message.empty());
      CHECK_LT(format_diagnostic(what, loaded.source).size(), 8192);
      bad = bad || what.level != severity::notice;
    }
    CHECK_EQ(loaded.passed, !bad);
  }
}

// Time that grows with the square would not end within the test's.
TEST_CASE("gaps between the policies are named, and fail nothing") {
  load_options options;
  options.mode = check_mode::strict;
  options.state_dir = "/state";
  std::vector<std::string> gaps{"mon-fri 18:00-24:00", "sat-sun 00:00-24:00"};
  options.policy_gaps = [&gaps](const std::vector<policy_config>& policies) {
    return policies.size() == 2 ? gaps : std::vector<std::string>{"wrong"};
  };
  auto two = "concurrent = 1\nlog_level = \"info\"\n"
             + runner("", "[[runners.autoscaler.policy]]\nidle_count = 1\n"
                          "idle_time = \"5m\"\n"
                          "[[runners.autoscaler.policy]]\n"
                          "idle_time = \"5m\"\n");
  auto said = [&] {
    std::vector<std::string> out;
    auto loaded = parse_config(two, "config.toml", options);
    CHECK(loaded.passed);
    for (const auto& x : loaded.diagnostics)
      if (x.message.starts_with("this week no policy is in force")) {
        CHECK_EQ(x.level, severity::notice);
        out.push_back(format_diagnostic(x, loaded.source));
      }
    return out;
  };
  REQUIRE_EQ(said().size(), 1);
  CHECK_NE(
    said()[0].find("config.toml:9:1: note: this week no policy is in force "
                   "mon-fri 18:00-24:00, sat-sun 00:00-24:00: nothing "
                   "is kept idle then, and instances go after 5 "
                   "minutes\n"),
    std::string::npos);
  CHECK_NE(said()[0].find("a first policy without periods"), std::string::npos);
  gaps.assign(6, "mon 00:00-01:00");
  REQUIRE_EQ(said().size(), 1);
  CHECK_NE(said()[0].find(", mon 00:00-01:00 and 2 more times: nothing"),
           std::string::npos);
  gaps.clear();
  CHECK_EQ(said().size(), 0);
  // Without any policy the built-in one is no gap.
  gaps.assign(1, "mon-sun 00:00-24:00");
  two = "concurrent = 1\nlog_level = \"info\"\n" + runner();
  CHECK_EQ(said().size(), 0);
}

TEST_CASE("of a hundred thousand mistakes some are told") {
  std::string keys;
  for (int i = 0; i < 50'000; ++i)
    keys += "unknown_" + std::to_string(i) + " = 1\n";
  std::string runners;
  for (int i = 0; i < 20'000; ++i)
    runners += "[[runners]]\nlimit = -1\nzz = 2\n";
  auto loaded = load(keys + runners);
  CHECK(!loaded.passed);
  CHECK_LT(loaded.diagnostics.size(), 1500);
}

TEST_CASE("a plugin's own limit bounds what can be kept idle") {
  load_options options;
  options.state_dir = "/state";
  options.plugin_instances_max
    = [](const std::string&, const std::string&) { return int64_t{2}; };
  for (const auto* group : {"", "max_instances = 2\n"}) {
    CAPTURE(group);
    auto loaded = parse_config(
      "concurrent = 9\n"
        + runner("", std::string{group} + "capacity_per_instance = 2\n"
                       + "policy = [{idle_count = 4}, {idle_count = 5}]\n"),
      "f", options);
    size_t found = 0;
    for (const auto& what : loaded.diagnostics)
      if (what.key_path == "runners.autoscaler.policy.idle_count") {
        ++found;
        CHECK(what.message.starts_with("idle_count = 5 can never be reached"));
      }
    CHECK_EQ(found, 1);
  }
}

TEST_CASE("what a plugin says of its plugin_config is an error of the runner") {
  load_options options;
  options.mode = check_mode::check;
  options.state_dir = "/state";
  options.plugin_fault = [](const std::string& plugin,
                            const std::string& plugin_config) -> std::string {
    CHECK_EQ(plugin, "local");
    return plugin_config == R"({"colour":"red"})" ? "colour is not known" : "";
  };
  auto bad = parse_config(
    runner("", "[runners.autoscaler.plugin_config]\ncolour = \"red\"\n"), "f",
    options);
  CHECK(!bad.passed);
  CHECK(bad.value.runners.empty());
  REQUIRE(!bad.diagnostics.empty());
  CHECK_EQ(bad.diagnostics.front().level, severity::error);
  CHECK_EQ(bad.diagnostics.front().line, 7);
  CHECK_EQ(bad.diagnostics.front().message,
           "colour is not known; the runner is not served");
  auto good = parse_config(runner(), "f", options);
  CHECK(good.passed);
  CHECK_EQ(good.value.runners.size(), 1);
}

TEST_CASE(
  "a plugin that cannot be used fails a check, and may be there later") {
  load_options options;
  options.state_dir = "/state";
  options.plugin_obstacle = [](const std::string& plugin) -> std::string {
    return plugin == "aws" ? "plugin \"aws\"\nis not installed" : "";
  };
  const std::string text = "[[runners]]\nurl = \"https://gitlab.example.com\"\n"
                           "token = \"t\"\nexecutor = \"instance\"\n"
                           "[runners.autoscaler]\nplugin = \"aws\"\n";
  for (auto mode : {check_mode::check, check_mode::strict, check_mode::run}) {
    options.mode = mode;
    auto loaded = parse_config(text, "f", options);
    auto runs = mode == check_mode::run;
    CHECK_EQ(loaded.passed, runs);
    CHECK_EQ(loaded.value.runners.size(), runs ? 1 : 0);
    auto found = std::ranges::find_if(loaded.diagnostics, [](const auto& x) {
      return x.key_path == "runners.autoscaler.plugin";
    });
    REQUIRE(found != loaded.diagnostics.end());
    CHECK_EQ(found->level, runs ? severity::warning : severity::error);
    CHECK_EQ(found->line, 6);
    CHECK_EQ(found->message.find('\n'), std::string::npos);
    CHECK_EQ(found->message.find("tried again") != std::string::npos, runs);
  }
}

TEST_CASE("what is wrong with credentials is told where they stand") {
  load_options options;
  options.state_dir = "/state";
  options.variable = [](const std::string&) { return std::nullopt; };
  std::vector<connector_fault> faults;
  options.connector_faults = [&](const autoscaler_config& x) {
    CHECK_EQ(x.connector.key_passphrase.reveal(), "phrase");
    return faults;
  };
  auto text = runner("muster = {key_passphrase = \"phrase\"}\n",
                     "connector_config = {key_path = \"/k\"}\n");
  faults = {{"key_path", "no such key", true}};
  SUBCASE("check fails") {
    options.mode = check_mode::check;
    auto loaded = parse_config(text, "config.toml", options);
    CHECK_FALSE(loaded.passed);
    CHECK(loaded.value.runners.empty());
  }
  SUBCASE("run serves what may heal") {
    auto loaded = parse_config(text, "config.toml", options);
    CHECK(loaded.passed);
    CHECK_EQ(loaded.value.runners.size(), 1);
    auto found = false;
    for (const auto& x : loaded.diagnostics)
      found |= x.level == severity::warning && x.line == 8
               && x.message.find("no such key; the group is tried again")
                    != std::string::npos;
    CHECK(found);
  }
  SUBCASE("run does not serve what cannot") {
    faults = {{"plugin_config", "no user", false}};
    auto loaded = parse_config(text, "config.toml", options);
    CHECK(loaded.value.runners.empty());
  }
}

TEST_CASE("a group that cannot start for its size is told so") {
  load_options options;
  options.mode = check_mode::check;
  options.state_dir = "/state";
  options.variable = [](const std::string&) { return std::nullopt; };
  options.plugin_instances_max
    = [](const std::string&, const std::string&) { return int64_t{5}; };
  auto loaded
    = parse_config(runner("", "max_instances = 6\n"), "config.toml", options);
  CHECK_FALSE(loaded.passed);
  auto found = false;
  for (const auto& x : loaded.diagnostics)
    found |= x.message.find("group's max size: 6 > 5") != std::string::npos;
  CHECK(found);
}

TEST_CASE("two groups of one name are told, whatever else is in their tables") {
  load_options options;
  options.state_dir = "/state";
  options.variable = [](const std::string&) { return std::nullopt; };
  options.plugin_group
    = [](const std::string&, const std::string&) { return "same"; };
  auto loaded = parse_config(
    "concurrent = 9\n" + runner("name = \"a\"\n", "plugin_config = {x = 1}\n")
      + runner("name = \"b\"\n", "plugin_config = {x = 2}\n"),
    "config.toml", options);
  auto found = false;
  for (const auto& x : loaded.diagnostics)
    found |= x.message.find("serves one runner only") != std::string::npos;
  CHECK(found);
}
