#include "actors/dialer/edge.hpp"
#include "actors/journal/state_lock.hpp"
#include "actors/manager/manager.hpp"
#include "actors/message_types.hpp"
#include "actors/metrics/server.hpp"
#include "config/difference.hpp"
#include "config/journal_name.hpp"
#include "config/listen_address.hpp"
#include "config/syslog.hpp"
#include "config/system_id.hpp"
#include "config/version.hpp"
#include "executors/local/local_transport.hpp"
#include "executors/ssh/reactor.hpp"
#include "providers/fleeting/module.hpp"
#include "tools/muster/commands.hpp"
#include "tools/muster/equip.hpp"
#include "tools/muster/memory.hpp"
#include "tools/muster/own_files.hpp"
#include "tools/muster/plugins.hpp"
#include "tools/muster/recording.hpp"
#include "tools/muster/reload.hpp"
#include "tools/muster/service.hpp"

#include <atomic>
#include <caf/all.hpp>
#include <csignal>
#include <fmt/format.h>
#include <malloc.h>
#include <random>
#include <set>
#include <thread>
#include <unistd.h>
#include <utility>

namespace muster {

namespace {

struct system_config : message_system_config {
  explicit system_config(int workers) {
    set("scheduler.max-threads", static_cast<size_t>(workers));
    // The other policy looks for work to steal 20,000 times a second after each
    // message and 100 times a second for ever: a fifth of a job's CPU.
    set("scheduler.policy", caf::atom("sharing"));
  }
};

int64_t unix_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch())
    .count();
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

/// Keys of this process must not meet those of an earlier one.
std::string random_id() {
  std::random_device source;
  return fmt::format("{:08x}", source());
}

std::string helper_path(const config& cfg) {
  return cfg.muster.helper_path.empty() ? own_helper_program()
                                        : cfg.muster.helper_path;
}

/// A runner that another one was added to, or taken from, that GitLab takes for
/// the same has another name in the journal since.
void rename_jobs(journal_store& store, const config& cfg) {
  auto jobs = store.all_jobs();
  if (!jobs)
    return; // whoever reads them next says so
  std::set<std::string> names;
  for (const auto& job : *jobs)
    names.insert(job.runner);
  auto renames = journal_renames(names, cfg.runners);
  for (const auto& job : *jobs)
    if (auto to = renames.find(job.runner); to != renames.end())
      if (auto done = store.rename_runner(job.runner, to->second, job.key);
          !done)
        log::error("the journal cannot be written: whose a job is",
                   {{"err", done.error().text}});
}

/// Blocks what `signal_loop` takes, for all threads that come.
sigset_t block_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (int x : {SIGQUIT, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPWR})
    sigaddset(&set, x);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

/// Turns signals into messages, until it is done and woken by SIGUSR1. Between
/// them it sees to the process's memory, and to the configuration if there is a
/// reader.
void signal_loop(sigset_t set, const manager_actor& to, config_reader* reader,
                 const std::atomic<bool>& done) {
  using clock = std::chrono::steady_clock;
  memory_keeper memory;
  auto memory_seen = clock::now();
  std::chrono::milliseconds pause = memory_keeper::interval;
  bool power_lost = false;
  for (;;) {
    if (reader != nullptr)
      pause = reader->look(to);
    timespec patience{pause.count() / 1000, pause.count() % 1000 * 1'000'000};
    auto signal = sigtimedwait(&set, nullptr, &patience);
    if (done)
      return;
    if (auto now = clock::now();
        signal < 0 && now - memory_seen >= memory_keeper::interval) {
      memory.look();
      memory_seen = now;
    }
    if (signal < 0 || signal == SIGUSR1)
      continue; // somebody else's: a stack dump of GitLab Runner
    // PR_SET_PDEATHSIG sends it once for each thread of the dead parent.
    if (signal == SIGPWR && std::exchange(power_lost, true))
      continue;
    if (signal == SIGQUIT)
      caf::anon_send(to, shutdown_request{stop_mode::graceful});
    else if (signal == SIGTERM || signal == SIGPWR)
      caf::anon_send(to, shutdown_request{stop_mode::term});
    else if (signal == SIGINT)
      caf::anon_send(to, shutdown_request{stop_mode::interrupt});
    else if (reader != nullptr)
      reader->read_now(to);
    else
      log::warning("SIGHUP: run-single reads its configuration only once");
  }
}

/// Waits until the manager ends. Returns why, or nothing.
caf::error wait_for(caf::actor_system& sys, const manager_actor& manager) {
  caf::scoped_actor self{sys};
  caf::error out;
  self->monitor(manager);
  self->receive([&](const caf::down_msg& x) {
    if (x.reason != caf::exit_reason::normal)
      out = x.reason;
  });
  return out;
}

/// Sockets are made there, whose paths must be short.
std::string workshop_folder(const std::string& state_dir) {
  constexpr size_t path_max = 70;
  auto folder = state_dir + "/containers";
  if (folder.size() <= path_max)
    return folder;
  auto user = ::getuid();
  return fmt::format("{}/muster-{:016x}",
                     user == 0 ? "/run" : fmt::format("/run/user/{}", user),
                     std::hash<std::string>{}(state_dir));
}

manager_setup setup_of(const std::shared_ptr<const config>& cfg,
                       std::shared_ptr<journal_store> store,
                       const std::shared_ptr<transport>& wire,
                       const std::shared_ptr<local::socket_loop>& loop,
                       const service_limits& limits, const shared_parts& shared,
                       const std::string& run_id,
                       const std::function<int64_t()>& wall_clock) {
  manager_setup out;
  out.file = *cfg;
  out.file.runners.clear();
  out.system_id = shared.system_id;
  out.manager_host = host_name();
  out.run_id = run_id;
  out.jobs_max = limits.jobs_max;
  out.idle_max = limits.idle_max;
  out.make_journal = journal_starter(std::move(store), shared.metrics);
  out.dial = std::make_shared<dial_edge>(
    wire, helper_path(*cfg), wall_clock,
    dial_edge::workshop{loop, workshop_folder(cfg->muster.state_dir)});
  out.edge = std::make_shared<edges>(edges{
    wire, shared.traces, wall_clock, cfg->muster.state_dir, shared.metrics});
  for (size_t i = 0; i < cfg->runners.size(); ++i)
    out.runners.push_back(equipper(cfg, i, shared)(nullptr));
  return out;
}

/// What counts, and who shows it; both empty if nobody wants to know.
struct observation_post {
  std::shared_ptr<metrics_table> table;
  std::unique_ptr<metrics_server> server;

  std::shared_ptr<metrics_sink> sink() const {
    return table ? table : std::make_shared<metrics_sink>();
  }

  /// What is not told is looked at.
  void sample(const std::shared_ptr<const ssh_transport>& wire,
              const std::shared_ptr<const trace_shelf>& traces,
              const std::shared_ptr<const recorder>& recording) const {
    if (!table)
      return;
    table->sample_with([wire, traces, recording] {
      auto counters = wire->counters();
      process_samples out;
      out.log_bytes = traces->budget()->used();
      out.log_bytes_peak = traces->budget()->peak();
      out.ssh_commands = static_cast<int64_t>(counters.commands);
      out.ssh_commands_peak = static_cast<int64_t>(counters.commands_peak);
      out.warnings = log::written(log::level::warning);
      out.errors = log::written(log::level::error);
      out.fatals = log::written(log::level::fatal);
      if (recording) {
        auto recorded = recording->counters();
        out.records = static_cast<int64_t>(recorded.records);
        out.records_lost = static_cast<int64_t>(recorded.lost);
        out.record_bytes = static_cast<int64_t>(recorded.bytes);
        out.is_recording = !recorded.is_failing;
      }
      return out;
    });
  }
};

/// Errors: `not_valid` if the address cannot be had. One that is none is
/// logged, and nobody listens.
result<observation_post, config_errc> listen(const config& cfg,
                                             const std::string& address) {
  if (address.empty()) {
    log::info(
      "listen_address not defined, metrics & debug endpoints disabled",
      {{"builds", "0"}, {"max_builds", std::to_string(cfg.concurrent)}});
    return {};
  }
  auto at = parse_listen_address(address);
  if (!at) {
    log::error("metrics & debug endpoints disabled",
               {{"err", at.error().text}});
    return {};
  }
  program_facts program;
  program.version = version_text;
  program.revision = revision_text;
  program.branch = branch_text;
  program.concurrent = cfg.concurrent;
  observation_post out;
  out.table = std::make_shared<metrics_table>(program);
  auto server = metrics_server::start(*at, out.table);
  if (!server)
    return tl::unexpected{server.error()};
  out.server = std::move(*server);
  log::info("Metrics server listening",
            {{"address", out.server->address().text()},
             {"builds", "0"},
             {"max_builds", std::to_string(cfg.concurrent)}});
  return out;
}

/// What reads config.toml again; nothing if it is not to be.
std::unique_ptr<config_reader>
reader_of(const global_options& global, const loaded_config& first,
          const service_limits& limits, const shared_parts& shared,
          const std::shared_ptr<newest<read_config>>& board,
          const std::shared_ptr<recorder>& recording) {
  if (!limits.watches)
    return nullptr;
  reload_setup with;
  with.path = first.value.path;
  with.how = with_plugins(limits.strict ? check_mode::strict : check_mode::run);
  with.in_force = first.value.muster;
  with.shared = shared;
  with.board = board;
  with.usable = [recording](const loaded_config& x) {
    record_config(recording.get(), x);
  };
  with.apply = [global, metrics = shared.metrics](const config& x) {
    log::configure(global.log_level.empty() ? x.log_level : global.log_level,
                   global.log_format.empty() ? x.log_format
                                             : global.log_format);
    metrics->concurrent(x.concurrent);
  };
  return std::make_unique<config_reader>(std::move(with), limits.read_stamp,
                                         first);
}

/// Nobody stands in the door any more.
struct door_keeper {
  door_keeper() = default;
  door_keeper(const door_keeper&) = delete;
  door_keeper& operator=(const door_keeper&) = delete;

  ~door_keeper() {
    the_delivery = nullptr;
  }
};

int serve(const global_options& global, loaded_config& loaded,
          std::shared_ptr<journal_store> store, const service_limits& limits,
          const sigset_t& signals, const observation_post& watched) {
  auto cfg = std::make_shared<const config>(loaded.value);
  auto loop = std::make_shared<local::socket_loop>();
  auto ssh = std::make_shared<ssh_transport>();
  auto wire = std::make_shared<local::local_transport>(ssh, loop);
  auto id = load_system_id(cfg->path);
  if (!id.warning.empty())
    log::warning(id.warning);
  shared_parts shared{id.id, std::make_shared<trace_shelf>(), watched.sink()};
  auto run_id = random_id();
  auto recording = start_recording(loaded, run_id);
  door_keeper keeper;
  loaded.source.clear();
  std::function<int64_t()> wall_clock = unix_us;
  if (recording)
    wall_clock = [recording] { return recording->unix_us(); };
  auto setup = setup_of(cfg, std::move(store), wire, loop, limits, shared,
                        run_id, wall_clock);
  auto board = std::make_shared<newest<read_config>>();
  setup.reread = board;
  watched.sample(ssh, shared.traces, recording);
  if (!setup.dial->problem().empty()) {
    log::error(setup.dial->problem());
    return 1;
  }
  if (!setup.dial->packed_problem().empty())
    log::warning(setup.dial->packed_problem());
  log::info(fmt::format("Starting multi-runner from {}...", cfg->path),
            {{"builds", "0"}, {"max_builds", std::to_string(cfg->concurrent)}});
  if (cfg->runners.empty())
    log::warning("no runner is served: no job is taken before the "
                 "configuration has one that can be");
  auto reader = reader_of(global, loaded, limits, shared, board, recording);
  system_config caf_config{cfg->muster.workers};
  caf::error why;
  {
    caf::actor_system sys{caf_config};
    auto root = spawn_manager(sys, std::move(setup));
    shared.metrics->is(process_state::running);
    std::atomic<bool> done = false;
    std::thread listener{signal_loop, signals, root, reader.get(),
                         std::cref(done)};
    why = wait_for(sys, root);
    done = true;
    pthread_kill(listener.native_handle(), SIGUSR1);
    listener.join();
    root = nullptr;
    if (why) { // actors may be in calls that take their time: do not wait
      if (recording)
        recording->flush();
      std::_Exit(1);
    }
  }
  return 0;
}

} // namespace

int run_manager(const global_options& global, const run_options& options) {
  auto how
    = with_plugins(options.strict ? check_mode::strict : check_mode::run);
  how.missing_is_empty = true;
  if (options.syslog)
    log::also_to_syslog("muster");
  service_limits limits;
  limits.watches = true;
  limits.read_stamp = stamp_of(options.config_path); // before it is read
  auto loaded = load_config(options.config_path, how);
  limits.strict = options.strict;
  limits.listen_address = options.listen_address.empty()
                            ? loaded.value.listen_address
                            : options.listen_address;
  return serve_loaded(global, std::move(loaded), limits);
}

int serve_loaded(const global_options& global, loaded_config loaded,
                 const service_limits& limits) {
  // Few threads allocate much: more arenas only cost memory.
  mallopt(M_ARENA_MAX, 2);
  fleeting::prepare_environment();
  auto& cfg = loaded.value;
  auto pick = [](const std::string& a, const std::string& b) {
    return a.empty() ? b : a;
  };
  log::configure(pick(global.log_level, cfg.log_level),
                 pick(global.log_format, cfg.log_format));
  log::info("Runtime platform", {{"arch", arch_text},
                                 {"os", "linux"},
                                 {"pid", std::to_string(getpid())},
                                 {"revision", revision_text},
                                 {"version", version_text}});
  tell(loaded);
  leave_out_doubled_groups(cfg);
  if (!loaded.passed) {
    log::error(
      limits.strict
        ? "the configuration has warnings and --strict was given"
        : "the configuration cannot be used: muster check shows where");
    return 1;
  }
  if (limits.must_serve && cfg.runners.empty()) {
    log::error("the runner cannot be served: see above");
    return 1;
  }
  log::info("Configuration loaded", {{"builds", "0"}});
  auto signals = block_signals(); // before the first thread
  auto watched = listen(cfg, limits.listen_address);
  if (!watched) {
    log::error(watched.error().text);
    return 1;
  }
  auto lock = state_lock::take(cfg.muster.state_dir);
  if (!lock) {
    log::error(lock.error().text);
    return 1;
  }
  auto store = journal_store::open(cfg.muster.state_dir);
  if (!store) {
    log::error(store.error().text);
    return 1;
  }
  rename_jobs(*store, cfg);
  return serve(global, loaded,
               std::make_shared<journal_store>(std::move(*store)), limits,
               signals, *watched);
}

} // namespace muster
