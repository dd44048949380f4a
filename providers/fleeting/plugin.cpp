#include "providers/fleeting/plugin.hpp"

#include "providers/fleeting/handshake.hpp"
#include "providers/fleeting/log_lines.hpp"
#include "providers/fleeting/lookup.hpp"
#include "providers/fleeting/module.hpp"

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fmt/format.h>
#include <mutex>
#include <set>
#include <utility>

namespace muster::fleeting {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Pulses in a row without an answer, until it hangs: one may fall into a
/// moment in which the machine is busy.
constexpr int silences_max = 2;
/// For a connection after the handshake: the plugin listens already.
constexpr auto connect_patience = 10s;

log::fields with_subsystem(log::fields fields, const std::string& path) {
  fields.emplace_back("subsystem",
                      "fleeting-plugin."
                        + std::filesystem::path{path}.filename().string());
  return fields;
}

void forward(const log_line& line, const log::fields& always) {
  if (!log::enabled(line.at))
    return;
  auto fields = line.fields;
  fields.insert(fields.end(), always.begin(), always.end());
  log::write(line.at, line.message, fields);
}

/// What the plugin's code prints comes in pieces of any size.
void forward_print(const std::string& text, const log::fields& always) {
  auto end = text.find_last_not_of("\r\n");
  if (end != std::string::npos)
    log::debug(text.substr(0, end + 1), always);
}

} // namespace

struct running_plugin::watch {
  std::mutex mutex;
  std::condition_variable changed;
  std::multiset<deadline> calls; ///< when those under way began
  std::string last_words;
  std::optional<failure<provider_errc>> loss;
  loss_handler tell;
  bool stopping = false;

  /// The first reason is the one that counts.
  void lose(std::string why) {
    loss_handler handler;
    {
      std::lock_guard guard{mutex};
      if (loss || stopping)
        return;
      loss = failure<provider_errc>{provider_errc::call_failed, std::move(why)};
      handler = std::exchange(tell, {});
    }
    changed.notify_all();
    if (handler)
      handler(*loss);
  }

  /// Without fields nothing is logged.
  void ended(const process_end& how, const std::string& name,
             const log::fields* fields) {
    std::string words;
    bool expected = false;
    {
      std::lock_guard guard{mutex};
      words = last_words;
      expected = stopping || loss;
    }
    if (fields != nullptr) {
      auto with = *fields;
      with.emplace_back("err", how.text);
      auto at = expected       ? log::level::debug
                : how.in_order ? log::level::warning
                               : log::level::error;
      log::write(at, "plugin process exited", with);
    }
    lose(fmt::format("{} {}{}", name, how.text,
                     words.empty() ? "" : "; it said: " + words));
  }
};

running_plugin::running_plugin(plugin_options options)
  : options_(std::move(options)),
    watch_(std::make_shared<watch>()) {
}

result<void, provider_errc> running_plugin::start(deadline by) {
  auto path = find_plugin(options_.plugin, places_of_host());
  if (!path)
    return tl::unexpected{path.error()};
  path_ = *path;
  name_ = options_.plugin == path_
            ? fmt::format("plugin \"{}\"", path_)
            : fmt::format("plugin \"{}\" ({})", options_.plugin, path_);
  by = std::min(by, steady_clock::now() + options_.start_timeout);
  if (auto done = launch(); !done)
    return tl::unexpected{failed(done.error())};
  auto line = process_->first_line(by);
  if (!line)
    return tl::unexpected{failed(line.error())};
  if (auto done = connect(*line); !done)
    return tl::unexpected{failed(done.error())};
  return {};
}

result<void, provider_errc> running_plugin::launch() {
  auto folder = socket_folder::make(options_.state_dir);
  if (!folder)
    return tl::unexpected{folder.error()};
  auto environment = plugin_environment(folder->path());
  folder_ = std::move(*folder);
  auto fields = with_subsystem(options_.log_fields, path_);
  auto forwards = options_.forwards_log;
  auto reader
    = std::make_shared<log_reader>([fields, forwards](const log_line& line) {
        if (forwards)
          forward(line, fields);
      });
  process_events events;
  events.error_output = [reader, seen = watch_](std::string_view bytes) {
    reader->take(bytes);
    std::lock_guard guard{seen->mutex};
    seen->last_words = reader->last_words();
  };
  events.ended = [reader, seen = watch_, fields, forwards,
                  name = name_](const process_end& how) {
    reader->finish();
    {
      std::lock_guard guard{seen->mutex};
      seen->last_words = reader->last_words();
    }
    seen->ended(how, name, forwards ? &fields : nullptr);
  };
  std::lock_guard guard{watch_->mutex};
  if (watch_->stopping)
    return fail(provider_errc::not_available, "it is not needed any more");
  process_
    = plugin_process::start({path_, std::move(environment)}, std::move(events));
  return {};
}

result<void, provider_errc> running_plugin::connect(const std::string& line) {
  auto where = parse_handshake(line);
  if (!where)
    return tl::unexpected{where.error()};
  if (folder_ && !where->socket_path.starts_with(folder_->path() + "/"))
    stray_socket_ = where->socket_path;
  auto module = load_link_module(options_.module_path);
  if (!module)
    return tl::unexpected{module.error()};
  link_events events;
  if (options_.forwards_log)
    events.printed
      = [fields = with_subsystem(options_.log_fields, path_)](
          bool, const std::string& text) { forward_print(text, fields); };
  auto link = (*module)->connect(where->target, std::move(events));
  {
    std::lock_guard guard{watch_->mutex};
    link_ = std::move(link);
  }
  if (!link_->wait_connected(steady_clock::now() + connect_patience))
    return fail(provider_errc::not_available,
                fmt::format("no connection to {}: it says that it listens "
                            "there, and takes no gRPC call",
                            where->target));
  pulse_ = std::thread{[this] { take_pulse(); }};
  return {};
}

/// What a start failed of, with the plugin's name and its last words.
failure<provider_errc>
running_plugin::failed(const failure<provider_errc>& why) const {
  std::lock_guard guard{watch_->mutex};
  const auto& words = watch_->last_words;
  return {why.code, fmt::format("{}: {}{}", name_, why.text,
                                words.empty() ? "" : "; it said: " + words)};
}

running_plugin::~running_plugin() {
  {
    std::lock_guard guard{watch_->mutex};
    watch_->stopping = true;
    watch_->tell = {};
  }
  watch_->changed.notify_all();
  if (process_)
    process_->kill();
  if (link_)
    link_->cancel();
  if (pulse_.joinable())
    pulse_.join();
  link_.reset();
  process_.reset();
  if (!stray_socket_.empty())
    remove_socket(stray_socket_);
}

// -- looking after it ---------------------------------------------------------

running_plugin::call_mark::call_mark(running_plugin& of)
  : of_(of),
    begun_(steady_clock::now()) {
  std::lock_guard guard{of_.watch_->mutex};
  of_.watch_->calls.insert(begun_);
  of_.watch_->changed.notify_all();
}

running_plugin::call_mark::~call_mark() {
  std::lock_guard guard{of_.watch_->mutex};
  auto& calls = of_.watch_->calls;
  calls.erase(calls.find(begun_));
}

pid_t running_plugin::pid() const {
  return process_ ? process_->pid() : -1;
}

/// A call may take long; a plugin that does not even say that it is alive
/// meanwhile will never answer it.
void running_plugin::take_pulse() {
  auto& my = *watch_;
  int silences = 0;
  deadline not_before{};
  std::unique_lock guard{my.mutex};
  auto over = [&my] { return my.stopping || my.loss; };
  while (!over()) {
    if (my.calls.empty()) {
      silences = 0;
      my.changed.wait(guard, [&] { return over() || !my.calls.empty(); });
      continue;
    }
    auto next
      = std::max(*my.calls.begin() + options_.pulse_interval, not_before);
    if (steady_clock::now() < next) {
      my.changed.wait_until(guard, next);
      continue;
    }
    guard.unlock();
    auto alive
      = link_->is_responsive(steady_clock::now() + options_.pulse_timeout);
    not_before = steady_clock::now() + options_.pulse_timeout;
    silences = alive ? 0 : silences + 1;
    if (silences >= silences_max)
      lose(name_ + " hangs: it answers nothing any more");
    guard.lock();
  }
}

std::optional<failure<provider_errc>> running_plugin::loss() const {
  std::lock_guard guard{watch_->mutex};
  return watch_->loss;
}

void running_plugin::on_loss(loss_handler tell) {
  std::optional<failure<provider_errc>> already;
  {
    std::lock_guard guard{watch_->mutex};
    already = watch_->loss;
    if (!already)
      watch_->tell = tell;
  }
  if (already)
    tell(*already);
}

void running_plugin::lose(const std::string& why) {
  watch_->lose(why);
  process_->kill();
}

// -- its end ------------------------------------------------------------------

void running_plugin::cancel() {
  std::lock_guard guard{watch_->mutex};
  watch_->stopping = true;
  watch_->changed.notify_all();
  if (link_)
    link_->cancel();
  else if (process_)
    process_->kill();
}

void running_plugin::stop(deadline by) {
  cancel();
  if (!process_ || !link_)
    return;
  if (process_->is_running()) {
    if (auto done = link_->shutdown(by);
        !done && done.error().what != call_outcome::unimplemented)
      log::warning("plugin shutdown failed",
                   with_subsystem({{"err", done.error().text}}, path_));
    link_->stop_serving(
      std::min(by, steady_clock::now() + options_.exit_patience));
  }
  if (process_->wait_end(steady_clock::now() + options_.exit_patience))
    return;
  log::warning("plugin failed to exit gracefully",
               with_subsystem(options_.log_fields, path_));
  process_->kill();
}

std::string try_plugin(const std::string& plugin,
                       const std::string& module_path) {
  plugin_options options{.plugin = plugin};
  options.module_path = module_path;
  options.forwards_log = false;
  running_plugin tried{options};
  auto started = tried.start(steady_clock::now() + options.start_timeout);
  return started ? "" : started.error().text;
}

} // namespace muster::fleeting
