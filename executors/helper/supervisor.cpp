#include "executors/helper/supervisor.hpp"

#include "executors/helper/remove_tree.hpp"
#include "executors/helper/signals.hpp"

#include <algorithm>
#include <csignal>
#include <deque>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr size_t clients_max = 64;
constexpr auto clean_patience = 10s; ///< until `clean` is answered with no
constexpr auto leave_patience = 2s;  ///< for the last bytes to the clients
constexpr uint64_t visit_bytes = 512u << 10; ///< sent to a client at a time
constexpr size_t pack_min = 1u << 10; ///< less is not worth the time [bytes]

struct client {
  explicit client(connection x) : link(std::move(x)) {
  }

  connection link;
  bool attached = false;
  bool wants_clean = false;
  bool packs = false;  ///< takes `packed`
  uint64_t offset = 0; ///< in the spool: what comes next for it
};

void forget_files(const supervisor_settings& of) {
  ::unlink(of.leftover_path.c_str());
  ::unlink(of.socket_path.c_str());
}

class supervisor {
public:
  supervisor(supervisor_settings settings, unique_fd listener)
    : settings_(std::move(settings)),
      job_(settings_.job),
      listener_(std::move(listener)),
      signals_(watch_signals({SIGCHLD, SIGTERM, SIGINT})) {
  }

  int run(connection first) {
    clients_.emplace_back(std::move(first));
    attach(clients_.back(), 0);
    job_.begin();
    obey_all(clients_.back()); // what came together with the plan
    while (!over()) {
      serve();
      wait();
      job_.advance();
      clean_after_end();
      check_clean();
    }
    return cleaned_ ? 0 : 1;
  }

private:
  // -- the loop ---------------------------------------------------------------

  bool over() {
    auto now = steady_clock::now();
    if (leave_at_) {
      serve();
      return now >= *leave_at_
             || std::all_of(clients_.begin(), clients_.end(),
                            [this](const client& x) { return done(x); });
    }
    if (!job_.ended() || !clients_.empty())
      last_use_ = now;
    if (now < last_use_ + settings_.keep)
      return false;
    forget_files(settings_);
    cleaned_ = bool{remove_tree(job_.home(), job_.plan().temp_dir)};
    return true;
  }

  bool done(const client& x) {
    return x.link.drained()
           && (!x.attached || x.offset >= job_.records().size_bytes());
  }

  void serve() {
    for (auto& x : clients_)
      send_records(x);
    clients_.erase(
      std::remove_if(clients_.begin(), clients_.end(),
                     [this](const client& x) { return is_gone(x); }),
      clients_.end());
  }

  /// Who closed its sending side still gets what it asked for.
  bool is_gone(const client& x) {
    if (!x.link.usable())
      return true;
    bool waits = x.wants_clean || (x.attached && !job_.ended());
    return x.link.read_closed() && !waits && done(x);
  }

  void wait() {
    std::vector<pollfd> polled;
    polled.push_back({signals_.get(), POLLIN, 0});
    polled.push_back({listener_.get(), POLLIN, 0});
    for (const auto& x : clients_)
      polled.push_back({x.link.fd(), events_of(x), 0});
    auto job_begin = polled.size();
    job_.add_to(polled);
    if (::poll(polled.data(), polled.size(), timeout()) <= 0)
      return;
    if (polled[0].revents != 0)
      handle_signals();
    for (auto i = job_begin; i < polled.size(); ++i)
      job_.handle(polled[i]);
    for (size_t i = 0; i < clients_.size(); ++i)
      handle(clients_[i], polled[2 + i].revents);
    if (polled[1].revents != 0)
      accept_clients();
  }

  short events_of(const client& x) {
    bool behind = x.attached && x.offset < job_.records().size_bytes();
    return static_cast<short>(x.link.events() | (behind ? POLLOUT : 0));
  }

  int timeout() const {
    auto until = last_use_ + settings_.keep;
    if (auto wake = job_.wake_at(); wake && *wake < until)
      until = *wake;
    if (clean_until_ && !job_.cleaning_containers()) // that has its own time
      until = std::min(until, *clean_until_);
    if (leave_at_)
      until = std::min(until, *leave_at_);
    return poll_timeout(until - steady_clock::now());
  }

  void handle_signals() {
    for (int signal : take_signals(signals_)) {
      if (signal != SIGCHLD) {
        told_to_leave_ = true;
        begin_clean();
      }
    }
  }

  // -- clients ----------------------------------------------------------------

  void accept_clients() {
    while (clients_.size() < clients_max) {
      auto fd = accept_from(listener_);
      if (!fd)
        return;
      clients_.emplace_back(
        connection{std::move(fd), connection::takes_over::yes});
    }
    accept_from(listener_);
  }

  void handle(client& x, short revents) {
    if ((revents & POLLOUT) != 0)
      x.link.flush();
    if ((revents & POLLIN) != 0) {
      x.link.receive();
      obey_all(x);
    } else if ((revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
      x.link.drop();
    }
  }

  void obey_all(client& x) {
    while (auto frame = x.link.next())
      std::visit([this, &x](const auto& what) { obey(x, what); }, *frame);
  }

  void obey(client& x, const frames::hello& what) {
    if (what.version <= frames::version)
      x.link.send(frames::welcome{frames::version, settings_.build});
    else
      refuse(x, "", helper_errc::version_refused,
             "the job's supervisor speaks version "
               + std::to_string(frames::version));
  }

  void obey(client& x, const frames::run& what) {
    if (is_mine(x, what.plan.key))
      attach(x, 0);
  }

  void obey(client& x, const frames::run_containers& what) {
    if (is_mine(x, what.plan.key))
      attach(x, 0);
  }

  void obey(client& x, const frames::run_v1& what) {
    if (is_mine(x, what.plan.key))
      attach(x, 0);
  }

  void obey(client& x, const frames::attach& what) {
    if (is_mine(x, what.key))
      attach(x, what.record);
  }

  void obey(client& x, const frames::cancel& what) {
    if (is_mine(x, what.key))
      job_.cancel(what.mode);
  }

  void obey(client& x, const frames::clean& what) {
    if (!is_mine(x, what.key))
      return;
    x.wants_clean = true;
    begin_clean();
  }

  void obey(client& x, const frames::ping&) {
    x.link.send(frames::pong{});
  }

  void obey(client& x, const frames::pack&) {
    x.packs = true;
  }

  template <class Other>
  void obey(client& x, const Other&) {
    refuse(x, "", helper_errc::bad_frame,
           "a manager does not send what only the helper says");
    x.link.close_when_drained();
  }

  bool is_mine(client& x, const std::string& key) {
    if (key == job_.plan().key)
      return true;
    refuse(x, key, helper_errc::unknown_key,
           "this connection belongs to the job " + job_.plan().key
             + "; ask for another on a connection of its own");
    return false;
  }

  static void refuse(client& x, const std::string& key, helper_errc code,
                     std::string text) {
    x.link.send(frames::refused{key, code, std::move(text)});
  }

  void attach(client& x, uint64_t record) {
    const auto& key = job_.plan().key;
    auto& records = job_.records();
    auto offset = records.offset_of(record);
    if (record > records.records())
      refuse(x, key, helper_errc::failed,
             "the job has " + std::to_string(records.records())
               + " records so far; number " + std::to_string(record)
               + " is not the next");
    else if (!offset)
      refuse(x, key, offset.error().code, offset.error().text);
    else {
      x.link.send(frames::accepted{key});
      x.attached = true;
      x.offset = *offset;
    }
  }

  /// Sends what the client takes; what it does not take stays in the spool.
  void send_records(client& x) {
    auto& records = job_.records();
    for (auto end = x.offset + visit_bytes;
         x.attached && x.link.usable() && x.link.drained() && x.offset < end;) {
      auto bytes = records.read(x.offset);
      if (!bytes) {
        refuse(x, job_.plan().key, bytes.error().code, bytes.error().text);
        x.link.close_when_drained();
        return;
      }
      if (bytes->empty())
        return;
      x.offset += send_some(x, *bytes);
    }
  }

  /// Returns how many bytes of these records went out.
  size_t send_some(client& x, std::string_view records) {
    auto piece = frames::whole_frames(records, frames::packed_size_max);
    if (!x.packs || piece.size() < pack_min) {
      x.link.send_bytes(records);
      return records.size();
    }
    auto packed = frames::packed_frame(piece);
    x.link.send_bytes(packed ? *packed : piece);
    return piece.size();
  }

  // -- the end ----------------------------------------------------------------

  /// Containers go with the job's end, also if nobody comes to say so.
  void clean_after_end() {
    if (job_.ended() && !clean_until_ && !job_.containers_trouble())
      job_.clean_containers();
  }

  /// What removes the containers is not disturbed; if it failed before, it is
  /// tried again, once: who asks waits for the answer.
  void begin_clean() {
    if (leave_at_ || clean_until_)
      return;
    clean_until_ = steady_clock::now() + clean_patience;
    containers_tried_ = job_.cleaning_containers(); // this attempt counts
    if (!containers_tried_)
      job_.abandon();
  }

  void check_clean() {
    if (!clean_until_ || job_.cleaning_containers())
      return;
    if (has_children()) {
      if (steady_clock::now() >= *clean_until_)
        answer_clean("processes cannot be killed: " + describe(descendants()));
      return;
    }
    const auto& trouble = job_.containers_trouble();
    if (!trouble || (!trouble->empty() && !containers_tried_)) {
      containers_tried_ = true;
      job_.clean_containers();
      if (job_.cleaning_containers())
        return;
    }
    if (!trouble->empty()) {
      answer_clean("containers: " + *trouble);
      return;
    }
    auto removed = remove_tree(job_.home(), job_.plan().temp_dir);
    answer_clean(removed ? "" : removed.error().text);
  }

  void answer_clean(const std::string& trouble) {
    bool clean = trouble.empty();
    clean_until_.reset();
    cleaned_ = clean;
    if (clean)
      forget_files(settings_);
    if (clean || told_to_leave_)
      leave_at_ = steady_clock::now() + leave_patience;
    for (auto& x : clients_)
      if (std::exchange(x.wants_clean, false))
        x.link.send(frames::cleaned{job_.plan().key, clean, trouble});
  }

  supervisor_settings settings_;
  job_run job_;
  unique_fd listener_;
  unique_fd signals_;
  std::deque<client> clients_;
  steady_time last_use_ = steady_clock::now();
  std::optional<steady_time> clean_until_;
  std::optional<steady_time> leave_at_;
  bool containers_tried_
    = false; ///< to clean them, since it was last asked for
  bool told_to_leave_ = false;
  bool cleaned_ = false;
};

} // namespace

int supervise(supervisor_settings settings, unique_fd listener,
              connection first) {
  if (auto ready = become_subreaper(); !ready) {
    first.send(frames::refused{settings.job.plan.key, ready.error().code,
                               ready.error().text});
    forget_files(settings);
    return 0;
  }
  return supervisor{std::move(settings), std::move(listener)}.run(
    std::move(first));
}

} // namespace muster::helper
