#include "config/places.hpp"
#include "config/version.hpp"
#include "tools/muster/admin/options.hpp"
#include "tools/muster/commands.hpp"
#include "tools/muster/fleeting/options.hpp"
#include "tools/tight_help.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace muster;

constexpr auto long_option_characters
  = "abcdefghijklmnopqrstuvwxyz0123456789-_";

/// GitLab Runner also takes `-config F`: a long option behind one dash.
std::vector<std::string> with_two_dashes(int argc, char** argv) {
  std::vector<std::string> out;
  for (int i = 1; i < argc; ++i) {
    std::string x = argv[i];
    auto is_long = x.size() > 2 && x[0] == '-' && x[1] != '-'
                   && x.find_first_not_of(long_option_characters, 1)
                        >= std::min(x.find('='), x.size());
    out.push_back(is_long ? "-" + x : x);
  }
  return out;
}

std::string version_lines() {
  // The layout of GitLab Runner's: tools read the values from column 15.
  auto line = [](const char* name, const std::string& value) {
    std::string out = name;
    out.resize(14, ' ');
    return out + value + "\n";
  };
  auto text
    = line("Version:", version_text) + line("Git revision:", revision_text)
      + line("Git branch:", branch_text) + line("Compiler:", "g++ " __VERSION__)
      + line("OS/Arch:", "linux/amd64");
  text.pop_back(); // the parser ends the last line
  return text;
}

/// The first word that is neither an option nor the value of one.
std::string command_in(const std::vector<std::string>& args) {
  constexpr std::array with_value{"-l", "--log-level", "--log-format",
                                  "-c", "--config",    "--cpuprofile"};
  for (size_t i = 0; i < args.size(); ++i)
    if (std::find(with_value.begin(), with_value.end(), args[i])
        != with_value.end())
      ++i;
    else if (!args[i].empty() && args[i][0] != '-')
      return args[i];
  return "";
}

struct program {
  CLI::App app{"muster runs GitLab CI/CD jobs on autoscaled machines."};
  global_options global;
  run_options run;
  check_options check;
  admin_commands admin;
  fleeting_commands fleeting;
  try_options attempt;
  known_hosts_options pins;
  std::string unused;
  int status = 0;

  program() {
    app.name("muster");
    app.formatter(std::make_shared<tight_formatter>());
    app.require_subcommand(0, 1);
    app.option_defaults()->take_last(); // as GitLab Runner's
    app.set_version_flag("-v,--version", version_lines());
    app
      .add_option("-l,--log-level", global.log_level,
                  "debug (--debug), info, warn, error, fatal, panic")
      ->type_name("LEVEL")
      ->envname("LOG_LEVEL");
    app.add_option("--log-format", global.log_format, "runner, text or json")
      ->type_name("FORMAT")
      ->envname("LOG_FORMAT");
    app
      .add_flag_callback(
        "--debug", [this] { global.log_level = "debug"; },
        "The same as --log-level debug")
      ->group("") // the help fits a screen
      ->envname("RUNNER_DEBUG");
    app.fallthrough();
    run.config_path = check.config_path = pins.config_path
      = default_config_path(this_host());
    add_run();
    add_check("check", "Say what is wrong in a configuration; lint: strict",
              false);
    add_check("lint", "The same as check --strict", true);
    app.get_subcommand("lint")->group(""); // the help fits a screen
    admin.add_to(app, global, status, run.config_path);
    add_known_hosts();
    fleeting.add_to(app, global, status, run.config_path);
    add_try();
    // Last: commands would take it over.
    app.footer("Each command has a --help. Configuration: " + run.config_path);
  }

  void add_config_option(CLI::App* to, std::string& path) {
    to->add_option("-c,--config", path, "Configuration (" + path + ")")
      ->type_name("FILE")
      ->envname("CONFIG_FILE");
  }

  void add_run() {
    auto* cmd = app.add_subcommand("run", "Serve GitLab until told to stop");
    add_config_option(cmd, run.config_path);
    cmd->add_flag("--strict", run.strict,
                  "Do not start if the configuration has warnings");
    cmd
      ->add_option("--listen-address", run.listen_address,
                   "Metrics server; wins over listen_address")
      ->type_name("ADDRESS")
      ->envname("LISTEN_ADDRESS");
    cmd
      ->add_option("-d,--working-directory", unused,
                   "Change to this folder first")
      ->type_name("FOLDER")
      ->each([this](const std::string& x) {
        if (chdir(x.c_str()) != 0) {
          std::fprintf(stderr, "muster: cannot change to folder %s\n",
                       x.c_str());
          status = 1;
        }
      });
    cmd->add_option("-n,--service", unused, "No effect, as GitLab Runner's")
      ->type_name("NAME");
    cmd->add_option("-u,--user", unused, "No effect: for shell executors only")
      ->type_name("NAME");
    cmd
      ->add_flag("--syslog", run.syslog,
                 "Log to the system's logger, too (info and above)")
      ->envname("LOG_SYSLOG");
    cmd->footer("Signals: QUIT takes no more jobs and waits for those that "
                "run; TERM and INT\ninterrupt them, and a second one leaves at "
                "once. HUP reads the\nconfiguration again at once; a changed "
                "file is read within seconds anyway.");
    cmd->callback([this] {
      if (status == 0)
        status = run_manager(global, run);
    });
  }

  void add_known_hosts() {
    auto* cmd
      = app.add_subcommand("known-hosts", "Show or forget pinned host keys");
    cmd->require_subcommand(1);
    auto* list = cmd->add_subcommand("list", "Show all pinned host keys");
    auto* forget = cmd->add_subcommand(
      "forget", "Forget those of hosts that were installed anew");
    forget->add_option("instances", pins.instances, "As the list names them")
      ->required();
    for (auto* x : {list, forget}) {
      add_config_option(x, pins.config_path);
      x->add_option("--group", pins.group, "Only of this group")
        ->type_name("ID");
      x->callback([this] { status = known_hosts(pins); });
    }
    cmd->footer("The key of an instance is pinned when it is connected to for "
                "the first time;\nthen it must present that one. What is "
                "forgotten is pinned anew with the next\nconnection. A manager "
                "may be running: it need not be started again.");
  }

  void add_try() {
    auto* cmd
      = app.add_subcommand("try", "Run a .gitlab-ci.yml on this machine");
    cmd->add_option("jobs", attempt.jobs,
                    "Only these jobs, and what they need (all)");
    cmd->add_option("-f,--file", attempt.file, "The pipeline (.gitlab-ci.yml)")
      ->type_name("FILE");
    cmd
      ->add_option_function<std::vector<std::string>>(
        "--variable",
        [this](const std::vector<std::string>& texts) {
          for (const auto& text : texts) {
            auto at = text.find('=');
            if (at == std::string::npos || at == 0)
              throw CLI::ValidationError("--variable",
                                         '"' + text + "\" is no KEY=VALUE");
            attempt.variables.emplace_back(text.substr(0, at),
                                           text.substr(at + 1));
          }
        },
        "A variable of the pipeline; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
    cmd->add_flag("--list", attempt.list, "Show the jobs and run none");
    cmd->add_flag("--alone", attempt.alone,
                  "The named jobs without those that they need");
    cmd
      ->add_option("--concurrent", attempt.concurrent,
                   "Jobs at the same time (4)")
      ->type_name("N")
      ->check(CLI::Range(1, 64));
    cmd->add_option("--executor", attempt.executor, "instance")
      ->type_name("NAME");
    attempt.state_dir = default_state_dir(this_host());
    cmd
      ->add_option("--state-dir", attempt.state_dir,
                   "For instances and caches (" + attempt.state_dir + ")")
      ->type_name("FOLDER");
    cmd->footer("Jobs run in an instance of the provider local, from the "
                "commit at hand: changes\nthat are not committed are not in "
                "it, the file itself excepted. Ctrl-C cancels.\nExit status: "
                "0 passed, 1 failed, 2 wrong call or file, 130 cancelled. "
                "Keywords:\ndocs/try.md");
    cmd->callback([this] { status = try_pipeline(attempt); });
  }

  void add_check(const std::string& name, const std::string& what,
                 bool strict) {
    auto* cmd = app.add_subcommand(name, what);
    add_config_option(cmd, check.config_path);
    if (!strict)
      cmd->add_flag("--strict", check.strict, "Warnings fail, too");
    cmd->footer("Exit status: 0 if nothing is wrong, 1 otherwise. What muster "
                "knows but does not\nact on yet is a note, and fails nothing.");
    cmd->callback([this, strict] {
      check.strict |= strict;
      status = muster::check_config(check);
    });
  }
};

int run_program(int argc, char** argv) {
  auto args = with_two_dashes(argc, argv);
  program p;
  auto command = command_in(args);
  if (is_planned(command)) {
    std::fprintf(stderr,
                 "muster: GitLab Runner's command \"%s\" is not there yet; "
                 "see muster --help\n",
                 command.c_str());
    return 1;
  }
  auto known = p.app.get_subcommands(
    [&](const CLI::App* x) { return x->get_name() == command; });
  try {
    std::reverse(args.begin(), args.end());
    p.app.parse(args);
  } catch (const CLI::ParseError& x) {
    if (known.empty() && !command.empty() && x.get_exit_code() != 0) {
      std::fprintf(stderr, "Command %s not found; see muster --help\n",
                   command.c_str());
      return 1;
    }
    return p.app.exit(x) == 0 ? 0 : 1;
  }
  if (p.app.get_subcommands().empty())
    std::fputs(p.app.help().c_str(), stdout);
  return p.status;
}

} // namespace

namespace muster {

bool is_planned(std::string_view command) {
  constexpr std::array planned{
    "install",
    "uninstall",
    "start",
    "stop",
    "restart",
    "status",
    "wrapper",
    "steps",
    "exec",
    "artifacts-uploader",
    "artifacts-downloader",
    "cache-archiver",
    "cache-extractor",
    "cache-init",
    "health-check",
    "read-logs",
    "proxy-exec",
    "read-job-logs",
  };
  return std::find(planned.begin(), planned.end(), command) != planned.end();
}

} // namespace muster

int main(int argc, char** argv) {
  try {
    return run_program(argc, argv);
  } catch (const std::exception& x) {
    std::fprintf(stderr, "muster: %s\n", x.what());
    return 1;
  }
}
