#include "config/log.hpp"
#include "config/places.hpp"
#include "config/version.hpp"
#include "tools/muster/admin/options.hpp"
#include "tools/muster/commands.hpp"
#include "tools/muster/explain/explain_command.hpp"
#include "tools/muster/fleeting/options.hpp"
#include "tools/muster/moment.hpp"
#include "tools/muster/plan/plan_command.hpp"
#include "tools/muster/replay/replay_command.hpp"
#include "tools/muster/simulate/simulate_command.hpp"
#include "tools/muster/trace/trace_command.hpp"
#include "tools/tight_help.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

using namespace muster;

void add_long_names(const CLI::App& from, std::set<std::string>& to) {
  for (const auto* option : from.get_options())
    for (const auto& name : option->get_lnames())
      to.insert(name);
  for (const auto* app : from.get_subcommands({}))
    add_long_names(*app, to);
}

/// The long name of a short one, `-c`, in a command or those above it; empty if
/// there is none.
std::string long_name_of(const std::string& name, const CLI::App* command) {
  for (; command != nullptr; command = command->get_parent())
    if (const auto* found = command->get_option_no_throw(name))
      return found->get_lnames().empty() ? "" : found->get_lnames().front();
  return "";
}

/// GitLab Runner also takes `-config F` and `-c=F`: a long option behind one
/// dash, and the value of a short one behind an equals sign.
std::vector<std::string> with_two_dashes(int argc, char** argv,
                                         const CLI::App& app) {
  std::set<std::string> names;
  add_long_names(app, names);
  std::vector<std::string> out;
  const auto* command = &app;
  auto are_options = true;
  for (int i = 1; i < argc; ++i) {
    std::string x = argv[i];
    are_options = are_options && x != "--";
    auto is_option = are_options && x.size() > 2 && x[0] == '-' && x[1] != '-';
    if (is_option && names.contains(x.substr(1, x.find('=') - 1)))
      x.insert(0, "-");
    else if (is_option && x[2] == '=')
      if (auto name = long_name_of(x.substr(0, 2), command); !name.empty())
        x.replace(0, 2, "--" + name);
    for (const auto* below : command->get_subcommands({}))
      if (below->get_name() == x) {
        command = below;
        break;
      }
    out.push_back(std::move(x));
  }
  return out;
}

/// Of a call that is wrong: where 1 says what was found, it is another.
int wrong_call_status(const std::string& command) {
  return command == "trace" || command == "replay" || command == "try" ? 2 : 1;
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

/// `help COMMAND` is `COMMAND --help`.
std::vector<std::string> with_help_option(std::vector<std::string> args) {
  if (command_in(args) != "help")
    return args;
  args.erase(std::find(args.begin(), args.end(), "help"));
  args.emplace_back("--help");
  return args;
}

struct program {
  CLI::App app{"muster runs GitLab CI/CD jobs on autoscaled machines."};
  global_options global;
  run_options run;
  check_options check;
  plan_command_options plan;
  explain_options explain;
  simulate_options simulate;
  admin_commands admin;
  fleeting_commands fleeting;
  try_options attempt;
  trace_commands trace;
  replay_command again;
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
      ->check([](const std::string& x) {
        return log::is_level_name(x) ? std::string{}
                                     : "there is no log level " + x;
      })
      ->envname("LOG_LEVEL");
    app.add_option("--log-format", global.log_format, "runner, text or json")
      ->type_name("FORMAT")
      ->check([](const std::string& x) {
        return log::is_format_name(x) ? std::string{}
                                      : "there is no log format " + x;
      })
      ->envname("LOG_FORMAT");
    app
      .add_flag_callback(
        "--debug", [this] { global.log_level = "debug"; },
        "The same as --log-level debug")
      ->group("") // the help fits a screen
      ->envname("RUNNER_DEBUG");
    app
      .add_option_function<std::string>(
        "--cpuprofile",
        [](const std::string&) {
          std::fputs("muster: --cpuprofile has no effect: profile it with "
                     "perf\n",
                     stderr);
        },
        "No effect")
      ->group("")
      ->envname("CPU_PROFILE");
    app.fallthrough();
    run.config_path = check.config_path = pins.config_path = plan.config_path
      = explain.config_path = simulate.config_path
      = default_config_path(this_host());
    add_run();
    add_check("check", "Say what is wrong in a configuration; lint: strict",
              false);
    add_check("lint", "The same as check --strict", true);
    app.get_subcommand("lint")->group(""); // the help fits a screen
    add_plan();
    add_explain();
    add_simulate();
    admin.add_to(app, global, status, run.config_path);
    app.get_subcommand("run-single")->group(""); // likewise
    app.get_subcommand("unregister")->group("");
    app.get_subcommand("reset-token")->group("");
    app.get_subcommand("list")->group("");
    add_known_hosts();
    trace.add_to(app, status, run.config_path);
    again.add_to(app, status, run.config_path);
    app.get_subcommand("replay")->group("");
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
    auto* cmd = app.add_subcommand(
      "run", "Serve GitLab until told to stop; run-single: one");
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

  /// Reads an option's value, or throws what the parser shows.
  template <class Read, class Into>
  static auto reader(const char* name, Read read, Into& into) {
    return [name, read, &into](const std::string& text) {
      auto value = read(text);
      if (!value)
        throw CLI::ValidationError(name, value.error().text);
      into = *value;
    };
  }

  void add_plan() {
    auto* cmd = app.add_subcommand(
      "plan", "Show what a configuration will do, and cost");
    add_config_option(cmd, plan.config_path);
    cmd
      ->add_option("--against", plan.against,
                   "What a reload would do while this one is in force")
      ->type_name("FILE");
    cmd
      ->add_option_function<std::string>(
        "--price", reader("--price", muster::plan::parse_price, plan.at),
        "Of an hour of an instance, like 0.17/h")
      ->type_name("PRICE");
    cmd
      ->add_option_function<std::string>(
        "--week", reader("--week", muster::plan::parse_date, plan.day),
        "That of this date, like 2026-11-23 (today's)")
      ->type_name("DATE");
    cmd
      ->add_option("--timezone", plan.zone,
                   "Whose clocks (those of the policies)")
      ->type_name("NAME");
    cmd->add_flag("--json", plan.json, "For programs");
    cmd->footer("No plugin is started, nothing is asked or changed; what is "
                "wrong with plugins\nand keys says muster check. The file in "
                "force may come from a pipe:\n  git show HEAD:config.toml | "
                "muster plan -c config.toml --against /dev/stdin\nExit status: "
                "0; 1 if a runner cannot be served, or the reload would be "
                "refused;\n2 if the output cannot be written.");
    cmd->callback([this] { status = plan_config(plan); });
  }

  static void add_explain_time(CLI::App* to, const char* name,
                               std::optional<int64_t>& into, const char* help) {
    to->add_option_function<std::string>(
        name,
        [name, &into](const std::string& text) {
          auto moment = parse_moment(text, time_zone::local);
          if (!moment)
            throw CLI::ValidationError(name, moment.error().text);
          into = *moment;
        },
        help)
      ->type_name("TIME");
  }

  static int64_t job_number(const std::string& text) {
    int64_t out = 0;
    const auto* end = text.data() + text.size();
    auto read = std::from_chars(text.data(), end, out);
    if (read.ec != std::errc{} || read.ptr != end || out <= 0)
      throw CLI::ValidationError("--job",
                                 '"' + text
                                   + "\" is no job's number in GitLab, "
                                     "like 4711");
    return out;
  }

  void add_explain() {
    auto* cmd = app.add_subcommand(
      "explain", "Tell why instances and jobs went as they did");
    add_config_option(cmd, explain.config_path);
    cmd
      ->add_option("--recording", explain.recording,
                   "A file or folder (that of the configuration)")
      ->type_name("PATH");
    add_explain_time(cmd, "--since", explain.since,
                     "A span before now or a time; else the last\nhour "
                     "recorded, of one job or instance all");
    add_explain_time(cmd, "--until", explain.until, "The same: as it was then");
    auto* job = cmd->add_option_function<std::string>(
      "--job",
      [this](const std::string& text) { explain.job = job_number(text); },
      "Where this job's waiting time went");
    auto* instance = cmd->add_option("--instance", explain.instance,
                                     "Why it was made, kept and removed");
    auto* group = cmd->add_option("--group", explain.group,
                                  "Only this: the cloud's id, or the runner's");
    for (auto* x : {job, instance, group})
      x->type_name("ID");
    cmd->add_flag("--json", explain.json, "For programs");
    cmd->footer(
      "Reads what muster run records, also while it runs. Times are "
      "local, with a Z\nUTC. Exit status: 1 if there is no recording, "
      "or the job or instance is not in\nit; 2 if the output cannot "
      "be written. docs/explain.md");
    cmd->callback([this, job, instance, group] {
      if (job->count() + instance->count() + group->count() > 1)
        throw CLI::ValidationError("--job, --instance, --group",
                                   "only one of these can be asked for");
      status = explain_recording(explain);
    });
  }

  void add_simulate() {
    auto* cmd = app.add_subcommand("simulate",
                                   "Play jobs of the past with other policies");
    add_config_option(cmd, simulate.config_path);
    auto* past = cmd->add_option_group("Jobs", "What has run");
    past->add_option("--jobs", simulate.history, "CSV or JSON")
      ->type_name("FILE");
    past
      ->add_option("--record", simulate.recording,
                   "What muster run has recorded")
      ->type_name("FILE|DIR");
    past->require_option(1);
    cmd
      ->add_option("--policy", simulate.policies,
                   "[runners.autoscaler] to be laid over; repeatable")
      ->type_name("FILE")
      ->take_all();
    cmd
      ->add_option("--runner", simulate.runner,
                   "Whose group: its name, or number (the only one's)")
      ->type_name("NAME");
    cmd
      ->add_option("--tags", simulate.tags,
                   "Of the runner, with commas (all jobs fit)")
      ->type_name("TAGS");
    cmd
      ->add_option_function<std::string>(
        "--price", reader("--price", muster::plan::parse_price, simulate.at),
        "Of an hour of an instance, like 0.17/h")
      ->type_name("PRICE");
    cmd
      ->add_option_function<std::string>(
        "--boot",
        [this](const std::string& text) {
          reader("--boot", simulated::parse_boot_time, simulate.boot)(text);
          simulate.boot_text = text;
        },
        "40s, uniform(30s,60s), lognormal(40s,0.3)")
      ->type_name("TIME");
    cmd
      ->add_option_function<std::string>(
        "--seed", reader("--seed", muster::parse_seed, simulate.seed),
        "Of chance (1)")
      ->type_name("NUMBER");
    cmd->add_flag("--json", simulate.json, "For programs");
    cmd->add_option("--html", simulate.html, "Writes a page with charts")
      ->type_name("FILE");
    cmd->footer(
      "Nothing is started or asked. Exit status: 0; 1 if a file cannot "
      "be used;\n2 if one cannot be written. docs/simulator.md");
    cmd->callback([this] { status = simulate_config(simulate); });
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
    cmd
      ->add_option("--executor", attempt.executor,
                   "instance, or docker-autoscaler: in containers of\n"
                   "this machine's Docker Engine (instance)")
      ->type_name("NAME");
    cmd
      ->add_option("--image", attempt.image,
                   "In containers: for jobs that name no image")
      ->type_name("IMAGE");
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
  program p;
  auto given = with_two_dashes(argc, argv, p.app);
  auto args = with_help_option(given);
  auto is_help = args != given;
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
    if (known.empty() && !command.empty()
        && (x.get_exit_code() != 0 || is_help)) {
      std::fprintf(stderr, "Command %s not found; see muster --help\n",
                   command.c_str());
      return 1;
    }
    return p.app.exit(x) == 0 ? 0 : wrong_call_status(command);
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
