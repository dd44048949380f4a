#include "tools/bench/bed.hpp"

#include "providers/local/boot.hpp"
#include "providers/local/ports.hpp"
#include "providers/local/processes.hpp"
#include "tools/bench/engines.hpp"
#include "tools/coordinator/child_process.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <httplib.h>
#include <iterator>
#include <sstream>
#include <thread>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
namespace fs = std::filesystem;

/// Machines that boot, on a machine that others use.
constexpr auto start_patience = 60s;

std::atomic<bool> interrupted{false};

/// Hosts of a plugin are in a folder of its own: the manager's is not its.
std::string hosts_folder(const bed_options& options,
                         const std::string& folder) {
  return folder + (options.from == host_source::local ? "/state" : "/hosts");
}

std::string calls_file(const std::string& folder) {
  return folder + "/calls";
}

std::string plugin_keys(const bed_options& options, const std::string& folder) {
  if (options.from == host_source::local)
    return "";
  auto out = fmt::format("state_dir = \"{}\"\ncalls = \"{}\"\n",
                         hosts_folder(options, folder), calls_file(folder));
  if (options.from == host_source::shared)
    out += "shared = true\n"
           "sshd_options = [\"MaxStartups 1000\", \"MaxSessions 1000\"]\n";
  else if (options.from == host_source::blind)
    out += "blind = true\n";
  return out;
}

/// What of a bed is known when it has begun.
struct bed_places {
  std::string folder;
  std::string plugin;
  std::string host_script; ///< what makes a host what it is; may be empty
  uint16_t metrics_port = 0;
};

std::string executor_keys(const bed_options& options) {
  if (!options.containers)
    return "executor = \"instance\"\nshell = \"bash\"\n" + options.more_config;
  return fmt::format("executor = \"docker-autoscaler\"\n"
                     "{}"
                     "[runners.docker]\n"
                     "image = \"{}\"\n"
                     "helper_image = \"{}\"\n"
                     "pull_policy = \"if-not-present\"\n",
                     options.more_config, engine_image, engine_image);
}

std::string config_text(const bed_options& options, const bed_places& at,
                        const test_gitlab& gitlab) {
  auto user_data = at.host_script.empty()
                     ? std::string{}
                     : fmt::format("user_data = '''\n{}'''\n", at.host_script);
  auto slots = options.hosts * options.slots;
  auto idle = options.hosts_idle < 0 ? options.hosts : options.hosts_idle;
  auto executor = executor_keys(options);
  auto limit = options.output_limit_kib > 0
                 ? fmt::format("output_limit = {}\n", options.output_limit_kib)
                 : "";
  auto metrics
    = at.metrics_port > 0
        ? fmt::format("listen_address = \"127.0.0.1:{}\"\n", at.metrics_port)
        : "";
  return fmt::format(
    "concurrent = {concurrent}\n"
    "{metrics}"
    "[muster]\n"
    "state_dir = \"{folder}/state\"\n"
    "recorder = {{enabled = {records}}}\n"
    "[[runners]]\n"
    "name = \"bench\"\n"
    "url = \"{url}\"\n"
    "token = \"{token}\"\n"
    "{limit}"
    "{executor}"
    "[runners.autoscaler]\n"
    "plugin = \"{plugin}\"\n"
    "capacity_per_instance = {slots}\n"
    "max_use_count = {uses}\n"
    "max_instances = {hosts}\n"
    "delete_instances_on_shutdown = true\n"
    "[runners.autoscaler.plugin_config]\n"
    "name = \"bench\"\n"
    "boot_delay = \"{boot}ms\"\n"
    "{plugin_keys}{user_data}"
    "[[runners.autoscaler.policy]]\n"
    "idle_count = {idle}\n"
    "idle_time = \"30m\"\n",
    fmt::arg("concurrent", options.concurrent > 0 ? options.concurrent : slots),
    fmt::arg("metrics", metrics), fmt::arg("records", options.records),
    fmt::arg("folder", at.folder), fmt::arg("url", gitlab.url()),
    fmt::arg("token", gitlab.token()), fmt::arg("limit", limit),
    fmt::arg("executor", executor), fmt::arg("plugin", at.plugin),
    fmt::arg("slots", options.slots), fmt::arg("uses", options.max_use_count),
    fmt::arg("hosts", options.hosts), fmt::arg("boot", options.boot.count()),
    fmt::arg("plugin_keys", plugin_keys(options, at.folder)),
    fmt::arg("user_data", user_data),
    fmt::arg("idle", options.warm ? idle * options.slots : 0));
}

/// A process and all that descends from it.
std::vector<pid_t> tree_of(pid_t root) {
  std::vector<std::pair<pid_t, pid_t>> parents;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator{"/proc", none}) {
    auto pid = static_cast<pid_t>(
      std::strtol(entry.path().filename().c_str(), nullptr, 10));
    if (pid <= 0)
      continue;
    if (auto stat = local::stat_of(pid))
      parents.emplace_back(pid, stat->parent);
  }
  std::vector<pid_t> out{root};
  for (size_t i = 0; i < out.size(); ++i)
    for (auto [pid, parent] : parents)
      if (parent == out[i])
        out.push_back(pid);
  return out;
}

} // namespace

void stop_waiting() {
  interrupted = true;
}

bool is_interrupted() {
  return interrupted;
}

bool wait_until(steady_clock::time_point deadline,
                const std::function<bool()>& reached,
                std::chrono::microseconds step) {
  while (!reached()) {
    if (interrupted || steady_clock::now() >= deadline)
      return false;
    std::this_thread::sleep_for(step);
  }
  return true;
}

bed::bed(bed_options options) : options_(std::move(options)) {
}

bed::~bed() {
  if (!finished_)
    finish();
}

result<void, bench_errc> bed::start() {
  if (options_.containers)
    if (auto obstacle = engine_obstacle())
      return fail(bench_errc::cannot_start, *obstacle);
  std::error_code bad;
  auto pattern
    = (fs::temp_directory_path(bad) / "muster-bench.XXXXXX").string();
  if (bad || mkdtemp(pattern.data()) == nullptr)
    return fail(bench_errc::cannot_start,
                fmt::format("no folder {} can be made; set TMPDIR", pattern));
  folder_ = pattern;
  test_gitlab_options with;
  with.store.long_poll = options_.long_poll;
  gitlab_ = std::make_unique<test_gitlab>(with);
  if (auto started = gitlab_->start(); !started)
    return fail(bench_errc::cannot_start, started.error().text);
  if (options_.metrics)
    metrics_port_ = local::reserve_port().port; // free again at once
  if (auto written = write_config(); !written)
    return written;
  return manager_.start(options_.manager, folder_ + "/config.toml", log_file());
}

result<void, bench_errc> bed::write_config() const {
  std::ofstream out{folder_ + "/config.toml"};
  bed_places at{folder_, plugin_program(), "", metrics_port_};
  auto build = fs::path{options_.manager}.parent_path();
  if (options_.containers)
    at.host_script
      = engine_script(cgroup(), (build / "helper/muster-helper").string());
  else if (options_.shell == shell_startup::bashrc)
    at.host_script = "#!/bin/sh\n"
                     "echo 'sleep 0.12' > \"$HOME/.bashrc\"\n";
  out << config_text(options_, at, *gitlab_) << std::flush;
  if (!out)
    return fail(bench_errc::cannot_start,
                fmt::format("{}/config.toml cannot be written", folder_));
  return {};
}

result<std::chrono::nanoseconds, bench_errc> bed::wait_first_poll() {
  auto polled = wait_polls(1);
  if (!polled)
    return tl::unexpected{polled.error()};
  return *polled - manager_.started_at();
}

result<steady_clock::time_point, bench_errc> bed::wait_polls(uint64_t count) {
  auto polled = wait_until(
    steady_clock::now() + start_patience,
    [this, count] { return polls() >= count || !manager_.alive(); }, 500us);
  if (!polled || polls() < count)
    return tl::unexpected{reason("the manager did not ask for a job")};
  return steady_clock::now();
}

result<std::chrono::nanoseconds, bench_errc> bed::wait_warm() {
  auto started = manager_.started_at();
  auto warm = wait_until(started + start_patience, [this] {
    return hosts_ready() >= hosts_wanted() || !manager_.alive();
  });
  if (!warm || hosts_ready() < hosts_wanted())
    return tl::unexpected{reason(fmt::format(
      "{} of {} hosts are ready for jobs", hosts_ready(), hosts_wanted()))};
  return steady_clock::now() - started;
}

result<void, bench_errc> bed::wait_jobs(std::chrono::milliseconds at_most) {
  auto until = steady_clock::now() + at_most;
  auto ended = wait_until(
    until, [this] { return gitlab_->wait_all(100ms) || !manager_.alive(); },
    0us);
  if (!ended || !gitlab_->wait_all(0ms))
    return tl::unexpected{reason(fmt::format("{} of {} jobs have ended",
                                             gitlab_->jobs().jobs_ended(),
                                             gitlab_->jobs().jobs_total()))};
  return {};
}

result<void, bench_errc> bed::rest(std::chrono::milliseconds time) {
  wait_until(
    steady_clock::now() + time, [this] { return !manager_.alive(); }, 10ms);
  if (is_interrupted() || !manager_.alive())
    return tl::unexpected{reason("nothing was to happen")};
  return {};
}

uint64_t bed::polls() const {
  auto counters = gitlab_->counters();
  return counters["requests"].value("request", uint64_t{0});
}

/// The manager says `ready` of each host that takes jobs.
int bed::hosts_ready() const {
  int found = 0;
  std::ifstream in{log_file()};
  for (std::string line; std::getline(in, line);)
    found += line.starts_with("ready ") ? 1 : 0;
  return found;
}

int bed::hosts_wanted() const {
  return options_.hosts_idle < 0 ? options_.hosts : options_.hosts_idle;
}

/// What `plugin` names in the configuration.
std::string bed::plugin_program() const {
  if (options_.from == host_source::local)
    return "local";
  std::error_code none;
  return fs::read_symlink("/proc/self/exe", none).parent_path()
         / "fleeting-plugin-bench";
}

failure<bench_errc> bed::reason(const std::string& what) {
  if (is_interrupted())
    return {bench_errc::interrupted, "interrupted"};
  auto ended = !manager_.alive();
  return {ended ? bench_errc::failed : bench_errc::timed_out,
          fmt::format("{}, {}; the end of its log:\n{}", what,
                      ended ? "and the manager ended by itself"
                            : "and there is no more time",
                      log_tail())};
}

std::string bed::log_file() const {
  return fmt::format("{}/muster-{}.log", folder_, managers_);
}

std::string bed::log_tail() const {
  std::deque<std::string> lines;
  std::ifstream in{log_file()};
  for (std::string line; std::getline(in, line);) {
    lines.push_back("    " + line);
    if (lines.size() > 10)
      lines.pop_front();
  }
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::vector<std::string> bed::finish() {
  finished_ = true;
  std::vector<std::string> wrong;
  if (!manager_.stop(20s))
    wrong.emplace_back("the manager did not stop within 20 s");
  if (gitlab_) {
    for (const auto& job : gitlab_->jobs().jobs())
      if (!gitlab::as_expected(job) && !excused_.contains(job.id)) {
        wrong.push_back(fmt::format(
          "job {} did not succeed ({}); the end of its log:\n{}", job.id,
          job.failure_reason.empty() ? "not ended" : job.failure_reason,
          gitlab_->trace(job.id)));
        break; // one tells enough
      }
    for (const auto& x : gitlab_->violations().list())
      wrong.push_back(fmt::format("the manager broke the rule {} with job {}: "
                                  "{}",
                                  x.rule, x.job, x.text));
    gitlab_->stop();
  }
  if (auto left = end_instances(); left > 0)
    wrong.push_back(fmt::format("the manager left {} instances running", left));
  if (options_.containers && !folder_.empty())
    remove_cgroup(cgroup());
  if (!folder_.empty() && !remove_folder())
    wrong.push_back(fmt::format("{} could not be removed", folder_));
  return wrong;
}

/// The manager leaves removing the instances' folders to processes that may
/// outlive it: with both at it, a first try can fail.
bool bed::remove_folder() const {
  auto until = steady_clock::now() + 5s;
  std::error_code bad;
  for (;;) {
    fs::remove_all(folder_, bad);
    if (!bad || steady_clock::now() >= until)
      return !bad;
    std::this_thread::sleep_for(10ms);
  }
}

std::vector<local::instance_record> bed::instances() const {
  std::vector<local::instance_record> out;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator{
         hosts_folder(options_, folder_) + "/local/bench", none}) {
    std::ifstream in{entry.path() / "instance.json"};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (auto record = local::parse_record(text);
        record && local::is_alive(record->process))
      out.push_back(std::move(*record));
  }
  return out;
}

/// Ends what the manager, or its failure, left. Returns how many.
int bed::end_instances() const {
  auto left = instances();
  for (const auto& x : left)
    kill_host(x);
  return static_cast<int>(left.size());
}

void bed::kill_host(const local::instance_record& which) const {
  local::kill_tree(which.process, local::mark_of(which.id),
                   steady_clock::now() + 5s);
}

void bed::freeze_host(const local::instance_record& which) const {
  for (auto pid : tree_of(which.process.pid))
    kill(pid, SIGSTOP);
}

result<local::instance_record, bench_errc> bed::host_of(int64_t job) const {
  auto trace = gitlab_->trace(job);
  for (auto& x : instances())
    if (trace.find("Instance " + x.id + " connected") != std::string::npos)
      return x;
  return fail(bench_errc::failed,
              fmt::format("it cannot be told on which host job {} runs", job));
}

std::vector<provider_call> bed::calls() const {
  std::vector<provider_call> out;
  std::ifstream in{calls_file(folder_)};
  for (provider_call x; in >> x.at_us >> x.name;)
    out.push_back(x);
  return out;
}

result<pid_t, bench_errc> bed::plugin() const {
  std::vector<pid_t> found;
  std::error_code none;
  for (auto pid : tree_of(manager_.pid()))
    if (fs::read_symlink(fmt::format("/proc/{}/exe", pid), none)
        == fs::canonical(plugin_program(), none))
      found.push_back(pid);
  if (found.size() == 1)
    return found.front();
  return fail(
    bench_errc::failed,
    fmt::format("{} processes of the plugin are there", found.size()));
}

std::string bed::host_folder(const local::instance_record& which) const {
  return hosts_folder(options_, folder_) + "/local/bench/" + which.id;
}

std::string bed::cgroup() const {
  return fs::path{folder_}.filename();
}

std::vector<engine_call> bed::engine_calls() const {
  std::vector<engine_call> out;
  for (const auto& x : instances()) {
    std::ifstream in{engine_log(host_folder(x))};
    std::string log{std::istreambuf_iterator<char>{in}, {}};
    auto calls = calls_in_log(log);
    out.insert(out.end(), calls.begin(), calls.end());
  }
  return out;
}

std::vector<std::string> bed::engine_sockets() const {
  std::vector<std::string> out;
  for (const auto& x : instances())
    out.push_back(engine_socket(host_folder(x)));
  return out;
}

std::optional<double> bed::bytes_on_wire() const {
  double sum = 0;
  bool told = false;
  for (const auto& x : instances()) {
    auto said = gitlab::run_program(
      {"ss", "-tinH", "dport", "=", fmt::format(":{}", x.port)}, 10s);
    std::istringstream words{said.value_or("")};
    for (std::string word; words >> word;)
      for (std::string_view name : {"bytes_sent:", "bytes_received:"})
        if (word.starts_with(name)) {
          sum += std::strtod(word.c_str() + name.size(), nullptr);
          told = true;
        }
  }
  return told ? std::optional{sum} : std::nullopt;
}

std::map<std::string, double> bed::queue_marks() const {
  constexpr std::string_view series = "muster_queue_high_water{";
  constexpr std::string_view label = "queue=\"";
  std::map<std::string, double> out;
  httplib::Client client{"127.0.0.1", metrics_port_};
  auto answer = client.Get("/metrics");
  std::istringstream lines{answer ? answer->body : ""};
  for (std::string line; std::getline(lines, line);) {
    auto from = line.find(label);
    auto to = line.find('"', from + label.size());
    auto value = line.rfind(' ');
    if (!line.starts_with(series) || to == std::string::npos)
      continue;
    from += label.size();
    auto& mark = out[line.substr(from, to - from)];
    mark = std::max(mark, std::strtod(line.c_str() + value, nullptr));
  }
  return out;
}

double bed::series(const std::string& name) const {
  httplib::Client client{"127.0.0.1", metrics_port_};
  auto answer = client.Get("/metrics");
  std::istringstream lines{answer ? answer->body : ""};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name + " "))
      return std::strtod(line.c_str() + name.size(), nullptr);
  return 0;
}

result<void, bench_errc> bed::wait_no_host() {
  auto gone = wait_until(
    steady_clock::now() + start_patience,
    [this] { return instances().empty() || !manager_.alive(); }, 10ms);
  if (!gone || !manager_.alive())
    return tl::unexpected{
      reason(fmt::format("{} hosts are left", instances().size()))};
  return {};
}

result<void, bench_errc> bed::kill_manager() {
  manager_.kill_now();
  ++managers_;
  return manager_.start(options_.manager, folder_ + "/config.toml", log_file());
}

void bed::excuse(int64_t job) {
  excused_.insert(job);
}

} // namespace muster::bench
