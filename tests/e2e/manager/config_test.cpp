#include "tests/support/manager_process.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

using namespace muster;
using namespace muster::test;

namespace {

/// How `muster run` takes a configuration.
enum class run_answer { refuses, goes_on };

struct row {
  std::string what;
  std::string text;
  const char* place; ///< `LINE:COLUMN`
  const char* says;
  int check; ///< exit statuses
  int lint;
  run_answer run;
};

constexpr auto runner_lines = "[[runners]]\n"
                              "name = \"a\"\n"
                              "url = \"http://127.0.0.1:1\"\n"
                              "token = \"glrt-hidden-0001\"\n";
constexpr auto group_lines = "[runners.autoscaler]\n"
                             "plugin = \"local\"\n"
                             "max_instances = 1\n";

/// Whether a line of `text` names the place in the file, and then the words.
bool has_complaint(const std::string& text, const std::string& file,
                   const row& r) {
  auto at = text.find(file + ":" + r.place + ": ");
  if (at == std::string::npos)
    return false;
  auto line = text.substr(at, text.find('\n', at) - at);
  return line.find(r.says) != std::string::npos;
}

/// Five lines.
std::string top(const manager_folder& place) {
  return fmt::format("concurrent = 1\nlog_format = \"json\"\n[muster]\n"
                     "state_dir = \"{}\"\nhelper_path = \"{}\"\n",
                     place.state().string(),
                     std::getenv("MUSTER_HELPER_PROGRAM"));
}

void check_run(const manager_folder& place, const row& r) {
  manager_process manager{place};
  if (r.run == run_answer::refuses) {
    CHECK_EQ(manager.wait_exit(), 1);
  } else {
    CHECK(manager.says("Starting multi-runner"));
    manager.signal(SIGTERM);
    CHECK_EQ(manager.wait_exit(), 0);
  }
  std::string told;
  for (const auto& line : manager.lines())
    told += line.value("msg", "") + "\n";
  CHECK_MESSAGE(has_complaint(told, place.config_file().string(), r), told);
  CHECK_EQ(manager.log().find("glrt-hidden"), std::string::npos);
}

} // namespace

TEST_CASE("each command says where a configuration is wrong, and what to do") {
  manager_folder place;
  auto head = top(place);
  auto runner = head + runner_lines;
  auto good = runner + "executor = \"instance\"\n" + group_lines;
  const row rows[] = {
    {"malformed", "concurrent = = 1\n", "1:14", "not valid TOML", 1, 1,
     run_answer::refuses},
    {"not UTF-8", "concurrent = 1\nname = \"\xff\"\n", "2:9", "", 1, 1,
     run_answer::refuses},
    {"wrong type", "concurrent = \"4\"\n", "1:14",
     "concurrent must be a whole number, not a string", 1, 1,
     run_answer::refuses},
    {"unknown executor", runner + "executor = \"instanse\"\n" + group_lines,
     "10:12", "unknown executor \"instanse\", did you mean \"instance\"?", 1, 1,
     run_answer::goes_on},
    {"unknown plugin",
     runner
       + "executor = \"instance\"\n[runners.autoscaler]\n"
         "plugin = \"locol\"\nmax_instances = 1\n",
     "12:10", "plugin \"locol\" ", 1, 1, run_answer::goes_on},
    {"unknown key", good + "max_use_cuont = 3\n", "14:1",
     "unknown key \"max_use_cuont\", did you mean \"max_use_count\"?", 0, 1,
     run_answer::goes_on},
    {"misplaced key", good + "limit = 3\n", "14:1", "misplaced key \"limit\"",
     0, 1, run_answer::goes_on},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    std::ofstream{place.config_file()} << r.text;
    for (const auto& [command, status] :
         {std::pair{"check", r.check}, std::pair{"lint", r.lint}}) {
      CAPTURE(std::string{command});
      auto ran
        = run_muster({command, "--config", place.config_file().string()});
      CAPTURE(ran.output);
      CHECK_EQ(ran.status, status);
      CHECK(has_complaint(ran.output, place.config_file().string(), r));
      CHECK_NE(ran.output.find("^\n"), std::string::npos);
      CHECK_EQ(ran.output.find("glrt-hidden"), std::string::npos);
    }
    check_run(place, r);
  }
  // What `run` goes on with, `run --strict` does not.
  auto strict
    = run_muster({"run", "--strict", "--config", place.config_file().string()});
  CHECK_EQ(strict.status, 1);
  CHECK_NE(strict.output.find("--strict was given"), std::string::npos);
}

TEST_CASE("a configuration that cannot be read is named with the reason") {
  manager_folder place;
  auto missing = (place.path() / "none.toml").string();
  auto folder = place.path().string();
  for (const auto* command : {"check", "lint"}) {
    CAPTURE(command);
    auto ran = run_muster({command, "--config", missing});
    CHECK_EQ(ran.status, 1);
    CHECK_NE(ran.output.find(missing + ": No such file or directory"),
             std::string::npos);
  }
  for (const auto* command : {"check", "lint", "run"}) {
    CAPTURE(command);
    auto ran = run_muster({command, "--config", folder});
    CHECK_EQ(ran.status, 1);
    CHECK_NE(ran.output.find(folder + ": it is a folder"), std::string::npos);
  }
}

TEST_CASE("a manager that serves no runner says so") {
  manager_folder place;
  std::ofstream{place.config_file()} << top(place);
  manager_process manager{place};
  CHECK(manager.says("no runner is served"));
  manager.signal(SIGTERM);
  CHECK_EQ(manager.wait_exit(), 0);
}

TEST_CASE("a command is found behind options and their values") {
  struct row {
    std::vector<std::string> args;
    int status;
    const char* says;
  };
  const row rows[] = {
    {{"-l", "debug", "wrapper"}, 1, "command \"wrapper\" is not there yet"},
    {{"--log-level", "debug", "nonsense"}, 1, "Command nonsense not found"},
    {{"--log-level", "nonsense", "check"}, 1, "there is no log level nonsense"},
    {{"simulate", "--seed", "-1"}, 1, "--seed"},
    {{"-l", "debug"}, 0, "Subcommands:"}, // as without anything
    {{"help"}, 0, "Subcommands:"},
    {{"-l", "debug", "help", "plan"}, 0, "Show what a configuration will do"},
    {{"help", "known-hosts", "forget"}, 0, "Forget those of hosts"},
    {{"help", "nonsense"}, 1, "Command nonsense not found"},
    {{"help", "wrapper"}, 1, "command \"wrapper\" is not there yet"},
    {{"--cpuprofile", "/tmp/p", "list", "-c", "/none.toml"},
     0,
     "muster: --cpuprofile has no effect"},
    {{"list", "--cpuprofile=/tmp/p", "-c", "/none.toml"}, 0, "=/none.toml"},
    // A value behind an equals sign, as Go's parser takes it.
    {{"-l=debug", "nonsense"}, 1, "Command nonsense not found"},
    {{"-l=nonsense", "check"}, 1, "there is no log level nonsense"},
    {{"check", "-l=nonsense"}, 1, "there is no log level nonsense"},
    {{"check", "-c=/none.toml"}, 1, "/none.toml: No such file"},
    {{"list", "-c=/none.toml"}, 0, "=/none.toml"},
    {{"verify", "-n=x", "-c=/none.toml"}, 1, "=/none.toml"},
    {{}, 0, "Subcommands:"},
    {{"--log-format", "xml", "run", "-c", "/none"},
     1,
     "there is no log format xml"},
  };
  for (const auto& r : rows) {
    auto ran = run_muster(r.args);
    CHECK_EQ(ran.status, r.status);
    CHECK_MESSAGE(ran.output.find(r.says) != std::string::npos, ran.output);
  }
}

TEST_CASE("a missing helper is named before anything is started") {
  manager_folder place;
  manager_config how;
  how.url = "http://127.0.0.1:1";
  how.token = "t";
  place.write_config(how);
  auto text = file_text(place.config_file());
  std::string path = std::getenv("MUSTER_HELPER_PROGRAM");
  text.replace(text.find(path), path.size(), "/none/muster-helper");
  std::ofstream{place.config_file()} << text;
  auto ran = run_muster({"run", "--config", place.config_file().string()});
  CHECK_EQ(ran.status, 1);
  CHECK_NE(ran.output.find("muster-helper is not readable at "
                           "/none/muster-helper"),
           std::string::npos);
}

TEST_CASE("a configuration may come through a pipe to be checked, not to be "
          "run") {
  auto piped = [](const char* command) {
    return run_shell(fmt::format(
      "printf 'concurrent = 1\\ncheck_intervall = 3\\n' | {} {} --config "
      "/dev/stdin 2>&1; echo \"status $?\"",
      std::getenv("MUSTER_PROGRAM"), command));
  };
  auto checked = piped("check");
  CAPTURE(checked);
  CHECK_NE(checked.find("/dev/stdin:2:1: "), std::string::npos);
  CHECK_NE(checked.find("check_interval"), std::string::npos);
  auto run = piped("run");
  CAPTURE(run);
  CHECK_NE(run.find("it is not a regular file"), std::string::npos);
  CHECK_NE(run.find("status 1"), std::string::npos);
}

TEST_CASE("with --syslog the system's logger hears of it, too"
          * doctest::skip(geteuid() != 0)) {
  // A logger in a mount namespace of its own, whose /dev has little else.
  constexpr auto logger
    = "import os, socket, subprocess, sys\n"
      "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
      "s.bind(\"/dev/log\")\n"
      "s.settimeout(60)\n"
      "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, "
      "stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)\n"
      "text = \"\"\n"
      "while \"cannot be used\" not in text:\n"
      "    text = s.recv(8192).decode()\n"
      "    print(text)\n";
  manager_folder place;
  auto script = place.path() / "logger.py";
  std::ofstream{script} << logger;
  std::ofstream{place.config_file()} << "concurrent = 0\n";
  auto said = run_shell(fmt::format(
    "unshare --mount sh -c 'mount -t tmpfs tmpfs /dev && mknod -m 666 "
    "/dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9 && exec python3 {} {} "
    "run --syslog --config {}'",
    script.string(), std::getenv("MUSTER_PROGRAM"),
    place.config_file().string()));
  CAPTURE(said);
  // <daemon.info> and <daemon.err>
  CHECK_NE(said.find("<30>"), std::string::npos);
  CHECK_NE(said.find(" muster["), std::string::npos);
  CHECK_NE(said.find("<27>"), std::string::npos);
  CHECK_NE(said.find("lets no job run"), std::string::npos);
}
