// muster-coordinator: a GitLab for tests, benchmarks and demos.
//
// The server has three parts.
//
// The job API below `<base path>/api/v4/`, as in reference/job-api:
// jobs/request with long polling, jobs/:id, jobs/:id/trace, jobs/:id/artifacts,
// runners/verify, runners/managers, runners/reset_authentication_token.
// Downloads of artifacts are sent on to another host and port of this server.
//
// Git over smart HTTP, read only: `<base path>/<project>.git`, with user
// `gitlab-ci-token` and the token of a running job.
//
// The control API below `/control/`, JSON in and out, times in µs of Unix time:
//
//   POST   jobs                  a job (job_spec.hpp), a list, or {job, copies}
//                                -> {ids}
//   GET    jobs[?state=S]        {jobs}
//   GET    jobs/ID               state, times, exit code, arrivals of the trace
//   GET    jobs/ID/trace[?offset=N]   raw, at most 8 MiB at a time
//   GET    jobs/ID/artifacts/TYPE     the file (TYPE archive, junit, ...)
//   POST   jobs/ID/cancel        {mode: canceling | canceled}
//   DELETE jobs                  forgets ended jobs
//   POST   pipelines             {yaml, file, project, ref, sha, depth,
//                                variables, masked} -> {id, jobs}
//   GET    pipelines/ID[?seen=VERSION&timeout_ms=N]
//                                with its jobs; waits for a change of anything
//   GET    wait[?job=ID | ?pipeline=ID][&timeout_ms=N]
//                                {ended}; without either for all jobs
//   GET    violations            {total, by_rule, last}; DELETE clears them
//   GET    counters              requests, statuses, connections, parked
//   GET    runners               what clients told of themselves
//   POST   faults                a fault (control_json.hpp) -> {id}
//   GET    faults                {faults}; DELETE faults[/ID] removes
//   POST   settings              {long_poll_ms, trace_interval,
//                                token_lifetime, direct_download,
//                                artifact_size_max}
//   POST   shutdown
//
// Endpoints of faults: request, update, trace, verify, unregister, reset_token,
// git, upload and download (artifacts), storage (where downloads are sent on
// to), other.
//
// An error is {message} with a status of 4xx.

#include "tools/coordinator/commands.hpp"
#include "tools/tight_help.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fmt/format.h>

namespace {

using namespace muster;
using namespace muster::gitlab;

/// A duration option: `20s`, `500ms`.
CLI::Option* add_duration(CLI::App* to, const char* name,
                          std::chrono::milliseconds& value,
                          const char* description) {
  auto read = [&value](const std::string& text) {
    auto time = duration_of(text);
    if (time)
      value = *time;
    return time.has_value();
  };
  return to
    ->add_option_function<std::string>(
      name,
      [read, name](const std::string& text) {
        if (!read(text))
          throw CLI::ValidationError(
            name, fmt::format("\"{}\" is no duration; write 20s, "
                              "500ms or 2m",
                              text));
      },
      description)
    ->type_name("TIME");
}

/// An option of the parser's with a variable takes two lines of the help.
void add_server(CLI::App* to, std::string& server) {
  const char* known = std::getenv("MUSTER_COORDINATOR");
  server = known == nullptr ? "" : known;
  auto* option = to->add_option("--server", server,
                                "URL that serve printed (MUSTER_COORDINATOR)");
  option->type_name("URL");
  if (server.empty())
    option->required();
}

/// `127.0.0.1:0` or `[::1]:8080`.
void read_address(const std::string& text, test_gitlab_options& to) {
  auto colon = text.rfind(':');
  auto host = text.substr(0, colon);
  int port = -1;
  if (colon != std::string::npos
      && CLI::detail::lexical_cast(text.substr(colon + 1), port) && port >= 0
      && port < 65536) {
    if (host.size() > 1 && host.front() == '[' && host.back() == ']')
      host = host.substr(1, host.size() - 2);
    to.host = host;
    to.port = port;
    return;
  }
  throw CLI::ValidationError("--listen",
                             fmt::format("\"{}\" is no HOST:PORT", text));
}

void read_masked(const std::vector<std::string>& texts,
                 test_gitlab_options& to) {
  for (const auto& text : texts) {
    auto x = assignment_of(text);
    if (!x)
      throw CLI::ValidationError("--masked",
                                 fmt::format("\"{}\" is no KEY=VALUE", text));
    to.masked.push_back(std::move(*x));
  }
}

constexpr const char* control_help = "Commands take the server from --server "
                                     "or MUSTER_COORDINATOR. They speak a\n"
                                     "control API, JSON below /control/: see "
                                     "tools/coordinator/main.cpp.";

/// An option that may be given several times, one value each.
CLI::Option* add_list(CLI::App* to, const char* name,
                      std::vector<std::string>& values,
                      const char* description) {
  return to->add_option(name, values, description)->allow_extra_args(false);
}

/// The commands, the values that their options fill, and what they do.
class program {
public:
  program() {
    app_.require_subcommand(1);
    app_.formatter(std::make_shared<tight_formatter>());
    add_serve();
    add_enqueue();
    add_pipeline();
    add_wait();
    add_trace();
    add_status();
    add_cancel();
    add_fault();
    add_rest();
    app_.footer(control_help); // last: commands would take it over
  }

  int run(int argc, char** argv) {
    std::string word = argc > 1 ? argv[1] : "-";
    auto known = app_.get_subcommands(
      [&](const CLI::App* x) { return x->get_name() == word; });
    if (!word.starts_with('-') && known.empty()) {
      fmt::print(stderr,
                 "muster-coordinator: there is no command {}; see --help\n",
                 word);
      return 1;
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& problem) {
      return app_.exit(problem) == 0 ? 0 : 1;
    }
    return action_();
  }

private:
  CLI::App* command(const char* name, const char* description,
                    std::function<int()> action) {
    auto* result = app_.add_subcommand(name, description);
    result->callback([this, action] { action_ = action; });
    return result;
  }

  void add_serve() {
    auto* at = command("serve", "Serve until told to stop; prints the URL",
                       [this] { return serve(std::move(serve_)); });
    auto& to = serve_.gitlab;
    at->add_option_function<std::string>(
        "--listen", [&to](const std::string& x) { read_address(x, to); },
        "HOST:PORT, port 0 for a free one (127.0.0.1:0)")
      ->type_name("ADDRESS");
    at->add_option("--port-file", serve_.port_file, "Write the port there");
    at->add_option("--base-path", to.base_path, "Serve GitLab below this path");
    at->add_option("--tls-cert", to.tls.certificate,
                   "Serve HTTPS with this certificate (PEM)");
    at->add_option("--tls-key", to.tls.key, "Its key (PEM)");
    at->add_option("--tls-client-ca", to.tls.client_ca,
                   "Ask clients for a certificate of this CA (PEM)");
    at->add_option("--direct-download", to.direct_download,
                   "Status that sends downloads on to another host\n"
                   "(302); 0: none");
    add_list(at, "--repo", to.repositories,
             "A project and its repository: group/name=FOLDER");
    at->add_option_function<std::vector<std::string>>(
        "--token",
        [&to](const std::vector<std::string>& x) {
          to.store.runner_tokens = x;
        },
        "Runner token to accept (glrt-test-token-1)")
      ->allow_extra_args(false);
    at->add_option_function<std::vector<std::string>>(
        "--masked",
        [&to](const std::vector<std::string>& x) { read_masked(x, to); },
        "KEY=VALUE that every job gets, masked")
      ->allow_extra_args(false);
    add_duration(at, "--long-poll", to.store.long_poll,
                 "Hold job requests so long when there is none (0)");
    at->add_flag("--long-poll-wakes", to.store.long_poll_only_wakes,
                 "Answer a held request with 204 when a job comes,\n"
                 "as GitLab's Workhorse does");
    add_duration(at, "--accept-within", to.store.accept_within,
                 "Queue a job again if not accepted by then (2m)");
    at->add_option("--trace-interval", to.trace_interval,
                   "Trace update interval to ask for, in s (none)");
    at->add_flag("--strict", to.strict,
                 "Show violations at once; exit status 3 if there\n"
                 "were any");
  }

  void add_enqueue() {
    auto* at = command("enqueue", "Queue a job; prints its id",
                       [this] { return enqueue(enqueue_); });
    add_server(at, enqueue_.server);
    at->add_option("file", enqueue_.file, "Job as JSON; - for stdin");
    add_list(at, "--script", enqueue_.script, "A line of its script");
    at->add_option("--name", enqueue_.name, "Its name");
    at->add_option("--expect", enqueue_.expect,
                   "How it should end: success, failed:3");
    add_list(at, "--variable", enqueue_.variables, "KEY=VALUE");
    add_list(at, "--masked", enqueue_.masked, "KEY=VALUE, masked");
    at->add_option("--copies", enqueue_.copies, "How many of it")
      ->check(CLI::Range(int64_t{1}, int64_t{100'000}));
  }

  void add_pipeline() {
    auto* at = command("pipeline", "Run a .gitlab-ci.yml; prints its id",
                       [this] { return pipeline(pipeline_); });
    add_server(at, pipeline_.server);
    at->add_option("file", pipeline_.file, "The file; - for stdin")->required();
    at->add_option("--project", pipeline_.project, "Of --repo (the first)");
    at->add_option("--ref", pipeline_.ref, "Branch or tag (the default one)");
    at->add_option("--sha", pipeline_.sha, "Commit (the ref's newest)");
    add_list(at, "--variable", pipeline_.variables, "KEY=VALUE");
    add_list(at, "--masked", pipeline_.masked, "KEY=VALUE, masked");
    at->add_flag("--follow", pipeline_.follow,
                 "Show the logs and a closing table; exit status 0\n"
                 "if every job ended as its variable EXPECT says\n"
                 "(success, failed:3)");
    at->add_option("--manager-log", pipeline_.manager_log,
                   "The manager's log in the format json: tells the\n"
                   "table's instances and slots")
      ->needs("--follow");
    at->add_flag("--color,--colour", pipeline_.colours, "Keep colours");
    add_duration(at, "--timeout", pipeline_.timeout,
                 "Follow at most so long; exit status 2 then (1h)");
  }

  void add_wait() {
    auto* at = command("wait", "Wait until all jobs have ended",
                       [this] { return gitlab::wait(wait_); });
    add_server(at, wait_.server);
    at->add_option("--job", wait_.job, "Only this job");
    at->add_option("--pipeline", wait_.pipeline, "Only this pipeline");
    add_duration(at, "--timeout", wait_.timeout,
                 "Exit status 1 after this (10m)");
  }

  void add_trace() {
    auto* at = command("trace", "Print a job's log as received",
                       [this] { return trace(server_, job_, flag_); });
    add_server(at, server_);
    at->add_option("job", job_, "Its id")->required();
    at->add_flag("--plain", flag_,
                 "Without timestamps, section markers and colours");
  }

  void add_status() {
    auto* at = command("status", "Show all jobs, or all about one",
                       [this] { return status(server_, job_, flag_); });
    add_server(at, server_);
    at->add_option("job", job_, "Its id");
    at->add_flag("--json", flag_, "As the control API tells it");
  }

  void add_cancel() {
    auto* at = command("cancel", "Cancel a job",
                       [this] { return cancel(server_, job_, flag_); });
    add_server(at, server_);
    at->add_option("job", job_, "Its id")->required();
    at->add_flag("--now", flag_, "canceled at once, instead of canceling");
  }

  template <class T>
  void add_rule_option(CLI::App* to, const char* option, const char* key,
                       const char* description) {
    to->add_option_function<T>(
      option, [this, key](const T& x) { fault_.rule[key] = x; }, description);
  }

  void add_rule_time(CLI::App* to, const char* option, const char* key,
                     const char* description) {
    to->add_option_function<std::string>(
        option,
        [this, option, key](const std::string& text) {
          auto time = duration_of(text);
          if (!time)
            throw CLI::ValidationError(option, "no duration: " + text);
          fault_.rule[key] = time->count();
        },
        description)
      ->type_name("TIME");
  }

  void add_fault() {
    fault_.rule = nlohmann::json::object();
    auto* at = command(
      "fault", "Make requests fail; without a kind: list faults", [this] {
        fault_.server = server_;
        return fault_command(fault_);
      });
    add_server(at, server_);
    add_rule_option<std::string>(
      at, "kind", "kind",
      "latency, status, garbage, half, empty, reset,\n"
      "close, lost or interval");
    add_rule_option<std::string>(at, "--endpoint", "endpoint",
                                 "request, update, trace, git, ... (any)");
    add_rule_option<int64_t>(at, "--count", "count", "Requests to hit (all)");
    add_rule_option<int64_t>(at, "--skip", "skip", "Let so many pass first");
    add_rule_option<double>(at, "--probability", "probability", "0 to 1 (1)");
    add_rule_option<uint64_t>(at, "--seed", "seed", "Of its dice (1)");
    add_rule_option<int64_t>(at, "--job", "job", "Only this job");
    add_rule_option<std::string>(at, "--state", "state",
                                 "Of updates: running or final");
    add_rule_time(at, "--for", "for_ms", "How long it is in force");
    add_rule_time(at, "--latency", "latency_ms", "Of kind latency");
    add_rule_option<int>(at, "--status", "status", "Of kind status (500)");
    add_rule_option<int>(at, "--retry-after", "retry_after",
                         "Header of kind status, in seconds");
    add_rule_option<int>(at, "--interval", "interval",
                         "Of kind interval, in s");
    add_rule_option<std::string>(at, "--location", "location",
                                 "Of a 3xx: a URL, or other: another host");
    at->add_flag_callback(
      "--early", [this] { fault_.rule["early"] = true; },
      "Answer an upload before its body was read");
    at->add_option("--remove", fault_.remove, "Remove this one; 0 for all");
  }

  void add_rest() {
    auto* at = command("violations",
                       "Show what clients did wrong; exit status 1 if any",
                       [this] { return violations(server_, flag_); });
    add_server(at, server_);
    at->add_flag("--json", flag_, "As the control API tells it");
    at = command("counters", "Show requests, statuses and connections",
                 [this] { return counters(server_); });
    add_server(at, server_);
    at = command("shutdown", "Stop the server",
                 [this] { return shut_down(server_); });
    add_server(at, server_);
  }

  CLI::App app_{"muster-coordinator: a GitLab for tests, benchmarks and demos",
                "muster-coordinator"};
  std::function<int()> action_;
  serve_settings serve_;
  enqueue_settings enqueue_;
  pipeline_settings pipeline_;
  wait_settings wait_;
  fault_settings fault_;
  std::string server_;
  int64_t job_ = 0;
  bool flag_ = false;
};

} // namespace

int main(int argc, char** argv) {
  try {
    return program{}.run(argc, argv);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "muster-coordinator: {}\n", problem.what());
    return 1;
  }
}
